/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services that a guest can have by NAE event and by MSR protocol
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "system/cpus.h"
#include "system/upm/host.h"
#include "system/upm/events.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"
#include "trace.h"

int snp_page_state_convert(void *opaque, uint64_t gpa, uint64_t size,
                           bool to_private)
{
    CPUX86State *env = opaque;
    int ret = snp_convert(env, gpa, size, to_private, UPM_CAUSE_GHCB);

    trace_snp_page_state(env_cpu(env)->cpu_index, gpa, size, to_private, ret);
    return ret;
}

void snp_terminate(CPUX86State *env, const char *fmt, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, fmt);
    reason = g_strdup_vprintf(fmt, args);
    va_end(args);
    error_report("%s terminated by vCPU %d: %s", snp_guest_name(),
                 env_cpu(env)->cpu_index, reason);
    upm_memory_guest_panicked();
}

void snp_stop_guest(const char *reason)
{
    upm_memory_stop_guest(reason);
    BQL_LOCK_GUARD();
    cpu_stop_current();
}

void snp_stop(CPUX86State *env, const char *fmt, ...)
{
    g_autofree char *what = NULL, *reason = NULL;
    va_list args;

    va_start(args, fmt);
    what = g_strdup_vprintf(fmt, args);
    va_end(args);
    reason = g_strdup_printf("vCPU %d: %s, for which KVM ends a guest; with "
                             "emulated-hypervisor=specification it goes on",
                             env_cpu(env)->cpu_index, what);
    snp_stop_guest(reason);
}

void snp_nae_stop(CPUX86State *env, SnpNae *nae, const char *why)
{
    snp_stop(env, "event 0x%" PRIx64 " (information 0x%" PRIx64 ", 0x%" PRIx64
             ", GHCB at 0x%" PRIx64 "): %s", nae->code, nae->info1, nae->info2,
             nae->gpa, why);
    cpu_loop_exit_noexc(env_cpu(env));
}

void snp_nae_refuse(CPUX86State *env, SnpNae *nae, uint64_t error,
                    const char *why)
{
    if (!snp_guest()->rules.specification) {
        snp_nae_stop(env, nae, why);
    }
    snp_nae_error(nae, error, why);
}

void snp_terminate_request(CPUX86State *env, const char *how,
                           unsigned int set, unsigned int code)
{
    upm_tell_terminated(env_cpu(env)->cpu_index, set, code);
    snp_terminate(env, "request %s, %s (set 0x%x code 0x%x)", how,
                  upm_termination_reason(set, code), set, code);
}
