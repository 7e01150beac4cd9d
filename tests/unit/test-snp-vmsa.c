/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMSA loaded into a vCPU and stored again, from any state of the vCPU
 *
 * With QEMU's own CPU object and TCG's helpers behind it.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "cpu.h"
#include "fpu/softfloat-helpers.h"
#include "qom/object.h"
#include "target/i386/tcg/snp/processor.h"

#define ROUNDS 2000

#define XCR0_SUPPORTED (XSTATE_FP_MASK | XSTATE_SSE_MASK | XSTATE_YMM_MASK | \
                        XSTATE_PKRU_MASK)
#define XSS_SUPPORTED 0x1800

typedef enum Mode {
    REAL,
    PROTECTED,
    COMPATIBLE,
    LONG,
    MODES,
} Mode;

static const SnpVmsaRules rules = {
    .features_set = SEV_FEATURES_SNP_ACTIVE,
    .features = SEV_FEATURES_SNP_ACTIVE | 1ULL << 5,
    .vmpls = 4,
    .tsc_aux = true,
};

static const SnpVmsaRules without_tsc_aux = {
    .features = SEV_FEATURES_SNP_ACTIVE,
    .vmpls = 1,
};

static uint64_t random64(void)
{
    return (uint64_t)(uint32_t)g_test_rand_int() << 32 |
           (uint32_t)g_test_rand_int();
}

static void random_bytes(void *data, size_t size)
{
    uint8_t *byte = data;

    while (size--) {
        *byte++ = g_test_rand_int();
    }
}

static uint64_t random_address(void)
{
    return cpu_to_le64(sextract64(random64(), 0, 57));
}

static void random_segment(SevVmsaSegment *seg, bool wide)
{
    random_bytes(seg, sizeof(*seg));
    seg->attributes &= cpu_to_le16(0xfff);
    seg->base = wide ? random_address()
                     : cpu_to_le64((uint32_t)le64_to_cpu(seg->base));
}

static void random_segments(SevVmsa *vmsa, Mode mode)
{
    uint16_t attributes;
    unsigned cpl = mode == REAL ? 0 : g_test_rand_int_range(0, 4);

    random_segment(&vmsa->es, false);
    random_segment(&vmsa->cs, false);
    random_segment(&vmsa->ss, false);
    random_segment(&vmsa->ds, false);
    random_segment(&vmsa->fs, true);
    random_segment(&vmsa->gs, true);
    random_segment(&vmsa->gdtr, true);
    random_segment(&vmsa->ldtr, true);
    random_segment(&vmsa->idtr, true);
    random_segment(&vmsa->tr, true);

    attributes = le16_to_cpu(vmsa->cs.attributes);
    attributes &= ~(SEV_VMSA_ATTR_L | SEV_VMSA_ATTR_DB);
    attributes |= mode == LONG ? SEV_VMSA_ATTR_L : SEV_VMSA_ATTR_DB;
    vmsa->cs.attributes = cpu_to_le16(attributes);
    /* The CPL is SS's DPL. */
    attributes = le16_to_cpu(vmsa->ss.attributes);
    attributes = deposit32(attributes, SEV_VMSA_ATTR_DPL_SHIFT, 2, cpl);
    vmsa->ss.attributes = cpu_to_le16(attributes);
    vmsa->cpl = cpl;
}

static void random_control(SevVmsa *vmsa, Mode mode)
{
    uint64_t cr0 = CR0_ET_MASK, cr4 = CR4_MCE_MASK, efer = MSR_EFER_SVME;
    uint64_t cr3 = random64() & 0xfffffffff000ULL;

    cr0 |= random64() & (CR0_MP_MASK | CR0_TS_MASK | CR0_NE_MASK |
                         CR0_WP_MASK | CR0_AM_MASK);
    cr4 |= random64() & (CR4_OSFXSR_MASK | CR4_PGE_MASK | CR4_DE_MASK |
                         CR4_OSXSAVE_MASK | CR4_TSD_MASK);
    efer |= random64() & (MSR_EFER_SCE | MSR_EFER_NXE);
    if (mode != REAL) {
        cr0 |= CR0_PE_MASK | CR0_PG_MASK;
    }
    if (mode == LONG || mode == COMPATIBLE) {
        efer |= MSR_EFER_LME | MSR_EFER_LMA;
        cr4 |= CR4_PAE_MASK;
    } else {
        cr3 = (uint32_t)cr3;
    }
    vmsa->efer = cpu_to_le64(efer);
    vmsa->cr0 = cpu_to_le64(cr0);
    vmsa->cr3 = cpu_to_le64(cr3);
    vmsa->cr4 = cpu_to_le64(cr4);
    vmsa->xcr0 = cpu_to_le64((random64() & XCR0_SUPPORTED) | XSTATE_FP_MASK);
    vmsa->dr6 = cpu_to_le64((random64() & 0xe00f) | DR6_FIXED_1);
    vmsa->dr7 = cpu_to_le64((random64() & 0xffff03ff & ~0xff) | DR7_FIXED_1);
}

