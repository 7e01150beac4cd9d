/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMGEXIT: the hypervisor's side of the guest-hypervisor communication block
 *
 * GHCB specification (56421), version 2: the MSR protocol in section 2.3.1,
 * the page in 2.3, the non-automatic exit (NAE) events in 4.1.  Where the
 * specification leaves a choice this does what KVM does, in KVM's order, so
 * that a guest that works here works there.
 *
 * The page is shared memory: other vCPUs and devices may write it at any
 * time.  Its save area is copied once, and decisions are made on the copy.
 *
 * Everything here runs inside a vCPU's execution loop, and so in its RCU
 * read section, which is what keeps the page mapped.  No read section of its
 * own may be open where cpu_loop_exit() can be reached.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "svm.h"
#include "exec/helper-proto.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "system/upm/events.h"
#include "tcg/snp/guest/guest.h"
#include "tcg/snp/guest/page-state.h"
#include "trace.h"

#define GHCB_PAGE_SIZE 4096
#define GHCB_VERSION_MAX 2ULL
#define GHCB_VERSION_MIN 1ULL

/* Offsets in the page, 2.3, table 3 */
#define GHCB_CPL        0x0cb
#define GHCB_XSS        0x140
#define GHCB_RAX        0x1f8
#define GHCB_RCX        0x308
#define GHCB_RDX        0x310
#define GHCB_RBX        0x318
#define GHCB_CODE       0x390
#define GHCB_INFO1      0x398
#define GHCB_INFO2      0x3a0
#define GHCB_SCRATCH    0x3a8
#define GHCB_XCR0       0x3e8
#define GHCB_VALID      0x3f0
#define GHCB_VALID_SIZE 16
#define GHCB_SAVE_SIZE  0x400
#define GHCB_SHARED     0x800
#define GHCB_SHARED_END 0xff0
#define GHCB_USAGE      0xffc

/* What the MSR holds, in bits 11:0 */
#define MSR_SEV_INFO            0x001
#define MSR_SEV_INFO_REQUEST    0x002
#define MSR_CPUID_REQUEST       0x004
#define MSR_CPUID_RESPONSE      0x005
#define MSR_RESET_HOLD_REQUEST  0x006
#define MSR_RESET_HOLD_RESPONSE 0x007
#define MSR_PREFERRED_REQUEST   0x010
#define MSR_PREFERRED_RESPONSE  0x011
#define MSR_REGISTER_REQUEST    0x012
#define MSR_REGISTER_RESPONSE   0x013
#define MSR_PAGE_STATE_REQUEST  0x014
#define MSR_FEATURES_REQUEST    0x080
#define MSR_FEATURES_RESPONSE   0x081
#define MSR_TERMINATE_REQUEST   0x100

#define MSR_CODE_BITS   12
#define MSR_CODE_MASK   ((1ULL << MSR_CODE_BITS) - 1)

/* NAE events that are no SVM exit codes, 4.1 */
#define NAE_MMIO_READ           0x80000001
#define NAE_MMIO_WRITE          0x80000002
#define NAE_NMI_COMPLETE        0x80000003
#define NAE_RESET_HOLD          0x80000004
#define NAE_JUMP_TABLE          0x80000005
#define NAE_PAGE_STATE          0x80000010
#define NAE_GUEST_REQUEST       0x80000011
#define NAE_EXT_GUEST_REQUEST   0x80000012
#define NAE_AP_CREATION         0x80000013
#define NAE_FEATURES            0x8000fffd
#define NAE_TERMINATE           0x8000fffe
#define NAE_UNSUPPORTED         0x8000ffff

#define NAE_READ_DR7    (SVM_EXIT_READ_DR0 + 7)
#define NAE_WRITE_DR7   (SVM_EXIT_WRITE_DR0 + 7)

#define AP_DESTROY 2

/* SW_EXITINFO1 of an answer */
#define INFO1_DONE      0
#define INFO1_EXCEPTION 1
#define INFO1_ERROR     2

