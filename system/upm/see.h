/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: what the monitor's commands share
 */
#ifndef SYSTEM_UPM_SEE_H
#define SYSTEM_UPM_SEE_H

#include "qapi/qapi-types-upm.h"

/** upm_info: what query-upm returns, without what takes long to count */
UpmInfo *upm_info(void);

/**
 * upm_page_states: where page states are from
 *
 * Locking: BQL.  Returns: false for a machine that hides no memory.
 */
bool upm_page_states(UpmPageStates *states);

#endif
