/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest world: QEMU is the hypervisor of the one SNP guest
 *
 * What the files of this folder offer each other.
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_H
#define TARGET_I386_TCG_SNP_GUEST_H

#include "cpu.h"
#include "qom/object.h"
#include "system/upm/compat.h"
#include "tcg/snp/processor.h"
#include "tcg/snp/guest/launch.h"
#include "tcg/snp/guest/memory.h"
#include "tcg/snp/guest/rules.h"

#define SNP_NO_GHCB UINT64_MAX
#define SNP_NO_DOORBELL UINT64_MAX
#define SNP_NO_VMSA UINT64_MAX
/* The VMSA of the launch, which has no address */
#define SNP_LAUNCH_VMSA (UINT64_MAX - 1)

/* What a vCPU sleeps in, or slept in last; an AP reset hold has two kinds */
typedef enum SnpSleep {
    SNP_SLEEP_NONE,
    SNP_SLEEP_HLT,
    SNP_SLEEP_HOLD_MSR,
    SNP_SLEEP_HOLD_NAE,
} SnpSleep;

/*
 * What INIT and SIPI find.  As a reset leaves it, the boot processor runs
 * and the others wait for INIT.  OFFLINE is a vCPU without a usable VMSA.
 */
typedef enum SnpRunState {
    SNP_RUN_RESET,
    SNP_RUN_WAIT_SIPI,
    SNP_RUN_STARTED,
    SNP_RUN_OFFLINE,
} SnpRunState;

typedef struct SnpNae SnpNae;

/**
 * SnpVmpl: what the hypervisor side knows of one VMPL of a vCPU
 * @ghcb_msr: value of MSR C001_0130 there
 * @ghcb_gpa: the registered GHCB, SNP_NO_GHCB before; survives AP creation
 * @doorbell: the page for #HV, SNP_NO_DOORBELL without; survives it, too
 * @vmsa: where the VMSA is that it was run with last: SNP_NO_VMSA where it
 *     never was
 * @pending: AP creation has named another VMSA (BQL)
 * @on_init: to be loaded by an INIT or Run VMPL, not at once (BQL)
 * @pending_vmsa: which one, SNP_NO_VMSA to be run no more (BQL)
 */
typedef struct SnpVmpl {
    uint64_t ghcb_msr;
    uint64_t ghcb_gpa;
    uint64_t doorbell;
    uint64_t vmsa;
    bool pending;
    bool on_init;
    uint64_t pending_vmsa;
} SnpVmpl;

/**
 * SnpVcpu: what the hypervisor side knows of one vCPU
 * @vmpls: by VMPL; a hypervisor that does not offer others has 0 only,
 *     whatever its VMSA says
 * @vmpl: the one that runs, or is to go on
 * @in_vmsa: its VMSA is in use
 * @steps: it is halted, and TF is set but in its flags
 * @sev_features: SEV_FEATURES of the VMSA that it was run with last
 * @target_vmpl: what AP creation was for last (BQL)
 * @launch_vmsa: the VMSA of the launch while another one runs; NULL where there
 *     is no other VMPL
 * @serving: an NAE event is being served on behalf of this vCPU; an
 *     exception raised meanwhile belongs into its GHCB
 * @nae: that event
 * @switched: the event has made another VMPL run
 * @sleep: what it sleeps in; NONE behind any other VMGEXIT
 * @sleep_rip: where the hold continues, or HLT begins; a vCPU that is elsewhere
 *     has left it
 * @sipi_kept: a SIPI came before the hold that it is for
 * @run_state: what INIT and SIPI find
 * @starts_anew: an INIT has loaded its VMSA, which a SIPI starts and no more
 * @first_sipi_done: has left the state that the launch gave it
 * @resetting: this vCPU is being reset to load a VMSA
 * @stalled_at, @stalled_since: it waits to use this page, which is in use, and
 *     since when, in ns
 * @replace_queued: AP creation is on its way to this vCPU (atomic)
 * @flush_queued: a TLB flush is on its way to this vCPU (atomic)
 */