/* SW_EXITINFO2 of an error */
#define ERROR_NOT_REGISTERED    1
#define ERROR_USAGE             2
#define ERROR_SCRATCH           3
#define ERROR_MISSING_INPUT     4
#define ERROR_INVALID_INPUT     5
#define ERROR_INVALID_EVENT     6

/* SEV-SNP and SNP AP Creation, 4.1.13 */
#define HYPERVISOR_FEATURES 3

/* Hypercall results, linux/kvm_para.h */
#define HYPERCALL_NOT_PERMITTED (-1LL)
#define HYPERCALL_UNKNOWN       (-1000LL)

/**
 * SnpNae: an NAE event while it is served
 * @page: the GHCB
 * @gpa: its guest-physical address
 * @save: the copy of its save area
 * @code, @info1, @info2: from the copy
 * @regs: RAX, RCX, RDX and RBX as R_EAX to R_EBX; 0 where the guest gave none
 * @guest_regs: what the vCPU has in them, while helpers work on @regs
 * @answer1, @answer2: SW_EXITINFO1 and SW_EXITINFO2 of the answer
 */
struct SnpNae {
    SnpShared page;
    uint64_t gpa;
    uint8_t save[GHCB_SAVE_SIZE];
    uint64_t code, info1, info2;
    uint64_t regs[4];
    target_ulong guest_regs[4];
    uint64_t answer1, answer2;
};

static const unsigned nae_reg_offset[4] = {
    [R_EAX] = GHCB_RAX,
    [R_ECX] = GHCB_RCX,
    [R_EDX] = GHCB_RDX,
    [R_EBX] = GHCB_RBX,
};

/*
 * The page
 */

static bool ghcb_map(SnpNae *nae, hwaddr gpa)
{
    nae->gpa = gpa;
    return snp_shared_find(gpa, GHCB_PAGE_SIZE, true, &nae->page);
}

static void ghcb_put(SnpNae *nae, unsigned offset, uint64_t value)
{
    stq_le_p(nae->page.host + offset, value);
    nae->page.host[GHCB_VALID + offset / 64] |= 1 << (offset / 8 % 8);
}

static bool nae_has(const SnpNae *nae, unsigned offset)
{
    return nae->save[GHCB_VALID + offset / 64] & (1 << (offset / 8 % 8));
}

/* A field of the guest's; 0 where the guest did not say that it is valid */
static uint64_t nae_get(const SnpNae *nae, unsigned offset)
{
    return nae_has(nae, offset) ? ldq_le_p(nae->save + offset) : 0;
}

static void nae_read(SnpNae *nae)
{
    memcpy(nae->save, nae->page.host, GHCB_SAVE_SIZE);
    barrier();
    memset(nae->page.host + GHCB_VALID, 0, GHCB_VALID_SIZE);

    nae->code = nae_get(nae, GHCB_CODE);
    nae->info1 = nae_get(nae, GHCB_INFO1);
    nae->info2 = nae_get(nae, GHCB_INFO2);
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        nae->regs[i] = nae_get(nae, nae_reg_offset[i]);
    }
}

static void nae_finish(CPUX86State *env, SnpNae *nae)
{
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        ghcb_put(nae, nae_reg_offset[i], nae->regs[i]);
    }
    ghcb_put(nae, GHCB_INFO1, nae->answer1);
    ghcb_put(nae, GHCB_INFO2, nae->answer2);
    snp_shared_dirty(&nae->page, GHCB_PAGE_SIZE);
    trace_snp_nae_done(env_cpu(env)->cpu_index, nae->code, nae->answer1,
                       nae->answer2);
}

static void nae_answer(SnpNae *nae, uint64_t info2)
{
    nae->answer1 = INFO1_DONE;
    nae->answer2 = info2;
}

static void nae_error(SnpNae *nae, uint64_t error, const char *why)
{
    trace_snp_nae_refused(current_cpu->cpu_index, nae->code, why);
    nae->answer1 = INFO1_ERROR;
    nae->answer2 = error;
}

