/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's commands on SEV and SEV-ES guests
 *
 * Order and errnos are those of linux/arch/x86/kvm/svm/sev.c, 6.12, read for
 * facts; what the firmware makes of a command is Secure Encrypted
 * Virtualization API (55766), chapter 6.
 *
 * Locking: the BQL.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/memalign.h"
#include "host-abi.h"
#include "sev-kvm-internal.h"
#include "trace.h"

/* ASIDs below the second one are for SEV-ES. */
#define ASID_ES         1
#define ASID_SEV        2

#define GHCB_VERSION_MAX 2

/* KVM sends the command back, the firmware has not seen it. */
int sev_refuse(int ret, const char *fmt, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, fmt);
    reason = g_strdup_vprintf(fmt, args);
    va_end(args);
    error_report("emulated SEV firmware: %s", reason);
    return ret;
}

/* What the firmware made of a command */
int sev_outcome(int status, int *fw_error)
{
    *fw_error = status;
    return status == SEV_RET_SUCCESS ? 0 : -EIO;
}

int sev_check_active(const PspSevKvm *vm, const char *command)
{
    return vm->active ? 0 : sev_refuse(-ENOTTY, "%s before INIT", command);
}

/* As KVM copies them */
int sev_check_blob(const char *command, const char *what, uint64_t uaddr,
                      uint32_t size)
{
    if (!uaddr || !size || size > SEV_KVM_BLOB_MAX) {
        return sev_refuse(-EINVAL, "%s: %s of %u bytes: KVM takes 1 to %d",
                          command, what, size, (int)SEV_KVM_BLOB_MAX);
    }
    return 0;
}

/*
 * INIT, ES_INIT, INIT2
 */

static int activate(PspSevKvm *vm, const char *command, bool es,
                    uint8_t ghcb_version)
{
    if (vm->active) {
        return sev_refuse(-EINVAL, "%s: the guest was initialised before",
                          command);
    }
    if (es != vm->es) {
        return sev_refuse(-EINVAL, "%s: the policy of the guest object is that"
                          " of a guest with%s SEV-ES", command,
                          vm->es ? "" : "out");
    }
    vm->active = true;
    if (es) {
        vm->processor->ghcb_version(ghcb_version);
    }
    return 0;
}

/* KVM of Linux 6.12 leaves x87 and SSE state out of VMSAs of the old type. */
static int es_init(PspSevKvm *vm)
{
    int ret = activate(vm, "ES_INIT", true, 1);

    vm->without_fpu |= !ret;
    return ret;
}

static int init2(PspSevKvm *vm, const struct kvm_sev_init *init)
{
    if (init->flags) {
        return sev_refuse(-EINVAL, "INIT2: flags 0x%x must be 0",
                          (unsigned)init->flags);
    }
    if (init->vmsa_features) {
        return sev_refuse(-EINVAL, "INIT2: SEV features 0x%" PRIx64 " of the"
                          " VMSA are not among those offered (0)",
                          (uint64_t)init->vmsa_features);
    }
    if (init->ghcb_version > (vm->es ? GHCB_VERSION_MAX : 0)) {
        return sev_refuse(-EINVAL, "INIT2: GHCB version %u, at most %d are"
                          " possible", (unsigned)init->ghcb_version,
                          vm->es ? GHCB_VERSION_MAX : 0);
    }
    return activate(vm, "INIT2", vm->es,
                    init->ghcb_version ?: GHCB_VERSION_MAX);
}

/*
 * LAUNCH_START
 */

static int need_identity(PspSevKvm *vm)
{
    Error *err = NULL;

    if (vm->host.identity.made ||
        vm->identity(vm->opaque, &vm->host.identity, &err)) {
        return 0;
    }
    error_reportf_err(err, "emulated SEV firmware: ");
    return -EIO;
}

static int check_blobs(const struct kvm_sev_launch_start *start)
{
    int ret = start->dh_uaddr
        ? sev_check_blob("LAUNCH_START", "a certificate (dh-cert-file)",
                     start->dh_uaddr, start->dh_len) : 0;

    if (!ret && start->session_uaddr) {
        ret = sev_check_blob("LAUNCH_START", "a session (session-file)",
                         start->session_uaddr, start->session_len);
    }
    return ret;
}

