/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Status codes of the firmware that came with SEV-SNP
 *
 * SEV-SNP Firmware ABI (56860), "Status Codes".  linux/psp-sev.h has the
 * older ones, SEV_RET_*; what it says of these differs between versions, and
 * older ones have the wrong numbers.
 */
#ifndef TARGET_I386_PSP_STATUS_H
#define TARGET_I386_PSP_STATUS_H

#include <linux/psp-sev.h>

enum {
    PSP_STATUS_INVALID_PAGE_SIZE = 0x19,
    PSP_STATUS_INVALID_PAGE_STATE = 0x1a,
    PSP_STATUS_INVALID_MDATA_ENTRY = 0x1b,
    PSP_STATUS_INVALID_PAGE_OWNER = 0x1c,
    PSP_STATUS_AEAD_OFLOW = 0x1d,
    PSP_STATUS_RMP_INIT_REQUIRED = 0x20,
    PSP_STATUS_BAD_SVN = 0x21,
    PSP_STATUS_BAD_VERSION = 0x22,
    PSP_STATUS_SHUTDOWN_REQUIRED = 0x23,
    PSP_STATUS_RMP_INITIALIZATION_FAILED = 0x26,
    PSP_STATUS_INVALID_KEY = 0x27,
};

#endif