static void nae_exception(SnpNae *nae, int vector)
{
    nae->answer1 = INFO1_EXCEPTION;
    nae->answer2 = (uint32_t)SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_EXEPT | vector;
}

/*
 * Version 2 wants the scratch area inside the page's shared buffer.  @room
 * is what lies between its start and the buffer's end.
 */
static uint8_t *nae_scratch(SnpNae *nae, uint64_t size, size_t *room)
{
    uint64_t offset = nae_get(nae, GHCB_SCRATCH) - nae->gpa;

    if (offset < GHCB_SHARED || offset >= GHCB_SHARED_END ||
        size > GHCB_SHARED_END - offset) {
        nae_error(nae, ERROR_SCRATCH, "scratch area outside shared buffer");
        return NULL;
    }
    if (room) {
        *room = GHCB_SHARED_END - offset;
    }
    return nae->page.host + offset;
}

/*
 * Events
 */

static void nae_cpuid(CPUX86State *env, SnpNae *nae)
{
    uint64_t xcr0 = env->xcr0, given = nae_get(nae, GHCB_XCR0);
    uint64_t supported = env->features[FEAT_XSAVE_XCR0_LO] |
        (uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32;
    uint32_t value[4];

    /* The hypervisor cannot see XCR0; sizes follow what the guest says. */
    if (given & XSTATE_FP_MASK && !(given & ~supported)) {
        env->xcr0 = given;
    }
    snp_cpuid(env, nae->regs[R_EAX], nae->regs[R_ECX], &value[R_EAX],
              &value[R_EBX], &value[R_ECX], &value[R_EDX]);
    env->xcr0 = xcr0;
    for (int i = 0; i < ARRAY_SIZE(value); i++) {
        nae->regs[i] = value[i];
    }
}

static void port_io(CPUX86State *env, unsigned port, uint8_t *data,
                    unsigned size, bool in)
{
    address_space_rw(&address_space_io, port, cpu_get_mem_attrs(env), data,
                     size, !in);
}

static void nae_string_io(CPUX86State *env, SnpNae *nae, unsigned port,
                          unsigned size, bool in)
{
    uint8_t data[GHCB_SHARED_END - GHCB_SHARED], *scratch;
    uint64_t count = nae->info2;

    if (!count) {
        return;
    }
    if (count > sizeof(data) / size) {
        nae_error(nae, ERROR_SCRATCH, "string longer than shared buffer");
        return;
    }
    scratch = nae_scratch(nae, count * size, NULL);
    if (!scratch) {
        return;
    }
    memcpy(data, scratch, count * size);
    for (unsigned i = 0; i < count; i++) {
        port_io(env, port, data + i * size, size, in);
    }
    if (in) {
        memcpy(scratch, data, count * size);
    }
}

static void nae_ioio(CPUX86State *env, SnpNae *nae)
{
    unsigned port = extract64(nae->info1, 16, 16);
    unsigned size = extract64(nae->info1, 4, 3);
    bool in = nae->info1 & SVM_IOIO_TYPE_MASK;
    uint8_t data[8];

    if (!size) {
        return;
    }
    if (nae->info1 & SVM_IOIO_STR_MASK) {
        nae_string_io(env, nae, port, size, in);
        return;
    }
    /* An IN of 32 bits clears the upper half of RAX, a shorter one nothing */
    stq_le_p(data, in && size >= 4 ? 0 : nae->regs[R_EAX]);
    port_io(env, port, data, size, in);
    if (in) {
        nae->regs[R_EAX] = ldq_le_p(data);
    }
}

static void swap_in(CPUX86State *env, SnpNae *nae)
{
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        nae->guest_regs[i] = env->regs[i];
        env->regs[i] = nae->regs[i];
    }
}

static void swap_out(CPUX86State *env, SnpNae *nae)
{
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        env->regs[i] = nae->guest_regs[i];
    }
}

