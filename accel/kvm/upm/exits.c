/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory under KVM: exits of vCPUs that ask for a conversion
 *
 *                              KVM_RUN
 *   EFAULT, KVM_EXIT_MEMORY_FAULT |  KVM_EXIT_HYPERCALL, KVM_HC_MAP_GPA_RANGE
 *             .-------------------+-------------------.
 *             v                                       v
 *   upm_kvm_is_fault()                    upm_kvm_handle_hypercall()
 *   upm_kvm_handle_fault()                  upm_kvm_decode_map_gpa()  map-gpa.c
 *             |                                       |
 *             '-------------> upm_convert() <---------'   system/upm/door.c
 *             .--------------- upm_kvm_mark() --------.   provider.c
 *             v                                       v
 *   upm_kvm_stuck()        stuck.c         upm_kvm_answer()           map-gpa.c
 *   upm_kvm_clear_stale()  slots.c         upm_kvm_pre_fault()      pre-fault.c
 *             |                                       |
 *             v                                       v
 *   run again, or stop_guest()                    run again
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/cpus.h"
#include "system/kvm.h"
#include "trace/trace-upm.h"
#include "internal.h"

/* Faults in a row where no RAM is: memory may come and go in between. */
#define STALE_FAULTS 16

/* For trace events; exits are of the vCPU that this thread runs. */
static int cpu_index(void)
{
    return current_cpu ? current_cpu->cpu_index : -1;
}

static void stop_guest(const char *reason)
{
    upm_memory_stop_guest(reason);
    /*
     * Not into the guest once more until the main loop stops it.  It has the
     * BQL when it clears what is set here.
     */
    BQL_LOCK_GUARD();
    cpu_stop_current();
}

/*
 * What a vCPU asks for comes by the exits below.  The callers that are left
 * are QEMU's own, and want memory to have the state that it is launched with.
 */
bool upm_kvm_convert(hwaddr start, uint64_t size, bool to_private, int *ret)
{
    UpmExtent first;
    Error *err = NULL;

    if (!upm_kvm.in_use) {
        return false;
    }
    WITH_RCU_READ_LOCK_GUARD() {
        if (!upm_memory_resolve(start, UPM_FRAME_SIZE, &first)) {
            return false;
        }
    }
    *ret = upm_convert(start, size, to_private, UPM_CAUSE_LAUNCH,
                       UPM_KEEP_HIDDEN, &err);
    if (err) {
        error_report_err(err);
    }
    return true;
}

bool upm_kvm_is_fault(const struct kvm_run *run, int ret)
{
    if (run->exit_reason != KVM_EXIT_MEMORY_FAULT) {
        return false;
    }
    if (ret == -EFAULT || (ret == -EHWPOISON && upm_kvm.in_use)) {
        return true;
    }
    error_report("KVM cannot give the guest %s memory at 0x%" PRIx64
                 " +0x%" PRIx64 ": %s",
                 run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE
                 ? "private" : "shared", (uint64_t)run->memory_fault.gpa,
                 (uint64_t)run->memory_fault.size, strerror(-ret));
    return false;
}

/*
 * Implicit conversion
 */

/* Somebody else may have converted the page since the fault. */
static bool has_state(hwaddr gpa, bool private)
{
    UpmExtent extent;

    RCU_READ_LOCK_GUARD();
    return upm_memory_resolve(gpa, UPM_FRAME_SIZE, &extent) &&
           upm_block_is_private(extent.block, extent.offset) == private;
}

static bool clear_stale(hwaddr gpa, uint64_t size, bool to_private)
{
    return !upm_kvm_stuck(gpa, to_private, false) &&
           upm_kvm_stuck_repeats() < STALE_FAULTS &&
           upm_kvm_clear_stale(gpa, size);
}

/* Returns NULL to run the vCPU again, or why the guest can not go on. */
static char *convert_fault(hwaddr gpa, uint64_t size, bool to_private)
{
    const char *state = to_private ? "private" : "shared";
    /* asked only where the answer tells something */
    bool had_state = upm_kvm_stuck_fault(gpa, to_private) &&
                     has_state(gpa, to_private);
    Error *err = NULL;
    char *reason;
    int ret = upm_convert(gpa, size, to_private, UPM_CAUSE_FAULT, 0, &err);

    if (!ret || ret == -EAGAIN || ret == -EINTR) {
        if (!upm_kvm_stuck(gpa, to_private, !ret && !had_state)) {
            error_free(err);
            return NULL;
        }
    }
    if (ret == -EINVAL && clear_stale(gpa, size, to_private)) {
        error_free(err);
        return NULL;
    }
    if (err) {
        reason = g_strdup_printf("a vCPU used memory as %s, but QEMU %s",
                                 state, error_get_pretty(err));
        error_free(err);
        return reason;
    }
    return upm_kvm_stuck_reason(gpa, size, to_private);
}

