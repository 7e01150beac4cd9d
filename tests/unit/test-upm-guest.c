/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest objects with private memory: what the machine is started with, and
 * whose options those are
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qom/object.h"
#include "system/kvm.h"

#include "upm/fake-i386.h"
#include "../../target/i386/upm-guest.c"
#include "../../target/i386/upm-guest-options.c"
#include "../../target/i386/upm-guest-chip.c"
#include "../../target/i386/upm-guest-emulated.c"
#include "../../target/i386/sev-features.c"

/*
 * What they call
 */

bool kvm_allowed;
MachineState *current_machine;

static bool kernel_has_private_memory;
static bool kernel_tells_requests;
static unsigned int recordings;
static int pre_fault;
static int discard;
static bool has_encrypted_registers;
/* Without, KVM does not know the question. */
static const uint64_t *kernel_features;
KVMState *kvm_state;

bool kvm_is_vm_type_supported(int type)
{
    return true;
}

bool upm_kvm_check(Error **errp)
{
    if (!kernel_has_private_memory) {
        error_setg(errp, "something is missing");
    }
    return kernel_has_private_memory;
}

bool upm_kvm_record(void)
{
    recordings++;
    return kernel_tells_requests;
}

void upm_kvm_set_pre_fault(bool on)
{
    pre_fault = on;
}

void upm_set_default_discard(UpmDiscardPolicy policy)
{
    discard = policy;
}

int kvm_ioctl(KVMState *s, unsigned long type, ...)
{
    struct kvm_device_attr *attr;
    va_list ap;

    va_start(ap, type);
    attr = va_arg(ap, struct kvm_device_attr *);
    va_end(ap);
    g_assert_cmphex(type, ==, KVM_GET_DEVICE_ATTR);
    g_assert_cmphex(attr->attr, ==, KVM_X86_SEV_VMSA_FEATURES);
    if (!kernel_features) {
        return -ENXIO;
    }
    *(uint64_t *)(uintptr_t)attr->addr = *kernel_features;
    return 0;
}

bool sev_es_enabled(void)
{
    return has_encrypted_registers;
}

bool sev_firmware_launch_digest(uint8_t digest[48])
{
    memset(digest, 0xa5, 48);
    return true;
}

/*
 * Guests
 */

#define TYPE_SEV "sev-guest"
#define TYPE_SNP "sev-snp-guest"
#define TYPE_SW  "sw-protected-guest"
#define TYPE_LATER "later-snp-guest"

static void need_private_memory(Object *obj)
{
    CONFIDENTIAL_GUEST_SUPPORT(obj)->require_guest_memfd = true;
}

static void sev_class_init(ObjectClass *oc, const void *data)
{
    upm_guest_add_mode(oc);
}

static void snp_class_init(ObjectClass *oc, const void *data)
{
    upm_guest_class_init(oc);
}

static void sw_class_init(ObjectClass *oc, const void *data)
{
    upm_guest_add_memory(oc);
    upm_guest_add_mode(oc);
}

static bool always(Object *obj, Error **errp)
{
    return true;
}

/* A later QEMU's, which has one of the features itself */
static void later_class_init(ObjectClass *oc, const void *data)
{
    object_class_property_add_bool(oc, "debug-swap", always, NULL);
    upm_guest_add_features(oc);
}

/* Another one than QEMU's own, which takes the object model with it */
static const TypeInfo guests[] = {
    {
        .name = TYPE_CONFIDENTIAL_GUEST_SUPPORT,
        .parent = TYPE_OBJECT,
        .abstract = true,
        .instance_size = sizeof(ConfidentialGuestSupport),
        .class_size = sizeof(ConfidentialGuestSupportClass),
    }, {
        .name = TYPE_SEV,
        .parent = TYPE_CONFIDENTIAL_GUEST_SUPPORT,
        .class_init = (void *)sev_class_init,
    }, {
        .name = TYPE_SNP,
        .parent = TYPE_CONFIDENTIAL_GUEST_SUPPORT,
        .instance_init = need_private_memory,
        .class_init = (void *)snp_class_init,
    }, {
        .name = TYPE_LATER,
        .parent = TYPE_CONFIDENTIAL_GUEST_SUPPORT,
        .class_init = (void *)later_class_init,
    }, {
        .name = TYPE_SW,
        .parent = TYPE_CONFIDENTIAL_GUEST_SUPPORT,
        .instance_init = need_private_memory,
        .class_init = (void *)sw_class_init,
    },
};

static void register_guests(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
        type_register_static(&guests[i]);
    }
}

type_init(register_guests);

/* @option: NAME=VALUE, or NULL */
static Object *guest_new(const char *type, const char *option)
{
    Object *guest = object_new(type);

    if (option) {
        g_auto(GStrv) parts = g_strsplit(option, "=", 2);

        object_property_parse(guest, parts[0], parts[1], &error_abort);
    }
    return guest;
}

