/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AMD-SP as a host sees it: a PCI function with a mailbox
 *
 * Made by -machine snp-host=on.
 */
#ifndef TARGET_I386_PSP_MAILBOX_H
#define TARGET_I386_PSP_MAILBOX_H

#define TYPE_AMD_PSP    "amd-psp"

/*
 * Registers in BAR 2: offsets of Linux' drivers/crypto/ccp/sp-pci.c for
 * 1022:14CA, names of AMD's Processor Programming Reference
 */
#define PSP_REG_P2CMSG_INTEN    0x10690
#define PSP_REG_P2CMSG_INTSTS   0x10694
#define PSP_REG_COMMAND         0x10980     /* C2PMSG_32 */
#define PSP_REG_BUFFER_LOW      0x109e0     /* C2PMSG_56 */
#define PSP_REG_BUFFER_HIGH     0x109e4     /* C2PMSG_57 */
#define PSP_REG_FEATURES        0x109fc     /* C2PMSG_63 */

/* P2CMSG_*: a SEV command is complete */
#define PSP_INT_COMMAND         (1U << 1)

/* COMMAND */
#define PSP_COMMAND_IOC         (1U << 0)   /* written: interrupt, please */
#define PSP_COMMAND_SHIFT       16
#define PSP_COMMAND_BITS        11
#define PSP_COMMAND_DONE        (1U << 31)  /* read: status in bits 15:0 */

/* FEATURES */
#define PSP_FEATURE_SEV         (1U << 0)

#endif
