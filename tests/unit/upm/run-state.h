/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU of which there is only the run state: it aborts on what QEMU's aborts
 * on, and has what system/upm/stop.c asks to be told of
 */
#ifndef TESTS_UNIT_UPM_RUN_STATE_H
#define TESTS_UNIT_UPM_RUN_STATE_H

#include "system/runstate-action.h"
#include "system/runstate.h"
#include "system/upm/host.h"

#define REASON "ran out of memory"

extern RunState now;
extern bool was_suspended;

/* How often it happened since begin() */
extern unsigned int stops;
extern unsigned int panics;
extern unsigned int resumes;
extern unsigned int shutdowns;
extern unsigned int vcpu_stops;

extern const char *poison;          /* what upm_poison() says */
extern unsigned int registered;     /* handlers, ever */

/*
 * What others do
 */

/** run_main_loop: until there is nothing left to do */
void run_main_loop(void);

/** cont: "cont", but for its vCPUs: false where it is refused */
bool cont(void);

void suspend_guest(void);
void reset_guest(void);

/** reset_guest_with: stop the guest first, for @reason where there is one */
void reset_guest_with(const char *reason);

/** begin: a guest that has never been stopped, or not since its last reset */
void begin(RunState state);

/** expect_stopped: for good: "cont" is refused */
void expect_stopped(void);

/** expect_cured: as before: a reset, and "cont" has the guest run */
void expect_cured(void);

/** add_states: a test PREFIX/state/NAME for each state to begin() with */
void add_states(const char *prefix, GTestDataFunc test);

#endif
