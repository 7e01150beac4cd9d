/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch of one guest object, as its child
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "qapi/error.h"
#include "system/system.h"
#include "system/upm/compat.h"
#include "target/i386/sev-vcpus.h"
#include "sev.h"
#include "state.h"

static const SevLaunchVcpus vcpus = {
    .count = sev_vcpus,
    .reset = sev_vcpu_reset,
};

SevLaunchState *sev_launch_of(Object *guest)
{
    Object *launch = object_resolve_path_component(guest, "launch");

    if (!launch) {
        launch = object_new(TYPE_SEV_LAUNCH);
        object_property_add_child(guest, "launch", launch);
        object_unref(launch);
    }
    return SEV_LAUNCH(launch);
}

SevLaunchState *sev_launch_current(void)
{
    Object *guest = OBJECT(current_machine->cgs);

    return guest && sev_enabled() ? sev_launch_of(guest) : NULL;
}

/*
 * Measuring
 */

static void *measure(void *opaque)
{
    SevLaunchState *launch = opaque;

    sev_plan_measure(&launch->plan, &launch->err);
    return NULL;
}

/* Measuring takes about as long as the launch, and can run beside it. */
void sev_launch_begin_measuring(SevLaunchState *launch)
{
    launch->measuring = true;
    qemu_thread_create(&launch->thread, "snp-measure", measure, launch,
                       QEMU_THREAD_JOINABLE);
}

void sev_launch_wait(SevLaunchState *launch)
{
    if (launch->measuring) {
        qemu_thread_join(&launch->thread);
        launch->measuring = false;
    }
}

bool sev_launch_end_measuring(SevLaunchState *launch, Error **errp)
{
    sev_launch_wait(launch);
    if (launch->err) {
        error_propagate(errp, error_copy(launch->err));
        return false;
    }
    return launch->plan.measured || sev_plan_measure(&launch->plan, errp);
}

static bool is_complete(const SevLaunchState *launch)
{
    return launch->populated || launch->plan.launched ||
           launch->plan.foreign_vcpus;
}

const SevLaunchPlan *sev_launch_measured_plan(Error **errp)
{
    SevLaunchState *launch = sev_launch_current();

    if (!launch || !is_complete(launch)) {
        error_setg(errp, "there is no SEV-SNP guest whose firmware says what"
                   " to launch, and no other SEV guest that is launched");
        return NULL;
    }
    return sev_launch_end_measuring(launch, errp) ? &launch->plan : NULL;
}

/*
 * The object's life
 */

void sev_launch_reset(SevLaunchState *launch)
{
    sev_launch_wait(launch);
    sev_plan_reset(&launch->plan);
    launch->populated = false;
    error_free(launch->err);
    launch->err = NULL;
}

static void sev_launch_instance_init(Object *obj)
{
    SevLaunchState *launch = SEV_LAUNCH(obj);

    launch->plan.cpuid_name = sev_cpuid_name;
    launch->plan.vcpus = &vcpus;
}

static void sev_launch_finalize(Object *obj)
{
    SevLaunchState *launch = SEV_LAUNCH(obj);

    sev_launch_reset(launch);
    if (launch->populate) {
        qemu_remove_machine_init_done_notifier(&launch->machine_done);
    }
    g_free(launch->plan.firmware);
    sev_launch_encrypted_free(&launch->encrypted);
}

static const TypeInfo sev_launch_info = {
    .name = TYPE_SEV_LAUNCH,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(SevLaunchState),
    .instance_init = sev_launch_instance_init,
    .instance_finalize = sev_launch_finalize,
};

static void sev_launch_register_types(void)
{
    type_register_static(&sev_launch_info);
}

type_init(sev_launch_register_types)