static void nae_msr(CPUX86State *env, SnpNae *nae)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    uint32_t index = nae->regs[R_ECX];

    if (snp_msr_is_direct(index) && index != MSR_IA32_XSS) {
        nae_exception(nae, EXCP0D_GPF);
        return;
    }
    swap_in(env, nae);
    vcpu->nae = nae;
    vcpu->serving = true;
    if (nae->info1) {
        helper_wrmsr(env);
    } else {
        helper_rdmsr(env);
        nae->regs[R_EAX] = env->regs[R_EAX];
        nae->regs[R_EDX] = env->regs[R_EDX];
    }
    vcpu->serving = false;
    vcpu->nae = NULL;
    swap_out(env, nae);
}

void snp_serve_exception(CPUX86State *env, int vector, int error_code)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    SnpNae *nae = vcpu->nae;

    vcpu->serving = false;
    vcpu->nae = NULL;
    swap_out(env, nae);
    nae_exception(nae, vector);
    nae_finish(env, nae);
}

/* SVM's decode assist names the register; the specification wants RAX */
static unsigned dr7_register(const SnpNae *nae)
{
    return nae->info1 & 0xf;
}

static void nae_read_dr7(CPUX86State *env, SnpNae *nae)
{
    unsigned reg = dr7_register(nae);

    if (reg < ARRAY_SIZE(nae->regs)) {
        nae->regs[reg] = env->dr[7];
    }
}

static void nae_write_dr7(CPUX86State *env, SnpNae *nae)
{
    unsigned reg = dr7_register(nae);
    uint64_t value = reg < ARRAY_SIZE(nae->regs) ? nae->regs[reg] : 0;

    if (value & DR_RESERVED_MASK) {
        nae_exception(nae, EXCP0D_GPF);
        return;
    }
    cpu_x86_update_dr7(env, value);
}

/* There are no hypercalls; guests see no hypervisor that would offer any. */
static void nae_vmmcall(SnpNae *nae)
{
    bool user = nae->save[GHCB_CPL];

    nae->regs[R_EAX] = user ? HYPERCALL_NOT_PERMITTED : HYPERCALL_UNKNOWN;
}

static void nae_mmio(CPUX86State *env, SnpNae *nae, bool write)
{
    uint8_t data[8], *scratch;

    if (!nae->info2) {
        return;
    }
    if (nae->info2 > sizeof(data)) {
        nae_error(nae, ERROR_INVALID_INPUT, "MMIO of more than 8 bytes");
        return;
    }
    scratch = nae_scratch(nae, nae->info2, NULL);
    if (!scratch) {
        return;
    }
    memcpy(data, scratch, nae->info2);
    address_space_rw(&address_space_memory, nae->info1,
                     cpu_get_mem_attrs(env), data, nae->info2, write);
    if (!write) {
        memcpy(scratch, data, nae->info2);
    }
}

static void nae_jump_table(SnpNae *nae)
{
    switch (nae->info1) {
    case 0:
        qatomic_set_u64(&snp_guest()->ap_jump_table, nae->info2);
        break;
    case 1:
        nae_answer(nae, qatomic_read_u64(&snp_guest()->ap_jump_table));
        break;
    default:
        nae_error(nae, ERROR_INVALID_INPUT, "unknown AP jump table request");
    }
}

static int convert(void *opaque, uint64_t gpa, uint64_t size, bool to_private)
{
    CPUX86State *env = opaque;
    int ret = snp_convert(env, gpa, size, to_private, UPM_CAUSE_GHCB);

    trace_snp_page_state(env_cpu(env)->cpu_index, gpa, size, to_private, ret);
    return ret;
}

static void nae_page_state(CPUX86State *env, SnpNae *nae)
{
    size_t room;
    uint8_t *buffer = nae_scratch(nae, 8, &room);

    if (buffer) {
        nae_answer(nae, snp_psc_buffer(buffer, room, convert, env));
    }
}

