/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What qtests of unmapped private memory share: a guest of the emulated
 * SEV-SNP processor, its backends and what QMP says of them
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

/* The launch wants firmware for it: UPM_OVMF names an OVMF image. */
static inline bool can_launch(void)
{
    if (getenv("UPM_OVMF")) {
        return true;
    }
    g_test_skip("UPM_OVMF does not name firmware for an SEV-SNP guest");
    return false;
}

/* @options go on after the machine's own, so they begin with "," or " ". */
static inline QTestState *launch(const char *options)
{
    return qtest_initf("-accel tcg -S -nodefaults -bios %s "
                       "-object sev-snp-guest,id=sev0,cbitpos=51,"
                       "reduced-phys-bits=1,emulated=on "
                       "-machine q35,confidential-guest-support=sev0%s",
                       getenv("UPM_OVMF"), options);
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

/* Is there a memory backend of this name? */
static inline bool has_backend(QTestState *qts, const char *id)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'query-memdev' }");
    bool found = false;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(response, "return"), entry) {
        QDict *backend = qobject_to(QDict, qlist_entry_obj(entry));

        found |= !g_strcmp0(qdict_get_try_str(backend, "id"), id);
    }
    qobject_unref(response);
    return found;
}

/* Are page states kept for a block of this name? */
static inline bool has_block(QTestState *qts, const char *id)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'query-upm' }");
    bool found = false;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(qdict_get_qdict(response, "return"),
                                        "blocks"), entry) {
        QDict *block = qobject_to(QDict, qlist_entry_obj(entry));

        found |= !strcmp(qdict_get_str(block, "id"), id);
    }
    qobject_unref(response);
    return found;
}

#endif
