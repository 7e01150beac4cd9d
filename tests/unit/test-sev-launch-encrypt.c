/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch plan of SEV and SEV-ES guests: encrypted in place
 */
#include "qemu/osdep.h"
#include <linux/psp-sev.h>
#include "qapi/error.h"
#include "upm/launch-world.h"

#define HASHES_SIZE 176

static GByteArray *given;           /* what the firmware got, in order */
static int encrypt_ret;
static uint64_t es_features;

/* sev_ioctl() of a guest whose memory turns into ciphertext */
static int encrypt_command(int fd, int cmd, void *data, int *fw_error)
{
    struct kvm_sev_launch_update_data *update = data;

    g_assert_cmpint(fd, ==, FD);
    calls++;
    if (cmd == KVM_SEV_LAUNCH_UPDATE_VMSA) {
        g_assert_null(data);
        for (unsigned i = 0; i < vcpus; i++) {
            PspVcpuReset reset;
            SevVmsa vmsa;

            vcpu_reset(i, &reset);
            reset.sev_features = es_features;
            psp_vmsa_init(&vmsa, &reset);
            g_byte_array_append(given, (uint8_t *)&vmsa, sizeof(vmsa));
        }
    } else {
        uint8_t *memory = (uint8_t *)(uintptr_t)update->uaddr;

        g_assert_cmpint(cmd, ==, KVM_SEV_LAUNCH_UPDATE_DATA);
        g_byte_array_append(given, memory, update->len);
        memset(memory, 0xcc, update->len);
    }
    if (encrypt_ret) {
        *fw_error = SEV_RET_INVALID_ADDRESS;
    }
    return encrypt_ret;
}

static uint8_t *new_content(size_t size)
{
    uint8_t *content = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        content[i] = i * 7 + i / PAGE;
    }
    return content;
}

static int encrypt(SevLaunchPlan *plan, hwaddr gpa, uint8_t *content,
                   uint64_t size, Error **errp)
{
    SevLaunchRange range = {
        .gpa = gpa, .size = size, .host = content, .type = PSP_PAGE_NORMAL,
        .source = gpa == BIOS_GPA ? SEV_LAUNCH_SOURCE_FIRMWARE
                                  : SEV_LAUNCH_SOURCE_KERNEL_HASHES,
    };

    int status, ret = sev_plan_encrypt(plan, &range, FD, encrypt_command,
                                       &status, errp);

    g_assert_cmpint(status, ==, ret ? SEV_RET_INVALID_ADDRESS
                                    : SEV_RET_NO_FW_CALL);
    return ret;
}

static int encrypt_vcpus(SevLaunchPlan *plan, Error **errp)
{
    int status;

    return sev_plan_encrypt_vcpus(plan, FD, encrypt_command, &status, errp);
}

static SevLaunchPlan new_encrypted_plan(int ret)
{
    calls = 0;
    vcpus = 2;
    encrypt_ret = ret;
    es_features = 0;
    given = g_byte_array_new();
    return (SevLaunchPlan) {
        .vcpus = &plan_vcpus, .firmware = (char *)"OVMF",
    };
}

static void free_encrypted_plan(SevLaunchPlan *plan)
{
    sev_plan_reset(plan);
    g_byte_array_free(given, true);
}

static void check_encrypted_digest(const SevLaunchPlan *plan)
{
    g_autofree char *digest = sev_plan_encrypted_digest(plan);
    g_autofree char *expected =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, given->data,
                                    given->len);

    g_assert_cmpstr(digest, ==, expected);
}

/* The digest is of what was there before it was encrypted, at any time. */
static void test_encrypt(void)
{
    SevLaunchPlan plan = new_encrypted_plan(0);
    g_autofree uint8_t *bios = new_content(BIOS_SIZE);
    g_autofree uint8_t *hashes = new_content(HASHES_SIZE);

    g_assert_cmpint(encrypt(&plan, BIOS_GPA, bios, BIOS_SIZE, &error_abort),
                    ==, 0);
    check_encrypted_digest(&plan);
    g_assert_cmpint(encrypt(&plan, 0x80f000, hashes, HASHES_SIZE,
                            &error_abort), ==, 0);
    check_encrypted_digest(&plan);
    g_assert_cmpuint(sev_plan_vcpus(&plan), ==, 0);
    g_assert_cmpuint(sev_plan_pages(&plan), ==, BIOS_SIZE / PAGE + 1);

    g_assert_cmpint(encrypt_vcpus(&plan, &error_abort), ==, 0);
    check_encrypted_digest(&plan);
    g_assert_cmpuint(given->len, ==, BIOS_SIZE + HASHES_SIZE + 2 * PAGE);
    g_assert_cmpuint(sev_plan_vcpus(&plan), ==, 2);
    g_assert_cmpuint(sev_plan_pages(&plan), ==, BIOS_SIZE / PAGE + 3);
    g_assert_cmpuint(calls, ==, 3);
    free_encrypted_plan(&plan);
}