/* SNP Guest Request, 4.1.7 and 4.1.8 */
static void nae_guest_request(CPUX86State *env, SnpNae *nae, bool extended)
{
    SnpGuestRequest request = {
        .request = nae->info1,
        .response = nae->info2,
        .extended = extended,
        .has_data = nae_has(nae, GHCB_RAX) && nae_has(nae, GHCB_RBX),
        .data = nae->regs[R_EAX],
        .pages = nae->regs[R_EBX],
    };
    uint64_t result;

    if (!snp_guest_request(&request, &result)) {
        nae_error(nae, ERROR_INVALID_INPUT, "misplaced guest request pages");
        return;
    }
    nae->regs[R_EBX] = request.pages;
    nae_answer(nae, result);
    trace_snp_guest_request(env_cpu(env)->cpu_index, request.request,
                            request.response, extended, result);
}

static void nae_ap_creation(CPUX86State *env, SnpNae *nae)
{
    uint64_t error = snp_ap_create(env, nae->info1, nae->info2,
                                   nae->regs[R_EAX]);

    if (error) {
        nae_error(nae, error, "AP creation");
    }
}

/* The fields that KVM wants valid for an event, besides code and info */
static bool nae_has_input(const SnpNae *nae)
{
    bool rax = nae_has(nae, GHCB_RAX), rcx = nae_has(nae, GHCB_RCX);
    bool rdx = nae_has(nae, GHCB_RDX);

    switch (nae->code) {
    case NAE_WRITE_DR7:
        return rax;
    case SVM_EXIT_RDPMC:
        return rcx;
    case SVM_EXIT_CPUID:
        return rax && rcx &&
               (nae->regs[R_EAX] != 0xd || nae_has(nae, GHCB_XCR0));
    case SVM_EXIT_IOIO:
        return nae->info1 & SVM_IOIO_STR_MASK ? nae_has(nae, GHCB_SCRATCH)
            : nae->info1 & SVM_IOIO_TYPE_MASK || rax;
    case SVM_EXIT_MSR:
        return rcx && (!nae->info1 || (rax && rdx));
    case SVM_EXIT_VMMCALL:
        return rax && nae_has(nae, GHCB_CPL);
    case SVM_EXIT_MONITOR:
        return rax && rcx && rdx;
    case SVM_EXIT_MWAIT:
        return rax && rcx;
    case NAE_AP_CREATION:
        return rax || (uint32_t)nae->info1 == AP_DESTROY;
    case NAE_MMIO_READ:
    case NAE_MMIO_WRITE:
    case NAE_PAGE_STATE:
        return nae_has(nae, GHCB_SCRATCH);
    default:
        return true;
    }
}

static bool nae_is_complete(const SnpNae *nae)
{
    return nae_has(nae, GHCB_CODE) && nae_has(nae, GHCB_INFO1) &&
           nae_has(nae, GHCB_INFO2) && nae_has_input(nae);
}

static void terminate(CPUX86State *env, const char *how, unsigned int set,
                      unsigned int code)
{
    upm_tell_terminated(env_cpu(env)->cpu_index, set, code);
    snp_terminate(env, "request %s, %s (set 0x%x code 0x%x)", how,
                  upm_termination_reason(set, code), set, code);
}

/* Linux, arch/x86/include/uapi/asm/svm.h: SVM_VMGEXIT_TERM_REASON() */
static void nae_terminate(CPUX86State *env, const SnpNae *nae)
{
    terminate(env, "in the GHCB", extract64(nae->info1, 0, 4),
              extract64(nae->info1, 4, 8));
}

static void nae_unsupported(CPUX86State *env, const SnpNae *nae)
{
    g_autofree char *reason =
        g_strdup_printf("the guest cannot handle #VC 0x%" PRIx64
                        " (information 0x%" PRIx64 ")", nae->info1,
                        nae->info2);

    upm_tell_terminated_by(env_cpu(env)->cpu_index, reason);
    snp_terminate(env, "%s", reason);
}

