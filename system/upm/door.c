/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: the way of a conversion
 *
 *     upm_convert()
 *       upm_check_request()       all of the range, before anything changes
 *       upm_claim_all()           nobody else converts any of it
 *       convert_step()            for each 64 MiB, at most
 *         upm_enter()               nothing changes what page states depend on
 *         take_effect()
 *           upm_mark_step()           the provider makes the state true
 *           upm_flush()               no vCPU has an older translation
 *           upm_map_set()             the map says so
 *           upm_notify_step()         who may refuse
 *         upm_leave()               ... and memory slots have their turn
 *       upm_finish_step()         for each of them: nothing is taken back now
 *                                   settle, account what is hidden, discard it
 *       account_steps(), upm_release_all(), upm_account_request()
 *       upm_tell_request()
 *
 * A step that fails is taken back at once, upm_take_back_step(), those before
 * it by upm_take_back(); where that fails, upm_set_poison().
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "request.h"
#include "trace/trace-upm.h"

/* For trace events */
static unsigned int last_request;

static int take_effect(UpmRequest *r, const UpmStep *step, UpmProgress *p,
                       Error **errp)
{
    int ret;

    r->at = UPM_CONVERSION_STEP_MARK;
    ret = upm_mark_step(r, step, p, errp);
    if (ret < 0) {
        return ret;
    }
    upm_flush(r);
    upm_map_set(&step->extent, r->to_private, step->changed);
    p->mapped = true;
    r->at = UPM_CONVERSION_STEP_NOTIFY;
    return qatomic_read(&step->extent.block->watchers)
           ? upm_notify_step(r, step, p, errp) : 0;
}

/* Memory may have come and gone since all of the range was checked. */
static int check_step(UpmRequest *r, const UpmStep *step, Error **errp)
{
    r->at = UPM_CONVERSION_STEP_CHECK;
    if (!upm_still_there(r, &step->extent)) {
        return upm_refuse(errp, r, -EINVAL, "the memory at 0x%" HWADDR_PRIx
                          " +0x%" PRIx64 " has changed meanwhile",
                          step->extent.gpa, step->extent.size);
    }
    return upm_check_poison(r, errp);
}

/* Nothing of @step is left where it fails, unless @r->unknown is set. */
static int enter_step(UpmRequest *r, const UpmStep *step, Error **errp)
{
    UpmProgress p = {};
    int ret;

    upm_enter();
    ret = check_step(r, step, errp);
    ret = ret ?: take_effect(r, step, &p, errp);
    if (ret < 0) {
        r->unknown = upm_take_back_step(r, step, &p) ?: r->unknown;
    }
    upm_leave();
    return ret;
}

static int convert_step(UpmRequest *r, const UpmExtent *extent, Error **errp)
{
    UpmStep *step = upm_request_next_step(r);
    int ret;

    if (!upm_step_make(step, extent, r->to_private)) {
        return 0;
    }
    ret = enter_step(r, step, errp);
    if (ret < 0) {
        upm_step_free(step);
        return ret;
    }
    r->n_steps++;
    return 0;
}

static int convert_extent(UpmRequest *r, UpmExtent rest, Error **errp)
{
    int ret = 0;

    while (!ret && rest.size) {
        UpmExtent part = rest;

        part.size = MIN(rest.size, UPM_STEP_SIZE);
        ret = convert_step(r, &part, errp);
        upm_extent_skip(&rest, part.size);
    }
    return ret;
}

static void finish(UpmRequest *r)
{
    unsigned int i;

    for (i = 0; i < r->n_steps; i++) {
        upm_finish_step(r, &r->steps[i]);
    }
}

static int convert_claimed(UpmRequest *r, Error **errp)
{
    ERRP_GUARD();
    unsigned int i;
    int ret = 0;

    for (i = 0; !ret && i < r->n_extents; i++) {
        ret = convert_extent(r, r->extents[i], errp);
    }
    if (!ret) {
        finish(r);
        return 0;
    }
    r->unknown = upm_take_back(r) ?: r->unknown;
    if (r->unknown < 0) {
        upm_set_poison(r, *errp);
    }
    return ret;
}

static void claim(UpmRequest *r)
{
    r->n_claims = r->n_extents;
    r->claims = r->n_claims > 1 ? g_new(UpmClaim, r->n_claims) : &r->one_claim;
    upm_claim_all(r->claims, r->extents, r->n_extents);
}