static void random_rest(SevVmsa *vmsa, Mode mode)
{
    uint64_t flags = random64() & (CC_C | CC_P | CC_A | CC_Z | CC_S | CC_O |
                                   DF_MASK | TF_MASK | IF_MASK | IOPL_MASK |
                                   NT_MASK | RF_MASK | AC_MASK | ID_MASK);

    vmsa->rflags = cpu_to_le64(flags | 2);
    if (mode != LONG) {
        vmsa->rip = cpu_to_le64((uint32_t)le64_to_cpu(vmsa->rip));
    }
    vmsa->lstar = random_address();
    vmsa->cstar = random_address();
    vmsa->kernel_gs_base = random_address();
    vmsa->sysenter_esp = random_address();
    vmsa->sysenter_eip = random_address();
    vmsa->sfmask = cpu_to_le64(random64());
    vmsa->sysenter_cs &= cpu_to_le64(0xffff);
    vmsa->xss = cpu_to_le64(random64() & XSS_SUPPORTED);
    vmsa->mxcsr &= cpu_to_le32(0xffff);
    vmsa->x87_ftw &= cpu_to_le16(0xff);
}

/* A VMSA that VMRUN takes, and none of whose fields it changes */
static void random_vmsa(SevVmsa *vmsa, Mode mode)
{
    random_bytes(vmsa, sizeof(*vmsa));
    random_segments(vmsa, mode);
    random_control(vmsa, mode);
    random_rest(vmsa, mode);
    vmsa->vmpl = 0;
    vmsa->sev_features = cpu_to_le64(SEV_FEATURES_SNP_ACTIVE |
                                     (g_test_rand_int() &
                                      SEV_FEATURES_DEBUG_SWAP));
}

static void copy_range(SevVmsa *to, const SevVmsa *from, size_t first,
                       size_t end)
{
    memcpy((uint8_t *)to + first, (const uint8_t *)from + first, end - first);
}

static bool has_debug(const SevVmsa *vmsa)
{
    return le64_to_cpu(vmsa->sev_features) & SEV_FEATURES_DEBUG_SWAP;
}

/* What the processor writes: by the offsets of APM table B-4 */
static void copy_owned(SevVmsa *to, const SevVmsa *from)
{
    copy_range(to, from, 0x000, 0x0a0);     /* segments and tables */
    copy_range(to, from, 0x0cb, 0x0cc);     /* CPL */
    copy_range(to, from, 0x0d0, 0x0d8);     /* EFER */
    copy_range(to, from, 0x140, 0x180);     /* XSS, CR4 to CR0, DR7, DR6 */
    if (has_debug(from)) {
        copy_range(to, from, 0x180, 0x1a0); /* DR0 to DR3 */
    }
    copy_range(to, from, 0x1d8, 0x1e0);     /* RSP */
    copy_range(to, from, 0x1f8, 0x248);     /* RAX, STAR to CR2 */
    copy_range(to, from, 0x268, 0x270);     /* PAT */
    copy_range(to, from, 0x2e8, 0x2f0);     /* PKRU, TSC_AUX */
    copy_range(to, from, 0x308, 0x320);     /* RCX, RDX, RBX */
    copy_range(to, from, 0x328, 0x380);     /* RBP to R15 */
    copy_range(to, from, 0x3e8, 0x3f0);     /* XCR0 */
    copy_range(to, from, 0x400, 0x670);     /* x87, XMM, YMM */
}

static X86CPU *new_cpu(void)
{
    X86CPU *cpu = X86_CPU(object_new("EPYC-Milan-v2-x86_64-cpu"));

    cpu->phys_bits = 52;
    cpu->env.features[FEAT_XSAVE_XCR0_LO] = XCR0_SUPPORTED;
    cpu->env.features[FEAT_XSAVE_XSS_LO] = XSS_SUPPORTED;
    return cpu;
}

static void load(X86CPU *cpu, const SevVmsa *vmsa)
{
    const char *why = snp_vmsa_load(&cpu->env, vmsa, &rules);

    g_assert_cmpstr(why, ==, NULL);
}

