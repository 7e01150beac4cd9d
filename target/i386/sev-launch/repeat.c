/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A launch plan that is launched more than once
 *
 * The shared memory that ranges were launched from is discarded, and the
 * guest can have made anything of it since.  So a plan that is kept has
 * copies, of all but pages of zeros.
 */
#include "qemu/osdep.h"
#include "qemu/madvise.h"
#include "qemu/memalign.h"
#include "qemu/units.h"
#include "plan.h"

#define LARGE_PAGE (2 * MiB)

/*
 * A guest's firmware is megabytes, and a fault for each page of its copy would
 * take a sixth of the time of its launch.
 */
static void *copy_of(const SevLaunchRange *range)
{
    size_t large = QEMU_ALIGN_DOWN(range->size, LARGE_PAGE);
    void *copy = qemu_memalign(large ? LARGE_PAGE : PSP_PAGE_SIZE,
                               range->size);

    if (large) {
        qemu_madvise(copy, large, QEMU_MADV_HUGEPAGE);
    }
    return memcpy(copy, range->host, range->size);
}

/*
 * A CPUID page, too, is as it was given: firmware corrects only one that it
 * refuses.
 */
void sev_plan_keep(SevLaunchPlan *plan)
{
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        SevLaunchRange *range = sev_plan_range(plan, i);

        if (range->type != PSP_PAGE_ZERO && !range->copy) {
            range->copy = copy_of(range);
        }
    }
}

void sev_plan_again(SevLaunchPlan *plan)
{
    for (unsigned i = 0; i < sev_plan_ranges(plan); i++) {
        SevLaunchRange *range = sev_plan_range(plan, i);

        range->host = range->copy;
    }
    g_clear_pointer(&plan->vmsa_contents, g_free);
    plan->launched = false;
    plan->launched_vcpus = 0;
    plan->repeated = true;
}
