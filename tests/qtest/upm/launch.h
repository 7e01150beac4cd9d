/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What qtests of unmapped private memory share: a guest of the emulated
 * SEV-SNP processor and its backends, and what QEMU answers
 */
#ifndef UPM_LAUNCH_H
#define UPM_LAUNCH_H

#include "../libqtest.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"

#define TYPE "memory-backend-memfd-private"
#define GUEST "-object sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1"
#define MACHINE "-machine q35,confidential-guest-support=sev0"

/* The launch wants firmware for it: UPM_OVMF names an OVMF image. */
static inline bool can_launch(void)
{
    if (getenv("UPM_OVMF")) {
        return true;
    }
    g_test_skip("UPM_OVMF does not name firmware for an SEV-SNP guest");
    return false;
}

/*
 * @guest_options go on after the guest's own, so they begin with ","; @options
 * after the machine's, so they begin with "," or " ".
 */
static inline QTestState *launch_guest(const char *guest_options,
                                       const char *options)
{
    return qtest_initf("-accel tcg -S -nodefaults -bios %s "
                       GUEST ",emulated=on%s " MACHINE "%s",
                       getenv("UPM_OVMF"), guest_options, options);
}

static inline QTestState *launch(const char *options)
{
    return launch_guest("", options);
}

/* Run QEMU for its messages.  Returns true where it ended with status 0. */
static inline bool run_qemu(const char *options, char **output)
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

static inline void expect_exit(const char *options, const char *message)
{
    g_autofree char *output = NULL;

    g_assert_false(run_qemu(options, &output));
    if (!strstr(output, message)) {
        g_test_message("%s: %s", options, output);
    }
    g_assert_nonnull(strstr(output, message));
}

static inline QDict *add_object(QTestState *qts, const char *type,
                                const char *id, const char *options)
{
    g_autofree char *json =
        g_strdup_printf("{ 'qom-type': '%s', 'id': '%s', %s }", type, id,
                        options);

    return qtest_qmp(qts, "{ 'execute': 'object-add', 'arguments': %p }",
                     qobject_from_json(json, &error_abort));
}

/* One with a private half, called r */
static inline QDict *object_add(QTestState *qts, const char *options)
{
    return add_object(qts, TYPE, "r", options);
}

static inline QDict *del_object(QTestState *qts, const char *id)
{
    return qtest_qmp(qts, "{ 'execute': 'object-del',"
                     " 'arguments': { 'id': %s } }", id);
}

static inline QDict *add_device(QTestState *qts, const char *options)
{
    g_autofree char *json = g_strdup_printf("{ 'id': 'd', %s }", options);

    return qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments': %p }",
                     qobject_from_json(json, &error_abort));
}

static inline void expect_success(QDict *response)
{
    if (qdict_haskey(response, "error")) {
        g_test_message("%s",
            qdict_get_str(qdict_get_qdict(response, "error"), "desc"));
    }
    g_assert_true(qdict_haskey(response, "return"));
    qobject_unref(response);
}

static inline char *take_error(QDict *response)
{
    char *desc;

    g_assert_true(qdict_haskey(response, "error"));
    desc = g_strdup(qdict_get_str(qdict_get_qdict(response, "error"), "desc"));
    qobject_unref(response);
    return desc;
}

static inline void expect_error(QDict *response, const char *message)
{
    g_autofree char *desc = take_error(response);

    g_assert_cmpstr(desc, ==, message);
}

/* The value of a property, as JSON */
static inline void expect_option(QTestState *qts, const char *path,
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

#endif
