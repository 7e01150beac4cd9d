/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's SEV commands: what KVM itself refuses, and what it does around the
 * firmware's commands
 *
 * The structures, the order and the errnos are those of
 * linux/Documentation/virt/kvm/x86/amd-memory-encryption.rst.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/error-report.h"
#include "target/i386/sev-features.h"
#include "kvm-rules.h"
#include "trace.h"

/* What KVM passes on to the firmware; the rest it keeps to itself */
#define POLICY_KNOWN (MAKE_64BIT_MASK(0, 25) & ~PSP_POLICY_MIGRATE_MA)

static const char *state_name(const PspKvmGuest *vm)
{
    static const char *const names[] = {
        [PSP_STATE_INIT] = "init",
        [PSP_STATE_LAUNCH] = "launch",
        [PSP_STATE_RUNNING] = "running",
    };

    return vm->initialised ? names[vm->guest.state] : "uninitialised";
}

static void G_GNUC_PRINTF(1, 0) tell(const char *fmt, va_list args)
{
    g_autofree char *reason = g_strdup_vprintf(fmt, args);

    error_report("emulated SEV-SNP firmware: %s", reason);
}

/* KVM sends the command back, the firmware has not seen it. */
static int G_GNUC_PRINTF(2, 3) refuse(int ret, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tell(fmt, args);
    va_end(args);
    return ret;
}

/* What the firmware made of a command; frees @err. */
static int outcome(const char *command, int status, Error *err, int *fw_error)
{
    if (status == SEV_RET_SUCCESS) {
        return 0;
    }
    error_report("emulated SEV-SNP firmware: %s: %s", command,
                 error_get_pretty(err));
    error_free(err);
    *fw_error = status;
    return -EIO;
}

/* SNPActive is not asked for: it comes with the type of the VM. */
static int check_features(uint64_t features)
{
    uint64_t offered = sev_features_emulated();
    g_autofree char *missing = NULL;
    g_autofree char *why = NULL;

    if (!(features & ~offered)) {
        return 0;
    }
    missing = sev_features_text(features & ~offered);
    why = sev_features_absent(features);
    return refuse(-EINVAL, "INIT2: SEV features 0x%" PRIx64 " of the VMSA are"
                  " not all among those offered (0x%" PRIx64 "): %s",
                  features, offered, why ?: missing);
}

static int init2(PspKvmGuest *vm, const struct kvm_sev_init *init)
{
    if (init->flags) {
        return refuse(-EINVAL, "INIT2: flags 0x%x must be 0",
                      (unsigned)init->flags);
    }
    if (check_features(init->vmsa_features)) {
        return -EINVAL;
    }
    if (init->ghcb_version && init->ghcb_version != 2) {
        return refuse(-EINVAL, "INIT2: GHCB version %u, SEV-SNP needs 2",
                      (unsigned)init->ghcb_version);
    }
    vm->sev_features = SEV_FEATURES_SNP_ACTIVE | init->vmsa_features;
    if (vm->processor->sev_features) {
        vm->processor->sev_features(vm->sev_features);
    }
    vm->initialised = true;
    return 0;
}

static int check_policy(uint64_t policy)
{
    if (!(policy & PSP_POLICY_ONE)) {
        return refuse(-EINVAL, "LAUNCH_START: policy 0x%" PRIx64 ": bit 17 is"
                      " reserved and must be one", policy);
    }
    if (policy & ~POLICY_KNOWN) {
        return refuse(-EINVAL, "LAUNCH_START: policy 0x%" PRIx64 ": bits 0x%"
                      PRIx64 " are not known", policy,
                      policy & ~(uint64_t)POLICY_KNOWN);
    }
    return 0;
}

static int launch_start(PspKvmGuest *vm,
                        const struct kvm_sev_snp_launch_start *start,
                        int *fw_error)
{
    Error *err = NULL;
    int ret, status;

    if (!vm->initialised) {
        return refuse(-ENOTTY, "LAUNCH_START before INIT2");
    }
    if (vm->guest.state != PSP_STATE_INIT) {
        return refuse(-EINVAL, "LAUNCH_START: the guest exists already");
    }
    if (start->flags) {
        return refuse(-EINVAL, "LAUNCH_START: flags 0x%x must be 0",
                      (unsigned)start->flags);
    }
    ret = check_policy(start->policy);
    if (ret) {
        return ret;
    }
    status = psp_launch_start(&vm->guest, start->policy, start->gosvw, &err);
    return outcome("LAUNCH_START", status, err, fw_error);
}

/*
 * The firmware checks a CPUID page before the frame is touched: the caller
 * finds the corrected table in its own memory, and may try again.
 */
