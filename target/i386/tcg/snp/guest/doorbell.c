/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restricted injection: all that a hypervisor can inject is #HV, and a page
 * that it shares with the guest says what for
 *
 * AMD64 APM volume 2, 15.36.16; GHCB specification (56421), #HV doorbell page
 * and NAE events 80000014h and 80000015h.  Linux 6.12 has none of it; AMD's
 * patches of 2024 for KVM are followed: one interrupt at a time, whatever
 * RFLAGS.IF says, and the next one when the guest has taken its vector.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/rcu.h"
#include "cpu.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic-msidef.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp/guest/ghcb.h"
#include "trace.h"

#define EXCP1C_HV 28

#define DOORBELL_SIZE 4096

/* Bytes of the page */
#define DOORBELL_VECTOR     0
#define DOORBELL_FLAGS      1

/* ... and bits of the second one */
#define FLAG_NMI                0x01
#define FLAG_MACHINE_CHECK      0x02
#define FLAG_NO_FURTHER_SIGNAL  0x80

/* SW_EXITINFO1 of NAE event 80000014h */
#define DOORBELL_PREFERRED  0
#define DOORBELL_SET        1
#define DOORBELL_QUERY      2
#define DOORBELL_CLEAR      3

/* Registers of the local APIC, as offsets in its page */
#define APIC_ICR        0x300
#define APIC_ICR_HIGH   0x310
#define APIC_MSR_ICR    (APIC_ICR >> 4)

bool snp_offers_doorbell(void)
{
    return snp_guest()->rules.vmsa.features &
           SEV_FEATURES_RESTRICTED_INJECTION;
}

bool snp_is_restricted(CPUX86State *env)
{
    return snp_vcpu(env)->sev_features & SEV_FEATURES_RESTRICTED_INJECTION;
}

/*
 * Injection
 */

/* In an RCU read section.  Returns: false where nothing can be injected. */
static bool find(CPUX86State *env, SnpShared *page)
{
    uint64_t gpa = snp_vmpl(env)->doorbell;

    return gpa != SNP_NO_DOORBELL &&
           snp_shared_find(gpa, DOORBELL_SIZE, true, page);
}

int snp_guest_pending(CPUX86State *env, int request)
{
    SnpShared page;
    uint8_t flags;

    RCU_READ_LOCK_GUARD();
    if (!(env->hflags2 & HF2_GIF_MASK) || !find(env, &page)) {
        return 0;
    }
    flags = qatomic_read(&page.host[DOORBELL_FLAGS]);
    if (request & CPU_INTERRUPT_NMI && !(flags & FLAG_NMI)) {
        return CPU_INTERRUPT_NMI;
    }
    if (request & CPU_INTERRUPT_MCE && !(flags & FLAG_MACHINE_CHECK)) {
        return CPU_INTERRUPT_MCE;
    }
    if (request & CPU_INTERRUPT_HARD &&
        !qatomic_read(&page.host[DOORBELL_VECTOR])) {
        return CPU_INTERRUPT_HARD;
    }
    return 0;
}

static uint8_t flags_of(int event)
{
    return event == CPU_INTERRUPT_NMI ? FLAG_NMI :
           event == CPU_INTERRUPT_MCE ? FLAG_MACHINE_CHECK : 0;
}

/* Returns: whether #HV is to be injected. */
static bool ring(CPUX86State *env, int event)
{
    CPUState *cs = env_cpu(env);
    SnpShared page;
    uint8_t before;
    int vector = 0;

    RCU_READ_LOCK_GUARD();
    if (!find(env, &page)) {
        return false;
    }
    cpu_reset_interrupt(cs, event);
    if (event == CPU_INTERRUPT_HARD) {
        vector = cpu_get_pic_interrupt(env);
        if (vector <= 0) {
            return false;
        }
        qatomic_set(&page.host[DOORBELL_VECTOR], vector);
    }
    before = qatomic_fetch_or(&page.host[DOORBELL_FLAGS],
                              flags_of(event) | FLAG_NO_FURTHER_SIGNAL);
    snp_shared_dirty(&page, DOORBELL_FLAGS + 1);
    trace_snp_doorbell(cs->cpu_index, vector, before);
    return !(before & FLAG_NO_FURTHER_SIGNAL);
}

void snp_guest_inject(CPUX86State *env, int event)
{
    if (ring(env, event)) {
        do_interrupt_x86_hardirq(env, EXCP1C_HV, 1);
    }
}

/*
 * NAE events
 */

static bool is_usable(uint64_t gpa)
{
    SnpShared page;

    return gpa % DOORBELL_SIZE == 0 &&
           snp_shared_find(gpa, DOORBELL_SIZE, true, &page);
}

void snp_nae_doorbell(CPUX86State *env, SnpNae *nae)
{
    SnpVmpl *vmpl = snp_vmpl(env);

    switch (nae->info1) {
    case DOORBELL_PREFERRED:
        snp_nae_answer(nae, UINT64_MAX);
        break;
    case DOORBELL_SET:
        vmpl->doorbell = SNP_NO_DOORBELL;
        if (!is_usable(nae->info2)) {
            snp_nae_error(nae, GHCB_ERROR_INVALID_INPUT,
                          "no page for a doorbell");
            break;
        }
        vmpl->doorbell = nae->info2;
        /* fall through */
    case DOORBELL_QUERY:
        snp_nae_answer(nae, vmpl->doorbell);
        break;
    case DOORBELL_CLEAR:
        vmpl->doorbell = SNP_NO_DOORBELL;
        break;
    default:
        snp_nae_error(nae, GHCB_ERROR_INVALID_INPUT,
                      "unknown request for a doorbell");
        break;
    }
}

static void write_apic(CPUX86State *env, unsigned offset, uint32_t value)
{
    stl_le_p(&value, value);
    address_space_write(&address_space_memory, APIC_DEFAULT_ADDRESS + offset,
                        cpu_get_mem_attrs(env), &value, sizeof(value));
}

/* SW_EXITINFO1 is what x2APIC has in its command register. */
void snp_nae_hv_ipi(CPUX86State *env, SnpNae *nae)
{
    bool done;

    bql_lock();
    done = !upm_apic_msr_write(env_archcpu(env)->apic_state, APIC_MSR_ICR,
                               nae->info1);
    bql_unlock();
    if (!done) {
        write_apic(env, APIC_ICR_HIGH, nae->info1 >> 32 << 24);
        write_apic(env, APIC_ICR, nae->info1);
    }
}
