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

/* Returns: SHA-256 in hexadecimal, to be freed. */
static char *so_far_in_hex(const SevLaunchPlan *plan)
{
    g_autoptr(GChecksum) so_far = g_checksum_copy(plan->encrypted);

    return g_strdup(g_checksum_get_string(so_far));
}

static void digest_of(GChecksum *checksum, uint8_t digest[SEV_DIGEST_SIZE])
{
    gsize size = SEV_DIGEST_SIZE;

    g_checksum_get_digest(checksum, digest, &size);
}

/* Before it is encrypted, since nobody can read it afterwards. */
static void measure_page(SevLaunchPlan *plan, SevEncryptedPage page,
                         const void *content, size_t size)
{
    g_autoptr(GChecksum) contents = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(GChecksum) so_far = NULL;

    if (!plan->encrypted) {
        plan->encrypted = g_checksum_new(G_CHECKSUM_SHA256);
        plan->encrypted_pages = g_array_new(false, false, sizeof(page));
    }
    g_checksum_update(contents, content, size);
    digest_of(contents, page.contents);
    g_checksum_update(plan->encrypted, content, size);
    so_far = g_checksum_copy(plan->encrypted);
    digest_of(so_far, page.digest);
    g_array_append_val(plan->encrypted_pages, page);
}

static void measure_range(SevLaunchPlan *plan, const SevLaunchRange *range)
{
    uint64_t done, part;

    for (done = 0; done < range->size; done += part) {
        part = MIN(range->size - done, PSP_PAGE_SIZE);
        measure_page(plan, (SevEncryptedPage) {
            .source = range->source, .gpa = range->gpa + done, .offset = done,
        }, range->host + done, part);
    }
}

static int launch_range(SevLaunchPlan *plan, const SevLaunchRange *range,
                        int fd, SevCommandFn *command, int *status,
                        Error **errp)
{
    struct kvm_sev_launch_update_data update = {
        .uaddr = (uintptr_t)range->host,
        .len = range->size,
    };
    g_autofree char *source = NULL;
    g_autofree char *what = NULL;
    int ret;

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

int sev_plan_encrypt(SevLaunchPlan *plan, const SevLaunchRange *range, int fd,
                     SevCommandFn *command, int *status, Error **errp)
{
    SevLaunchRange added = *range;

    measure_range(plan, range);
    if (!plan->firmware_sha256) {
        /* It comes first. */
        plan->firmware_sha256 = so_far_in_hex(plan);
    }
    added.place = range->host;
    sev_plan_add(plan, &added);
    if (plan->kept) {
        sev_plan_keep(plan);
    }
    return launch_range(plan, range, fd, command, status, errp);
}

int sev_plan_encrypt_again(SevLaunchPlan *plan, int fd, SevCommandFn *command,
                           Error **errp)
{
    int ret = 0, status;

    g_clear_pointer(&plan->encrypted, g_checksum_free);
    g_clear_pointer(&plan->encrypted_pages, g_array_unref);
    for (unsigned i = 0; i < sev_plan_ranges(plan) && !ret; i++) {
        SevLaunchRange *range = sev_plan_range(plan, i);

        range->host = range->place;
        measure_range(plan, range);
        ret = launch_range(plan, range, fd, command, &status, errp);
    }
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
        measure_page(plan, (SevEncryptedPage) {
            .source = SEV_LAUNCH_SOURCE_VCPU, .vcpu = i,
        }, &vmsa, sizeof(vmsa));
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
    return plan->encrypted && !plan->foreign_vcpus ? so_far_in_hex(plan)
                                                   : NULL;
}