static int check_page(PspKvmGuest *vm, const PspLaunchPage *page, void *source,
                      int *fw_error)
{
    Error *err = NULL;
    int status = psp_launch_check(&vm->guest, page, source, &err);

    return outcome("LAUNCH_UPDATE", status, err, fw_error);
}

static int put_page(PspKvmGuest *vm, PspPageType type, uint64_t gpa,
                    void *source, int *fw_error)
{
    const PspLaunchPage page = { .type = type, .gpa = gpa };
    Error *err = NULL;
    void *content;
    int ret = check_page(vm, &page, source, fw_error), status;

    if (ret) {
        return ret;
    }
    content = vm->processor->page(gpa);
    if (!content) {
        return refuse(-EIO, "LAUNCH_UPDATE: %s page for GPA 0x%" PRIx64
                      ": not private memory, or populated before",
                      psp_page_type_name(type), gpa);
    }
    if (type != PSP_PAGE_ZERO) {
        memcpy(content, source, PSP_PAGE_SIZE);
    }
    status = psp_launch_update(&vm->guest, &page, content, &err);
    ret = outcome("LAUNCH_UPDATE", status, err, fw_error);
    if (!ret) {
        vm->processor->page_done(gpa);
    }
    return ret;
}

/* What KVM checks before it bothers the firmware */
static int check_update(PspKvmGuest *vm,
                        const struct kvm_sev_snp_launch_update *update)
{
    uint64_t frames = update->len >> PSP_PAGE_BITS;

    if (vm->guest.state == PSP_STATE_INIT) {
        return refuse(-EINVAL, "LAUNCH_UPDATE before LAUNCH_START");
    }
    if (update->type == PSP_PAGE_VMSA || !psp_page_type_name(update->type)) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: there is no page type %u",
                      (unsigned)update->type);
    }
    if (update->flags) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: flags 0x%x must be 0",
                      (unsigned)update->flags);
    }
    if (!frames || update->len & (PSP_PAGE_SIZE - 1) ||
        update->gfn_start > UINT64_MAX >> PSP_PAGE_BITS ||
        frames > (UINT64_MAX >> PSP_PAGE_BITS) - update->gfn_start) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: frame 0x%" PRIx64 " and 0x%"
                      PRIx64 " bytes are not a range of pages",
                      (uint64_t)update->gfn_start, (uint64_t)update->len);
    }
    if (update->type != PSP_PAGE_ZERO &&
        (!update->uaddr || update->uaddr & (PSP_PAGE_SIZE - 1))) {
        return refuse(-EINVAL, "LAUNCH_UPDATE: source 0x%" PRIx64
                      " is not the address of a page",
                      (uint64_t)update->uaddr);
    }
    return 0;
}

/*
 * KVM returns 0 where at least one page was done, and leaves the rest in
 * @update; the caller comes again and learns of the error then.
 */
static int launch_update(PspKvmGuest *vm,
                         struct kvm_sev_snp_launch_update *update,
                         int *fw_error)
{
    uint64_t begin = update->gfn_start;
    int ret = check_update(vm, update);

    if (ret) {
        return ret;
    }
    trace_psp_launch_update((uint64_t)update->gfn_start << PSP_PAGE_BITS,
                            update->len, psp_page_type_name(update->type));
    while (update->len) {
        ret = put_page(vm, update->type,
                       (uint64_t)update->gfn_start << PSP_PAGE_BITS,
                       (void *)(uintptr_t)update->uaddr, fw_error);
        if (ret) {
            break;
        }
        update->gfn_start++;
        update->len -= PSP_PAGE_SIZE;
        if (update->type != PSP_PAGE_ZERO) {
            update->uaddr += PSP_PAGE_SIZE;
        }
    }
    return update->gfn_start != begin ? 0 : ret;
}

/* KVM lets the firmware measure the VMSAs when all else is in. */
static int measure_vcpus(PspKvmGuest *vm, SevVmsa *vmsas, int *fw_error)
{
    static const PspLaunchPage page = {
        .type = PSP_PAGE_VMSA, .gpa = PSP_VMSA_GPA,
    };
    int ret = 0;

    for (unsigned i = 0; i < vm->processor->vcpus() && !ret; i++) {
        PspVcpuReset reset;
        Error *err = NULL;
        int status;

        vm->processor->vcpu_reset(i, &reset);
        reset.sev_features = vm->sev_features;
        trace_psp_launch_vmsa(i, reset.cs_base, reset.rip);
        psp_vmsa_init(&vmsas[i], &reset);
        status = psp_launch_update(&vm->guest, &page, &vmsas[i], &err);
        ret = outcome("LAUNCH_FINISH", status, err, fw_error);
    }
    return ret;
}

