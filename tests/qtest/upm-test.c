/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory-backend-memfd-private, the options of its guest and machine, and
 * query-upm, as a user sees them
 *
 * Options are refused without any guest.  What needs private memory runs on
 * the emulated SEV-SNP processor, whose launch wants firmware for it: the
 * environment variable UPM_OVMF names an OVMF image.
 */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include "libqtest.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"

#define TYPE "memory-backend-memfd-private"
#define GUEST "-object sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1"
#define MACHINE "-machine q35,confidential-guest-support=sev0"

/*
 * Helpers
 */

static unsigned int count_fds(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", qtest_pid(qts));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned int count = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir)) {
        count++;
    }
    return count;
}

/* RAM blocks are freed by RCU, some time after their object. */
static void wait_for_fds(QTestState *qts, unsigned int expected)
{
    unsigned int i;

    for (i = 0; i < 500 && count_fds(qts) != expected; i++) {
        g_usleep(10 * 1000);
    }
    g_assert_cmpuint(count_fds(qts), ==, expected);
}

static QDict *object_add(QTestState *qts, const char *options)
{
    g_autofree char *json =
        g_strdup_printf("{ 'qom-type': '" TYPE "', 'id': 'r', %s }", options);

    return qtest_qmp(qts, "{ 'execute': 'object-add', 'arguments': %p }",
                     qobject_from_json(json, &error_abort));
}

static char *take_error(QDict *response)
{
    char *desc;

    g_assert_true(qdict_haskey(response, "error"));
    desc = g_strdup(qdict_get_str(qdict_get_qdict(response, "error"), "desc"));
    qobject_unref(response);
    return desc;
}

static void expect_refused(QTestState *qts, const char *options,
                           const char *message)
{
    unsigned int fds = count_fds(qts);
    g_autofree char *desc = take_error(object_add(qts, options));

    g_assert_cmpstr(desc, ==, message);
    g_assert_cmpuint(count_fds(qts), ==, fds);
}

static void expect_success(QDict *response)
{
    if (qdict_haskey(response, "error")) {
        g_test_message("%s",
            qdict_get_str(qdict_get_qdict(response, "error"), "desc"));
    }
    g_assert_true(qdict_haskey(response, "return"));
    qobject_unref(response);
}

/* Run QEMU for its messages.  Returns true where it ended with status 0. */
static bool run_qemu(const char *options, char **output)
{
    g_autofree char *line = g_strdup_printf("%s -display none %s",
                                            getenv("QTEST_QEMU_BINARY"),
                                            options);
    g_autofree char *errors = NULL;
    g_autofree char *text = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(line, &text, &errors, &status,
                                            NULL));
    *output = g_strconcat(text, errors, NULL);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void expect_exit(const char *options, const char *message)
{
    g_autofree char *output = NULL;

    g_assert_false(run_qemu(options, &output));
    if (!strstr(output, message)) {
        g_test_message("%s: %s", options, output);
    }
    g_assert_nonnull(strstr(output, message));
}

static QDict *query_upm(QTestState *qts)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'query-upm' }");
    QDict *info = qdict_get_qdict(response, "return");

    g_assert_nonnull(info);
    qobject_ref(info);
    qobject_unref(response);
    return info;
}

/* Returns a reference, or NULL. */
static QDict *find_block(QTestState *qts, const char *id)
{
    QDict *info = query_upm(qts);
    QDict *found = NULL;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "blocks"), entry) {
        QDict *block = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(block, "id"), id)) {
            found = qobject_ref(block);
        }
    }
    qobject_unref(info);
    return found;
}

static void expect_block(QTestState *qts, const char *id, uint64_t size,
                         const char *discard)
{
    QDict *block = find_block(qts, id);

    g_assert_nonnull(block);
    g_assert_cmpuint(qdict_get_int(block, "size"), ==, size);
    g_assert_cmpuint(qdict_get_int(block, "private-bytes") +
                     qdict_get_int(block, "shared-bytes"), ==, size);
    g_assert_cmpstr(qdict_get_str(block, "discard"), ==, discard);
    qobject_unref(block);
}

static bool can_launch(void)
{
    if (getenv("UPM_OVMF")) {
        return true;
    }
    g_test_skip("UPM_OVMF does not name firmware for an SEV-SNP guest");
    return false;
}

