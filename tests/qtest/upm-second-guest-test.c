/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest objects besides the machine's own, and options of one in use
 */
#include "qemu/osdep.h"
#include "upm/query.h"

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
    return launch_guest(",discard=shared,pre-fault=on,upm-mode=on,"
                        "emulated-smt=on,measure-only=off,cert-dir=first,"
                        "certs-path=first.table", " -m 256M");
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
    expect_success(del_object(qts, "sev1"));
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (unsigned int i = 0; i < ARRAY_SIZE(guest_options); i++) {
        g_autofree char *path = g_strconcat("/upm/second-guest/",
                                            guest_options[i].name, NULL);

        qtest_add_data_func(path, &guest_options[i], test_second_guest);
    }
    qtest_add_func("/upm/second-guest/memory", test_second_guest_memory);
    qtest_add_func("/upm/options-in-use", test_options_in_use);
    qtest_add_func("/upm/options-of-others", test_options_of_others);
    return g_test_run();
}
