/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second page of an instruction that crosses into it
 */
#ifndef ACCEL_TCG_SECOND_PAGE_H
#define ACCEL_TCG_SECOND_PAGE_H

#include "tb-internal.h"

/**
 * tcg_find_second_page: get_page_addr_code_hostp() while a translation block
 * is being made
 * @base: virtual address of the page
 *
 * The walk of page tables writes into them (accessed bits), and where the
 * block's first page is such a table, that wants the lock of code pages that
 * this thread holds: it would wait for itself for ever, and QEMU for it.  So
 * the first walk is made with the page let go; a fault leaves by a longjmp, and
 * finds a block that holds no page.  What was translated by then may have been
 * changed by another vCPU, so translation begins anew, with both pages locked
 * and a TLB that knows the second one: no walk, no write.
 *
 * Returns: as get_page_addr_code_hostp(), where translation goes on.
 */
static inline tb_page_addr_t tcg_find_second_page(CPUArchState *env,
                                                  TranslationBlock *tb,
                                                  vaddr base, void **hostp)
{
    tb_page_addr_t page0 = tb_page_addr0(tb);
    tb_page_addr_t found;

    if (tb_page_addr1(tb) != -1) {
        return get_page_addr_code_hostp(env, base, hostp);
    }
    tb_unlock_pages(tb);
    tb_set_page_addr0(tb, -1);
    found = get_page_addr_code_hostp(env, base, hostp);
    tb_set_page_addr0(tb, page0);
    tb_lock_page0(page0);
    if (found == -1) {
        return found;
    }
    tb_set_page_addr1(tb, found);
    tb_lock_page1(page0, found);
    siglongjmp(tcg_ctx->jmp_trans, -3);
}

#endif
