/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: commands that want to know what a guest writes
 */
#ifndef SYSTEM_UPM_DIRTY_H
#define SYSTEM_UPM_DIRTY_H

/**
 * upm_memory_allows_dirty_log: can a command log the pages that are written?
 * @command: for the message
 *
 * Nobody keeps such a log of private memory: KVM has none for a memory slot
 * with a guest_memfd, and the emulated processor writes where QEMU does not
 * look.  Returns: false with @errp set where the guest has such memory.
 */
bool upm_memory_allows_dirty_log(const char *command, Error **errp);

#endif