static void nae_serve(CPUX86State *env, SnpNae *nae)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    switch (nae->code) {
    case SVM_EXIT_IOIO:
        nae_ioio(env, nae);
        break;
    case SVM_EXIT_CPUID:
        nae_cpuid(env, nae);
        break;
    case SVM_EXIT_MSR:
        nae_msr(env, nae);
        break;
    case NAE_READ_DR7:
        nae_read_dr7(env, nae);
        break;
    case NAE_WRITE_DR7:
        nae_write_dr7(env, nae);
        break;
    case SVM_EXIT_RDPMC:
        /* No counters, as on KVM without a virtual PMU */
        nae_exception(nae, EXCP0D_GPF);
        break;
    case SVM_EXIT_VMMCALL:
        nae_vmmcall(nae);
        break;
    case SVM_EXIT_INVD:
    case SVM_EXIT_WBINVD:
    case SVM_EXIT_MONITOR:
    case SVM_EXIT_MWAIT:
        break;
    case NAE_MMIO_READ:
    case NAE_MMIO_WRITE:
        nae_mmio(env, nae, nae->code == NAE_MMIO_WRITE);
        break;
    case NAE_NMI_COMPLETE:
        env->hflags2 &= ~HF2_NMI_MASK;
        break;
    case NAE_RESET_HOLD:
        vcpu->reset_hold = SNP_RESET_HOLD_NAE;
        break;
    case NAE_JUMP_TABLE:
        nae_jump_table(nae);
        break;
    case NAE_PAGE_STATE:
        nae_page_state(env, nae);
        break;
    case NAE_GUEST_REQUEST:
    case NAE_EXT_GUEST_REQUEST:
        nae_guest_request(env, nae, nae->code == NAE_EXT_GUEST_REQUEST);
        break;
    case NAE_AP_CREATION:
        nae_ap_creation(env, nae);
        break;
    case NAE_FEATURES:
        nae_answer(nae, HYPERVISOR_FEATURES);
        break;
    case NAE_TERMINATE:
        nae_terminate(env, nae);
        break;
    case NAE_UNSUPPORTED:
        nae_unsupported(env, nae);
        break;
    default:
        nae_error(nae, ERROR_INVALID_EVENT, "unknown event");
    }
}

static void nae_check_and_serve(CPUX86State *env, SnpNae *nae)
{
    if (nae->gpa != snp_vcpu(env)->ghcb_gpa) {
        nae_error(nae, ERROR_NOT_REGISTERED, "GHCB is not registered");
    } else if (ldl_le_p(nae->page.host + GHCB_USAGE)) {
        nae_error(nae, ERROR_USAGE, "unknown usage of the GHCB");
    } else if (!nae_is_complete(nae)) {
        nae_error(nae, ERROR_MISSING_INPUT, "input is not marked valid");
    } else {
        nae_serve(env, nae);
    }
}

static void page_protocol(CPUX86State *env, uint64_t gpa)
{
    int cpu = env_cpu(env)->cpu_index;
    SnpNae nae = { };

    /* Nowhere to put an error: the guest goes on, as with KVM. */
    if (!gpa || !ghcb_map(&nae, gpa)) {
        trace_snp_ghcb_unusable(cpu, gpa);
        return;
    }
    nae_read(&nae);
    trace_snp_nae(cpu, nae.code, nae.info1, nae.info2);
    nae_check_and_serve(env, &nae);
    nae_finish(env, &nae);
}

/*
 * The MSR protocol
 */

static void msr_terminate(CPUX86State *env, uint64_t request)
{
    unsigned int set, code;

    if (!upm_termination_decode(request, &set, &code)) {
        return;
    }
    terminate(env, "by GHCB MSR", set, code);
}

