/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine that is reset asks of the launch of its guest
 */
#ifndef TARGET_I386_SEV_LAUNCH_AGAIN_H
#define TARGET_I386_SEV_LAUNCH_AGAIN_H

#include "system/upm/compat.h"

/**
 * sev_launch_again: the machine was reset, and with it an SEV-SNP or SEV-ES
 * guest
 *
 * On the emulated platform a guest that was launched is launched again, from
 * the same plan, and has the same launch digest.  Where that fails the guest is
 * stopped, and the next reset tries anew.  Nothing happens to other guests,
 * nor to one that was not launched yet.
 *
 * To be called when devices and vCPUs are reset.  Locking: BQL, and no vCPU
 * runs.
 */
void sev_launch_again(ResetType type);

/** sev_launch_can_repeat: will sev_launch_again() launch this guest? */
bool sev_launch_can_repeat(void);

#endif