/* A half that is encrypted twice is lost: no command is repeated. */
static void test_encrypt_failure(const void *opaque)
{
    int ret = GPOINTER_TO_INT(opaque);
    SevLaunchPlan plan = new_encrypted_plan(ret);
    g_autofree uint8_t *bios = new_content(BIOS_SIZE);
    g_autofree uint8_t *hashes = new_content(HASHES_SIZE);
    Error *errs[3] = { NULL };
    static const char *const texts[] = {
        "SEV launch: LAUNCH_UPDATE_DATA of 0xffffc000-0xffffffff"
        " (from OVMF, offset 0x0): E",
        "SEV launch: LAUNCH_UPDATE_DATA of 0x80f000-0x80f0af"
        " (from the kernel hashes): E",
        "SEV-ES launch: LAUNCH_UPDATE_VMSA of 2 vCPUs: E",
    };

    g_assert_cmpint(encrypt(&plan, BIOS_GPA, bios, BIOS_SIZE, &errs[0]), ==,
                    ret);
    g_assert_cmpint(encrypt(&plan, 0x80f000, hashes, HASHES_SIZE, &errs[1]),
                    ==, ret);
    g_assert_cmpint(encrypt_vcpus(&plan, &errs[2]), ==, ret);
    g_assert_cmpuint(calls, ==, 3);
    for (size_t i = 0; i < ARRAY_SIZE(errs); i++) {
        const char *text = error_get_pretty(errs[i]);

        g_test_message("%s", text);
        g_assert_true(g_str_has_prefix(text, texts[i]));
        g_assert_nonnull(strstr(text, "firmware status INVALID_ADDRESS (9)"));
        error_free(errs[i]);
    }
    free_encrypted_plan(&plan);
}

/* The same again after a reset, and with a feature that KVM was asked for */
static void test_encrypt_anew(const void *opaque)
{
    struct kvm_sev_init init = { .vmsa_features = GPOINTER_TO_UINT(opaque) };
    SevLaunchPlan plan = new_encrypted_plan(0);

    es_features = init.vmsa_features;
    sev_plan_command(&plan, KVM_SEV_INIT2, &init);
    for (int i = 0; i < 2; i++) {
        g_autofree uint8_t *bios = new_content(BIOS_SIZE);

        g_assert_null(sev_plan_encrypted_digest(&plan));
        g_assert_cmpint(encrypt(&plan, BIOS_GPA, bios, BIOS_SIZE,
                                &error_abort), ==, 0);
        g_assert_cmpint(encrypt_vcpus(&plan, &error_abort), ==, 0);
        check_encrypted_digest(&plan);
        g_assert_cmpuint(sev_plan_pages(&plan), ==, BIOS_SIZE / PAGE + 2);
        g_assert_nonnull(plan.firmware_sha256);

        plan.foreign_vcpus = true;
        g_assert_null(sev_plan_encrypted_digest(&plan));
        plan.foreign_vcpus = false;
        g_byte_array_set_size(given, 0);
        sev_plan_reset(&plan);
    }
    free_encrypted_plan(&plan);
}

int main(int argc, char **argv)
{
    launch_init(&argc, &argv);
    g_test_add_func("/sev-launch/encrypt", test_encrypt);
    g_test_add_data_func("/sev-launch/encrypt/anew", GUINT_TO_POINTER(0),
                         test_encrypt_anew);
    g_test_add_data_func("/sev-launch/encrypt/debug-swap",
                         GUINT_TO_POINTER(DEBUG_SWAP), test_encrypt_anew);
    g_test_add_data_func("/sev-launch/encrypt/again",
                         GINT_TO_POINTER(-EAGAIN), test_encrypt_failure);
    g_test_add_data_func("/sev-launch/encrypt/no-memory",
                         GINT_TO_POINTER(-ENOMEM), test_encrypt_failure);
    return g_test_run();
}