static int bind_asid(PspSevKvm *vm, uint32_t handle, uint32_t policy)
{
    PspCmdActivate activate = {
        .handle = cpu_to_le32(handle),
        .asid = cpu_to_le32(vm->es ? ASID_ES : ASID_SEV),
    };
    PspCmdHandle decommission = { activate.handle };
    int status = psp_sev_activate(&vm->host, &activate);

    if (status == SEV_RET_INVALID_ASID) {
        sev_refuse(0, "LAUNCH_START: policy 0x%x is that of a guest with%s"
                   " SEV-ES, and INIT was for one with%s", policy,
                   policy & PSP_SEV_POLICY_ES ? "" : "out",
                   vm->es ? "" : "out");
    }
    if (status) {
        psp_sev_decommission(&vm->host, &decommission);
    }
    return status;
}

static int launch_start(PspSevKvm *vm, struct kvm_sev_launch_start *start,
                        int *fw_error)
{
    PspCmdLaunchStart command = {
        .handle = cpu_to_le32(start->handle),
        .policy = cpu_to_le32(start->policy),
        .cert_spa = cpu_to_le64(start->dh_uaddr),
        .cert_size = cpu_to_le32(start->dh_uaddr ? start->dh_len : 0),
        .session_spa = cpu_to_le64(start->session_uaddr),
        .session_size = cpu_to_le32(start->session_uaddr ? start->session_len
                                                         : 0),
    };
    int ret = sev_check_active(vm, "LAUNCH_START") ?: check_blobs(start);
    int status;

    if (!ret && start->dh_uaddr) {
        ret = need_identity(vm);
    }
    if (ret) {
        return ret;
    }
    status = psp_sev_launch_start(&vm->host, &command);
    if (!status) {
        status = bind_asid(vm, le32_to_cpu(command.handle), start->policy);
    }
    if (!status) {
        vm->handle = start->handle = le32_to_cpu(command.handle);
    }
    return sev_outcome(status, fw_error);
}

/*
 * Asking
 */

static int guest_status(PspSevKvm *vm, struct kvm_sev_guest_status *status,
                        int *fw_error)
{
    PspCmdGuestStatus command = { .handle = cpu_to_le32(vm->handle) };
    int ret = sev_check_active(vm, "GUEST_STATUS");

    if (ret) {
        return ret;
    }
    ret = sev_outcome(psp_sev_guest_status(&vm->host, &command), fw_error);
    if (!ret) {
        status->handle = vm->handle;
        status->policy = le32_to_cpu(command.policy);
        status->state = command.state;
    }
    return ret;
}

static int attestation(PspSevKvm *vm,
                       struct kvm_sev_attestation_report *report,
                       int *fw_error)
{
    bool ask = !report->len;
    PspCmdAttestation command = {
        .handle = cpu_to_le32(vm->handle),
        .spa = cpu_to_le64(report->uaddr),
        .size = cpu_to_le32(report->uaddr ? report->len : 0),
    };
    int ret = sev_check_active(vm, "GET_ATTESTATION_REPORT");

    if (!ret && report->uaddr && report->len > SEV_KVM_BLOB_MAX) {
        ret = sev_refuse(-EINVAL, "GET_ATTESTATION_REPORT: room for %u bytes:"
                         " KVM takes %d", (unsigned)report->len,
                         (int)SEV_KVM_BLOB_MAX);
    }
    if (!ret) {
        ret = need_identity(vm);
    }
    if (ret) {
        return ret;
    }
    memcpy(command.nonce, report->mnonce, sizeof(command.nonce));
    ret = sev_outcome(psp_sev_attestation(&vm->host, &command), fw_error);
    if (ask || !ret) {
        report->len = le32_to_cpu(command.size);
    }
    return ret;
}