static void begin(void)
{
    kvm_allowed = true;
    kernel_has_private_memory = true;
    kernel_tells_requests = true;
    recordings = 0;
    pre_fault = -1;
    discard = -1;
    has_encrypted_registers = false;
    kernel_features = NULL;
}

static void start(Object *guest)
{
    g_assert_true(upm_guest_init(CONFIDENTIAL_GUEST_SUPPORT(guest),
                                 &error_abort));
}

/*
 * Tests
 */

/* What the guest sees of its processor changes only where the user asks. */
static void test_record(void)
{
    static const struct {
        const char *type;
        const char *option;
        unsigned int recordings;
    } cases[] = {
        { TYPE_SEV, NULL, 0 },
        { TYPE_SEV, "upm-mode=auto", 0 },
        { TYPE_SEV, "upm-mode=off", 1 },
        { TYPE_SEV, "upm-mode=on", 0 },
        { TYPE_SNP, NULL, 0 },
        { TYPE_SNP, "upm-mode=on", 0 },
        { TYPE_SW, "upm-mode=auto", 0 },
        { TYPE_SW, "upm-mode=off", 1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Object *guest = guest_new(cases[i].type, cases[i].option);

        begin();
        start(guest);
        g_assert_cmpuint(recordings, ==, cases[i].recordings);
        object_unref(guest);
    }
}

static void test_without_kvm(void)
{
    Object *guest = guest_new(TYPE_SEV, "upm-mode=off");

    begin();
    kvm_allowed = false;
    kernel_has_private_memory = false;
    start(guest);
    g_assert_cmpuint(recordings, ==, 0);
    object_unref(guest);
}

static void test_no_private_memory(void)
{
    Object *guest = guest_new(TYPE_SEV, "upm-mode=on");
    Error *err = NULL;

    begin();
    kernel_has_private_memory = false;
    g_assert_false(upm_guest_init(CONFIDENTIAL_GUEST_SUPPORT(guest), &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "sev-guest: upm-mode=on: something is missing");
    error_free(err);
    object_unref(guest);
}

static void test_pre_fault(void)
{
    static const struct {
        const char *type;
        const char *option;
        int pre_fault;
    } cases[] = {
        { TYPE_SNP, NULL, true },
        { TYPE_SNP, "pre-fault=on", true },
        { TYPE_SNP, "pre-fault=off", false },
        { TYPE_SW, NULL, true },
        { TYPE_SW, "pre-fault=off", false },
        { TYPE_SEV, NULL, -1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Object *guest = guest_new(cases[i].type, cases[i].option);

        begin();
        start(guest);
        g_assert_cmpint(pre_fault, ==, cases[i].pre_fault);
        object_unref(guest);
    }
}

/* A policy is in effect where its guest is. */
static void test_discard(void)
{
    Object *first = guest_new(TYPE_SNP, "discard=shared");
    Object *second;

    begin();
    g_assert_cmpint(discard, ==, -1);
    start(first);
    g_assert_cmpint(discard, ==, UPM_DISCARD_POLICY_SHARED);
    second = guest_new(TYPE_SNP, "discard=none");
    g_assert_cmpint(discard, ==, UPM_DISCARD_POLICY_SHARED);
    object_property_parse(first, "discard", "private", &error_abort);
    g_assert_cmpint(discard, ==, UPM_DISCARD_POLICY_PRIVATE);
    object_property_parse(second, "discard", "both", &error_abort);
    object_unref(second);
    g_assert_cmpint(discard, ==, UPM_DISCARD_POLICY_PRIVATE);
    object_unref(first);
}

/* Nobody has set an option: reading one adds nothing to the object. */
static void test_defaults(void)
{
    Object *guest = guest_new(TYPE_SNP, NULL);
    g_autofree char *path =
        object_property_get_str(guest, "certs-path", &error_abort);

    g_assert_cmpstr(path, ==, "");
    g_assert_true(object_property_get_bool(guest, "emulated-smt",
                                           &error_abort));
    g_assert_true(object_property_get_bool(guest, "pre-fault", &error_abort));
    g_assert_false(object_property_get_bool(guest, "emulated", &error_abort));
    g_assert_null(object_resolve_path_component(guest, OPTIONS_CHILD));
    object_unref(guest);
}

/* Options go with their object. */
static void test_end(void)
{
    Object *guest = guest_new(TYPE_SNP, "cert-dir=somewhere");
    Object *options = object_resolve_path_component(guest, OPTIONS_CHILD);

    g_assert_nonnull(options);
    object_ref(options);
    object_unref(guest);
    g_assert_cmpuint(options->ref, ==, 1);
    g_assert_null(options->parent);
    object_unref(options);
}

static char *digest_of(Object *guest)
{
    return object_property_get_str(guest, "launch-digest", &error_abort);
}

/* Only the machine's guest was launched. */
static void test_launch_digest(void)
{
    Object *first = guest_new(TYPE_SNP, NULL);
    Object *second = guest_new(TYPE_SNP, NULL);
    g_autofree char *launched = NULL;
    g_autofree char *other = NULL;

    begin();
    start(first);
    launched = digest_of(first);
    other = digest_of(second);
    g_assert_cmpuint(strlen(launched), ==, 96);
    g_assert_cmpstr(other, ==, "");
    object_unref(first);
    object_unref(second);
}

/*
 * With KVM or without: it depends on the vCPUs alone, and on those of the guest
 * that there is.
 */
static void test_suspend(void)
{
    for (int i = 0; i < 8; i++) {
        Object *guest = guest_new(TYPE_SNP, NULL);

        begin();
        kvm_allowed = i & 1;
        has_encrypted_registers = i & 2;
        start(guest);
        g_assert_cmpint(!upm_guest_unsuspendable(), ==,
                        !has_encrypted_registers);
        object_unref(guest);
    }
}

static const uint64_t debug_swap_only = SEV_FEATURES_DEBUG_SWAP;

/* What KVM cannot give is refused by name. */
static void test_features(void)
{
    static const struct {
        const char *option;
        const uint64_t *offered;
        const char *missing, *others;
    } cases[] = {
        { "debug-swap=on", &debug_swap_only, NULL },
        { "debug-swap=off", NULL, NULL },
        { "debug-swap=on", NULL, "debug-swap", "none" },
        { "secure-tsc=on", &debug_swap_only, "secure-tsc", "debug-swap" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Object *guest = guest_new(TYPE_SNP, cases[i].option);
        g_autofree char *expected = NULL;
        Error *err = NULL;

        begin();
        kernel_features = cases[i].offered;
        if (!cases[i].missing) {
            start(guest);
        } else {
            expected = g_strdup_printf("sev-snp-guest: this host's KVM does "
                                       "not offer %s; it offers: %s",
                                       cases[i].missing, cases[i].others);
            g_assert_false(upm_guest_init(CONFIDENTIAL_GUEST_SUPPORT(guest),
                                          &err));
            g_assert_cmpstr(error_get_pretty(err), ==, expected);
            error_free(err);
        }
        object_unref(guest);
    }
}

static void set_feature_of(Object *guest, const char *name, bool value)
{
    object_property_set_bool(guest, name, value, &error_abort);
    g_assert_true(object_property_get_bool(guest, name, &error_abort) == value);
}

/* Each has a bit of its own, and a name by which it is told of. */
static void test_feature_names(void)
{
    static const struct {
        const char *name;
        uint64_t bits;
    } cases[] = {
        { "restricted-injection", 1 << 3 }, { "debug-swap", 1 << 5 },
        { "prevent-host-ibs", 1 << 6 }, { "btb-isolation", 1 << 7 },
        { "secure-tsc", 1 << 9 }, { "smt-protection", 1 << 15 },
    };
    Object *guest = guest_new(TYPE_SNP, NULL);
    g_autofree char *several = sev_features_text(1 | 1 << 5 | 1ULL << 63);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *text = sev_features_text(cases[i].bits);

        g_assert_cmpstr(text, ==, cases[i].name);
        set_feature_of(guest, cases[i].name, true);
        g_assert_cmphex(upm_guest_options(guest)->sev_features, ==,
                        cases[i].bits);
        set_feature_of(guest, cases[i].name, false);
        g_assert_cmphex(upm_guest_options(guest)->sev_features, ==, 0);
    }
    g_assert_null(sev_feature(ARRAY_SIZE(cases)));
    g_assert_cmpstr(several, ==, "debug-swap, bit 63");
    object_unref(guest);
}

/* Its own property is what counts; the others are added. */
static void test_feature_of_qemu(void)
{
    Object *guest = guest_new(TYPE_LATER, NULL);

    g_assert_true(object_property_get_bool(guest, "debug-swap", &error_abort));
    g_assert_false(object_property_set_bool(guest, "debug-swap", false, NULL));
    set_feature_of(guest, "restricted-injection", true);
    g_assert_cmphex(upm_guest_options(guest)->sev_features, ==, 1 << 3);
    object_unref(guest);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);

    g_test_add_func("/upm-guest/record", test_record);
    g_test_add_func("/upm-guest/without-kvm", test_without_kvm);
    g_test_add_func("/upm-guest/no-private-memory", test_no_private_memory);
    g_test_add_func("/upm-guest/pre-fault", test_pre_fault);
    g_test_add_func("/upm-guest/discard", test_discard);
    g_test_add_func("/upm-guest/defaults", test_defaults);
    g_test_add_func("/upm-guest/end", test_end);
    g_test_add_func("/upm-guest/launch-digest", test_launch_digest);
    g_test_add_func("/upm-guest/suspend", test_suspend);
    g_test_add_func("/upm-guest/features", test_features);
    g_test_add_func("/upm-guest/feature-names", test_feature_names);
    g_test_add_func("/upm-guest/feature-of-qemu", test_feature_of_qemu);
    return g_test_run();
}
