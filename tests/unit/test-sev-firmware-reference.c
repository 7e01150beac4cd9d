/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: digests of real firmware, launched in the order of
 * target/i386/sev.c
 *
 * Expected digests come from elsewhere: from virtee/sev-snp-measure, see
 * tests/data/launch-digests.tsv.  They need the firmware of Debian that the
 * file names, from the cache of scripts/fetch or from the folder that
 * UPM_FIRMWARE names.
 */
#include "qemu/osdep.h"
#include "crypto/hash.h"
#include "qemu/bswap.h"
#include "qemu/memalign.h"
#include "qemu/units.h"
#include "qemu/uuid.h"
#include "upm/snp-vm.h"

/* The digest that is foretold, with what KVM is asked for by INIT2 */
static char *planned_digest(SevLaunchPlan *plan, uint64_t features)
{
    struct kvm_sev_init init = {
        .vmsa_features = features & ~SEV_FEATURES_SNP_ACTIVE,
    };
    uint8_t digest[PSP_DIGEST_SIZE];

    sev_plan_command(plan, KVM_SEV_INIT2, &init);
    sev_plan_command(plan, KVM_SEV_SNP_LAUNCH_START, NULL);
    g_assert_true(sev_plan_digest(plan, digest, NULL, NULL, &error_abort));
    return to_hex(digest);
}

typedef struct Firmware {
    uint8_t *image;
    size_t size;
} Firmware;

static void guid_bytes(const char *text, QemuUUID *guid)
{
    g_assert_cmpint(qemu_uuid_parse(text, guid), ==, 0);
    *guid = qemu_uuid_bswap(*guid);     /* as UEFI stores them */
}

/* Data of an entry of the table that ends 32 bytes before the firmware */
static uint8_t *firmware_entry(const Firmware *firmware, const char *text)
{
    uint8_t *end = firmware->image + firmware->size - 0x20, *begin, *at;
    QemuUUID guid;

    guid_bytes("96b582de-1fb2-45f7-baea-a366c55a082d", &guid);
    g_assert_cmpmem(end - 16, 16, &guid, 16);
    begin = end - lduw_le_p(end - 18);
    guid_bytes(text, &guid);
    for (at = end - 18; at > begin; at -= lduw_le_p(at - 18)) {
        if (!memcmp(at - 16, &guid, 16)) {
            return at - lduw_le_p(at - 18);
        }
    }
    return NULL;
}

static bool sha256_is(const void *data, size_t size, const char *hex)
{
    g_autofree char *digest = NULL;

    g_assert_cmpint(qcrypto_hash_digest(QCRYPTO_HASH_ALGO_SHA256, data, size,
                                        &digest, &error_abort), ==, 0);
    return g_str_equal(digest, hex);
}

/* NULL where the firmware that the digests were made for is not at hand */
static Firmware *read_firmware(const char *name, const char *sha256)
{
    const char *folder = g_getenv("UPM_FIRMWARE");
    g_autofree char *in_cache = g_build_filename(
        g_get_user_cache_dir(), "qemu-upm", "packages",
        g_str_equal(name, "OVMF.fd") ? "trixie/ovmf" : "sid/ovmf-amdsev",
        "usr/share/ovmf", NULL);
    g_autofree char *path = g_build_filename(folder ?: in_cache, name, NULL);
    g_autofree char *data = NULL;
    Firmware *firmware;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, NULL)) {
        g_test_message("%s is not there", path);
        return NULL;
    }
    if (!sha256_is(data, size, sha256)) {
        g_test_message("%s is of another version", path);
        return NULL;
    }
    firmware = g_new0(Firmware, 1);
    firmware->size = size;
    firmware->image = new_pages(size / PSP_PAGE_SIZE);
    memcpy(firmware->image, data, size);
    return firmware;
}

static void hash_entry(uint8_t *at, const char *text, const void *data,
                       size_t size)
{
    uint8_t *out = at + 18;
    size_t out_size = 32;

    guid_bytes(text, (QemuUUID *)at);
    stw_le_p(at + 16, 50);
    g_assert_cmpint(qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA256, data, size,
                                       &out, &out_size, &error_abort), ==, 0);
}

/* The table that OVMF checks kernel, initrd and command line against */
static void *hashes_page(const Firmware *firmware)
{
    static const char kernel[] = "a kernel of one line\n";
    static const char initrd[] = "an initrd of one line\n";
    static const char cmdline[] = "console=ttyS0 panic=-1";
    uint8_t *page = new_pages(1), *table;
    uint8_t *area = firmware_entry(firmware,
                                   "7255371f-3a3b-4b04-927b-1da6efa8d454");

    g_assert_nonnull(area);
    table = page + ldl_le_p(area) % PSP_PAGE_SIZE;
    guid_bytes("9438d606-4f22-4cc9-b479-a793d411fd21", (QemuUUID *)table);
    stw_le_p(table + 16, 168);
    /* the command line with its end, the others without */
    hash_entry(table + 18, "97d02dd8-bd20-4c94-aa78-e7714d36ab2a", cmdline,
               sizeof(cmdline));
    hash_entry(table + 68, "44baf731-3a2f-4bd7-9af1-41e29169781d", initrd,
               sizeof(initrd) - 1);
    hash_entry(table + 118, "4de79437-abd2-427f-b835-d5b172d2045b", kernel,
               sizeof(kernel) - 1);
    return page;
}