static QTestState *launch(const char *guest_options, const char *options)
{
    return qtest_initf("-accel tcg -S -nodefaults -bios %s "
                       GUEST ",emulated=on%s " MACHINE "%s",
                       getenv("UPM_OVMF"), guest_options, options);
}

/*
 * Without private memory
 */

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

static void test_query_without_memory(void)
{
    QTestState *qts = qtest_init("-machine none");
    QDict *info = query_upm(qts);
    g_autofree char *text = qtest_hmp(qts, "info upm");

    g_assert_false(qdict_haskey(info, "provider"));
    g_assert_true(qlist_empty(qdict_get_qlist(info, "blocks")));
    g_assert_true(qlist_empty(qdict_get_qlist(info, "conversions")));
    g_assert_cmpint(qdict_get_int(info, "failed-requests"), ==, 0);
    g_assert_cmpstr(text, ==,
                    "no memory with a private half; provider: none\r\n");
    qobject_unref(info);
    qtest_quit(qts);
}

/*
 * The shape of QAPI
 */

static QDict *find_type(QList *schema, const char *name)
{
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(schema, entry) {
        QDict *type = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(type, "name"), name)) {
            return type;
        }
    }
    g_assert_not_reached();
}

/* Type of member @name of the list @member, or NULL. */
static const char *find_member(QDict *type, const char *list,
                               const char *key, const char *name)
{
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(type, list), entry) {
        QDict *member = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(member, key), name)) {
            return qdict_get_str(member, "type");
        }
    }
    return NULL;
}

static QDict *object_options(QList *schema, const char *type)
{
    QDict *command = find_type(schema, "object-add");
    QDict *all = find_type(schema, qdict_get_str(command, "arg-type"));

    return find_type(schema, find_member(all, "variants", "case", type));
}

static void check_policies(QList *schema, const char *type)
{
    QDict *policies = find_type(schema, type);
    QListEntry *entry;
    g_autoptr(GString) names = g_string_new(NULL);

    QLIST_FOREACH_ENTRY(qdict_get_qlist(policies, "members"), entry) {
        QDict *member = qobject_to(QDict, qlist_entry_obj(entry));

        g_string_append_printf(names, "%s ", qdict_get_str(member, "name"));
    }
    g_assert_cmpstr(names->str, ==, "both shared private none ");
}

static void test_schema(void)
{
    static const char *const known[] = {
        "size", "share", "prealloc", "prealloc-threads", "merge", "dump",
        "host-nodes", "policy", "hugetlb", "hugetlbsize", "discard",
        "prealloc-shared",
    };
    static const char *const counters[] = {
        "blocks", "conversions", "unchanged-requests", "failed-requests",
        "time", "provider", "size", "private-bytes", "shared-bytes",
        "private-resident", "shared-resident", "private-held-by-policy",
        "shared-held-by-policy", "shared-held-by-huge-pages",
        "private-held-by-errors", "shared-held-by-errors", "failed-discards",
        "page-states", "poison",
        "discarded-private", "discarded-shared",
    };
    QTestState *qts = qtest_init("-machine none");
    QDict *response = qtest_qmp(qts, "{ 'execute': 'query-qmp-schema' }");
    QList *schema = qdict_get_qlist(response, "return");
    QDict *backend = object_options(schema, TYPE);
    QDict *guest = object_options(schema, "sev-snp-guest");
    QDict *info;
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(known); i++) {
        g_assert_nonnull(find_member(backend, "members", "name", known[i]));
    }
    check_policies(schema, find_member(backend, "members", "name", "discard"));
    check_policies(schema, find_member(guest, "members", "name", "discard"));
    g_assert_cmpstr(find_member(guest, "members", "name", "emulated"), ==,
                    "bool");

    info = find_type(schema, qdict_get_str(find_type(schema, "query-upm"),
                                           "ret-type"));
    for (i = 0; i < ARRAY_SIZE(counters); i++) {
        g_assert_nonnull(find_member(info, "members", "name", counters[i]));
    }
    qobject_unref(response);
    qtest_quit(qts);
}

/*
 * With private memory
 */

static void test_documented_command_line(void)
{
    QTestState *qts;
    QDict *info;

    if (!can_launch()) {
        return;
    }
    qts = launch(",discard=both", ",memory-backend=ram1,kvm-type=protected "
                 "-object " TYPE ",id=ram1,size=256M,share=true -m 256M");
    info = query_upm(qts);
    g_assert_true(qdict_haskey(info, "provider"));
    qobject_unref(info);
    expect_block(qts, "ram1", 256 * MiB, "both");
    qtest_quit(qts);
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

static void qom_set_discard(QTestState *qts, const char *path,
                            const char *policy)
{
    expect_success(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': %s, 'property': 'discard',"
                             " 'value': %s } }", path, policy));
}