typedef struct SnpVcpu {
    SnpVmpl vmpls[SNP_VMPLS];
    uint8_t vmpl;
    bool in_vmsa;
    bool steps;
    uint64_t sev_features;
    uint8_t target_vmpl;
    SevVmsa *launch_vmsa;
    bool serving;
    SnpNae *nae;
    bool switched;
    SnpSleep sleep;
    uint64_t sleep_rip;
    bool sipi_kept;
    SnpRunState run_state;
    bool starts_anew;
    bool first_sipi_done;
    bool resetting;
    hwaddr stalled_at;
    int64_t stalled_since;
    bool replace_queued;
    bool flush_queued;
} SnpVcpu;

/**
 * SnpGuest: the guest world of a machine, a child of it
 * @kind: which kind of guest this is
 * @rules: how it is treated
 * @mem: the guest's memory
 * @vcpus: by index of the vCPU
 * @phys_bits: physical address bits that the guest is told, without the
 *     C-bit's; 0: as the CPU model says
 * @ap_jump_table: address that SEV-ES guests leave with the hypervisor
 *     (atomic)
 * @migration_control: MSR 4B56_4D08, of guests that find KVM's signature
 *     (atomic)
 * @unplug: hears of vCPUs that go
 */
typedef struct SnpGuest {
    Object parent_obj;
    SnpGuestKind kind;
    SnpGuestRules rules;
    SnpMemory mem;
    SnpVcpu *vcpus;
    uint32_t phys_bits;
    uint64_t ap_jump_table;
    uint64_t migration_control;
    DeviceListener unplug;
} SnpGuest;

/** snp_guest: the guest of this machine; in this world only */
static inline SnpGuest *snp_guest(void)
{
    return snp_world_opaque();
}

/** snp_must_stop: the machine waits for this vCPU, as for "stop" or "quit" */
static inline bool snp_must_stop(CPUX86State *env)
{
    return qatomic_read(&env_cpu(env)->stop);
}

/** snp_guest_name: "SEV guest" and so on, for messages */
const char *snp_guest_name(void);

/** snp_vcpu: never NULL; owned by the vCPU's thread */
static inline SnpVcpu *snp_vcpu(CPUX86State *env)
{
    return &snp_guest()->vcpus[env_cpu(env)->cpu_index];
}

/** snp_vmpl: the VMPL of it that runs */
static inline SnpVmpl *snp_vmpl(CPUX86State *env)
{
    SnpVcpu *vcpu = snp_vcpu(env);

    return &vcpu->vmpls[vcpu->vmpl];
}

/*
 * cpu.c, debug.c: parts of the world's table
 */

MemoryRegion *snp_guest_memory(CPUState *cs);
void snp_guest_realize(CPUState *cs);

/** snp_guest_unplugged: DeviceListener.unrealize of SnpGuest.unplug */
void snp_guest_unplugged(DeviceListener *listener, DeviceState *dev);

uint64_t snp_guest_reserved(CPUX86State *env, int ptw_idx, uint64_t mask);
void snp_guest_reset(X86CPU *cpu);
void snp_guest_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf,
                     uint32_t regs[4]);
bool snp_guest_debug_translate(CPUState *cs, vaddr addr, hwaddr *paddr);

/*
 * rmp.c
 */

/**
 * snp_guest_address: the end of a guest's own page walk, and where it leads
 * @access: @gpa and @private are set, see world.h
 *
 * Returns: false where only this address was wanted, see snp_stage1().
 */
bool snp_guest_address(CPUX86State *env, SnpAccess *access);

/*
 * msr.c
 */

/**
 * snp_msr_is_direct: an MSR that the guest reaches by itself
 *
 * It lives in the VMSA, so the hypervisor can serve it to nobody.
 */
bool snp_msr_is_direct(uint32_t index);

/** snp_msr_is_served: by NAE event; otherwise it is #GP.  msr-map.c */
bool snp_msr_is_served(CPUX86State *env, uint32_t index, bool write);

