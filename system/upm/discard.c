/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: the end of a conversion, which nothing takes back
 *
 * Discarding is housekeeping: that it fails is no reason to refuse what the
 * guest asked for.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "request.h"
#include "trace/trace-upm.h"

static void discard(const UpmRequest *r, const UpmExtent *extent, bool private)
{
    int ret = private ? upm_provider->drop_private(extent)
                      : upm_memory_drop_shared(extent);

    trace_upm_discard(r->number, extent->block->name, upm_state_name(private),
                      extent->offset, extent->size, ret);
    if (ret < 0) {
        upm_account_failed(extent, private, ret);
    } else {
        upm_account_discarded(extent, private);
    }
}

/* Of a huge page nothing goes before all of it is hidden. */
static bool to_whole_pages(UpmExtent *run, uint64_t page_size)
{
    uint64_t first = QEMU_ALIGN_UP(run->offset, page_size);
    uint64_t end = QEMU_ALIGN_DOWN(upm_extent_end(run), page_size);

    if (first >= end) {
        return false;
    }
    upm_extent_skip(run, first - run->offset);
    run->size = end - first;
    return true;
}

static void discard_pages(const UpmRequest *r, const UpmExtent *extent,
                          uint64_t page_size)
{
    UpmExtent run = { .offset = extent->offset };

    while (upm_next_run_in(extent, upm_extent_end(&run), r->to_private,
                           &run)) {
        UpmExtent pages = run;

        if (to_whole_pages(&pages, page_size)) {
            discard(r, &pages, !r->to_private);
        }
    }
}

/*
 * In as few calls as there are runs of it by now: what lies between the runs
 * of a request is hidden, too.
 */
void upm_discard_hidden_in(const UpmRequest *r, UpmExtent extent)
{
    UpmBlock *block = extent.block;
    uint64_t page_size = r->to_private ? block->page_size : UPM_FRAME_SIZE;
    uint64_t first = QEMU_ALIGN_DOWN(extent.offset, page_size);
    uint64_t end = QEMU_ALIGN_UP(upm_extent_end(&extent), page_size);

    if (!upm_policy_discards(block->discard, !r->to_private)) {
        return;
    }
    extent.gpa -= extent.offset - first;
    extent.offset = first;
    extent.size = end - first;
    discard_pages(r, &extent, page_size);
}

typedef void RunFn(const UpmExtent *run, bool to_private);

/* What nobody else has converted since this request did */
static void foreach_run(const UpmRequest *r, unsigned int first,
                        unsigned int end, RunFn *fn)
{
    unsigned int i;

    for (i = first; i < end; i++) {
        const UpmExtent *run = upm_run_at(r, i);
        UpmExtent still = { .offset = run->offset };

        while (upm_next_run_in(run, upm_extent_end(&still), r->to_private,
                               &still)) {
            fn(&still, r->to_private);
        }
    }
}

void upm_finish_runs(const UpmRequest *r, unsigned int first, unsigned int end)
{
    if (upm_provider->settle) {
        foreach_run(r, first, end, upm_provider->settle);
    }
    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        foreach_run(r, first, end, upm_account_run);
    }
    if (!(r->flags & UPM_KEEP_HIDDEN)) {
        upm_discard_hidden_in(r, upm_span(r, first, end));
    }
}

void upm_finish_steps(const UpmRequest *r)
{
    unsigned int first, end;

    for (first = 0; first < r->runs->len; first = end) {
        UpmExtent extent;
        UpmClaim claim;

        end = upm_group_end(r, first);
        extent = upm_span(r, first, end);
        upm_begin_turn(&claim, &extent);
        upm_finish_runs(r, first, end);
        upm_end_turn(&claim);
    }
}
