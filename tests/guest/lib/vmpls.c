/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vmpls.h. */
#include "vmpls.h"

volatile struct vmpl_call vmpl_calls[MAX_CPUS];

static void adjust(u64 gpa, u64 size, u64 attributes)
{
    for (u64 offset = 0; offset < size; offset += PAGE) {
        void *page = gpa < 1ULL << 30 ? priv(gpa + offset)
                                      : (void *)(gpa + offset);
        struct result r = rmpadjust(page, 0, attributes);

        if (r.eax) {
            fatal("RMPADJUST for a VMPL", r.eax);
        }
    }
}

void vmpl_share(unsigned vmpl)
{
    adjust(BSS_GPA, BSS_SIZE, VMPL_ALL | vmpl);
    adjust(IMAGE_BASE, IMAGE_SIZE, VMPL_ALL | vmpl);
}

u8 *vmpl_page(unsigned index, unsigned vmpl)
{
    u8 *page = ap_vmsa(index);
    struct result r;

    page[0xca] = vmpl;
    r = rmpadjust(page, 0, VMPL_VMSA | vmpl);
    if (r.eax) {
        fatal("RMPADJUST of a VMSA", r.eax);
    }
    return page;
}

u8 *vmpl_prepare(unsigned index, unsigned vmpl, u32 apic_id)
{
    u8 *page = vmpl_page(index, vmpl);
    u64 error = ap_request(AP_ON_INIT | vmpl << 16, apic_id, (u64)page,
                           own_features());

    if (error) {
        fatal("creation of a VMPL", error);
    }
    return page;
}

u64 run_vmpl(unsigned vmpl)
{
    return vmgexit((u64)vmpl << 32 | 0x16);
}

u64 run_vmpl_event(unsigned vmpl)
{
    u64 info1;

    ghcb_clear();
    info1 = ghcb_call(NAE_RUN_VMPL, vmpl, 0);
    return info1 << 32 | ghcb_get(GHCB_INFO2);
}

void vmpl_serve(unsigned index)
{
    volatile struct vmpl_call *call = &vmpl_calls[index];

    for (;;) {
        call->fn((struct vmpl_call *)call);
        call->done++;
        run_vmpl(0);
    }
}

u64 vmpl_call(unsigned index, unsigned vmpl,
              void (*fn)(struct vmpl_call *call), volatile void *page,
              u64 value)
{
    volatile struct vmpl_call *call = &vmpl_calls[index];
    u64 done = call->done, error;

    call->fn = fn;
    call->page = page;
    call->value = value;
    error = run_vmpl(vmpl);
    if (error != 0x17 || call->done != done + 1) {
        fatal("Run VMPL", error);
    }
    return call->answer;
}
