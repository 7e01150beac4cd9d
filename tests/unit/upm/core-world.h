/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A provider and a guest memory for tests of the core, that fail at each step
 * on request
 *
 * All that the core asks of others is written down; a test compares what was
 * asked, and in which order.
 */
#ifndef TESTS_UNIT_UPM_CORE_WORLD_H
#define TESTS_UNIT_UPM_CORE_WORLD_H

#include "qemu/units.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"
#include "../../../system/upm/core.h"

#define K4 (4 * KiB)

/*
 * Guest memory: block 0 at 0, block 1 right behind it, a hole, block 0 once
 * more.  A RAMBlock is only an address to the core.
 */
#define BLOCK0_SIZE (2 * MiB)
#define BLOCK1_GPA  BLOCK0_SIZE
#define BLOCK1_SIZE (1 * MiB)
#define HOLE        (BLOCK1_GPA + BLOCK1_SIZE)
#define ALIAS_GPA   (16 * MiB)
#define NEIGHBOURS  (64 * MiB)

extern char ram_blocks[2];
extern UpmBlock *blocks[2];
/* What was asked, with blanks between; nothing is added where it is quiet */
extern GString *calls;
extern bool quiet;

/*
 * Which call fails: the Nth of a kind, from 1; 0 is none.  With @onwards all
 * later ones fail, too.
 */
typedef struct Failure {
    unsigned int nth;
    unsigned int seen;
    int error;
    bool onwards;
} Failure;

extern Failure fail_create, fail_added;
extern Failure fail_mark, fail_drop_shared, fail_drop_private, fail_forget;

void fail_at(Failure *failure, unsigned int nth, int error);
void forget_failures(void);

extern const UpmProviderOps provider;
/* The descriptor of the last private half that was made */
extern int last_fd;
/* Why the guest was stopped, or NULL */
extern char *stop_reason;

/* A notifier with a name; its function is notified() */
typedef struct TestNotifier {
    NotifierWithReturn notifier;
    const char *name;
    Failure failure;
    Failure undo_failure;
} TestNotifier;

int notified(NotifierWithReturn *notifier, void *data, Error **errp);

/* What was told last, and how often something was */
extern const UpmObserver test_observer;
extern UpmStorm last_storm;
extern UpmFailedDiscard last_discard;
extern unsigned int storms, failed_discards;

/** world_init: once a program, before tests are added */
void world_init(int *argc, char ***argv);
/** add_test: a test below /upm/ */
void add_test(const char *path, void (*fn)(void));

UpmBlock *add_block(unsigned int i, const char *name, uint64_t size);
void remove_block(unsigned int i);
/** set_up: both blocks, all of them private, and nothing asked so far */
void set_up(void);
void tear_down(void);

void note_extent(const char *what, const UpmExtent *extent, const char *state);

#define expect_calls(text) do {                         \
        g_assert_cmpstr(calls->str, ==, text);          \
        g_string_truncate(calls, 0);                    \
    } while (0)

/** expect: a conversion asks for @expected */
void expect(hwaddr gpa, uint64_t size, bool to_private, const char *expected);
/** expect_error: one that fails leaves @expected calls and its error */
void expect_error(hwaddr gpa, uint64_t size, bool to_private, int error,
                  const char *expected, const char *message);
/** to_shared: a conversion that nobody looks at */
void to_shared(hwaddr gpa, uint64_t size);

#endif
