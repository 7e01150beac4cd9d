/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: the provider makes a page state true
 */
#include "qemu/osdep.h"
#include "request.h"
#include "trace/trace-upm.h"

int upm_mark(const UpmRequest *r, const UpmExtent *extent, bool to_private)
{
    int ret = upm_provider->mark(extent, to_private);

    trace_upm_mark(r->number, extent->block->name, extent->gpa, extent->offset,
                   extent->size, upm_state_name(to_private), ret);
    return ret;
}

static int mark_or_refuse(const UpmRequest *r, const UpmExtent *extent,
                          Error **errp)
{
    int ret = upm_mark(r, extent, r->to_private);

    if (ret < 0) {
        upm_refuse(errp, r, ret, "%s does not mark 0x%" HWADDR_PRIx " +0x%"
                   PRIx64 ": %s", upm_provider->name, extent->gpa,
                   extent->size, strerror(-ret));
    }
    return ret;
}

int upm_mark_step(const UpmRequest *r, const UpmStep *step, UpmProgress *p,
                  Error **errp)
{
    UpmExtent run = { .offset = step->extent.offset };
    int ret = 0;

    if (upm_provider->marks_extents) {
        ret = mark_or_refuse(r, &step->extent, errp);
        p->marked = ret < 0 ? 0 : UINT_MAX;
        return ret;
    }
    while (upm_step_next(step, upm_extent_end(&run), &run)) {
        ret = mark_or_refuse(r, &run, errp);
        if (ret < 0) {
            break;
        }
        p->marked++;
    }
    return ret;
}

void upm_flush(const UpmRequest *r)
{
    trace_upm_flush(r->number);
    if (upm_provider->flush) {
        upm_provider->flush();
    }
}