static int convert(UpmRequest *r, Error **errp)
{
    int ret = upm_check_poison(r, errp);

    ret = ret ?: upm_check_request(r, errp);
    if (ret < 0) {
        return ret;
    }
    claim(r);
    return convert_claimed(r, errp);
}

static uint64_t changed(const UpmRequest *r)
{
    uint64_t bytes = 0;
    unsigned int i;

    for (i = 0; i < r->n_steps; i++) {
        bytes += r->steps[i].changed;
    }
    return bytes;
}

static void account_steps(const UpmRequest *r)
{
    unsigned int i;

    for (i = 0; i < r->n_steps; i++) {
        const UpmStep *step = &r->steps[i];

        if (step->discarded) {
            upm_account_discarded(step, !r->to_private);
        }
    }
}

/* The lock is taken once for all that there is to write down. */
static void end(UpmRequest *r, UpmDone *done)
{
    done->step = r->at;
    done->poisoned = r->poisoned;
    done->changed = done->ret < 0 ? 0 : changed(r);
    done->end = get_clock();
    trace_upm_convert_done(r->number, r->gpa, r->size, done->changed,
                           done->ret);
    WITH_QEMU_LOCK_GUARD(&upm_lock) {
        if (!done->ret) {
            account_steps(r);
        }
        upm_release_all(r->claims, r->n_claims);
        upm_account_request(done);
    }
}

static int run(UpmRequest *r, UpmCause cause, Error **errp)
{
    UpmDone done = {
        .gpa = r->gpa, .size = r->size, .to_private = r->to_private,
        .cause = cause, .start = get_clock(),
    };
    Error *err = NULL;

    r->number = qatomic_fetch_inc(&last_request) + 1;
    if (trace_event_get_state_backends(TRACE_UPM_CONVERT)) {
        trace_upm_convert(r->number, r->gpa, r->size,
                          upm_state_name(r->to_private), UpmCause_str(cause));
    }
    /* Keeps the blocks of the range until the last step. */
    WITH_RCU_READ_LOCK_GUARD() {
        done.ret = convert(r, &err);
        end(r, &done);
    }
    upm_request_free(r);
    upm_tell_request(&done, err);
    error_propagate(errp, err);
    return done.ret;
}

int upm_convert(hwaddr gpa, uint64_t size, bool to_private, UpmCause cause,
                unsigned int flags, Error **errp)
{
    UpmRequest r = {
        .gpa = gpa, .size = size, .to_private = to_private, .flags = flags,
    };

    return run(&r, cause, errp);
}

int upm_convert_block(UpmBlock *block, bool to_private, UpmCause cause,
                      Error **errp)
{
    UpmRequest r = {
        .block = block, .size = block->size, .to_private = to_private,
    };

    return run(&r, cause, errp);
}

/*
 * Beside the way
 */

static bool any_run(const UpmRequest *r)
{
    unsigned int i;

    for (i = 0; i < r->n_extents; i++) {
        const UpmExtent *extent = &r->extents[i];
        UpmExtent run;

        if (upm_next_run_in(extent, extent->offset, !r->to_private, &run)) {
            return true;
        }
    }
    return false;
}

bool upm_convert_needed(hwaddr gpa, uint64_t size, bool to_private)
{
    UpmRequest r = { .gpa = gpa, .size = size, .to_private = to_private };
    bool needed;

    WITH_RCU_READ_LOCK_GUARD() {
        needed = upm_check_request(&r, NULL) || any_run(&r);
    }
    upm_request_free(&r);
    if (!needed) {
        upm_account_unchanged();
    }
    return needed;
}

/* QEMU has written to the shared half of it, to launch it from there. */
static void discard_source(const UpmRequest *r, const UpmExtent *extent)
{
    UpmClaim claim;

    upm_claim(&claim, extent->block, extent->offset, extent->size);
    upm_account_source(extent);
    upm_discard_hidden_in(r, extent);
    upm_release(&claim);
}

int upm_discard_hidden(hwaddr gpa, uint64_t size, Error **errp)
{
    UpmRequest r = { .gpa = gpa, .size = size, .to_private = true };
    unsigned int i;
    int ret;

    RCU_READ_LOCK_GUARD();
    ret = upm_check_request(&r, errp);
    for (i = 0; !ret && i < r.n_extents; i++) {
        discard_source(&r, &r.extents[i]);
    }
    upm_request_free(&r);
    return ret;
}
