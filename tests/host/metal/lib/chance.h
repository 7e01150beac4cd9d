/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts by chance: what a payload does then may take it along
 *
 * A triple fault starts the machine anew, and with it the payload.  A timer
 * ends guests that go round in circles, and metal.py resets what says nothing.
 */
#ifndef CHANCE_H
#define CHANCE_H

#include "svm.h"

/** chance: from 0 to @below - 1 */
u64 chance(u64 below);
/** some_value: one that is more interesting than most, or @old but for a bit */
u64 some_value(u64 old);
/** spoil: up to three words of @size bytes */
void spoil(void *at, unsigned size);

/** set_guest_idt: of a @save area; every exception ends the guest */
void set_guest_idt(void *save);

/**
 * chance_rounds: call @one without end, and print how many rounds there were
 *
 * An exception ends a round, and most of a hundred a host.
 */
void chance_rounds(void (*one)(void *)) __attribute__((noreturn));

/** run_by_chance: VMRUN of vmcb, with the timer */
void run_by_chance(bool encrypted);

#endif