/* KVM looks at none of the three unless there is an ID block. */
static int check_identity(const struct kvm_sev_snp_launch_finish *finish)
{
    if (!finish->id_block_en) {
        if (finish->id_auth_uaddr || finish->auth_key_en) {
            warn_report("emulated SEV-SNP firmware: LAUNCH_FINISH: id-auth and"
                        " author-key-enabled mean nothing without id-block");
        }
        return 0;
    }
    if (!finish->id_block_uaddr || !finish->id_auth_uaddr) {
        return refuse(-EINVAL, "LAUNCH_FINISH: an ID block needs id-auth, its"
                      " signature");
    }
    return 0;
}

static int check_finish(const PspKvmGuest *vm,
                        const struct kvm_sev_snp_launch_finish *finish)
{
    if (!vm->initialised) {
        return refuse(-ENOTTY, "LAUNCH_FINISH before INIT2");
    }
    if (vm->guest.state == PSP_STATE_INIT) {
        return refuse(-EINVAL, "LAUNCH_FINISH before LAUNCH_START");
    }
    if (finish->flags) {
        return refuse(-EINVAL, "LAUNCH_FINISH: flags 0x%x must be 0",
                      (unsigned)finish->flags);
    }
    return 0;
}

static int finish_guest(PspKvmGuest *vm,
                        const struct kvm_sev_snp_launch_finish *finish,
                        int *fw_error)
{
    PspLaunchFinish request = {
        .author_key = finish->auth_key_en,
        .vcek_disabled = finish->vcek_disabled,
    };
    Error *err = NULL;
    int status;

    if (finish->id_block_en) {
        request.block = (void *)(uintptr_t)finish->id_block_uaddr;
        request.auth = (void *)(uintptr_t)finish->id_auth_uaddr;
    }
    memcpy(request.host_data, finish->host_data, sizeof(request.host_data));
    status = psp_launch_finish(&vm->guest, &request, &err);
    return outcome("LAUNCH_FINISH", status, err, fw_error);
}

static int load_vcpus(PspKvmGuest *vm, const SevVmsa *vmsas)
{
    for (unsigned i = 0; i < vm->processor->vcpus(); i++) {
        const char *why = vm->processor->vcpu_load(i, &vmsas[i]);

        if (why) {
            return refuse(-EIO, "LAUNCH_FINISH: vCPU %u can not start: %s",
                          i, why);
        }
    }
    return 0;
}

static int launch_finish(PspKvmGuest *vm,
                         const struct kvm_sev_snp_launch_finish *finish,
                         int *fw_error)
{
    g_autofree SevVmsa *vmsas = NULL;
    PspGuest before = vm->guest;
    int ret = check_finish(vm, finish);

    if (ret) {
        return ret;
    }
    if (vm->guest.state != PSP_STATE_LAUNCH) {
        /* It will say why not. */
        return finish_guest(vm, finish, fw_error);
    }
    vmsas = g_new(SevVmsa, vm->processor->vcpus());
    ret = measure_vcpus(vm, vmsas, fw_error) ?:
          check_identity(finish) ?:
          finish_guest(vm, finish, fw_error) ?:
          load_vcpus(vm, vmsas);
    if (ret) {
        /* As if it had not been asked: the caller may try again. */
        vm->guest = before;
    }
    explicit_bzero(&before, sizeof(before));
    return ret;
}

static int run_command(PspKvmGuest *vm, int command, void *data,
                       int *fw_error)
{
    /* On an SNP guest KVM does not run the commands of the older ones. */
    if (command < KVM_SEV_SNP_LAUNCH_START && vm->initialised) {
        return refuse(-EPERM, "command %d is not for SEV-SNP guests, or came"
                      " twice", command);
    }
    switch (command) {
    case KVM_SEV_INIT2:
        return init2(vm, data);
    case KVM_SEV_SNP_LAUNCH_START:
        return launch_start(vm, data, fw_error);
    case KVM_SEV_SNP_LAUNCH_UPDATE:
        return launch_update(vm, data, fw_error);
    case KVM_SEV_SNP_LAUNCH_FINISH:
        return launch_finish(vm, data, fw_error);
    default:
        return refuse(-EINVAL, "command %d is not known; only SEV-SNP guests"
                      " are emulated", command);
    }
}

int psp_kvm_command(PspKvmGuest *vm, int command, void *data, int *fw_error)
{
    int ret;

    *fw_error = SEV_RET_NO_FW_CALL;
    ret = run_command(vm, command, data, fw_error);
    if (!ret) {
        *fw_error = SEV_RET_SUCCESS;
    }
    trace_psp_command(command, state_name(vm), ret, *fw_error);
    return ret;
}

void psp_kvm_forget(PspKvmGuest *vm)
{
    PspPlatform *platform = vm->guest.platform;

    explicit_bzero(&vm->guest, sizeof(vm->guest));
    vm->guest.platform = platform;
    vm->initialised = false;
    vm->sev_features = 0;
}
