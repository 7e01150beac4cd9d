/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: the way of a conversion
 *
 *     upm_convert()
 *       convert_step()            of 64 MiB at most, for each part of the range
 *         upm_enter()               nothing changes what page states depend on
 *         upm_check_request()       all of the range, with the first step
 *         upm_claim()               nobody else converts these frames
 *         take_effect()
 *           upm_mark_runs()           the provider makes the state true
 *           upm_flush()               no vCPU has an older translation
 *           map_runs()                the map says so
 *           upm_notify_runs()         who may refuse
 *         upm_release()             ... and others have their turn
 *         upm_leave()
 *       upm_finish_steps()        nothing is taken back from here on
 *         upm_finish_runs()         settle, and put on account what is hidden
 *         upm_discard_hidden_in()   what cannot be discarded stays there
 *       upm_account_request()
 *
 * A step that fails is taken back at once, upm_take_back_runs(), those before
 * it by upm_take_back_steps(); where that fails, upm_set_poison().
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "request.h"
#include "trace/trace-upm.h"

/* For trace events */
static unsigned int last_request;

static void find_runs(const UpmRequest *r, const UpmExtent *extent)
{
    UpmExtent run = { .offset = extent->offset };

    while (upm_next_run_in(extent, upm_extent_end(&run), !r->to_private,
                           &run)) {
        g_array_append_val(r->runs, run);
    }
}

static void map_runs(const UpmRequest *r, UpmProgress *p)
{
    QEMU_LOCK_GUARD(&upm_lock);
    for (; p->mapped < p->end; p->mapped++) {
        upm_map_set(upm_run_at(r, p->mapped), r->to_private);
    }
}

static int take_effect(UpmRequest *r, UpmProgress *p, Error **errp)
{
    int ret;

    r->step = UPM_CONVERSION_STEP_MARK;
    ret = upm_mark_runs(r, p, errp);
    if (ret < 0) {
        return ret;
    }
    upm_flush(r);
    map_runs(r, p);
    r->step = UPM_CONVERSION_STEP_NOTIFY;
    return upm_notify_runs(r, p, errp);
}

/* Where it fails nothing of @extent is left, or @r->unknown is set. */
static int convert_claimed(UpmRequest *r, const UpmExtent *extent,
                           Error **errp)
{
    UpmProgress p = { .first = r->runs->len };
    int ret;

    find_runs(r, extent);
    if (r->runs->len == p.first) {
        return 0;
    }
    p.end = r->runs->len;
    p.marked = p.mapped = p.notified = p.first;
    ret = take_effect(r, &p, errp);
    if (ret < 0) {
        r->unknown = upm_take_back_runs(r, &p) ?: r->unknown;
        g_array_set_size(r->runs, p.first);
    } else if (extent->size == r->size) {
        /* No other step can fail, and the claim is there already. */
        upm_finish_runs(r, p.first, p.end);
        r->finished = true;
    }
    return ret;
}

/* The part of the range that begins at @done, which is advanced */
static int convert_step(UpmRequest *r, uint64_t *done, Error **errp)
{
    uint64_t size = MIN(r->size - *done, UPM_STEP_SIZE);
    UpmExtent extent;
    UpmClaim claim;
    int ret;

    r->step = UPM_CONVERSION_STEP_CHECK;
    ret = !*done ? upm_check_request(r, &extent, errp)
                 : upm_find_extent(r, r->gpa + *done, size, &extent, errp);
    if (ret < 0) {
        return ret;
    }
    extent.size = MIN(extent.size, size);
    upm_claim(&claim, extent.block, extent.offset, extent.size);
    ret = convert_claimed(r, &extent, errp);
    upm_release(&claim);
    *done += extent.size;
    return ret;
}

static int convert_steps(UpmRequest *r, Error **errp)
{
    uint64_t done = 0;
    int ret;

    do {
        upm_enter();
        ret = convert_step(r, &done, errp);
        upm_leave();
    } while (!ret && done < r->size);
    return ret;
}