static uint64_t msr_cpuid(CPUX86State *env, uint64_t request)
{
    static const int regs[4] = { R_EAX, R_EBX, R_ECX, R_EDX };
    uint32_t value[4];

    snp_cpuid(env, extract64(request, 32, 32), 0, &value[R_EAX],
              &value[R_EBX], &value[R_ECX], &value[R_EDX]);
    request = deposit64(request, 32, 32,
                        value[regs[extract64(request, 30, 2)]]);
    return deposit64(request, 0, MSR_CODE_BITS, MSR_CPUID_RESPONSE);
}

static uint64_t msr_with_data(uint64_t code, uint64_t data)
{
    return data << MSR_CODE_BITS | code;
}

uint64_t snp_ghcb_msr_reset_value(void)
{
    return GHCB_VERSION_MAX << 48 | GHCB_VERSION_MIN << 32 |
           (uint64_t)ctz64(snp_cbit_mask()) << 24 | MSR_SEV_INFO;
}

/* Returns: what the MSR holds afterwards */
static uint64_t msr_protocol(CPUX86State *env, uint64_t request)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    switch (request & MSR_CODE_MASK) {
    case MSR_SEV_INFO_REQUEST:
        return snp_ghcb_msr_reset_value();
    case MSR_CPUID_REQUEST:
        return msr_cpuid(env, request);
    case MSR_RESET_HOLD_REQUEST:
        vcpu->reset_hold = SNP_RESET_HOLD_MSR;
        return msr_with_data(MSR_RESET_HOLD_RESPONSE, 0);
    case MSR_PREFERRED_REQUEST:
        return msr_with_data(MSR_PREFERRED_RESPONSE, UINT64_MAX);
    case MSR_REGISTER_REQUEST:
        vcpu->ghcb_gpa = request & ~MSR_CODE_MASK;
        return vcpu->ghcb_gpa | MSR_REGISTER_RESPONSE;
    case MSR_PAGE_STATE_REQUEST:
        return snp_psc_msr(request, convert, env);
    case MSR_FEATURES_REQUEST:
        return msr_with_data(MSR_FEATURES_RESPONSE, HYPERVISOR_FEATURES);
    case MSR_TERMINATE_REQUEST:
        msr_terminate(env, request);
        return request;
    default:
        return request;
    }
}

/*
 * AP reset hold, 4.3.2
 */

static G_NORETURN void hold_until_sipi(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);

    snp_vcpu(env)->hold_rip = env->eip;
    do_end_instruction(env);
    cs->halted = 1;
    cs->exception_index = EXCP_HLT;
    cpu_loop_exit(cs);
}

void snp_reset_hold_release(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    SnpResetHold hold = vcpu->reset_hold;
    SnpNae nae = { .code = NAE_RESET_HOLD, .answer2 = 1 };

    vcpu->reset_hold = SNP_RESET_HOLD_NONE;
    /* An interrupt has ended the hold; the guest was told 0. */
    if (env->eip != vcpu->hold_rip) {
        return;
    }
    if (hold == SNP_RESET_HOLD_MSR) {
        vcpu->ghcb_msr = msr_with_data(MSR_RESET_HOLD_RESPONSE, 1);
    } else if (hold == SNP_RESET_HOLD_NAE && ghcb_map(&nae, vcpu->ghcb_msr)) {
        ghcb_put(&nae, GHCB_INFO1, nae.answer1);
        ghcb_put(&nae, GHCB_INFO2, nae.answer2);
        snp_shared_dirty(&nae.page, GHCB_PAGE_SIZE);
    }
}

void snp_vmgexit(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);
    uint64_t request = vcpu->ghcb_msr;

    vcpu->reset_hold = SNP_RESET_HOLD_NONE;
    if (request & MSR_CODE_MASK) {
        vcpu->ghcb_msr = msr_protocol(env, request);
        trace_snp_ghcb_msr(env_cpu(env)->cpu_index, request, vcpu->ghcb_msr);
    } else {
        page_protocol(env, request);
    }
    if (vcpu->reset_hold != SNP_RESET_HOLD_NONE) {
        hold_until_sipi(env);
    }
}