static void test_discard(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch(",discard=shared", ",memory-backend=own -m 256M "
                 "-object " TYPE ",id=own,size=256M,discard=none "
                 "-object " TYPE ",id=other,size=64M");
    expect_block(qts, "own", 256 * MiB, "none");
    expect_block(qts, "other", 64 * MiB, "shared");
    qom_set_discard(qts, "/objects/own", "private");
    expect_block(qts, "own", 256 * MiB, "private");
    /* the guest's choice is for those that have none of their own */
    qom_set_discard(qts, "/objects/sev0", "both");
    expect_block(qts, "own", 256 * MiB, "private");
    expect_block(qts, "other", 64 * MiB, "both");
    qtest_quit(qts);
}

/*
 * Guest objects besides the machine's own
 */

/* An option, and its values as JSON: that of the machine's guest, another's */
typedef struct Option {
    const char *name;
    const char *first;
    const char *second;
} Option;

static const Option guest_options[] = {
    { "discard", "\"shared\"", "\"none\"" },
    { "pre-fault", "true", "false" },
    { "upm-mode", "\"on\"", "\"auto\"" },
    { "emulated", "true", "false" },
    { "emulated-smt", "true", "false" },
    { "emulated-large-pages", "false", "true" },
    { "emulated-hypervisor", "\"kvm\"", "\"specification\"" },
    { "emulated-vmpls", "1", "4" },
    { "debug-swap", "false", "true" },
    { "smt-protection", "false", "true" },
    { "measure-only", "\"off\"", "\"json\"" },
    { "cert-dir", "\"first\"", "\"second\"" },
    { "certs-path", "\"first.table\"", "\"second.table\"" },
};

static QTestState *launch_first(void)
{
    return launch(",discard=shared,pre-fault=on,upm-mode=on,emulated-smt=on,"
                  "measure-only=off,cert-dir=first,certs-path=first.table",
                  " -m 256M");
}

static QDict *add_second(QTestState *qts, const char *type,
                         const char *option, const char *value)
{
    g_autofree char *json =
        g_strdup_printf("{ 'qom-type': '%s', 'id': 'sev1', 'cbitpos': 51, "
                        "'reduced-phys-bits': 1, '%s': %s }", type, option,
                        value);

    return qtest_qmp(qts, "{ 'execute': 'object-add', 'arguments': %p }",
                     qobject_from_json(json, &error_abort));
}

static void delete_second(QTestState *qts)
{
    expect_success(qtest_qmp(qts, "{ 'execute': 'object-del', 'arguments': {"
                             " 'id': 'sev1' } }"));
}

static void expect_option(QTestState *qts, const char *path,
                          const char *option, const char *value)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'qom-get', 'arguments': {"
                                " 'path': %s, 'property': %s } }", path,
                                option);
    QObject *found = qdict_get(response, "return");
    GString *json;

    g_assert_nonnull(found);
    json = qobject_to_json(found);
    g_assert_cmpstr(json->str, ==, value);
    g_string_free(json, true);
    qobject_unref(response);
}

static void expect_first_as_it_was(QTestState *qts)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(guest_options); i++) {
        expect_option(qts, "/objects/sev0", guest_options[i].name,
                      guest_options[i].first);
    }
    expect_block(qts, "pc.ram", 256 * MiB, "shared");
}

static void test_second_guest(const void *opaque)
{
    const Option *option = opaque;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch_first();
    expect_first_as_it_was(qts);
    expect_success(add_second(qts, "sev-snp-guest", option->name,
                              option->second));
    expect_option(qts, "/objects/sev1", option->name, option->second);
    expect_first_as_it_was(qts);
    delete_second(qts);
    expect_first_as_it_was(qts);
    qtest_quit(qts);
}

/* Memory that comes later has the policy of the machine's guest, too. */
static void test_second_guest_memory(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch_first();
    expect_success(add_second(qts, "sev-snp-guest", "discard", "'none'"));
    qom_set_discard(qts, "/objects/sev1", "private");
    expect_first_as_it_was(qts);
    expect_success(object_add(qts, "'size': 67108864"));
    expect_block(qts, "r", 64 * MiB, "shared");
    delete_second(qts);
    expect_block(qts, "r", 64 * MiB, "shared");
    qom_set_discard(qts, "/objects/sev0", "none");
    expect_block(qts, "r", 64 * MiB, "none");
    qtest_quit(qts);
}

