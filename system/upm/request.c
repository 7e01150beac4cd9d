/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: turns, and the runs of a request in groups
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "request.h"

int upm_refuse(Error **errp, const UpmRequest *r, int err, const char *fmt,
               ...)
{
    g_autofree char *why = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_setg(errp, "cannot convert 0x%" HWADDR_PRIx " +0x%" PRIx64
               " to %s: %s", r->gpa, r->size, upm_state_name(r->to_private),
               why);
    return err;
}

void upm_enter(void)
{
    if (upm_provider && upm_provider->enter) {
        upm_provider->enter();
    }
}

void upm_leave(void)
{
    if (upm_provider && upm_provider->leave) {
        upm_provider->leave();
    }
}

void upm_begin_turn(UpmClaim *claim, const UpmExtent *extent)
{
    upm_enter();
    upm_claim(claim, extent->block, extent->offset, extent->size);
}

void upm_end_turn(UpmClaim *claim)
{
    upm_release(claim);
    upm_leave();
}

UpmExtent upm_span(const UpmRequest *r, unsigned int first, unsigned int end)
{
    UpmExtent all = *upm_run_at(r, first);

    all.size = upm_extent_end(upm_run_at(r, end - 1)) - all.offset;
    return all;
}

unsigned int upm_group_end(const UpmRequest *r, unsigned int first)
{
    const UpmExtent *start = upm_run_at(r, first);
    unsigned int i;

    for (i = first + 1; i < r->runs->len; i++) {
        const UpmExtent *run = upm_run_at(r, i);

        if (run->block != start->block || run->offset < start->offset ||
            run->gpa - start->gpa != run->offset - start->offset ||
            upm_extent_end(run) - start->offset > UPM_STEP_SIZE) {
            break;
        }
    }
    return i;
}
