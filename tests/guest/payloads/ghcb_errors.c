/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Malformed requests: each gets its error, and the guest goes on
 *
 * The order and the required fields are those of KVM.
 */
#include "snp.h"

/* SW_EXITINFO2 of a guest request: hypervisor's part, firmware's part */
#define VMM_INVALID_LENGTH  (1ULL << 32)
#define FW_INVALID_PARAM    0x16

static u64 buffer(unsigned offset)
{
    return this_cpu()->ghcb_gpa + offset;
}

static void check_error(const char *name, u32 info1, u64 error)
{
    u64 info2 = ghcb_get(GHCB_INFO2);

    if (info1 != 2) {
        check_eq(name, info1, 2);
    } else {
        check_eq(name, info2, error);
    }
}

/* A guest request is carried out; the result may still be bad. */
static void check_result(const char *name, u32 info1, u64 result)
{
    u64 info2 = ghcb_get(GHCB_INFO2);

    if (info1 != 0) {
        check_eq(name, info1, 0);
    } else {
        check_eq(name, info2, result);
    }
}

/* Run an event by hand, to leave out one of the fields always required. */
static void without(const char *name, unsigned missing)
{
    static const unsigned fields[] = { GHCB_CODE, GHCB_INFO1, GHCB_INFO2 };

    ghcb_clear();
    ghcb_poke(GHCB_CODE, NAE_WBINVD);
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        if (fields[i] != missing) {
            ghcb_set(fields[i], i == 0 ? NAE_WBINVD : 0);
        }
    }
    vmgexit(this_cpu()->ghcb_gpa);
    check_error(name, ghcb_get(GHCB_INFO1), GHCB_ERR_MISSING);
}

static const struct {
    const char *name;
    u64 code, info1, info2;
    unsigned given[4];
    u64 rax;
} missing[] = {
    { T("cpuid-no-rax"), NAE_CPUID, 0, 0, { GHCB_RCX }, 0 },
    { T("cpuid-no-rcx"), NAE_CPUID, 0, 0, { GHCB_RAX }, 0 },
    { T("cpuid-d-no-xcr0"), NAE_CPUID, 0, 0, { GHCB_RAX, GHCB_RCX }, 0xd },
    { T("out-no-rax"), NAE_IOIO, 0x80 << 16 | 0x10, 0, { 0 }, 0 },
    { T("string-no-scratch"), NAE_IOIO, 0x511 << 16 | 0x1d, 1, { 0 }, 0 },
    { T("rdmsr-no-rcx"), NAE_MSR, 0, 0, { GHCB_RAX }, 0 },
    { T("wrmsr-no-rcx"), NAE_MSR, 1, 0, { GHCB_RAX, GHCB_RDX }, 0 },
    { T("wrmsr-no-rax"), NAE_MSR, 1, 0, { GHCB_RCX, GHCB_RDX }, 0 },
    { T("wrmsr-no-rdx"), NAE_MSR, 1, 0, { GHCB_RCX, GHCB_RAX }, 0 },
    { T("rdpmc-no-rcx"), NAE_RDPMC, 0, 0, { 0 }, 0 },
    { T("dr7-write-no-rax"), NAE_WRITE_DR7, 0, 0, { 0 }, 0 },
    { T("vmmcall-no-rax"), NAE_VMMCALL, 0, 0, { GHCB_CPL }, 0 },
    { T("vmmcall-no-cpl"), NAE_VMMCALL, 0, 0, { GHCB_RAX }, 0 },
    { T("monitor-no-rdx"), NAE_MONITOR, 0, 0, { GHCB_RAX, GHCB_RCX }, 0 },
    { T("monitor-no-rax"), NAE_MONITOR, 0, 0, { GHCB_RDX, GHCB_RCX }, 0 },
    { T("mwait-no-rcx"), NAE_MWAIT, 0, 0, { GHCB_RAX }, 0 },
    { T("mmio-read-no-scratch"), NAE_MMIO_READ, 0xfed00000, 4, { 0 }, 0 },
    { T("mmio-write-no-scratch"), NAE_MMIO_WRITE, 0xfed00000, 4, { 0 }, 0 },
    { T("psc-no-scratch"), NAE_PSC, 0, 0, { 0 }, 0 },
    { T("ap-creation-no-rax"), NAE_AP_CREATE, 1, VMSA_GPA, { 0 }, 0 },
};