/* What the machine was started with cannot be exchanged below it. */
static void test_options_in_use(void)
{
    QTestState *qts;
    unsigned int i;

    if (!can_launch()) {
        return;
    }
    qts = launch_first();
    for (i = 1; i < ARRAY_SIZE(guest_options); i++) {
        const Option *option = &guest_options[i];
        g_autofree char *message =
            g_strdup_printf("%s of 'sev0' cannot change any more: the machine "
                            "was started with it", option->name);
        g_autofree char *desc =
            take_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                                 " 'path': '/objects/sev0', 'property': %s,"
                                 " 'value': %p } }", option->name,
                                 qobject_from_json(option->second,
                                                   &error_abort)));

        g_assert_cmpstr(desc, ==, message);
    }
    expect_first_as_it_was(qts);
    qtest_quit(qts);
}

/* The schema knows all options of all SEV guests, their objects do not. */
static bool is_for_sev(const Option *option)
{
    static const char *const names[] = {
        "upm-mode", "discard", "emulated", "emulated-hypervisor",
        "measure-only", "cert-dir", NULL,
    };

    return g_strv_contains(names, option->name);
}

static void test_options_of_others(void)
{
    QTestState *qts = qtest_init("-machine none");
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(guest_options); i++) {
        const Option *option = &guest_options[i];
        QDict *response = add_second(qts, "sev-guest", option->name,
                                     option->second);
        g_autofree char *message =
            g_strdup_printf("Property 'sev-guest.%s' not found", option->name);
        g_autofree char *desc = NULL;

        if (is_for_sev(option)) {
            expect_success(response);
            delete_second(qts);
            continue;
        }
        desc = take_error(response);
        g_assert_cmpstr(desc, ==, message);
    }
    qtest_quit(qts);
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
    qts = launch("", ",kvm-type=protected -m 256M");
    expect_option(qts, "/machine", "kvm-type", "\"protected\"");
    qtest_quit(qts);
}

static void test_object_add_del(void)
{
    unsigned int fds, i;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M");
    fds = count_fds(qts);
    for (i = 0; i < 3; i++) {
        expect_success(object_add(qts, "'size': 67108864, 'prealloc': true"));
        expect_block(qts, "r", 64 * MiB, "both");
        /* a descriptor for each half */
        g_assert_cmpuint(count_fds(qts), ==, fds + 2);
        expect_success(qtest_qmp(qts, "{ 'execute': 'object-del',"
                                 " 'arguments': { 'id': 'r' } }"));
        wait_for_fds(qts, fds);
        g_assert_null(find_block(qts, "r"));
    }
    qtest_quit(qts);
}

/* Leave @spare descriptors to QEMU; the limit is one of their numbers. */
static void set_spare_fds(QTestState *qts, unsigned int spare)
{
    struct rlimit limits;
    unsigned int limit;

    for (limit = 0; ; limit++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%u",
                                                qtest_pid(qts), limit);

        if (access(path, F_OK) && errno == ENOENT && !spare--) {
            break;
        }
    }
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, NULL, &limits), ==,
                    0);
    limits.rlim_cur = limit;
    g_assert_cmpint(prlimit(qtest_pid(qts), RLIMIT_NOFILE, &limits, NULL), ==,
                    0);
}

/* Size of the address space, proc_pid_statm(5), in bytes */
static uint64_t address_space(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", qtest_pid(qts));
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoull(text, NULL, 10) * qemu_real_host_page_size();
}

static void test_fd_limit(void)
{
    unsigned int fds;
    unsigned int spare;
    uint64_t size;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M");
    fds = count_fds(qts);
    size = address_space(qts);
    for (spare = 0; spare < 2; spare++) {
        g_autofree char *desc = NULL;

        set_spare_fds(qts, spare);
        desc = take_error(object_add(qts, "'size': 1073741824"));
        g_test_message("%s", desc);
        g_assert_true(g_str_has_prefix(desc, TYPE " 'r' (1 GiB): "));
        g_assert_true(g_str_has_suffix(desc, "Too many open files"));
        g_assert_cmpuint(count_fds(qts), ==, fds);
        g_assert_null(find_block(qts, "r"));
    }
    /* of the shared half, mapped before the private one failed, nothing */
    g_assert_cmpuint(address_space(qts), <, size + 512 * MiB);

    set_spare_fds(qts, 64);
    expect_success(object_add(qts, "'size': 1073741824"));
    expect_block(qts, "r", GiB, "both");
    qtest_quit(qts);
}

