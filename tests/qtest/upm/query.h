/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What qtests of unmapped private memory look at: backends, blocks with a
 * private half, and QEMU's file descriptors
 */
#ifndef UPM_QUERY_H
#define UPM_QUERY_H

#include "launch.h"

static inline unsigned int count_fds(QTestState *qts)
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
static inline void wait_for_fds(QTestState *qts, unsigned int expected)
{
    unsigned int i;

    for (i = 0; i < 500 && count_fds(qts) != expected; i++) {
        g_usleep(10 * 1000);
    }
    g_assert_cmpuint(count_fds(qts), ==, expected);
}

static inline QDict *query_upm(QTestState *qts)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'query-upm' }");
    QDict *info = qdict_get_qdict(response, "return");

    g_assert_nonnull(info);
    qobject_ref(info);
    qobject_unref(response);
    return info;
}

/* Returns a reference, or NULL. */
static inline QDict *find_block(QTestState *qts, const char *id)
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

static inline void expect_block(QTestState *qts, const char *id, uint64_t size,
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
    QDict *block = find_block(qts, id);
    bool found = block;

    qobject_unref(block);
    return found;
}

/* For all blocks of a guest, or of one backend */
static inline void qom_set_discard(QTestState *qts, const char *path,
                                   const char *policy)
{
    expect_success(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': %s, 'property': 'discard',"
                             " 'value': %s } }", path, policy));
}

#endif