static void check_store(X86CPU *cpu, const SevVmsa *loaded)
{
    g_autofree SevVmsa *stored = g_new(SevVmsa, 1);
    g_autofree SevVmsa *expected = g_new(SevVmsa, 1);

    random_bytes(stored, sizeof(*stored));
    stored->sev_features = loaded->sev_features;
    *expected = *stored;
    copy_owned(expected, loaded);
    snp_vmsa_store(&cpu->env, stored, &rules);
    g_assert_cmpmem(stored, sizeof(*stored), expected, sizeof(*expected));
}

static void test_round_trip(void)
{
    g_autofree SevVmsa *vmsa = g_new(SevVmsa, 1);

    for (unsigned i = 0; i < ROUNDS; i++) {
        X86CPU *cpu = new_cpu();

        random_vmsa(vmsa, i % MODES);
        load(cpu, vmsa);
        check_store(cpu, vmsa);
        object_unref(OBJECT(cpu));
    }
}

/* All that code translation looks at is as on a vCPU that was new before. */
static void check_hidden(X86CPU *dirty, X86CPU *fresh)
{
    g_assert_cmphex(dirty->env.hflags, ==, fresh->env.hflags);
    g_assert_cmphex(dirty->env.efer, ==, fresh->env.efer);
    g_assert_cmphex(dirty->env.fpus, ==, fresh->env.fpus);
    g_assert_cmphex(dirty->env.df, ==, fresh->env.df);
    g_assert_cmphex(dirty->env.cc_op, ==, fresh->env.cc_op);
    g_assert_cmphex(get_float_rounding_mode(&dirty->env.fp_status), ==,
                    get_float_rounding_mode(&fresh->env.fp_status));
    g_assert_cmphex(get_float_rounding_mode(&dirty->env.sse_status), ==,
                    get_float_rounding_mode(&fresh->env.sse_status));
    g_assert_cmphex(get_float_exception_flags(&dirty->env.sse_status), ==,
                    get_float_exception_flags(&fresh->env.sse_status));
}

/* One vCPU goes from each mode to each, as a host's does with its guests. */
static void test_any_state(void)
{
    g_autofree SevVmsa *vmsa = g_new(SevVmsa, 1);
    X86CPU *cpu = new_cpu();

    for (unsigned i = 0; i < ROUNDS; i++) {
        X86CPU *fresh = new_cpu();

        random_vmsa(vmsa, g_test_rand_int_range(0, MODES));
        load(cpu, vmsa);
        load(fresh, vmsa);
        check_hidden(cpu, fresh);
        check_store(cpu, vmsa);
        object_unref(OBJECT(fresh));
    }
    object_unref(OBJECT(cpu));
}

/* Host state that a VMSA has no field for, but that depends on the mode */
static void test_long_mode_to_real(void)
{
    g_autofree SevVmsa *vmsa = g_new(SevVmsa, 1);
    X86CPU *cpu = new_cpu();

    random_vmsa(vmsa, LONG);
    load(cpu, vmsa);
    g_assert_true(cpu->env.hflags & HF_LMA_MASK);
    g_assert_true(cpu->env.hflags & HF_CS64_MASK);
    random_vmsa(vmsa, REAL);
    load(cpu, vmsa);
    g_assert_false(cpu->env.hflags & (HF_LMA_MASK | HF_CS64_MASK));
    g_assert_false(cpu->env.efer & MSR_EFER_LMA);
    random_vmsa(vmsa, LONG);
    load(cpu, vmsa);
    g_assert_true(cpu->env.hflags & HF_LMA_MASK);
    object_unref(OBJECT(cpu));
}

/* Exceptions that no instruction has looked at yet are stored as well. */
static void test_mxcsr(void)
{
    g_autofree SevVmsa *vmsa = g_new(SevVmsa, 1);
    X86CPU *cpu = new_cpu();

    random_vmsa(vmsa, LONG);
    vmsa->mxcsr = cpu_to_le32(0x1f80);
    load(cpu, vmsa);
    set_float_exception_flags(float_flag_divbyzero, &cpu->env.sse_status);
    snp_vmsa_store(&cpu->env, vmsa, &rules);
    g_assert_cmphex(le32_to_cpu(vmsa->mxcsr), ==, 0x1f84);
    object_unref(OBJECT(cpu));
}