static void test_no_memory(void)
{
    g_autofree char *desc = NULL;
    unsigned int fds;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M");
    fds = count_fds(qts);
    /* more than the largest hole of an address space with 47 bits */
    desc = take_error(object_add(qts, "'size': 109951162777600"));
    g_test_message("%s", desc);
    g_assert_true(g_str_has_prefix(desc, TYPE " 'r' (100 TiB): "));
    g_assert_true(g_str_has_suffix(desc, "Cannot allocate memory"));
    g_assert_cmpuint(count_fds(qts), ==, fds);
    g_assert_null(find_block(qts, "r"));
    qtest_quit(qts);
}

static void test_numa(void)
{
    g_autofree char *twice = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M -smp 2 "
                 "-object " TYPE ",id=a,size=128M "
                 "-object " TYPE ",id=b,size=128M,discard=none "
                 "-numa node,memdev=a,cpus=0 -numa node,memdev=b,cpus=1");
    expect_block(qts, "a", 128 * MiB, "both");
    expect_block(qts, "b", 128 * MiB, "none");
    qtest_quit(qts);

    twice = g_strdup_printf("-accel tcg -S -nodefaults -bios %s " GUEST " "
                            MACHINE " -m 256M -object " TYPE ",id=a,size=128M "
                            "-numa node,memdev=a -numa node,memdev=a",
                            getenv("UPM_OVMF"));
    expect_exit(twice, "memory backend a can't be used multiple times");
}

static void test_hotplug(void)
{
    g_autofree char *desc = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", ",memory-backend=m -m 256M,slots=2,maxmem=1G "
                 "-object " TYPE ",id=m,size=256M");
    expect_success(object_add(qts, "'size': 134217728"));
    expect_success(qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments': {"
                             " 'driver': 'pc-dimm', 'id': 'd',"
                             " 'memdev': 'r' } }"));
    expect_block(qts, "r", 128 * MiB, "both");
    desc = take_error(qtest_qmp(qts, "{ 'execute': 'object-del',"
                                " 'arguments': { 'id': 'r' } }"));
    g_assert_cmpstr(desc, ==, "object 'r' is in use, can not be deleted");
    qtest_quit(qts);
}

/* Bytes that QEMU's memfds of a name and size have allocated. */
static uint64_t allocated(QTestState *qts, const char *name, uint64_t size)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", qtest_pid(qts));
    g_autofree char *wanted = g_strdup_printf("/memfd:%s", name);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    uint64_t bytes = 0;
    const char *entry;

    while ((entry = g_dir_read_name(dir))) {
        g_autofree char *fd = g_strconcat(path, "/", entry, NULL);
        g_autofree char *target = g_file_read_link(fd, NULL);
        struct stat st;

        if (target && g_str_has_prefix(target, wanted) &&
            stat(fd, &st) == 0 && st.st_size == size) {
            bytes = MAX(bytes, st.st_blocks * 512);
        }
    }
    return bytes;
}

static void check_prealloc(QTestState *qts, const char *options,
                           uint64_t private, uint64_t shared)
{
    g_autofree char *all = g_strdup_printf("'size': 50331648, %s", options);
    unsigned int fds = count_fds(qts);

    expect_success(object_add(qts, all));
    g_assert_cmpuint(allocated(qts, "snp-private", 48 * MiB), ==, private);
    g_assert_cmpuint(allocated(qts, TYPE, 48 * MiB), ==, shared);
    expect_success(qtest_qmp(qts, "{ 'execute': 'object-del', 'arguments': {"
                             " 'id': 'r' } }"));
    wait_for_fds(qts, fds);
}

static void test_prealloc(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M -smp 2");
    check_prealloc(qts, "'prealloc': false", 0, 0);
    check_prealloc(qts, "'prealloc': true", 48 * MiB, 0);
    check_prealloc(qts, "'prealloc': true, 'prealloc-threads': 7", 48 * MiB, 0);
    check_prealloc(qts, "'prealloc-shared': true", 0, 48 * MiB);
    check_prealloc(qts, "'prealloc': true, 'prealloc-shared': true",
                   48 * MiB, 48 * MiB);

    expect_success(object_add(qts, "'size': 50331648"));
    expect_success(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/r',"
                             " 'property': 'prealloc', 'value': true } }"));
    g_assert_cmpuint(allocated(qts, "snp-private", 48 * MiB), ==, 48 * MiB);
    g_assert_cmpuint(allocated(qts, TYPE, 48 * MiB), ==, 0);
    qtest_quit(qts);
}

