/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exclusive sections, stale translations and conversions from a vCPU
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "exec/cputlb.h"
#include "hw/core/cpu.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/guest/guest.h"
#include "trace.h"

static void flush_work(CPUState *cs, run_on_cpu_data data)
{
    qatomic_set(&snp_vcpu(cpu_env(cs))->flush_queued, false);
    tlb_flush(cs);
}

void snp_flush_others(CPUState *self)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (cs != self &&
            !qatomic_xchg(&snp_vcpu(cpu_env(cs))->flush_queued, true)) {
            async_run_on_cpu(cs, flush_work, RUN_ON_CPU_NULL);
        }
    }
}

/*
 * The same way in and out that QEMU's own page walker uses when it has to
 * write an entry behind a device.  Another vCPU may have changed a page
 * state while this one waited, hence the flush.
 */
void snp_exclusive(CPUState *cs, void (*fn)(void *opaque), void *opaque)
{
    bool bql = bql_locked(), running = cs->running;

    /* An instruction that cannot be atomic is run alone, all of it. */
    if (cpu_in_exclusive_context(cs)) {
        fn(opaque);
        tlb_flush(cs);
        return;
    }
    if (bql) {
        bql_unlock();
    }
    /* One that has left guest code for a device stays out of it. */
    if (running) {
        cpu_exec_end(cs);
    }
    start_exclusive();
    fn(opaque);
    end_exclusive();
    if (running) {
        cpu_exec_start(cs);
    }
    if (bql) {
        bql_lock();
    }
    tlb_flush(cs);
}

typedef struct ConvertRequest {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    UpmCause cause;
    int result;
} ConvertRequest;

static void convert(void *opaque)
{
    ConvertRequest *request = opaque;
    Error *err = NULL;

    request->result = upm_convert(request->gpa, request->size,
                                  request->to_private, request->cause, 0,
                                  &err);
    if (request->result) {
        trace_snp_convert_failed(request->gpa, request->size,
                                 request->to_private, request->result,
                                 error_get_pretty(err));
        error_free(err);
    }
}

int snp_convert(CPUX86State *env, hwaddr gpa, uint64_t size, bool to_private,
                UpmCause cause)
{
    ConvertRequest request = {
        .gpa = gpa, .size = size, .to_private = to_private, .cause = cause,
    };

    if (!upm_convert_needed(gpa, size, to_private)) {
        return 0;
    }
    if (snp_guest()->kind.views) {
        /* Only written down: no translation depends on it. */
        convert(&request);
    } else {
        snp_exclusive(env_cpu(env), convert, &request);
    }
    return request.result;
}
