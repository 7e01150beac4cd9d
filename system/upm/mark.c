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

/* What lies between the runs has the state already. */
static int mark_span(const UpmRequest *r, UpmProgress *p, Error **errp)
{
    UpmExtent all = upm_span(r, p->first, p->end);
    int ret = mark_or_refuse(r, &all, errp);

    if (!ret) {
        p->marked = p->end;
    }
    return ret;
}

int upm_mark_runs(const UpmRequest *r, UpmProgress *p, Error **errp)
{
    if (upm_provider->marks_extents) {
        return mark_span(r, p, errp);
    }
    for (; p->marked < p->end; p->marked++) {
        int ret = mark_or_refuse(r, upm_run_at(r, p->marked), errp);

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

void upm_flush(const UpmRequest *r)
{
    trace_upm_flush(r->number);
    if (upm_provider->flush) {
        upm_provider->flush();
    }
}