/* The figures of a block with both halves allocated, and their sum */
static void test_resident(void)
{
    QDict *block, *info;
    QTestState *qts;
    int64_t before, shared;

    if (!can_launch()) {
        return;
    }
    qts = launch("", ",memory-backend=m -m 256M -object " TYPE
                 ",id=m,size=256M");
    info = query_upm(qts);
    before = qdict_get_int(info, "private-resident");
    g_assert_cmpint(before, ==, 0);
    qobject_unref(info);
    /* the expected measurement has looked at pages that it needs */
    block = find_block(qts, "m");
    shared = qdict_get_int(block, "shared-resident");
    g_assert_cmpint(shared, <=, 64 * KiB);
    qobject_unref(block);
    expect_success(object_add(qts, "'size': 50331648, 'prealloc': true,"
                              " 'prealloc-shared': true"));
    block = find_block(qts, "r");
    g_assert_cmpint(qdict_get_int(block, "private-resident"), ==, 48 * MiB);
    g_assert_cmpint(qdict_get_int(block, "shared-resident"), ==, 48 * MiB);
    g_assert_cmpint(qdict_get_int(block, "private-bytes"), ==, 48 * MiB);
    g_assert_cmpint(qdict_get_int(block, "shared-held-by-policy"), ==, 0);
    qobject_unref(block);
    block = find_block(qts, "m");
    g_assert_cmpint(qdict_get_int(block, "private-resident"), ==, 0);
    g_assert_cmpint(qdict_get_int(block, "shared-resident"), ==, shared);
    qobject_unref(block);
    info = query_upm(qts);
    g_assert_cmpint(qdict_get_int(info, "private-resident"), ==,
                    before + 48 * MiB);
    g_assert_true(qdict_haskey(info, "shared-resident"));
    qobject_unref(info);
    qtest_quit(qts);
}

/* Memory without a file is only counted on request. */
static void test_count_resident(void)
{
    QDict *block, *response, *info;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M");
    block = find_block(qts, "pc.ram");
    g_assert_nonnull(block);
    g_assert_true(qdict_haskey(block, "private-resident"));
    g_assert_false(qdict_haskey(block, "shared-resident"));
    qobject_unref(block);
    block = find_block(qts, "pc.bios");
    g_assert_true(qdict_haskey(block, "shared-resident"));
    qobject_unref(block);
    response = qtest_qmp(qts, "{ 'execute': 'query-upm', 'arguments': {"
                         " 'count-resident': true } }");
    info = qdict_get_qdict(response, "return");
    g_assert_nonnull(info);
    g_assert_cmpint(qdict_get_int(info, "shared-resident"), >=, 0);
    g_assert_cmpint(qdict_get_int(info, "shared-resident"), <, 64 * MiB);
    qobject_unref(response);
    qtest_quit(qts);
}

/* The best of some, as the machine has other things to do. */
static void test_query_time(void)
{
    QTestState *qts;
    int64_t best = INT64_MAX;
    unsigned int i;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M");
    expect_success(object_add(qts, "'size': 1099511627776,"
                              " 'reserve': false"));
    for (i = 0; i < 50; i++) {
        int64_t start = g_get_monotonic_time();

        qobject_unref(query_upm(qts));
        best = MIN(best, g_get_monotonic_time() - start);
    }
    g_test_message("query-upm of 1 TiB takes %" PRId64 " us", best);
    g_assert_cmpint(best, <, 5000);
    expect_success(qtest_qmp(qts, "{ 'execute': 'object-del', 'arguments': {"
                             " 'id': 'r' } }"));
    qtest_quit(qts);
}

/*
 * The map
 */

static QDict *query_map(QTestState *qts, uint64_t start, int limit)
{
    return qtest_qmp(qts, "{ 'execute': 'query-upm-map', 'arguments': {"
                     " 'start': %" PRIu64 ", 'limit': %d } }", start, limit);
}

static void expect_no_map(QTestState *qts, uint64_t start, int limit,
                          const char *message)
{
    g_autofree char *desc = take_error(query_map(qts, start, limit));

    g_assert_cmpstr(desc, ==, message);
}