bool snp_guest_rdmsr(CPUX86State *env, uint32_t index, uint64_t *value);
bool snp_guest_wrmsr(CPUX86State *env, uint32_t index, uint64_t value,
                     uintptr_t ra);

/*
 * intercept.c
 */

bool snp_guest_intercepted(CPUX86State *env, uint32_t type, uint64_t param,
                           uintptr_t ra);
bool snp_guest_io_intercepted(CPUX86State *env, uint32_t port, uint32_t param,
                              uintptr_t ra);

/*
 * vmgexit.c, msr-protocol.c, event-cpu.c: the hypervisor's services; what they
 * are made of is in ghcb.h
 */

/**
 * snp_vmgexit: serve a VMGEXIT, see world.h
 *
 * Does not return where the guest asked for an AP reset hold.
 */
bool snp_vmgexit(CPUX86State *env);

/** snp_guest_holds_nmi: see world.h */
bool snp_guest_holds_nmi(CPUX86State *env);

/** snp_ghcb_msr_reset_value: MSR C001_0130 after a reset */
uint64_t snp_ghcb_msr_reset_value(void);

/**
 * snp_serve_exception: an exception was raised while serving an NAE event
 *
 * Finishes the event with the exception as the one to inject (SW_EXITINFO1 =
 * 1, SW_EXITINFO2 = EVENTINJ) and puts the guest's registers back.  As with
 * KVM, EVENTINJ carries no error code.  The caller leaves the translation
 * block.
 */
void snp_serve_exception(CPUX86State *env, int vector, int error_code);

/*
 * doorbell.c
 */

/** snp_offers_doorbell: may a VMSA here ask for restricted injection? */
bool snp_offers_doorbell(void);

/** snp_is_restricted: has the VMSA in use asked for it?  See world.h */
bool snp_is_restricted(CPUX86State *env);

/** snp_guest_pending, snp_guest_inject: see world.h */
int snp_guest_pending(CPUX86State *env, int request);
void snp_guest_inject(CPUX86State *env, int event);

/*
 * services.c
 */

/**
 * snp_stop_guest: the guest is stopped for good, as upm_memory_stop_guest() has
 * it, and the calling vCPU as soon as it leaves the execution loop
 *
 * With or without the BQL.
 */
void snp_stop_guest(const char *reason);

/**
 * snp_stop: the guest is stopped where KVM would end it: KVM_RUN fails there
 *
 * For the user the reason is an error, for the run state an internal one.
 * May be called from a vCPU thread, with or without the BQL; the calling vCPU
 * stops as soon as it leaves the execution loop.  To be asked for by
 * SnpGuestRules.specification first.
 */
void G_GNUC_PRINTF(2, 3) snp_stop(CPUX86State *env, const char *fmt, ...);

/*
 * reset-hold.c
 */

/**
 * snp_reset_hold_enter: the vCPU sleeps, see SnpVcpu.sleep, unless a SIPI
 * was kept for it
 *
 * In the vCPU's thread, in the execution loop, with env up to date.
 */
G_NORETURN void snp_reset_hold_enter(CPUX86State *env);

/**
 * snp_reset_hold_sipi: a SIPI behind an INIT ends the AP reset hold of this
 * vCPU, or the next one, if it is in none
 *
 * In the vCPU's thread, in the execution loop.
 */
void snp_reset_hold_sipi(CPUX86State *env);

/*
 * vmsa-page.c; in the vCPU's thread, with no conversion under way: in the
 * execution loop, or in an exclusive section
 */

/**
 * snp_vmsa_enter: go on with the VMSA at @gpa, as VMRUN does
 * @vmpl: which is @vmpl's
 *
 * The page is in use afterwards.  For a vCPU that is in none.
 *
 * Returns: NULL, or why it cannot, and nothing has changed.
 */
const char *snp_vmsa_enter(CPUX86State *env, hwaddr gpa, unsigned vmpl);

