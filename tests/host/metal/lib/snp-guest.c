/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See rmp.h. */
#include "rmp.h"

void snp_on(void)
{
    u64 base = rdmsr(RMP_BASE);

    memset((void *)base, 0, rdmsr(RMP_END) + 1 - base);
    wrmsr(SYSCFG, rdmsr(SYSCFG) | SYSCFG_MFDM);
    wrmsr(SYSCFG, rdmsr(SYSCFG) | SYSCFG_SNP | SYSCFG_VMPL);
}

void flush_rmp(void)
{
    asm volatile("mov %%cr3, %%rax\n mov %%rax, %%cr3" ::: "rax", "memory");
    vmcb[VMCB_TLB_CONTROL] = 1;
}

void set_rmp(u64 spa, u64 entry, u64 perms)
{
    volatile u64 *at = rmp_entry(spa);

    at[0] = entry;
    at[1] = perms;
    flush_rmp();
}

void map_small(void)
{
    static u64 directory[512] __attribute__((aligned(PAGE)));
    static u64 tables[2][512] __attribute__((aligned(PAGE)));

    for (unsigned i = 0; i < 512; i++) {
        directory[i] = i * PAGE_2M | 0xe7;
        tables[0][i] = (GUEST_CODE + i * PAGE) | 0x67;
        tables[1][i] = (GUEST_BIG + i * PAGE) | 0x67;
    }
    directory[GUEST_CODE / PAGE_2M] = (u64)tables[0] | 0x67;
    directory[GUEST_BIG / PAGE_2M] = (u64)tables[1] | 0x67;
    *(u64 *)PDPT = (u64)directory | 0x67;
    flush_rmp();
}

/* To the guest, or back to the host */
static void give_pages(bool to_guest)
{
    static const u64 private[] = {
        GUEST_CODE, GUEST_ROOT, GUEST_TABLE, GUEST_STATE,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(private); i++) {
        u64 vmsa = private[i] == GUEST_STATE ? RMP_VMSA : 0;

        set_rmp(private[i], to_guest ? GUEST_VALID | private[i] | vmsa : 0,
                to_guest ? RMP_ALL : 0);
    }
}

void set_guest_state(unsigned offset, u64 value)
{
    u64 entry = rmp_entry(GUEST_STATE)[0], perms = rmp_entry(GUEST_STATE)[1];

    set_rmp(GUEST_STATE, 0, 0);
    *guest_state(offset) = value;
    set_rmp(GUEST_STATE, entry, perms);
}

void set_snp(const u8 *code, const u8 *end, unsigned vmpl, u64 rsi)
{
    u8 *handler = (u8 *)GUEST_CODE + PAGE / 2;

    give_pages(false);
    memcpy((void *)GUEST_CODE, code, end - code + ES_GUEST_TAIL);
    memcpy(handler, vc_handler, vc_handler_end - vc_handler + ES_GUEST_TAIL);
    set_gate(idt, VC, (void (*)(void))handler);
    set_encrypted((void *)GUEST_CODE);
    *vmcb32(VMCB_ASID) = GUEST_ASID;
    *vmcb64(VMCB_VMSA) = GUEST_STATE;
    *vmsa64(VMSA_FEATURES) = 1;
    *vmsa64(SAVE_CR3) = GUEST_ROOT | CBIT;
    *vmsa64(VMSA_RSI) = rsi;
    vmsa[VMSA_VMPL] = vmpl;
    *(u64 *)GUEST_ROOT = GUEST_TABLE | CBIT | 0x67;
    for (u64 i = 0; i < 4; i++) {
        ((u64 *)GUEST_TABLE)[i] = i << 30 | 0xe7;
        ((u64 *)GUEST_TABLE)[4 + i] = i << 30 | CBIT | 0xe7;
    }
    memcpy((void *)GUEST_STATE, vmsa, PAGE);
    give_pages(true);
}
