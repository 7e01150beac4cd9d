/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SNP AP Creation, NAE event 80000013h; to be run with four vCPUs. */
#include "snp.h"

#define ERROR_INPUT (2ULL << 32 | GHCB_ERR_INPUT)

static volatile u64 starts[MAX_CPUS], ping[MAX_CPUS], pong[MAX_CPUS];
static volatile u64 apic_id[MAX_CPUS];
static volatile u64 first_msr[MAX_CPUS], features[MAX_CPUS];
static volatile u64 report[MAX_CPUS];

void ap_main(unsigned index)
{
    struct cpu *cpu = this_cpu();

    if (starts[index]++ == 0) {
        first_msr[index] = rdmsr(MSR_GHCB);
        ghcb_setup();
        apic_id[index] = mmio_read(0xfee00020, 4) >> 24 & 0xff;
    }
    /* From the second start on, with the GHCB registered at the first. */
    ghcb_clear();
    features[index] = (u64)ghcb_call(NAE_FEATURES, 0, 0) << 32 |
                      ghcb_get(GHCB_INFO2);
    report[index] = cpu->index;
    for (;;) {
        pong[index] = ping[index];
        pause();
    }
}

static bool is_running(unsigned index)
{
    return wait_for(&pong[index], ++ping[index]);
}

/*
 * A request is done by the other vCPU, some time after it was accepted.  One
 * that only waits for the host's processor is not to pass for one that is gone.
 */
static bool becomes_silent(unsigned index)
{
    for (unsigned i = 0; i < 100; i++) {
        u64 sent = ++ping[index];

        for (unsigned ms = 0; ms < 300 && pong[index] != sent; ms++) {
            delay_us(1000);
        }
        if (pong[index] != sent) {
            return true;
        }
    }
    return false;
}

static void check_errors(void)
{
    u64 vmsa = (u64)ap_vmsa(1);
    u64 large = AREA_GPA;
    u64 plain = AREA_GPA + PAGE;

    rmpadjust(priv(vmsa), 0, 0x10001);
    validate(priv(large), 2 * PAGE);
    memcpy(priv(large), priv(vmsa), PAGE);
    memcpy(priv(plain), priv(vmsa), PAGE);
    rmpadjust(priv(large), 0, 0x10001);
    check_eq(T("unknown-apic-id"),
             ap_request(AP_CREATE, 9, vmsa, SEV_FEATURES), ERROR_INPUT);
    check_eq(T("destroy-unknown-apic-id"),
             ap_request(AP_DESTROY, 9, 0, 0), ERROR_INPUT);
    check_eq(T("vmsa-2m-aligned"),
             ap_request(AP_CREATE, 1, large, SEV_FEATURES), ERROR_INPUT);
    check_eq(T("vmsa-misaligned"),
             ap_request(AP_CREATE, 1, vmsa + 16, SEV_FEATURES), ERROR_INPUT);
    check_eq(T("vmsa-beyond-memory"),
             ap_request(AP_CREATE, 1, 0xffffffffff000, SEV_FEATURES),
             ERROR_INPUT);
    check_eq(T("restricted-injection"),
             ap_request(AP_CREATE, 1, vmsa, 0x9), ERROR_INPUT);
    check_eq(T("alternate-injection"),
             ap_request(AP_CREATE, 1, vmsa, 0x11), ERROR_INPUT);
    check_eq(T("unknown-request"), ap_request(3, 1, vmsa, SEV_FEATURES),
             ERROR_INPUT);
    /* The page is looked at when its vCPU starts: this one does not yet. */
    check_eq(T("vmsa-bit-not-set"),
             ap_request(AP_CREATE, 1, plain, SEV_FEATURES), 0);
    check_eq(T("vmsa-not-validated"),
             ap_request(AP_CREATE, 1, plain + PAGE, SEV_FEATURES), 0);
    check_eq(T("vmsa-in-mmio"),
             ap_request(AP_CREATE, 1, 0xfed01000, SEV_FEATURES), 0);
    check_eq(T("no-features"), ap_request(AP_CREATE, 1, vmsa, 0), 0);
    check_eq(T("other-features"), ap_request(AP_CREATE, 1, vmsa, 0x21), 0);
    check_eq(T("waits-for-init-and-sipi"),
             ap_request(AP_CREATE, 1, vmsa, SEV_FEATURES), 0);
    delay_us(300000);
    check_eq(T("nothing-started"), starts[1], 0);
}

/* Between INIT and SIPI a creation waits for the SIPI. */
static void check_after_init(void)
{
    u8 *page = ap_vmsa(3);

    rmpadjust(page, 0, 0x10001);
    ap_init(3);
    check_eq(T("after-init"), ap_request(AP_CREATE, 3, (u64)page,
                                         SEV_FEATURES), 0);
    delay_us(300000);
    check_eq(T("after-init-waits"), starts[3], 0);
    ap_sipi(3);
    check(T("after-init-starts"), wait_for(&starts[3], 1));
}

static void check_creation(void)
{
    static const char *const names[MAX_CPUS][3] = {
        { NULL },
        { T("ap-1-runs"), T("ap-1-apic-id"), T("ap-1-features") },
        { T("ap-2-runs"), T("ap-2-apic-id"), T("ap-2-features") },
        { T("ap-3-runs"), T("ap-3-apic-id"), T("ap-3-features") },
    };

    ap_start(1);
    ap_start(2);
    for (unsigned i = 1; i < MAX_CPUS; i++) {
        check(names[i][0], is_running(i) && report[i] == i);
        check_eq(names[i][1], apic_id[i], i);
        check_eq(names[i][2], features[i], 3);
    }
    check_eq(T("ghcb-msr-after-reset"), first_msr[1] & 0xfff, 1);
}

static void check_destruction(void)
{
    check(T("runs-before"), is_running(1));
    check_eq(T("destroy"), ap_request(AP_DESTROY, 1, 0, 0), 0);
    check(T("destroyed"), becomes_silent(1));
    check(T("others-go-on"), is_running(2) && is_running(3));
    check_eq(T("destroy-again"), ap_request(AP_DESTROY, 1, 0, 0), 0);
    check_eq(T("vmsa-is-a-page-again"),
             rmpadjust(priv(VMSA_GPA + PAGE), 0, 1).eax, 0);
    features[1] = 0;
    ap_start(1);
    check(T("created-again"), is_running(1) && starts[1] == 2);
    check_eq(T("ghcb-registration-survives"), features[1], 3);
    /* On one that runs: it starts anew. */
    ap_start(2);
    check(T("create-on-running"), wait_for(&starts[2], 2) && is_running(2));
}

static void check_on_init(void)
{
    u8 *page;

    /* Three that poll would starve each other where there are two cores. */
    for (unsigned i = 1; i < MAX_CPUS; i++) {
        ap_request(AP_DESTROY, i, 0, 0);
    }
    check(T("on-init-destroyed"), becomes_silent(3));
    page = ap_vmsa(3);
    rmpadjust(page, 0, 0x10001);
    check_eq(T("on-init"), ap_request(AP_ON_INIT, 3, (u64)page,
                                      SEV_FEATURES), 0);
    check(T("on-init-waits"), becomes_silent(3));
    check_eq(T("on-init-not-started"), starts[3], 1);
    ap_signal(3);
    check(T("on-init-starts"), wait_for(&starts[3], 2) && is_running(3));
}

void payload(void)
{
    check_errors();
    check_after_init();
    check_creation();
    check_destruction();
    check_on_init();
}