/**
 * snp_vmsa_leave: what the vCPU runs with is written to its VMSA
 * @code: SVM_EXIT_*, for the VMSA
 *
 * The page is in use no more.  Does nothing where none is.
 */
void snp_vmsa_leave(CPUX86State *env, uint64_t code);

/**
 * snp_vmsa_halts, snp_vmsa_step_again: a vCPU is about to halt, for whatever
 * reason, and goes on
 *
 * While it is halted TF is not in its flags, see SnpVcpu.steps.  What makes it
 * halt is intercepted, and the hypervisor goes on behind it: what TF raises
 * comes after the next instruction.  A VMSA that is loaded has its own TF.
 */
void snp_vmsa_halts(CPUX86State *env);
void snp_vmsa_step_again(CPUX86State *env);

/**
 * snp_vmsa_switch: leave one VMSA for another
 *
 * Returns: NULL, or why it cannot: then the vCPU stays in the one it is in,
 * to which its state has been written.  One that is in none writes nothing.
 */
const char *snp_vmsa_switch(CPUX86State *env, hwaddr gpa, unsigned vmpl,
                            uint64_t code);

/** snp_vmsa_launched: the vCPU was given the state that is in this VMSA */
void snp_vmsa_launched(CPUX86State *env, const SevVmsa *vmsa);

/**
 * snp_vmsa_is_leaving: will the vCPU that uses this page leave it at once, as
 * the guest has asked for?
 *
 * A hypervisor that runs it elsewhere has made it leave by the time the answer
 * is there.
 */
bool snp_vmsa_is_leaving(hwaddr gpa);

/** snp_vmsa_is_idle: is the vCPU that uses this page halted? */
bool snp_vmsa_is_idle(hwaddr gpa);

/**
 * snp_vmsa_evict: a vCPU that is halted leaves this page
 *
 * In an exclusive section.  Returns: false where there is none.
 */
bool snp_vmsa_evict(hwaddr gpa);

/*
 * run-state.c
 */

/**
 * snp_wait_for_init: the end of a vCPU's reset; all but the boot processor
 * wait for INIT and SIPI, whatever AP creation brings
 */
void snp_wait_for_init(X86CPU *cpu);

/**
 * snp_run_created: the vCPU goes on with what was created for it
 *
 * Some time later, in its thread.  From any thread.
 */
void snp_run_created(CPUState *cs);

/** snp_ap_is_leaving: is a vCPU about to run with another VMSA, or none? */
bool snp_ap_is_leaving(CPUX86State *env);

/**
 * snp_ap_wake: a vCPU goes on that was halted, and may have left its VMSA
 *
 * See world.h.
 */
void snp_ap_wake(CPUX86State *env);

/** snp_guest_init_signal, snp_guest_sipi_signal: see world.h */
bool snp_guest_init_signal(X86CPU *cpu);
bool snp_guest_sipi_signal(X86CPU *cpu);

/*
 * ap.c
 */

/** snp_ap_injects_so: may the guest ask for that at this VMPL? */
bool snp_ap_injects_so(unsigned vmpl, uint64_t sev_features);

/* The requests of SNP AP Creation, SW_EXITINFO1 bits 31:0 */
#define SNP_AP_CREATE_ON_INIT   0
#define SNP_AP_CREATE           1
#define SNP_AP_DESTROY          2

/** snp_ap_request: which of them, without the VMPL where some are offered */
uint32_t snp_ap_request(uint64_t info1);

/**
 * snp_ap_create: NAE event 80000013h, SNP AP Creation
 * @info1: request, with the VMPL in bits 19:16, and the APIC ID in bits 63:32
 * @vmsa_gpa: guest-physical address of the VMSA page
 * @sev_features: SEV_FEATURES of the new VMSA
 *
 * From a vCPU thread, without the BQL.
 *
 * Returns: false where the guest may not have it.
 */
bool snp_ap_create(CPUX86State *env, uint64_t info1, uint64_t vmsa_gpa,
                   uint64_t sev_features);

#endif
