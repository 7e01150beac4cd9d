/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of SEV and SEV-ES guests: measured, and encrypted where it is
 *
 * SEV API (55766), LAUNCH_UPDATE_DATA and LAUNCH_UPDATE_VMSA.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "errors.h"
#include "plan.h"

/* Before it is encrypted, since nobody can read it afterwards. */
static void measure_encrypted(SevLaunchPlan *plan, const void *content,
                              size_t size)
{
    if (!plan->encrypted) {
        plan->encrypted = g_checksum_new(G_CHECKSUM_SHA256);
    }
    g_checksum_update(plan->encrypted, content, size);
}

int sev_plan_encrypt(SevLaunchPlan *plan, const SevLaunchRange *range, int fd,
                     SevCommandFn *command, int *status, Error **errp)
{
    struct kvm_sev_launch_update_data update = {
        .uaddr = (uintptr_t)range->host,
        .len = range->size,
    };
    g_autofree char *source = NULL;
    g_autofree char *what = NULL;
    int ret;

    if (!plan->firmware_sha256) {
        plan->firmware_sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256,
                                                            range->host,
                                                            range->size);
    }
    measure_encrypted(plan, range->host, range->size);
    sev_plan_add(plan, range);
    *status = SEV_RET_NO_FW_CALL;
    ret = command(fd, KVM_SEV_LAUNCH_UPDATE_DATA, &update, status);
    if (!ret) {
        return 0;
    }
    source = sev_plan_source(plan, range, range->gpa);
    what = g_strdup_printf("SEV launch: LAUNCH_UPDATE_DATA of 0x%" HWADDR_PRIx
                           "-0x%" HWADDR_PRIx " (from %s)", range->gpa,
                           range->gpa + range->size - 1, source);
    sev_encrypt_error(errp, what, ret, *status);
    return ret;
}

int sev_plan_encrypt_vcpus(SevLaunchPlan *plan, int fd, SevCommandFn *command,
                           int *status, Error **errp)
{
    g_autofree char *what = NULL;
    int ret;

    plan->launched_vcpus = plan->vcpus->count();
    for (unsigned i = 0; i < plan->launched_vcpus; i++) {
        SevVmsa vmsa;

        sev_plan_vmsa(plan, i, &vmsa);
        measure_encrypted(plan, &vmsa, sizeof(vmsa));
    }
    *status = SEV_RET_NO_FW_CALL;
    ret = command(fd, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, status);
    if (ret) {
        what = g_strdup_printf("SEV-ES launch: LAUNCH_UPDATE_VMSA of %u vCPUs",
                               plan->launched_vcpus);
        sev_encrypt_error(errp, what, ret, *status);
    }
    return ret;
}

char *sev_plan_encrypted_digest(const SevLaunchPlan *plan)
{
    g_autoptr(GChecksum) so_far = NULL;

    if (!plan->encrypted || plan->foreign_vcpus) {
        return NULL;
    }
    so_far = g_checksum_copy(plan->encrypted);
    return g_strdup(g_checksum_get_string(so_far));
}
