/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host world: which translations a page of memory may have
 *
 * A page's right is looked up where a translation enters a TLB, so whoever
 * changes an entry of the RMP ends the translations that it forbids.  A
 * hypervisor does that for each page of a guest, and to end all translations
 * each time would cost more than the rest of it.  So each page has a mark:
 * the one translation by which the host can write to it, and whether a guest
 * has any.  A mark may name what has ended meanwhile, and never lacks what is
 * there.
 */
#ifndef TARGET_I386_TCG_SNP_HOST_MARKS_H
#define TARGET_I386_TCG_SNP_HOST_MARKS_H

#include "hw/i386/snp-host.h"
#include "tcg/snp/world.h"

/**
 * snp_mark_translation: one is about to be looked up in the RMP
 *
 * In the vCPU's thread, before the entry is read: whoever changes it finds
 * the mark, or the reader finds the change.
 */
void snp_mark_translation(SnpHost *host, CPUState *cs,
                          const SnpAccess *access);

/**
 * snp_end_translations: RMPUPDATE has changed the entry of 4 KiB at @spa
 *
 * Ends what the change may forbid: the host's translation for writing, and
 * those of guests, or all of them where that is not known so well.  In the
 * thread of a vCPU, which leaves its translation block soon.  Without the
 * table's lock.
 */
void snp_end_translations(SnpHost *host, CPUState *cs, hwaddr spa);

#endif