static int run_command(PspSevKvm *vm, int command, void *data, int *fw_error)
{
    switch (command) {
    case KVM_SEV_INIT:
        return activate(vm, "INIT", false, 0);
    case KVM_SEV_ES_INIT:
        return es_init(vm);
    case KVM_SEV_INIT2:
        return init2(vm, data);
    case KVM_SEV_LAUNCH_START:
        return launch_start(vm, data, fw_error);
    case KVM_SEV_LAUNCH_UPDATE_DATA:
        return sev_kvm_update_data(vm, data, fw_error);
    case KVM_SEV_LAUNCH_UPDATE_VMSA:
        return sev_kvm_update_vmsa(vm, fw_error);
    case KVM_SEV_LAUNCH_MEASURE:
        return sev_kvm_measure(vm, data, fw_error);
    case KVM_SEV_LAUNCH_SECRET:
        return sev_kvm_secret(vm, data, fw_error);
    case KVM_SEV_LAUNCH_FINISH:
        return sev_kvm_finish(vm, fw_error);
    case KVM_SEV_GUEST_STATUS:
        return guest_status(vm, data, fw_error);
    case KVM_SEV_GET_ATTESTATION_REPORT:
        return attestation(vm, data, fw_error);
    case KVM_SEV_SNP_LAUNCH_START:
    case KVM_SEV_SNP_LAUNCH_UPDATE:
    case KVM_SEV_SNP_LAUNCH_FINISH:
        return sev_refuse(-ENOTTY, "command %d is for SEV-SNP guests",
                          command);
    default:
        return sev_refuse(-EINVAL, "command %d is not emulated for SEV and"
                          " SEV-ES guests", command);
    }
}

static const char *state_name(PspSevKvm *vm)
{
    static const char *const names[] = {
        [PSP_SEV_LUPDATE] = "launch-update",
        [PSP_SEV_LSECRET] = "launch-secret",
        [PSP_SEV_RUNNING] = "running",
    };
    const PspSevGuest *guest = psp_sev_guest(&vm->host, vm->handle);

    return guest ? names[guest->state] : vm->active ? "init" : "uninitialised";
}

int psp_sev_kvm_command(PspSevKvm *vm, int command, void *data, int *fw_error)
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

unsigned psp_sev_kvm_guests(const PspSevKvm *vm)
{
    return vm->host.guest_count;
}

/*
 * The guest's life.  What is a system-physical address to the firmware is a
 * host address here.
 */

static void *map(void *opaque, uint64_t spa, uint64_t size, bool is_write)
{
    return (void *)(uintptr_t)spa;
}

static void unmap(void *opaque, void *p, uint64_t size, bool is_write)
{
}

static const PspPlatformOps platform_ops = {
    .map = map,
    .unmap = unmap,
};

/* Asked by INIT and SNP_INIT, and both are behind this platform. */
static const PspHostOps host_ops;

static void init_host(PspHost *host)
{
    psp_host_init(host, &platform_ops, &host_ops, NULL);
    host->platform.max_asid = ASID_SEV;
    host->platform.sev_state = PSP_PLATFORM_INIT;
    host->min_sev_asid = ASID_SEV;
    host->es = true;
}

static void destroy_host(PspHost *host)
{
    psp_host_destroy(host);
    explicit_bzero(host, sizeof(*host));
}

PspSevKvm *psp_sev_kvm_new(bool es, const PspProcessor *processor,
                           PspSevIdentityFn *identity, void *opaque,
                           Error **errp)
{
    PspSevKvm *vm = g_new0(PspSevKvm, 1);

    vm->es = es;
    vm->processor = processor;
    vm->identity = identity;
    vm->opaque = opaque;
    init_host(&vm->host);
    return vm;
}

void psp_sev_kvm_forget(PspSevKvm *vm)
{
    destroy_host(&vm->host);
    init_host(&vm->host);
    vm->active = vm->without_fpu = false;
    vm->handle = 0;
    g_clear_pointer(&vm->vmsas, qemu_vfree);
    vm->vmsa_count = 0;
}

void psp_sev_kvm_free(PspSevKvm *vm)
{
    if (vm) {
        destroy_host(&vm->host);
        qemu_vfree(vm->vmsas);
        g_free(vm);
    }
}