/* Bytes of RAM in the map, page by page of @limit ranges */
static uint64_t sum_of_map(QTestState *qts, int limit, const char *block)
{
    uint64_t start = 0, end = 0, sum = 0;
    bool more;

    do {
        QDict *response = query_map(qts, start, limit);
        QDict *map = qdict_get_qdict(response, "return");
        QListEntry *entry;
        int count = 0;

        g_assert_nonnull(map);
        QLIST_FOREACH_ENTRY(qdict_get_qlist(map, "ranges"), entry) {
            QDict *range = qobject_to(QDict, qlist_entry_obj(entry));
            uint64_t gpa = qdict_get_int(range, "gpa");

            g_assert_cmpuint(gpa, >=, MAX(start, end));
            g_assert_cmpstr(qdict_get_str(range, "state"), ==, "private");
            end = gpa + qdict_get_int(range, "size");
            if (!strcmp(qdict_get_str(range, "block"), block)) {
                sum += qdict_get_int(range, "size");
            }
            count++;
        }
        g_assert_cmpint(count, >, 0);
        g_assert_cmpint(count, <=, limit);
        more = qdict_haskey(map, "next");
        start = qdict_get_try_int(map, "next", 0);
        g_assert_cmpuint(start, >=, more ? end : 0);
        qobject_unref(response);
    } while (more);
    return sum;
}

static void test_map(void)
{
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", ",memory-backend=m -m 4G -object " TYPE ",id=m,size=4G");
    g_assert_cmpuint(sum_of_map(qts, 4096, "m"), ==, 4 * GiB - 128 * KiB);
    g_assert_cmpuint(sum_of_map(qts, 1, "m"), ==, 4 * GiB - 128 * KiB);
    g_assert_cmpuint(sum_of_map(qts, 2, "pc.bios"), >, 0);
    expect_no_map(qts, 1, 1, "start 0x1 is not a multiple of 4096");
    expect_no_map(qts, 4096, 0,
                  "limit must be between 1 and 4096, and is 0");
    expect_no_map(qts, 4096, 4097,
                  "limit must be between 1 and 4096, and is 4097");
    expect_no_map(qts, 6 * GiB, 1, "there is no memory with a private half at "
                  "0x180000000 or above");
    expect_no_map(qts, -4096ULL, 1, "there is no memory with a private half at "
                  "0xfffffffffffff000 or above");
    qtest_quit(qts);
}

static void test_map_without_memory(void)
{
    QTestState *qts = qtest_init("-machine none");

    expect_no_map(qts, 0, 1,
                  "there is no memory with a private half at 0x0 or above");
    qtest_quit(qts);
}

/*
 * query-stats
 */

static QDict *query_stats(QTestState *qts, const char *names)
{
    g_autofree char *json =
        g_strdup_printf("{ 'target': 'vm', 'providers': [ {"
                        " 'provider': 'upm'%s } ] }", names);

    return qtest_qmp(qts, "{ 'execute': 'query-stats', 'arguments': %p }",
                     qobject_from_json(json, &error_abort));
}

static QList *stats_of(QDict *response)
{
    QList *results = qdict_get_qlist(response, "return");

    g_assert_nonnull(results);
    if (qlist_empty(results)) {
        return NULL;
    }
    return qdict_get_qlist(qobject_to(QDict, qlist_peek(results)), "stats");
}

static int64_t stat_by_name(QList *stats, const char *name)
{
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(stats, entry) {
        QDict *value = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(value, "name"), name)) {
            return qdict_get_int(value, "value");
        }
    }
    g_assert_not_reached();
}

static void test_stats(void)
{
    g_autofree char *text = NULL;
    QDict *response, *info;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M");
    info = query_upm(qts);
    response = query_stats(qts, "");
    g_assert_cmpint(stat_by_name(stats_of(response), "private-bytes"), ==,
                    qdict_get_int(info, "private-bytes"));
    g_assert_cmpint(stat_by_name(stats_of(response), "shared-bytes"), ==, 0);
    g_assert_cmpint(stat_by_name(stats_of(response), "ghcb-to-shared-bytes"),
                    ==, 0);
    qobject_unref(response);
    qobject_unref(info);

    response = query_stats(qts, ", 'names': [ 'time', 'failed-requests' ]");
    g_assert_cmpuint(qlist_size(stats_of(response)), ==, 2);
    qobject_unref(response);
    response = query_stats(qts, ", 'names': [ 'no-such' ]");
    g_assert_null(stats_of(response));
    qobject_unref(response);

    text = qtest_hmp(qts, "info stats vm");
    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, "provider: upm"));
    g_assert_nonnull(strstr(text, "private-bytes (instant, B): "));
    g_assert_null(strstr(text, "failed to find"));
    qtest_quit(qts);
}