/* The memory of the host that is behind the page is broken. */
static char *hardware_error(hwaddr gpa, uint64_t flags)
{
    const char *half = flags & KVM_MEMORY_EXIT_FLAG_PRIVATE ? "private"
                                                            : "shared";
    UpmExtent extent;

    RCU_READ_LOCK_GUARD();
    if (!upm_memory_resolve(gpa, UPM_FRAME_SIZE, &extent)) {
        return g_strdup_printf("hardware error: the host's memory for the %s "
                               "page at 0x%" HWADDR_PRIx " is broken", half,
                               gpa);
    }
    return g_strdup_printf("hardware error: the host's memory for the %s page "
                           "at 0x%" HWADDR_PRIx " is broken: block '%s', "
                           "offset 0x%" PRIx64, half, gpa, extent.block->name,
                           extent.offset);
}

bool upm_kvm_handle_fault(const struct kvm_run *run, int error, int *ret)
{
    uint64_t flags = run->memory_fault.flags;
    g_autofree char *reason = NULL;

    if (!upm_kvm.in_use) {
        return false;
    }
    if (flags & ~KVM_MEMORY_EXIT_FLAG_PRIVATE) {
        reason = g_strdup_printf("a memory fault at 0x%" PRIx64 " has the "
                                 "unknown flags 0x%" PRIx64,
                                 (uint64_t)run->memory_fault.gpa, flags);
    } else if (error == -EHWPOISON) {
        reason = hardware_error(run->memory_fault.gpa, flags);
    } else {
        reason = convert_fault(run->memory_fault.gpa, run->memory_fault.size,
                               flags & KVM_MEMORY_EXIT_FLAG_PRIVATE);
    }
    trace_upm_kvm_fault(cpu_index(), run->memory_fault.gpa,
                        run->memory_fault.size, flags, reason ?: "");
    if (reason) {
        stop_guest(reason);
    }
    *ret = reason ? EXCP_INTERRUPT : 0;
    return true;
}

/*
 * Explicit conversion
 */

static void guest_error(const struct kvm_run *run, const char *what)
{
    qemu_log_mask(LOG_GUEST_ERROR, "KVM_HC_MAP_GPA_RANGE(0x%" PRIx64 ", 0x%"
                  PRIx64 ", 0x%" PRIx64 "): %s\n",
                  (uint64_t)run->hypercall.args[0],
                  (uint64_t)run->hypercall.args[1],
                  (uint64_t)run->hypercall.args[2], what);
}

/* Returns 0, EINVAL or EAGAIN. */
static int convert_map_gpa(const struct kvm_run *run, const MapGpa *request)
{
    Error *err = NULL;
    int ret;

    ret = upm_convert(request->gpa, request->size, request->to_private,
                      upm_kvm_is_page_state_change(run) ? UPM_CAUSE_GHCB
                                                        : UPM_CAUSE_HYPERCALL,
                      0, &err);
    if (!ret) {
        upm_kvm_stuck_converted(request->gpa, request->size);
        return 0;
    }
    guest_error(run, error_get_pretty(err));
    if (ret == -ENOMEM) {
        stop_guest(error_get_pretty(err));
    }
    error_free(err);
    return ret == -ENOMEM || ret == -EAGAIN || ret == -EINTR ? EAGAIN : EINVAL;
}

bool upm_kvm_handle_hypercall(struct kvm_run *run)
{
    const char *wrong;
    MapGpa request = {};

    if ((!upm_kvm.in_use && !upm_kvm.recording) ||
        run->hypercall.nr != KVM_HC_MAP_GPA_RANGE) {
        return false;
    }
    /* A vCPU that asks is not stuck. */
    upm_kvm_stuck_reset();
    wrong = upm_kvm_decode_map_gpa(run, &request);
    if (wrong) {
        guest_error(run, wrong);
        upm_kvm_answer(run, EINVAL);
    } else {
        upm_kvm_answer(run, convert_map_gpa(run, &request));
    }
    trace_upm_kvm_hypercall(cpu_index(), run->hypercall.args[0],
                            run->hypercall.args[1], run->hypercall.args[2],
                            run->hypercall.ret);
    if (!run->hypercall.ret && request.to_private) {
        upm_kvm_pre_fault(&request);
    }
    return true;
}
