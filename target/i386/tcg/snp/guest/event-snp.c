/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAE events that only encrypted guests have
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "cpu.h"
#include "system/upm/events.h"
#include "target/i386/sev-firmware.h"
#include "tcg/snp/guest/ghcb.h"
#include "tcg/snp/guest/page-state.h"
#include "trace.h"

#define FIRMWARE_POLL_US 1000

/* Outside of guest code, so that no exclusive section waits for this vCPU */
static void wait_for_firmware(CPUState *cs)
{
    bool alone = cpu_in_exclusive_context(cs);

    if (!alone) {
        cpu_exec_end(cs);
    }
    g_usleep(FIRMWARE_POLL_US);
    if (!alone) {
        cpu_exec_start(cs);
    }
}

/* AP Reset Hold: the vCPU goes to sleep once the answer is written. */
void snp_nae_reset_hold(CPUX86State *env, SnpNae *nae)
{
    snp_vcpu(env)->sleep = SNP_SLEEP_HOLD_NAE;
}

void snp_nae_jump_table(CPUX86State *env, SnpNae *nae)
{
    uint64_t *table = &snp_guest()->ap_jump_table;

    switch (nae->info1) {
    case 0:
        qatomic_set_u64(table, nae->info2);
        break;
    case 1:
        snp_nae_answer(nae, qatomic_read_u64(table));
        break;
    default:
        snp_nae_error(nae, GHCB_ERROR_INVALID_INPUT,
                      "unknown AP jump table request");
    }
}

void snp_nae_page_state(CPUX86State *env, SnpNae *nae)
{
    size_t room;
    uint8_t *buffer = snp_nae_scratch(nae, 8, &room);

    if (buffer) {
        snp_nae_answer(nae, snp_psc_buffer(buffer, room,
                                           snp_page_state_convert, env));
    }
}

/* SNP Guest Request, 4.1.7 and 4.1.8 */
void snp_nae_guest_request(CPUX86State *env, SnpNae *nae)
{
    bool extended = nae->code == NAE_EXT_GUEST_REQUEST;
    SnpGuestRequest request = {
        .request = nae->info1,
        .response = nae->info2,
        .extended = extended,
        .has_data = snp_nae_has(nae, GHCB_RAX) && snp_nae_has(nae, GHCB_RBX),
        .data = nae->regs[R_EAX],
        .pages = nae->regs[R_EBX],
    };
    uint64_t result;

    /* For KVM this is input that is missing: sev_es_validate_vmgexit(). */
    if ((request.request | request.response) % SEV_GUEST_MESSAGE_SIZE ||
        request.request == request.response) {
        snp_nae_error(nae, GHCB_ERROR_MISSING_INPUT,
                      "misplaced guest request pages");
        return;
    }
    if (!snp_guest_request(&request, &result)) {
        snp_nae_error(nae, GHCB_ERROR_INVALID_INPUT,
                      "no place for certificates");
        return;
    }
    /* As with a hypervisor whose firmware takes its time */
    if (request.again) {
        wait_for_firmware(env_cpu(env));
        nae->again = true;
        return;
    }
    /* EIO of KVM_RUN: snp_handle_guest_req() of Linux 6.12 */
    if (request.no_memory && !snp_guest()->rules.specification) {
        snp_nae_stop(env, nae, "guest request in pages that are no memory");
    }
    nae->regs[R_EBX] = request.pages;
    snp_nae_answer(nae, result);
    trace_snp_guest_request(env_cpu(env)->cpu_index, request.request,
                            request.response, extended, result);
}

void snp_nae_ap_creation(CPUX86State *env, SnpNae *nae)
{
    if (!snp_ap_create(env, nae->info1, nae->info2, nae->regs[R_EAX])) {
        snp_nae_error(nae, GHCB_ERROR_INVALID_INPUT, "AP creation");
    }
}

void snp_nae_run_vmpl(CPUX86State *env, SnpNae *nae)
{
    if (!snp_run_vmpl(env, nae->info1)) {
        snp_nae_error(nae, GHCB_ERROR_INVALID_INPUT, "that VMPL cannot run");
    }
}

void snp_nae_features(CPUX86State *env, SnpNae *nae)
{
    snp_nae_answer(nae, snp_hypervisor_features());
}

/* Linux, arch/x86/include/uapi/asm/svm.h: SVM_VMGEXIT_TERM_REASON() */
void snp_nae_terminate(CPUX86State *env, SnpNae *nae)
{
    snp_terminate_request(env, "in the GHCB", extract64(nae->info1, 0, 4),
                          extract64(nae->info1, 4, 8));
}

void snp_nae_unsupported(CPUX86State *env, SnpNae *nae)
{
    g_autofree char *reason =
        g_strdup_printf("the guest cannot handle #VC 0x%" PRIx64
                        " (information 0x%" PRIx64 ")", nae->info1,
                        nae->info2);

    upm_tell_terminated_by(env_cpu(env)->cpu_index, reason);
    if (snp_guest()->rules.specification) {
        snp_terminate(env, "%s", reason);
        return;
    }
    /* EINVAL of KVM_RUN: sev_handle_vmgexit() of Linux 6.12 */
    snp_stop(env, "%s", reason);
    cpu_loop_exit_noexc(env_cpu(env));
}
