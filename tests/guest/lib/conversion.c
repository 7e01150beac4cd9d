/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page state changes of each kind of guest; see snp.h. */
#include "lib.h"

u16 psc_current;

u64 psc_msr(u64 gpa, unsigned op)
{
    return vmgexit(psc_entry(gpa, op) | 0x14);
}

u64 psc(u64 *entries, unsigned n)
{
    u64 info2;

    ghcb_clear();
    ghcb_poke(GHCB_BUFFER, (u64)(n - 1) << 16);
    for (unsigned i = 0; i < n; i++) {
        ghcb_poke(GHCB_BUFFER + 8 + 8 * i, entries[i]);
    }
    ghcb_set(GHCB_SCRATCH, this_cpu()->ghcb_gpa + GHCB_BUFFER);
    ghcb_call(NAE_PSC, 0, 0);
    info2 = ghcb_get(GHCB_INFO2);
    psc_current = ghcb_get(GHCB_BUFFER);
    for (unsigned i = 0; i < n; i++) {
        entries[i] = ghcb_get(GHCB_BUFFER + 8 + 8 * i);
    }
    return info2;
}

static void psc_range(u64 gpa, u64 size, unsigned op)
{
    while (size) {
        bool large = !(gpa & (PAGE_2M - 1)) && size >= PAGE_2M;
        u64 entry = psc_entry(gpa, op) | (large ? PSC_2M : 0);
        u64 info2 = psc(&entry, 1);

        if (info2) {
            fatal("page state change", info2);
        }
        gpa += large ? PAGE_2M : PAGE;
        size -= large ? PAGE_2M : PAGE;
    }
}

static u64 vmmcall(u64 nr, u64 a, u64 b, u64 c)
{
    asm volatile("vmmcall" : "+a"(nr) : "b"(a), "c"(b), "d"(c) : "memory");
    return nr;
}

u64 hypercall(u64 nr, u64 a, u64 b, u64 c)
{
    if (!has_ghcb()) {
        return vmmcall(nr, a, b, c);
    }
    ghcb_clear();
    ghcb_set(GHCB_RAX, nr);
    ghcb_set(GHCB_RBX, a);
    ghcb_set(GHCB_RCX, b);
    ghcb_set(GHCB_RDX, c);
    ghcb_set(GHCB_CPL, 0);
    if (ghcb_request(NAE_VMMCALL, 0, 0)) {
        fatal("VMMCALL by NAE event", nr);
    }
    return ghcb_get(GHCB_RAX);
}

static void change_range(u64 gpa, u64 size, bool private)
{
    u64 error;

    if (has_rmp()) {
        psc_range(gpa, size, private ? PSC_PRIVATE : PSC_SHARED);
        return;
    }
    error = hypercall(HC_MAP_GPA, gpa, size / PAGE,
                      private ? MAP_PRIVATE : MAP_SHARED);
    if (error) {
        fatal("KVM_HC_MAP_GPA_RANGE", error);
    }
}

void to_shared(u64 gpa, u64 size)
{
    rescind(priv(gpa), size);
    change_range(gpa, size, false);
}

void to_private(u64 gpa, u64 size)
{
    change_range(gpa, size, true);
    validate(priv(gpa), size);
}