static void check_missing(void)
{
    u32 info1;

    without(T("no-exit-code"), GHCB_CODE);
    without(T("no-info1"), GHCB_INFO1);
    without(T("no-info2"), GHCB_INFO2);
    for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
        ghcb_clear();
        ghcb_poke(GHCB_RAX, missing[i].rax);
        for (unsigned j = 0; j < 4 && missing[i].given[j]; j++) {
            unsigned field = missing[i].given[j];

            ghcb_set(field, field == GHCB_RAX ? missing[i].rax : 0);
        }
        info1 = ghcb_call(missing[i].code, missing[i].info1,
                          missing[i].info2);
        check_error(missing[i].name, info1, GHCB_ERR_MISSING);
    }
}

static void scratch(const char *name, u64 code, u64 info1, u64 info2, u64 at)
{
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, at);
    check_error(name, ghcb_call(code, info1, info2), GHCB_ERR_SCRATCH);
}

static void check_scratch(void)
{
    u64 hpet = 0xfed00000;
    u64 ins = 0x511 << 16 | 0x1d;

    scratch(T("scratch-zero"), NAE_MMIO_READ, hpet, 4, 0);
    scratch(T("scratch-before"), NAE_MMIO_READ, hpet, 8, buffer(0x7fc));
    scratch(T("scratch-across-the-end"), NAE_MMIO_READ, hpet, 8,
            buffer(0xfec));
    scratch(T("scratch-behind"), NAE_MMIO_READ, hpet, 4, buffer(0xff0));
    scratch(T("scratch-elsewhere"), NAE_MMIO_READ, hpet, 4, AREA_GPA);
    scratch(T("scratch-wraps"), NAE_MMIO_READ, hpet, 8, -4ULL);
    scratch(T("scratch-of-write"), NAE_MMIO_WRITE, hpet, 8, buffer(0xff0));
    scratch(T("scratch-of-string"), NAE_IOIO, ins, 2033, buffer(0x800));
    if (has_rmp()) {
        scratch(SNP_T("scratch-of-psc"), NAE_PSC, 0, 0, buffer(0xfec));
    }
    /* The last bytes of the buffer are fine. */
    ghcb_clear();
    ghcb_set(GHCB_SCRATCH, buffer(0xfe8));
    check_eq(T("scratch-at-the-end"), ghcb_call(NAE_MMIO_READ, hpet, 8), 0);
}

static void check_events(void)
{
    static const u64 unknown[] = {
        0, 0x60, 0x73, 0x78, 0x400, 0x80000000, 0x80000006, 0x8000000f,
        0x80000014, 0x8000fffc, 0x80010000, 0x100000072, ~0ULL,
    };
    bool all = true;

    ghcb_clear();
    check_error(T("unknown-event"), ghcb_call(0x1ff, 0, 0), GHCB_ERR_EVENT);
    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        ghcb_clear();
        if (ghcb_call(unknown[i], 0, 0) != 2 ||
            ghcb_get(GHCB_INFO2) != GHCB_ERR_EVENT) {
            print("# event ");
            print_hex(unknown[i]);
            print("\n");
            all = false;
        }
    }
    check(T("unknown-events"), all);

    ghcb_clear();
    *(volatile u32 *)(ghcb() + GHCB_USAGE) = 1;
    check_error(T("usage-1"), ghcb_call(NAE_WBINVD, 0, 0), GHCB_ERR_USAGE);
    ghcb_clear();
    *(volatile u32 *)(ghcb() + GHCB_USAGE) = 0xffffffff;
    check_error(T("usage-all-ones"), ghcb_call(NAE_WBINVD, 0, 0),
                GHCB_ERR_USAGE);
    /* An error is no state: the next request is served. */
    ghcb_clear();
    check_eq(T("served-after-errors"), ghcb_call(NAE_WBINVD, 0, 0), 0);
    /* Nor do valid bits of the last request count for the next one. */
    ghcb_clear();
    ghcb_set(GHCB_RAX, 0);
    ghcb_set(GHCB_RCX, 0);
    ghcb_call(NAE_CPUID, 0, 0);
    ghcb_set(GHCB_RAX, 0);
    check_error(T("valid-bits-are-cleared"), ghcb_call(NAE_IOIO,
                0x511 << 16 | 0x1d, 1), GHCB_ERR_MISSING);
}