static int convert(UpmRequest *r, Error **errp)
{
    ERRP_GUARD();
    int ret = upm_check_poison(r, errp);

    if (ret < 0) {
        return ret;
    }
    ret = convert_steps(r, errp);
    if (ret < 0) {
        r->unknown = upm_take_back_steps(r) ?: r->unknown;
    } else if (!r->finished) {
        upm_finish_steps(r);
    }
    if (r->unknown < 0) {
        upm_set_poison(r, *errp);
    }
    return ret;
}

static uint64_t changed(const UpmRequest *r)
{
    uint64_t bytes = 0;
    unsigned int i;

    for (i = 0; i < r->runs->len; i++) {
        bytes += upm_run_at(r, i)->size;
    }
    return bytes;
}

int upm_convert(hwaddr gpa, uint64_t size, bool to_private, UpmCause cause,
                unsigned int flags, Error **errp)
{
    g_autoptr(GArray) runs = g_array_new(false, false, sizeof(UpmExtent));
    UpmRequest r = {
        .number = qatomic_fetch_inc(&last_request) + 1,
        .gpa = gpa, .size = size, .to_private = to_private, .flags = flags,
        .runs = runs,
    };
    UpmDone done = {
        .gpa = gpa, .size = size, .to_private = to_private, .cause = cause,
        .start = get_clock(),
    };
    Error *err = NULL;

    trace_upm_convert(r.number, gpa, size, upm_state_name(to_private),
                      UpmCause_str(cause));
    /* Keeps the blocks of the range until the last step. */
    WITH_RCU_READ_LOCK_GUARD() {
        done.ret = convert(&r, &err);
    }
    done.step = r.step;
    done.poisoned = r.unknown < 0;
    done.changed = done.ret < 0 ? 0 : changed(&r);
    trace_upm_convert_done(r.number, gpa, size, done.changed, done.ret);
    upm_account_request(&done, err);
    error_propagate(errp, err);
    return done.ret;
}

/*
 * Beside the way
 */

static bool any_run(const UpmRequest *r)
{
    uint64_t done = 0;
    UpmExtent extent, run;

    while (done < r->size) {
        if (upm_find_extent(r, r->gpa + done, r->size - done, &extent,
                            NULL) ||
            upm_next_run_in(&extent, extent.offset, !r->to_private, &run)) {
            return true;
        }
        done += extent.size;
    }
    return false;
}

bool upm_convert_needed(hwaddr gpa, uint64_t size, bool to_private)
{
    UpmRequest r = { .gpa = gpa, .size = size, .to_private = to_private };

    WITH_RCU_READ_LOCK_GUARD() {
        if (upm_check_range(&r, NULL) || any_run(&r)) {
            return true;
        }
    }
    upm_account_unchanged();
    return false;
}

/* QEMU has written to the shared half of it, to launch it from there. */
static void discard_source(const UpmRequest *r, const UpmExtent *extent)
{
    UpmExtent run = { .offset = extent->offset };
    UpmClaim claim;

    upm_begin_turn(&claim, extent);
    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        while (upm_next_run_in(extent, upm_extent_end(&run), true, &run)) {
            upm_account_hidden(&run, false);
        }
    }
    upm_discard_hidden_in(r, *extent);
    upm_end_turn(&claim);
}

int upm_discard_hidden(hwaddr gpa, uint64_t size, Error **errp)
{
    UpmRequest r = { .gpa = gpa, .size = size, .to_private = true };
    UpmExtent extent;
    uint64_t done;
    int ret = upm_check_range(&r, errp);

    RCU_READ_LOCK_GUARD();
    for (done = 0; !ret && done < size; done += extent.size) {
        ret = upm_find_extent(&r, gpa + done, MIN(size - done, UPM_STEP_SIZE),
                              &extent, errp);
        if (!ret) {
            discard_source(&r, &extent);
        }
    }
    return ret;
}
