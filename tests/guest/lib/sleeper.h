/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU that halts, and tells what it wakes with
 *
 * Who is halted has left its VMSA: what is in the page by then is what it goes
 * on with, APM volume 2, 15.36.12.
 */
#ifndef SLEEPER_H
#define SLEEPER_H

#include "snp.h"

#define SLEEPER_MARK    0x5a5aa5a5c3c33c3c

/* How often it woke; R15 as it was then */
extern volatile u64 sleeper_wakes, sleeper_r15;
/* Having woken so often it spins, until this is as much: then it halts again */
extern volatile u64 sleeper_rounds;
/* How often it went round meanwhile */
extern volatile u64 sleeper_spins;

/** sleeper_run: with SLEEPER_MARK in R15, for ever */
void sleeper_run(void) __attribute__((noreturn));

/** sleeper_halts: wait until it is, with its VMSA at @vmsa, which it leaves */
bool sleeper_halts(const u8 *vmsa);

/** sleeper_change: R15 in its VMSA, while it is halted */
void sleeper_change(u8 *vmsa, u64 value);

#endif