/* What there is one value for on the emulated processor, can be said. */
static void test_upm_mode_emulated(void)
{
    static const char *const modes[] = { "on", "auto" };
    unsigned int i;

    if (!can_launch()) {
        return;
    }
    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        g_autofree char *option = g_strdup_printf(",upm-mode=%s", modes[i]);
        QTestState *qts = launch(option, " -m 256M");

        expect_block(qts, "pc.ram", 256 * MiB, "both");
        qtest_quit(qts);
    }
}

static void test_fixed_after_use(void)
{
    g_autofree char *desc = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M -object " TYPE ",id=r,size=64M");
    desc = take_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                                " 'path': '/objects/r',"
                                " 'property': 'hugetlb', 'value': true } }"));
    g_assert_cmpstr(desc, ==, "hugetlb of 'r' cannot change any more");
    qtest_quit(qts);
}

static void test_no_migration(void)
{
    g_autofree char *desc = NULL;
    QTestState *qts;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M");
    desc = take_error(qtest_qmp(qts, "{ 'execute': 'migrate', 'arguments': {"
                                " 'uri': 'exec:cat' } }"));
    g_test_message("%s", desc);
    g_assert_nonnull(strstr(desc, "A guest with private memory can not be "
                            "migrated or saved: QEMU can not read that "
                            "memory"));
    qtest_quit(qts);
}

static void test_info(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    QTestState *qts;
    char **line;

    if (!can_launch()) {
        return;
    }
    qts = launch("", " -m 256M -object " TYPE ",id="
                 "a-name-that-is-longer-than-the-column-for-it,size=64M");
    text = qtest_hmp(qts, "info upm");
    lines = g_strsplit(text, "\r\n", -1);
    for (line = lines; *line; line++) {
        g_assert_cmpuint(strlen(*line), <=, 80);
    }
    g_assert_nonnull(strstr(text, "the-column-for-it"));
    g_assert_nonnull(strstr(text, "provider: "));
    qtest_quit(qts);
}

static void add_tests_of_options(void)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(guest_options); i++) {
        g_autofree char *path = g_strconcat("/upm/second-guest/",
                                            guest_options[i].name, NULL);

        qtest_add_data_func(path, &guest_options[i], test_second_guest);
    }
    qtest_add_func("/upm/second-guest/memory", test_second_guest_memory);
    qtest_add_func("/upm/options-in-use", test_options_in_use);
    qtest_add_func("/upm/options-of-others", test_options_of_others);
    qtest_add_func("/upm/kvm-type", test_kvm_type);
    qtest_add_func("/upm/kvm-type-late", test_kvm_type_late);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    add_tests_of_options();

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
    qtest_add_func("/upm/query-without-memory", test_query_without_memory);
    qtest_add_func("/upm/schema", test_schema);
    qtest_add_func("/upm/documented-command-line",
                   test_documented_command_line);
    qtest_add_func("/upm/kvm-type-untrue", test_kvm_type_untrue);
    qtest_add_func("/upm/discard", test_discard);
    qtest_add_func("/upm/object-add-del", test_object_add_del);
    qtest_add_func("/upm/fd-limit", test_fd_limit);
    qtest_add_func("/upm/no-memory", test_no_memory);
    qtest_add_func("/upm/numa", test_numa);
    qtest_add_func("/upm/hotplug", test_hotplug);
    qtest_add_func("/upm/prealloc", test_prealloc);
    qtest_add_func("/upm/resident", test_resident);
    qtest_add_func("/upm/count-resident", test_count_resident);
    qtest_add_func("/upm/query-time", test_query_time);
    qtest_add_func("/upm/map", test_map);
    qtest_add_func("/upm/map-without-memory", test_map_without_memory);
    qtest_add_func("/upm/stats", test_stats);
    qtest_add_func("/upm/mode-emulated", test_upm_mode_emulated);
    qtest_add_func("/upm/fixed-after-use", test_fixed_after_use);
    qtest_add_func("/upm/no-migration", test_no_migration);
    qtest_add_func("/upm/info", test_info);
    return g_test_run();
}