/* Events of SNP, with all of their input: KVM says that it is missing. */
static void check_snp_events(void)
{
    ghcb_clear();
    ghcb_poke(GHCB_BUFFER, 0);
    ghcb_poke(GHCB_BUFFER + 8, psc_entry(AREA_GPA, PSC_SHARED));
    ghcb_set(GHCB_SCRATCH, buffer(GHCB_BUFFER));
    check_error(ES_T("psc-in-sev-es"), ghcb_call(NAE_PSC, 0, 0),
                GHCB_ERR_MISSING);
    ghcb_clear();
    check_error(ES_T("guest-request-in-sev-es"),
                ghcb_call(NAE_GUEST_REQ, AREA_GPA, AREA_GPA + PAGE),
                GHCB_ERR_MISSING);
    ghcb_clear();
    ghcb_set(GHCB_RAX, AREA_GPA + 2 * PAGE);
    ghcb_set(GHCB_RBX, 1);
    check_error(ES_T("extended-request-in-sev-es"),
                ghcb_call(NAE_EXT_REQ, AREA_GPA, AREA_GPA + PAGE),
                GHCB_ERR_MISSING);
    ghcb_clear();
    ghcb_set(GHCB_RAX, SEV_FEATURES);
    check_error(ES_T("ap-creation-in-sev-es"),
                ghcb_call(NAE_AP_CREATE, AP_CREATE, VMSA_GPA),
                GHCB_ERR_MISSING);
}

static void guest_request(const char *name, u64 request, u64 response)
{
    ghcb_clear();
    check_error(name, ghcb_call(NAE_GUEST_REQ, request, response),
                GHCB_ERR_MISSING);
}

static void check_requests(void)
{
    u64 area = AREA_GPA;

    guest_request(SNP_T("request-misaligned"), area + 8, area + PAGE);
    guest_request(SNP_T("response-misaligned"), area, area + PAGE + 8);
    guest_request(SNP_T("request-is-response"), area, area);
    /* The hypervisor reads the shared half, which holds no message. */
    host_fill(area, 2 * PAGE, 0);
    ghcb_clear();
    check_result(SNP_T("request-of-zeros"),
                 ghcb_call(NAE_GUEST_REQ, area, area + PAGE),
                 FW_INVALID_PARAM);
    host_expect(SNP_T("no-response"), area + PAGE, PAGE, 0);
}

/* 4.1.8; where an extended request is for a report, certificates come first */
static u64 extended(const char *name, u64 data, u64 pages, u64 result)
{
    u32 info1;

    ghcb_clear();
    ghcb_set(GHCB_RAX, data);
    ghcb_set(GHCB_RBX, pages);
    info1 = ghcb_call(NAE_EXT_REQ, AREA_GPA, AREA_GPA + PAGE);
    pages = ghcb_get(GHCB_RBX);
    check_result(name, info1, result);
    return pages;
}

