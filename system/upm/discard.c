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

static int discard(const UpmRequest *r, const UpmExtent *extent)
{
    bool private = !r->to_private;
    int ret = private ? upm_provider->drop_private(extent)
                      : upm_memory_drop_shared(extent);

    trace_upm_discard(r->number, extent->block->name, upm_state_name(private),
                      extent->offset, extent->size, ret);
    return ret;
}

static bool is_hidden(const UpmRequest *r, const UpmExtent *page)
{
    UpmExtent run;

    return !upm_next_run_in(page, page->offset, !r->to_private, &run);
}

/* The next pages of which all is hidden.  A huge page goes as a whole. */
static bool next_hidden(const UpmRequest *r, const UpmExtent *pages,
                        uint64_t from, UpmExtent *hidden)
{
    uint64_t page_size = pages->block->page_size;
    UpmExtent page = *pages;

    if (page_size == UPM_FRAME_SIZE) {
        return upm_next_run_in(pages, from, r->to_private, hidden);
    }
    page.size = page_size;
    page.gpa += from - page.offset;
    page.offset = from;
    hidden->size = 0;
    for (; page.offset < upm_extent_end(pages); page.offset += page_size) {
        if (!is_hidden(r, &page)) {
            if (hidden->size) {
                break;
            }
            continue;
        }
        if (!hidden->size) {
            *hidden = page;
            hidden->size = 0;
        }
        hidden->size += page_size;
    }
    return hidden->size;
}

/* What is hidden in these pages is on account; it leaves it, or stays. */
static void discard_pages(const UpmRequest *r, const UpmExtent *extent)
{
    uint64_t page_size = extent->block->page_size;
    uint64_t first = QEMU_ALIGN_DOWN(extent->offset, page_size);
    UpmExtent pages = {
        .block = extent->block,
        .gpa = extent->gpa - (extent->offset - first),
        .offset = first,
        .size = QEMU_ALIGN_UP(upm_extent_end(extent), page_size) - first,
    };
    UpmExtent hidden = { .offset = first };

    while (next_hidden(r, &pages, upm_extent_end(&hidden), &hidden)) {
        int ret = discard(r, &hidden);

        if (ret < 0) {
            upm_account_failed(&hidden, !r->to_private, -ret);
        } else {
            upm_account_pages(&hidden, !r->to_private);
        }
    }
}

void upm_discard_hidden_in(const UpmRequest *r, const UpmExtent *extent)
{
    if (upm_policy_discards(extent->block->discard, !r->to_private)) {
        discard_pages(r, extent);
    }
}

static void settle(const UpmRequest *r, const UpmStep *step)
{
    UpmExtent run = { .offset = step->extent.offset };

    while (upm_provider->settle &&
           upm_step_next(step, upm_extent_end(&run), &run)) {
        upm_provider->settle(&run, r->to_private);
    }
}

/* All of @step, which is in frames as small as those of page states */
static void discard_step(const UpmRequest *r, UpmStep *step)
{
    int ret = discard(r, &step->extent);

    if (ret >= 0) {
        step->discarded = true;
        return;
    }
    upm_account_hidden(step, !r->to_private);
    upm_account_failed(&step->extent, !r->to_private, -ret);
}

void upm_finish_step(const UpmRequest *r, UpmStep *step)
{
    const UpmBlock *block = step->extent.block;
    bool discards = !(r->flags & UPM_KEEP_HIDDEN) &&
                    upm_policy_discards(block->discard, !r->to_private);
    bool in_frames = block->page_size == UPM_FRAME_SIZE || !r->to_private;

    settle(r, step);
    upm_account_shown(step, r->to_private);
    if (discards && in_frames) {
        discard_step(r, step);
        return;
    }
    upm_account_hidden(step, !r->to_private);
    if (discards) {
        discard_pages(r, &step->extent);
    }
}