static void test_tsc_aux(void)
{
    g_autofree SevVmsa *vmsa = g_new(SevVmsa, 1);
    X86CPU *cpu = new_cpu();

    random_vmsa(vmsa, LONG);
    vmsa->sev_features = cpu_to_le64(SEV_FEATURES_SNP_ACTIVE);
    vmsa->tsc_aux = cpu_to_le32(0x1111);
    cpu->env.tsc_aux = 0x2222;
    g_assert_null(snp_vmsa_load(&cpu->env, vmsa, &without_tsc_aux));
    g_assert_cmphex(cpu->env.tsc_aux, ==, 0x2222);
    snp_vmsa_store(&cpu->env, vmsa, &without_tsc_aux);
    g_assert_cmphex(le32_to_cpu(vmsa->tsc_aux), ==, 0x1111);

    g_assert_null(snp_vmsa_load(&cpu->env, vmsa, &rules));
    g_assert_cmphex(cpu->env.tsc_aux, ==, 0x1111);
    object_unref(OBJECT(cpu));
}

static void check_refused(X86CPU *cpu, const SevVmsa *vmsa,
                          const SnpVmsaRules *by)
{
    g_autofree CPUX86State *before = g_memdup2(&cpu->env, sizeof(cpu->env));

    g_assert_nonnull(snp_vmsa_load(&cpu->env, vmsa, by));
    g_assert_cmpmem(&cpu->env, sizeof(cpu->env), before, sizeof(*before));
}

static void test_rules(void)
{
    g_autofree SevVmsa *vmsa = g_new(SevVmsa, 1);
    X86CPU *cpu = new_cpu();

    random_vmsa(vmsa, LONG);
    vmsa->sev_features = cpu_to_le64(SEV_FEATURES_SNP_ACTIVE);
    vmsa->vmpl = 3;
    load(cpu, vmsa);
    check_refused(cpu, vmsa, &without_tsc_aux);
    vmsa->vmpl = 4;
    check_refused(cpu, vmsa, &rules);
    vmsa->vmpl = 0;

    vmsa->sev_features = 0;
    check_refused(cpu, vmsa, &rules);
    g_assert_null(snp_vmsa_load(&cpu->env, vmsa, &without_tsc_aux));
    vmsa->sev_features = cpu_to_le64(SEV_FEATURES_SNP_ACTIVE | 1 << 5);
    load(cpu, vmsa);
    check_refused(cpu, vmsa, &without_tsc_aux);
    vmsa->sev_features = cpu_to_le64(SEV_FEATURES_SNP_ACTIVE | 1 << 6);
    check_refused(cpu, vmsa, &rules);
    object_unref(OBJECT(cpu));
}

static void test_checks(void)
{
    g_autofree SevVmsa *vmsa = g_new(SevVmsa, 1);
    X86CPU *cpu = new_cpu();

#define REFUSED(field, value) do {                                      \
        random_vmsa(vmsa, LONG);                                        \
        vmsa->field = (value);                                          \
        check_refused(cpu, vmsa, &rules);                               \
    } while (0)

    REFUSED(efer, vmsa->efer & ~cpu_to_le64(MSR_EFER_SVME));
    REFUSED(efer, vmsa->efer | cpu_to_le64(1ULL << 63));
    REFUSED(cr0, vmsa->cr0 | cpu_to_le64(1ULL << 32));
    REFUSED(cr0, vmsa->cr0 | cpu_to_le64(CR0_NW_MASK));
    REFUSED(cr0, vmsa->cr0 & ~cpu_to_le64(CR0_PE_MASK));
    REFUSED(cr3, cpu_to_le64(1ULL << 52));
    REFUSED(cr4, vmsa->cr4 & ~cpu_to_le64(CR4_PAE_MASK));
    REFUSED(cr4, vmsa->cr4 | cpu_to_le64(1ULL << 31));
    REFUSED(xcr0, cpu_to_le64(1ULL << 62));
    REFUSED(dr6, vmsa->dr6 | cpu_to_le64(1ULL << 32));
    REFUSED(dr7, vmsa->dr7 | cpu_to_le64(1ULL << 32));
    REFUSED(mxcsr, cpu_to_le32(1 << 16));
    REFUSED(cpl, 4);
    REFUSED(cs.attributes, cpu_to_le16(SEV_VMSA_ATTR_L | SEV_VMSA_ATTR_DB));
#undef REFUSED
    object_unref(OBJECT(cpu));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    tcg_allowed = true;

    g_test_add_func("/snp-vmsa/round-trip", test_round_trip);
    g_test_add_func("/snp-vmsa/any-state", test_any_state);
    g_test_add_func("/snp-vmsa/long-mode-to-real", test_long_mode_to_real);
    g_test_add_func("/snp-vmsa/mxcsr", test_mxcsr);
    g_test_add_func("/snp-vmsa/tsc-aux", test_tsc_aux);
    g_test_add_func("/snp-vmsa/rules", test_rules);
    g_test_add_func("/snp-vmsa/checks", test_checks);
    return g_test_run();
}
