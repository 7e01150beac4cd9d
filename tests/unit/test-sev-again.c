/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEV-ES guests that are launched again: from copies, each range where it was
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "target/i386/sev-launch/plan.h"

#define PAGE        PSP_PAGE_SIZE
#define IMAGE_SIZE  (4 * PAGE)
#define IMAGE_GPA   (0x100000000ULL - IMAGE_SIZE)
#define HASHES_GPA  0x80f000
#define HASHES_SIZE 176

static unsigned count_vcpus(void)
{
    return 2;
}

static void reset_vcpu(unsigned index, PspVcpuReset *reset)
{
    *reset = (PspVcpuReset) { .cs_selector = 0xf000, .rip = 0xfff0 - index };
}

static const SevLaunchVcpus vcpus = {
    .count = count_vcpus, .reset = reset_vcpu,
};

static uint8_t *image, *hashes;
static GByteArray *given;
static int failing = -1;

/* Memory turns into ciphertext. */
static int command(int fd, int cmd, void *data, int *fw_error)
{
    struct kvm_sev_launch_update_data *update = data;
    uint8_t *memory;

    *fw_error = 0;
    if (failing >= 0 && !failing--) {
        return -EIO;
    }
    if (cmd == KVM_SEV_LAUNCH_UPDATE_VMSA) {
        return 0;
    }
    memory = (uint8_t *)(uintptr_t)update->uaddr;
    g_byte_array_append(given, memory, update->len);
    memset(memory, 0xcc, update->len);
    return 0;
}

static void add(SevLaunchPlan *plan, hwaddr gpa, uint8_t *content, size_t size)
{
    SevLaunchRange range = {
        .gpa = gpa, .size = size, .host = content, .type = PSP_PAGE_NORMAL,
    };
    int status;

    for (size_t i = 0; i < size; i++) {
        content[i] = i * 7 + i / PAGE + gpa / PAGE;
    }
    g_assert_cmpint(sev_plan_encrypt(plan, &range, -1, command, &status,
                                     &error_abort), ==, 0);
}

static void add_vcpus(SevLaunchPlan *plan)
{
    int status;

    g_assert_cmpint(sev_plan_encrypt_vcpus(plan, -1, command, &status,
                                           &error_abort), ==, 0);
}

static SevLaunchPlan launched_plan(bool kept)
{
    SevLaunchPlan plan = { .vcpus = &vcpus, .kept = kept };

    image = g_malloc(IMAGE_SIZE);
    hashes = g_malloc(HASHES_SIZE);
    given = g_byte_array_new();
    failing = -1;
    add(&plan, IMAGE_GPA, image, IMAGE_SIZE);
    add(&plan, HASHES_GPA, hashes, HASHES_SIZE);
    add_vcpus(&plan);
    return plan;
}

static void free_plan(SevLaunchPlan *plan)
{
    sev_plan_reset(plan);
    g_byte_array_free(given, true);
    g_free(image);
    g_free(hashes);
}

/* As sev_launch_encrypted_again() does */
static void fill(const SevLaunchPlan *plan)
{
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        const SevLaunchRange *range = sev_plan_range(plan, i);

        memcpy(range->place, range->copy, range->size);
    }
}

/* The guest has made anything of its memory; the digest is what it was. */
static void test_again(void)
{
    SevLaunchPlan plan = launched_plan(true);
    g_autofree char *first = sev_plan_encrypted_digest(&plan);
    uint64_t pages = sev_plan_pages(&plan);

    for (unsigned life = 1; life < 4; life++) {
        g_autofree char *digest = NULL;

        memset(image, life, IMAGE_SIZE);
        memset(hashes, life, HASHES_SIZE);
        fill(&plan);
        g_assert_cmpint(sev_plan_encrypt_again(&plan, -1, command,
                                               &error_abort), ==, 0);
        add_vcpus(&plan);
        digest = sev_plan_encrypted_digest(&plan);
        g_assert_cmpstr(digest, ==, first);
        g_assert_cmpuint(sev_plan_pages(&plan), ==, pages);
        g_assert_cmpmem(given->data + life * (IMAGE_SIZE + HASHES_SIZE),
                        IMAGE_SIZE + HASHES_SIZE, given->data,
                        IMAGE_SIZE + HASHES_SIZE);
    }
    free_plan(&plan);
}

/* What is there is what is measured: a device may have other content now. */
static void test_other_content(void)
{
    SevLaunchPlan plan = launched_plan(true);
    g_autofree char *first = sev_plan_encrypted_digest(&plan);
    g_autofree char *other = NULL;

    fill(&plan);
    image[PAGE]++;
    g_assert_cmpint(sev_plan_encrypt_again(&plan, -1, command, &error_abort),
                    ==, 0);
    add_vcpus(&plan);
    other = sev_plan_encrypted_digest(&plan);
    g_assert_cmpstr(other, !=, first);
    free_plan(&plan);
}

static void test_failure(void)
{
    SevLaunchPlan plan = launched_plan(true);
    Error *err = NULL;

    fill(&plan);
    failing = 1;
    g_assert_cmpint(sev_plan_encrypt_again(&plan, -1, command, &err), ==, -EIO);
    g_assert_nonnull(strstr(error_get_pretty(err), "LAUNCH_UPDATE_DATA of "
                            "0x80f000-0x80f0af"));
    error_free(err);
    free_plan(&plan);
}

/* Copies cost memory, and are for who is launched again. */
static void test_not_kept(void)
{
    SevLaunchPlan plan = launched_plan(false);

    g_assert_null(sev_plan_range(&plan, 0)->copy);
    g_assert_null(sev_plan_range(&plan, 1)->copy);
    free_plan(&plan);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/sev-again/again", test_again);
    g_test_add_func("/sev-again/other-content", test_other_content);
    g_test_add_func("/sev-again/failure", test_failure);
    g_test_add_func("/sev-again/not-kept", test_not_kept);
    return g_test_run();
}
