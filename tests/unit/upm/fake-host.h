/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host for tests of the core: two blocks with content, a provider that has
 * states of its own, and two notifiers that keep a map each
 *
 * Any call of a step can fail; what is there before and after is compared as
 * a whole.
 */
#ifndef TESTS_UNIT_UPM_FAKE_HOST_H
#define TESTS_UNIT_UPM_FAKE_HOST_H

#include "system/upm/host.h"
#include "system/upm/provider.h"

#define FRAME   UPM_FRAME_SIZE
#define BLOCKS  2

/* Which calls fail: the Nth from 1 on, and with @onwards all after it */
typedef struct FakeFailure {
    unsigned int nth;
    unsigned int seen;
    int error;
    bool onwards;
} FakeFailure;

enum { FAIL_MARK, FAIL_NOTIFY_A, FAIL_NOTIFY_B, FAIL_DROP, FAILS };

/*
 * One block, a byte or a bit for each frame.  @validated is what a provider
 * loses when a change is settled.
 */
typedef struct FakeBlock {
    const char *name;
    hwaddr gpa;
    size_t frames;
    UpmBlock *upm;
    uint8_t *content[2];
    uint8_t *private;
    uint8_t *validated;
    uint8_t *mapped[2];
} FakeBlock;

extern FakeBlock fake_blocks[BLOCKS];
extern FakeFailure fake_failures[FAILS];
extern char *fake_stop_reason;
extern unsigned int fake_marks;
/* After so many marks there is no memory; 0: never */
extern unsigned int fake_gone_after;
/* How often the memory map has become another one, with the same memory */
extern unsigned int fake_map_changes;
/* How often it was looked into */
extern unsigned int fake_lookups;
/* Called inside of mark and notify, if not NULL */
extern void (*fake_in_mark)(const UpmExtent *extent);

/** fake_init: once a program; @marks_extents as in UpmProviderOps */
void fake_init(bool marks_extents);

/** fake_set_up: blocks at 0 and behind each other, frames in both states */
void fake_set_up(size_t frames0, size_t frames1, uint64_t page_size);
void fake_tear_down(void);

void fake_fail(int what, unsigned int nth, int error);
void fake_forget_failures(void);

/** FakeState: all there is, in a form that g_assert_cmpmem() compares */
typedef GByteArray FakeState;
FakeState *fake_state(void);
void fake_assert_same(FakeState *before);

/**
 * fake_check: everybody agrees with the map, and what was never hidden has
 * its content
 */
void fake_check(void);

#endif
