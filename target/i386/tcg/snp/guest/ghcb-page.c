/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GHCB page, and what an NAE event reads and writes there
 *
 * The page is shared memory: other vCPUs and devices may write it at any
 * time.  Its save area is copied once, and decisions are made on the copy.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "hw/core/cpu.h"
#include "tcg/snp/guest/ghcb.h"
#include "trace.h"

#define GHCB_PAGE_SIZE 4096

#define GHCB_VALID      0x3f0
#define GHCB_VALID_SIZE 16
#define GHCB_USAGE      0xffc

/* SW_EXITINFO1 of an answer */
#define INFO1_DONE      0
#define INFO1_EXCEPTION 1
#define INFO1_ERROR     2

static const unsigned reg_offset[4] = {
    [R_EAX] = GHCB_RAX,
    [R_ECX] = GHCB_RCX,
    [R_EDX] = GHCB_RDX,
    [R_EBX] = GHCB_RBX,
};

bool snp_ghcb_map(SnpNae *nae, hwaddr gpa)
{
    nae->gpa = gpa;
    return snp_shared_find(gpa, GHCB_PAGE_SIZE, true, &nae->page);
}

uint32_t snp_ghcb_usage(const SnpNae *nae)
{
    return ldl_le_p(nae->page.host + GHCB_USAGE);
}

static void put(SnpNae *nae, unsigned offset, uint64_t value)
{
    stq_le_p(nae->page.host + offset, value);
    nae->page.host[GHCB_VALID + offset / 64] |= 1 << (offset / 8 % 8);
}

bool snp_nae_has(const SnpNae *nae, unsigned offset)
{
    return nae->save[GHCB_VALID + offset / 64] & (1 << (offset / 8 % 8));
}

uint64_t snp_nae_get(const SnpNae *nae, unsigned offset)
{
    return snp_nae_has(nae, offset) ? ldq_le_p(nae->save + offset) : 0;
}

void snp_nae_read(SnpNae *nae)
{
    memcpy(nae->save, nae->page.host, GHCB_SAVE_SIZE);
    barrier();
    memset(nae->page.host + GHCB_VALID, 0, GHCB_VALID_SIZE);

    nae->code = snp_nae_get(nae, GHCB_CODE);
    nae->info1 = snp_nae_get(nae, GHCB_INFO1);
    nae->info2 = snp_nae_get(nae, GHCB_INFO2);
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        nae->regs[i] = snp_nae_get(nae, reg_offset[i]);
    }
}

void snp_nae_unread(SnpNae *nae)
{
    memcpy(nae->page.host + GHCB_VALID, nae->save + GHCB_VALID,
           GHCB_VALID_SIZE);
}

void snp_nae_answer(SnpNae *nae, uint64_t info2)
{
    nae->answer1 = INFO1_DONE;
    nae->answer2 = info2;
}

void snp_nae_error(SnpNae *nae, uint64_t error, const char *why)
{
    trace_snp_nae_refused(current_cpu->cpu_index, nae->code, why);
    nae->answer1 = INFO1_ERROR;
    nae->answer2 = error;
}

void snp_nae_exception(SnpNae *nae, int vector)
{
    nae->answer1 = INFO1_EXCEPTION;
    nae->answer2 = (uint32_t)SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_EXEPT | vector;
}

void snp_nae_raise(CPUX86State *env, SnpNae *nae, int vector)
{
    if (snp_is_restricted(env)) {
        snp_nae_exception(nae, vector);
        return;
    }
    nae->raises = true;
    nae->vector = vector;
}

uint8_t *snp_nae_scratch(SnpNae *nae, uint64_t size, size_t *room)
{
    uint64_t offset = snp_nae_get(nae, GHCB_SCRATCH) - nae->gpa;

    if (offset < GHCB_SHARED || offset >= GHCB_SHARED_END ||
        size > GHCB_SHARED_END - offset) {
        snp_nae_error(nae, GHCB_ERROR_SCRATCH,
                      "scratch area outside shared buffer");
        return NULL;
    }
    if (room) {
        *room = GHCB_SHARED_END - offset;
    }
    return nae->page.host + offset;
}

void snp_nae_finish_answer(SnpNae *nae)
{
    put(nae, GHCB_INFO1, nae->answer1);
    put(nae, GHCB_INFO2, nae->answer2);
    snp_shared_dirty(&nae->page, GHCB_PAGE_SIZE);
}

void snp_nae_finish(CPUX86State *env, SnpNae *nae)
{
    for (int i = 0; i < ARRAY_SIZE(nae->regs); i++) {
        put(nae, reg_offset[i], nae->regs[i]);
    }
    snp_nae_finish_answer(nae);
    trace_snp_nae_done(env_cpu(env)->cpu_index, nae->code, nae->answer1,
                       nae->answer2);
}