static void check_extended_requests(void)
{
    u64 area = AREA_GPA, data = area + 2 * PAGE, pages;

    /* No report is asked for: as without certificates */
    host_fill(area, PAGE, 0);
    extended(SNP_T("extended-no-report"), 8, 0, FW_INVALID_PARAM);

    /* A type of 5 makes it a report request, if a malformed one. */
    host_fill(area, PAGE, 5);
    ghcb_clear();
    check_error(SNP_T("extended-no-data"),
                ghcb_call(NAE_EXT_REQ, area, area + PAGE), GHCB_ERR_INPUT);
    ghcb_clear();
    ghcb_set(GHCB_RAX, data);
    check_error(SNP_T("extended-no-pages"),
                ghcb_call(NAE_EXT_REQ, area, area + PAGE), GHCB_ERR_INPUT);
    ghcb_clear();
    ghcb_set(GHCB_RAX, data + 8);
    ghcb_set(GHCB_RBX, 8);
    check_error(SNP_T("extended-misaligned"),
                ghcb_call(NAE_EXT_REQ, area, area + PAGE), GHCB_ERR_INPUT);

    host_fill(data, 4 * PAGE, 0xee);
    pages = extended(SNP_T("extended-no-room"), data, 0, VMM_INVALID_LENGTH);
    check(SNP_T("extended-pages"), pages >= 1 && pages < 4);
    check_eq(SNP_T("extended-pages-again"),
             extended(SNP_T("extended-too-little"), data, pages - 1,
                      VMM_INVALID_LENGTH), pages);
    host_expect(SNP_T("extended-untouched"), data, 4 * PAGE, 0xee);

    extended(SNP_T("extended-room"), data, pages, FW_INVALID_PARAM);
    host_expect(SNP_T("extended-behind"), data + pages * PAGE, PAGE, 0xee);
}

static void register_ghcb(u64 gpa)
{
    if (has_rmp()) {
        vmgexit(gpa | 0x12);
    }
}

/* Whose copy of the page the hypervisor reads */
static void check_private_page(void)
{
    u64 mine = this_cpu()->ghcb_gpa;
    u64 other = AREA_GPA + 0x20000;
    volatile u64 *private = priv(other);

    validate((void *)private, PAGE);
    fill(private, PAGE, 0);
    private[GHCB_CODE / 8] = NAE_FEATURES;
    private[GHCB_VALID / 8] = ~0ULL;
    private[GHCB_VALID / 8 + 1] = ~0ULL;
    register_ghcb(other);
    vmgexit(other);
    register_ghcb(mine);
    check_eq(T("private-ghcb-unchanged"), private[GHCB_INFO2 / 8], 0);
    check_eq(T("private-ghcb-bitmap"), private[GHCB_VALID / 8], ~0ULL);
}

/* Pages that are no RAM: resume without action. */
static void check_no_page(void)
{
    static const struct {
        const char *name;
        u64 gpa;
    } places[] = {
        { T("ghcb-zero"), 0 },
        { T("ghcb-in-mmio"), 0xfed00000 },
        { T("ghcb-in-a-hole"), 0x80000000 },
        { T("ghcb-beyond-physical-memory"), 0x000ffffffffff000 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        u64 msr;

        register_ghcb(places[i].gpa);
        msr = vmgexit(places[i].gpa);
        register_ghcb(this_cpu()->ghcb_gpa);
        check_eq(places[i].name, msr, places[i].gpa);
    }
}

static void check_old_version(void)
{
    u64 hpet = 0xfed00000;

    /* Version 1 has no scratch outside of the GHCB either in an SNP guest. */
    ghcb_clear();
    *(volatile u16 *)(ghcb() + GHCB_VERSION) = 1;
    ghcb_set(GHCB_SCRATCH, buffer(GHCB_BUFFER));
    check_eq(T("version-1"), ghcb_call(NAE_MMIO_READ, hpet, 4), 0);
}

void payload(void)
{
    check_missing();
    check_scratch();
    check_events();
    if (has_rmp()) {
        check_requests();
        check_extended_requests();
    } else {
        check_snp_events();
    }
    check_old_version();
    check_private_page();
    check_no_page();
}