static void launch_sections(PspKvmGuest *vm, const Firmware *firmware,
                            bool kernel_hashes)
{
    uint8_t *offset = firmware_entry(firmware,
                                     "dc886566-984a-4798-a75e-5585a7bf67cc");
    uint8_t *metadata = firmware->image + firmware->size - ldl_le_p(offset);
    PspCpuidPage *cpuid = good_cpuid_page();

    g_assert_cmpmem(metadata, 4, "ASEV", 4);
    for (uint32_t i = 0; i < ldl_le_p(metadata + 12); i++) {
        uint8_t *section = metadata + 16 + 12 * i;
        uint32_t base = ldl_le_p(section), size = ldl_le_p(section + 4);
        void *hashes;

        switch (ldl_le_p(section + 8)) {
        case 2:
            launch(vm, base, cpuid, size, KVM_SEV_SNP_PAGE_TYPE_SECRETS);
            break;
        case 3:
            launch(vm, base, cpuid, size, KVM_SEV_SNP_PAGE_TYPE_CPUID);
            break;
        case 0x10:
            if (kernel_hashes) {
                hashes = hashes_page(firmware);
                launch(vm, base, hashes, size,
                       KVM_SEV_SNP_PAGE_TYPE_NORMAL);
                qemu_vfree(hashes);
                break;
            }
            /* fall through */
        default:
            launch(vm, base, NULL, size, KVM_SEV_SNP_PAGE_TYPE_ZERO);
            break;
        }
    }
    qemu_vfree(cpuid);
}

/* @row: firmware, vcpu-type, vcpus, guest-features, kernel-hashes, digest */
static void check_reference(const Firmware *firmware, char **row)
{
    static const SevLaunchVcpus plan_vcpus = {
        .count = fake_vcpus,
        .reset = fake_vcpu_reset,
    };
    SevLaunchPlan plan = { .vcpus = &plan_vcpus };
    PspKvmGuest vm = new_guest();
    g_autofree char *digest = NULL;
    g_autofree char *foretold = NULL;

    signature = g_str_equal(row[1], "EPYC-v4") ? 0x800f12 : 0xa00f11;
    vcpus = atoi(row[2]);
    ap_reset = ldl_le_p(firmware_entry(firmware,
                            "00f771de-1a7e-4fcb-890e-68c77e2fb44e"));
    start_guest_with(&vm, g_ascii_strtoull(row[3], NULL, 0) &
                          ~SEV_FEATURES_SNP_ACTIVE);
    planned = &plan;
    launch(&vm, 4 * GiB - firmware->size, firmware->image, firmware->size,
           KVM_SEV_SNP_PAGE_TYPE_NORMAL);
    launch_sections(&vm, firmware, g_str_equal(row[4], "on"));
    planned = NULL;
    foretold = planned_digest(&plan, vm.sev_features);
    finish_guest(&vm);

    digest = digest_of(&vm);
    if (!g_str_equal(digest, row[5])) {
        g_test_message("%s %s %s %s %s", row[0], row[1], row[2], row[3],
                       row[4]);
    }
    g_assert_cmpstr(digest, ==, row[5]);
    g_assert_cmpstr(foretold, ==, row[5]);
    sev_plan_reset(&plan);
}

/* The source file may be reached through a link. */
static char *digests_path(void)
{
    g_autofree char *here =
        g_test_build_filename(G_TEST_DIST, "test-sev-firmware-reference.c",
                              NULL);
    char *real = realpath(here, NULL);
    g_autofree char *folder = real ? g_path_get_dirname(real) : g_strdup(".");

    free(real);
    return g_build_filename(folder, "..", "data", "launch-digests.tsv", NULL);
}

static void test_reference_digests(const void *opaque)
{
    const char *name = opaque;
    g_autofree char *path = digests_path();
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    Firmware *firmware = NULL;
    unsigned checked = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) row = g_strsplit(*line, "\t", 0);

        if (g_strv_length(row) == 3 && g_str_equal(row[1], name)) {
            firmware = read_firmware(name, row[2]);
            if (!firmware) {
                g_test_skip("needs the firmware that the digests are of");
                return;
            }
        }
        if (g_strv_length(row) == 6 && g_str_equal(row[0], name)) {
            check_reference(firmware, row);
            checked++;
        }
    }
    g_assert_cmpuint(checked, >, 0);
    g_test_message("%u digests of %s are equal", checked, name);
    qemu_vfree(firmware->image);
    g_free(firmware);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_fatal);
    g_test_add_data_func("/sev-firmware/reference/ovmf", "OVMF.fd",
                         test_reference_digests);
    g_test_add_data_func("/sev-firmware/reference/ovmf-amdsev",
                         "OVMF.amdsev.fd", test_reference_digests);
    return g_test_run();
}
