/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of memory-backend-memfd-private, of its guest and of its machine:
 * what is refused, and what help says
 */
#include "qemu/osdep.h"
#include "upm/query.h"

static void expect_refused(QTestState *qts, const char *options,
                           const char *message)
{
    unsigned int fds = count_fds(qts);
    g_autofree char *desc = take_error(object_add(qts, options));

    g_assert_cmpstr(desc, ==, message);
    g_assert_cmpuint(count_fds(qts), ==, fds);
}

static void test_options_refused(void)
{
    static const struct {
        const char *options;
        const char *message;
    } cases[] = {
        { "'size': 1048576, 'share': false",
          TYPE " 'r' (1 MiB): share=off cannot hold: the shared half is what "
          "the guest shares with QEMU and its devices" },
        { "'size': 1048576, 'merge': true",
          TYPE " 'r' (1 MiB): merge=on cannot hold: the kernel merges no page "
          "that is mapped as shared, and no private one" },
        { "'size': 1048576, 'hugetlbsize': 2097152",
          TYPE " 'r' (1 MiB): hugetlbsize needs hugetlb=on" },
        { "'size': 1048576, 'hugetlb': true, 'hugetlbsize': 3000",
          TYPE " 'r' (1 MiB): hugetlbsize=3000 is not the size of a page" },
        { "'size': 1048576, 'hugetlb': true, 'hugetlbsize': 2048",
          TYPE " 'r' (1 MiB): hugetlbsize=2048 is not the size of a page" },
        { "'size': 1048576, 'host-nodes': [ 0 ]",
          TYPE " 'r' (1 MiB): host-nodes needs a policy other than default" },
        { "'size': 1048576, 'policy': 'bind'",
          TYPE " 'r' (1 MiB): policy=bind needs host-nodes" },
        { "'size': 1048577",
          TYPE " 'r' (1 MiB): size must be a multiple of 4 KiB" },
        { "'size': 0",
          "property 'size' of " TYPE " doesn't take value '0'" },
        { "'size': 1048576, 'discard': 'some'",
          "Parameter 'discard' does not accept value 'some', only: both, "
          "shared, private, none" },
        { "'size': 1048576, 'seal': false",
          "Parameter 'seal' is unexpected" },
        { "'size': 1048576, 'prealloc': true, 'reserve': false",
          "'prealloc=on' and 'reserve=off' are incompatible" },
        { "'size': 1048576, 'prealloc-threads': 0",
          "property 'prealloc-threads' of " TYPE " doesn't take value '0'" },
        { "'share': true",
          "Parameter 'size' is missing" },
    };
    QTestState *qts = qtest_init("-machine none");
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        expect_refused(qts, cases[i].options, cases[i].message);
    }
    qtest_quit(qts);
}

static void test_no_guest(void)
{
    QTestState *qts = qtest_init("-machine none");

    expect_refused(qts, "'size': 1048576",
                   TYPE " 'r' (1 MiB): only a confidential guest has private "
                   "memory");
    qtest_quit(qts);
}

static void test_no_provider(void)
{
    expect_exit("-machine none,confidential-guest-support=sev0 -accel qtest "
                GUEST " -object " TYPE ",id=r,size=1G",
                TYPE " 'r' (1 GiB): the accelerator cannot keep guest memory "
                "private");
}

static void test_command_line(void)
{
    expect_exit("-machine none -object " TYPE ",id=r,size=1M,discard=x",
                "does not accept value 'x', only: both, shared, private, none");
    expect_exit("-machine none " GUEST ",discard=x",
                "does not accept value 'x', only: both, shared, private, none");
    expect_exit("-machine none -object "
                "'{\"qom-type\":\"" TYPE "\",\"id\":\"r\",\"size\":4097}'",
                "size must be a multiple of 4 KiB");
    expect_exit("-machine none -object " TYPE ",id=r,size=1M",
                "Give the guest, an object such as sev-snp-guest, with "
                "-machine confidential-guest-support=ID.");
    expect_exit("-machine q35,kvm-type=other",
                "kvm-type must be 'protected' or left out");
}

static void test_guest_help(void)
{
    g_autofree char *output = NULL;

    g_assert_true(run_qemu("-object sev-snp-guest,help", &output));
    g_assert_nonnull(strstr(output, "discard=<UpmDiscardPolicy>"));
    g_assert_nonnull(strstr(output, "emulated=<bool>"));
}

static void test_vmpls(void)
{
    expect_exit(GUEST ",emulated-vmpls=0",
                "emulated-vmpls=0: a processor has 1 to 4 VMPLs");
    expect_exit(GUEST ",emulated-vmpls=5",
                "emulated-vmpls=5: a processor has 1 to 4 VMPLs");
    expect_exit("-object sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,"
                "emulated-vmpls=2 " MACHINE,
                "Property 'sev-guest.emulated-vmpls' not found");
}

static void test_features(void)
{
    expect_exit(GUEST ",secure-tsc=on " MACHINE,
                "sev-snp-guest: secure-tsc=on: the emulated processor does not "
                "have it: its TSC is the host's clock");
    expect_exit(GUEST ",debug-swap=2", "'debug-swap' expects 'on' or 'off'");
    expect_exit(GUEST ",alternate-injection=on",
                "Invalid parameter 'alternate-injection'");
}

