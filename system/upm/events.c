/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: events
 *
 * All but the last of a guest can be caused by it as often as it likes;
 * monitor.c lets one a second through.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-events-upm.h"
#include "qemu/bitops.h"
#include "qemu/module.h"
#include "system/upm/map.h"
#include "system/upm/events.h"
#include "trace/trace-upm.h"

/*
 * Conversions
 */

static void failed(const UpmFailure *f)
{
    trace_upm_failed(f->gpa, f->size, UpmCause_str(f->cause),
                     UpmConversionStep_str(f->step), f->error);
    qapi_event_send_upm_conversion_failed(f->gpa, f->size,
                                          f->to_private
                                          ? UPM_PAGE_STATE_PRIVATE
                                          : UPM_PAGE_STATE_SHARED,
                                          f->cause, f->step, f->error,
                                          f->reason, f->failed_requests,
                                          f->poisoned);
}

static void storm(const UpmStorm *s)
{
    trace_upm_storm(s->requests, s->time, s->gpa, UpmCause_str(s->cause));
    qapi_event_send_upm_conversion_storm(s->requests, s->time,
                                         s->converted[true],
                                         s->converted[false], s->gpa,
                                         s->size, s->cause);
}

static void discard_failed(const UpmFailedDiscard *f)
{
    qapi_event_send_upm_discard_failed(f->block, f->private
                                       ? UPM_PAGE_STATE_PRIVATE
                                       : UPM_PAGE_STATE_SHARED,
                                       f->offset, f->size, f->error,
                                       strerror(f->error),
                                       f->failed_discards);
}

static const UpmObserver observer = {
    .failed = failed,
    .storm = storm,
    .discard_failed = discard_failed,
};

static void register_observer(void)
{
    upm_set_observer(&observer);
}

type_init(register_observer);

/*
 * Termination
 */

#define MSR_TERMINATE_REQUEST 0x100

const char *upm_termination_reason(unsigned int set, unsigned int code)
{
    static const char *const general[] = {
        "general termination request",
        "SEV-ES or GHCB protocol range not supported",
        "SEV-SNP features not supported",
    };
    static const char *const linux_specific[] = {
        "GHCB registration failed", "page state change failed",
        "PVALIDATE failed", "not running at VMPL0", "CPUID table unusable",
        "CPUID from the hypervisor unusable", "secrets page unusable",
        "no SVSM", "SVSM at VMPL0", "SVSM calling area address",
        "Secure TSC failed", "SVSM calling area not remapped",
        "Secure AVIC failed",
    };

    if (set == 0 && code < ARRAY_SIZE(general)) {
        return general[code];
    }
    if (set == 1 && code < ARRAY_SIZE(linux_specific)) {
        return linux_specific[code];
    }
    return "unknown reason";
}

bool upm_termination_decode(uint64_t msr, unsigned int *set,
                            unsigned int *code)
{
    if (extract64(msr, 0, 12) != MSR_TERMINATE_REQUEST) {
        return false;
    }
    *set = extract64(msr, 12, 4);
    *code = extract64(msr, 16, 8);
    return true;
}

void upm_tell_terminated(int vcpu, unsigned int set, unsigned int code)
{
    const char *reason = upm_termination_reason(set, code);

    trace_upm_terminated(vcpu, set, code, reason);
    qapi_event_send_upm_guest_terminated(vcpu, true, set, true, code, reason);
}

void upm_tell_terminated_by(int vcpu, const char *reason)
{
    trace_upm_terminated(vcpu, -1, -1, reason);
    qapi_event_send_upm_guest_terminated(vcpu, false, 0, false, 0, reason);
}
