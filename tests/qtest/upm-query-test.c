/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-upm, its figures in query-stats and "info", and the schema
 */
#include "qemu/osdep.h"
#include "qobject/qstring.h"
#include "upm/query.h"

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

/* The figures of a block with both halves allocated, and their sum */
static void test_resident(void)
{
    QDict *block, *info;
    QTestState *qts;
    int64_t before, shared;

    if (!can_launch()) {
        return;
    }
    qts = launch(",memory-backend=m -m 256M -object " TYPE
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
    qts = launch(" -m 256M");
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
    qts = launch(" -m 256M");
    expect_success(object_add(qts, "'size': 1099511627776,"
                              " 'reserve': false"));
    for (i = 0; i < 50; i++) {
        int64_t start = g_get_monotonic_time();

        qobject_unref(query_upm(qts));
        best = MIN(best, g_get_monotonic_time() - start);
    }
    g_test_message("query-upm of 1 TiB takes %" PRId64 " us", best);
    g_assert_cmpint(best, <, 5000);
    expect_success(del_object(qts, "r"));
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
    qts = launch(" -m 256M -object " TYPE ",id="
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
    qts = launch(" -m 256M");
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/upm/query-without-memory", test_query_without_memory);
    qtest_add_func("/upm/schema", test_schema);
    qtest_add_func("/upm/resident", test_resident);
    qtest_add_func("/upm/count-resident", test_count_resident);
    qtest_add_func("/upm/query-time", test_query_time);
    qtest_add_func("/upm/stats", test_stats);
    qtest_add_func("/upm/info", test_info);
    return g_test_run();
}