static void test_upm_mode(void)
{
    expect_exit(GUEST ",upm-mode=off",
                "upm-mode=off cannot hold for an SEV-SNP guest: "
                "KVM_X86_SNP_VM has private memory in a guest_memfd only");
    expect_exit(GUEST ",upm-mode=maybe",
                "Parameter 'upm-mode' does not accept value 'maybe'");
    expect_exit(GUEST ",emulated=on,upm-mode=off",
                "upm-mode=off cannot hold for an SEV-SNP guest");
    expect_exit("-accel tcg -object sw-protected-guest,id=sev0 " MACHINE,
                "sw-protected-guest needs KVM");
    expect_exit("-object sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,"
                "emulated-smt=off " MACHINE,
                "Property 'sev-guest.emulated-smt' not found");
}

/* What only a kernel can answer; one without SEV and test VMs is enough. */
static void test_upm_mode_kvm(void)
{
    g_autofree char *sev = NULL;

    if (access("/dev/kvm", R_OK | W_OK)) {
        g_test_skip("no KVM");
        return;
    }
    if (g_file_get_contents("/sys/module/kvm_amd/parameters/sev", &sev, NULL,
                            NULL) && sev[0] == 'Y') {
        g_test_skip("this host has SEV");
        return;
    }
    expect_exit("-accel kvm -object sev-guest,id=sev0,cbitpos=51,"
                "reduced-phys-bits=1,upm-mode=on " MACHINE,
                "sev-guest: upm-mode=on: this kernel's KVM has no private "
                "memory for VMs of this type: KVM_MEMORY_ATTRIBUTE_PRIVATE in "
                "KVM_CAP_MEMORY_ATTRIBUTES is missing");
    expect_exit("-accel kvm " GUEST " " MACHINE,
                "sev-snp-guest: upm-mode=auto: this kernel's KVM has no VMs "
                "of type KVM_X86_SNP_VM: that bit of KVM_CAP_VM_TYPES is "
                "missing");
    expect_exit("-accel kvm " GUEST ",upm-mode=on " MACHINE,
                "sev-snp-guest: upm-mode=on: this kernel's KVM has no VMs of "
                "type KVM_X86_SNP_VM");
    expect_exit("-accel kvm " GUEST ",emulated=on " MACHINE,
                "sev-snp-guest: emulated=on needs -accel tcg");
    /* without private memory it is this host's processor that is in the way */
    expect_exit("-accel kvm -object sev-guest,id=sev0,cbitpos=51,"
                "reduced-phys-bits=1,upm-mode=off " MACHINE,
                "SEV launch: cbitpos=51 is not this host's");
}

static void test_help(void)
{
    static const char *const options[] = {
        "discard=<UpmDiscardPolicy>", "dump=<bool>", "host-nodes=<int>",
        "hugetlb=<bool>", "hugetlbsize=<size>", "merge=<bool>",
        "policy=<HostMemPolicy>", "prealloc=<bool>", "prealloc-threads=<int>",
        "share=<bool>", "size=<int>",
    };
    g_autofree char *output = NULL;
    unsigned int i;

    g_assert_true(run_qemu("-object " TYPE ",help", &output));
    for (i = 0; i < ARRAY_SIZE(options); i++) {
        g_assert_nonnull(strstr(output, options[i]));
    }
}

static void test_kvm_type_untrue(void)
{
    g_autofree char *options = NULL;

    if (!can_launch()) {
        return;
    }
    options = g_strdup_printf("-accel qtest -S -nodefaults -bios %s "
                              "-machine q35,kvm-type=protected",
                              getenv("UPM_OVMF"));
    expect_exit(options, "kvm-type=protected: this machine has no private "
                "memory; give a guest that has, such as sev-snp-guest, with "
                "confidential-guest-support=ID");
}

/* Who says it too late is refused, and ends nothing. */
static void test_kvm_type_late(void)
{
    QTestState *qts = qtest_init("-machine q35");
    g_autofree char *desc =
        take_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/machine', 'property': 'kvm-type',"
                             " 'value': 'protected' } }"));

    g_assert_cmpstr(desc, ==, "kvm-type cannot change any more: the machine "
                    "was started without it");
    expect_option(qts, "/machine", "kvm-type", "\"\"");
    qtest_quit(qts);
}

static void test_kvm_type(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(",kvm-type=protected -m 256M");
    expect_option(qts, "/machine", "kvm-type", "\"protected\"");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/upm/options-refused", test_options_refused);
    qtest_add_func("/upm/no-guest", test_no_guest);
    qtest_add_func("/upm/no-provider", test_no_provider);
    qtest_add_func("/upm/command-line", test_command_line);
    qtest_add_func("/upm/help", test_help);
    qtest_add_func("/upm/vmpls", test_vmpls);
    qtest_add_func("/upm/features", test_features);
    qtest_add_func("/upm/mode", test_upm_mode);
    qtest_add_func("/upm/mode-kvm", test_upm_mode_kvm);
    qtest_add_func("/upm/guest-help", test_guest_help);
    qtest_add_func("/upm/kvm-type-untrue", test_kvm_type_untrue);
    qtest_add_func("/upm/kvm-type", test_kvm_type);
    qtest_add_func("/upm/kvm-type-late", test_kvm_type_late);
    return g_test_run();
}
