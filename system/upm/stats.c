/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: a provider of query-stats
 */
#include "qemu/osdep.h"
#include "qapi/qapi-types-stats.h"
#include "qapi/util.h"
#include "qemu/module.h"
#include "system/stats.h"
#include "system/upm/map.h"
#include "system/upm/provider.h"

typedef enum Unit { UNIT_NONE, UNIT_BYTES, UNIT_NS } Unit;

/* Values, or their descriptions, of those that were asked for */
typedef struct Collector {
    StatsList *values, **last_value;
    StatsSchemaValueList *schema, **last_schema;
    strList *names;
    bool describe;
} Collector;

static void add_value(Collector *to, const char *name, uint64_t value)
{
    Stats *stats = g_new0(Stats, 1);

    stats->name = g_strdup(name);
    stats->value = g_new0(StatsValue, 1);
    stats->value->type = QTYPE_QNUM;
    stats->value->u.scalar = value;
    QAPI_LIST_APPEND(to->last_value, stats);
}

static void add_description(Collector *to, const char *name, StatsType type,
                            Unit unit)
{
    StatsSchemaValue *value = g_new0(StatsSchemaValue, 1);

    value->name = g_strdup(name);
    value->type = type;
    value->has_unit = unit != UNIT_NONE;
    value->unit = unit == UNIT_NS ? STATS_UNIT_SECONDS : STATS_UNIT_BYTES;
    if (unit == UNIT_NS) {
        value->has_base = true;
        value->base = 10;
        value->exponent = -9;
    }
    QAPI_LIST_APPEND(to->last_schema, value);
}

static void add(Collector *to, const char *name, StatsType type, Unit unit,
                uint64_t value)
{
    if (!apply_str_list_filter(name, to->names)) {
        return;
    }
    if (to->describe) {
        add_description(to, name, type, unit);
    } else {
        add_value(to, name, value);
    }
}

/* Sums of all blocks */
typedef struct Sums {
    uint64_t private_bytes;
    uint64_t shared_bytes;
    uint64_t held_private;
    uint64_t held_shared;
} Sums;

static void sum_block(UpmBlock *block, void *opaque)
{
    uint64_t shared = (uint64_t)qatomic_read(&block->shared_frames) <<
                      UPM_FRAME_BITS;
    Sums *sums = opaque;

    sums->shared_bytes += shared;
    sums->private_bytes += block->size - shared;
    sums->held_private += block->hidden_frames[true] << UPM_FRAME_BITS;
    sums->held_shared += block->hidden_frames[false] << UPM_FRAME_BITS;
}

static void collect_causes(Collector *to, const UpmCounters *c)
{
    UpmCause cause;
    int private;

    for (cause = 0; cause < UPM_CAUSE__MAX; cause++) {
        for (private = 1; private >= 0; private--) {
            const char *state = private ? "private" : "shared";
            g_autofree char *requests =
                g_strdup_printf("%s-to-%s-requests", UpmCause_str(cause),
                                state);
            g_autofree char *bytes =
                g_strdup_printf("%s-to-%s-bytes", UpmCause_str(cause), state);

            add(to, requests, STATS_TYPE_CUMULATIVE, UNIT_NONE,
                c->requests[cause][private]);
            add(to, bytes, STATS_TYPE_CUMULATIVE, UNIT_BYTES,
                c->converted[cause][private]);
        }
    }
}

static void collect(Collector *to)
{
    UpmCounters c = upm_counters();
    Sums sums = {};

    to->last_value = &to->values;
    to->last_schema = &to->schema;
    upm_foreach_block(sum_block, &sums);
    add(to, "private-bytes", STATS_TYPE_INSTANT, UNIT_BYTES,
        sums.private_bytes);
    add(to, "shared-bytes", STATS_TYPE_INSTANT, UNIT_BYTES, sums.shared_bytes);
    add(to, "private-held-bytes", STATS_TYPE_INSTANT, UNIT_BYTES,
        sums.held_private);
    add(to, "shared-held-bytes", STATS_TYPE_INSTANT, UNIT_BYTES,
        sums.held_shared);
    collect_causes(to, &c);
    add(to, "unchanged-requests", STATS_TYPE_CUMULATIVE, UNIT_NONE,
        c.unchanged_requests);
    add(to, "failed-requests", STATS_TYPE_CUMULATIVE, UNIT_NONE,
        c.failed_requests);
    add(to, "failed-discards", STATS_TYPE_CUMULATIVE, UNIT_NONE,
        c.failed_discards);
    add(to, "discarded-private", STATS_TYPE_CUMULATIVE, UNIT_BYTES,
        c.discarded_private);
    add(to, "discarded-shared", STATS_TYPE_CUMULATIVE, UNIT_BYTES,
        c.discarded_shared);
    add(to, "time", STATS_TYPE_CUMULATIVE, UNIT_NS, c.time);
}

static void get_stats(StatsResultList **result, StatsTarget target,
                      strList *names, strList *targets, Error **errp)
{
    Collector to = { .names = names };

    if (target != STATS_TARGET_VM || !upm_provider_name()) {
        return;
    }
    collect(&to);
    if (to.values) {
        add_stats_entry(result, STATS_PROVIDER_UPM, NULL, to.values);
    }
}

static void get_schema(StatsSchemaList **result, Error **errp)
{
    Collector to = { .describe = true };

    collect(&to);
    add_stats_schema(result, STATS_PROVIDER_UPM, STATS_TARGET_VM, to.schema);
}

static void register_stats(void)
{
    add_stats_callbacks(STATS_PROVIDER_UPM, get_stats, get_schema);
}

type_init(register_stats);
