/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the platform's identity towards owners lasts: the chip's folder
 */
#ifndef TARGET_I386_PSP_SEV_HOME_H
#define TARGET_I386_PSP_SEV_HOME_H

#include "sev-identity.h"

/**
 * psp_sev_home_open: the identity that lives in a folder, made on first use
 * @folder: that of a chip, see psp_chip_open(); may be missing
 * @identity: set on success only
 *
 * It is the file sev-identity, of mode 0600: private keys and certificates.
 *
 * Locking: none needed.  Who makes it has the folder locked while it writes,
 * and waits for a second at most for who has it locked already.
 *
 * Returns: false with @errp set, which says which file is wrong and what to
 * do.
 */
bool psp_sev_home_open(const char *folder, PspSevIdentity *identity,
                       Error **errp);

#endif
