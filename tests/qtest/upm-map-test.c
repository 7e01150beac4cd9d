/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-upm-map
 */
#include "qemu/osdep.h"
#include "upm/launch.h"

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
    qts = launch(",memory-backend=m -m 4G -object " TYPE ",id=m,size=4G");
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/upm/map", test_map);
    qtest_add_func("/upm/map-without-memory", test_map_without_memory);
    return g_test_run();
}
