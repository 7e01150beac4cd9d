/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bare-metal SNP payloads share: traps, the GHCB, page states, checks
 *
 * They run as guests with SEV or SEV-ES alone, too, as far as what they try is
 * there: see guest_kind().
 *
 * Sources: AMD64 APM volumes 2 and 3 (24593, 24594), GHCB specification
 * version 2 (56421).
 */
#ifndef SNP_H
#define SNP_H

#include "layout.h"
#include "cpu.h"

#define CBIT            (1ULL << CBIT_POS)
#define NOINLINE        __attribute__((noinline))

/* ---- traps ---- */

/* What catch() caught; vector is -1 where nothing was. */
struct trap {
    u64 rsp;
    u64 outer;
    int vector;
    u64 error;
    u64 rip;
    u64 cr2;
    struct frame frame;
};

/**
 * catch: call @fn and say whether an exception ended it
 *
 * May be nested.
 */
bool catch(struct trap *t, void (*fn)(void *), void *arg);

/** trap_hook: sees exceptions and interrupts first; true: it has served it */
extern bool (*trap_hook)(struct frame *frame);

/** try_fn: catch(), as a trap by value */
struct trap try_fn(void (*fn)(void *), void *arg);

void run_user(void *code, void *stack) __attribute__((noreturn));
void run_compat(void *code) __attribute__((noreturn));

/** map_page: map 4 KiB at WINDOW_VA + @slot * 4 KiB; @slot below 1024 */
void *map_page(unsigned slot, u64 gpa, bool private);
/** map_entry: any entry in the window's table; @entry 0 unmaps */
void *map_entry(unsigned slot, u64 entry);
/** window_directory: entry of the window's page directory, 2 MiB each */
volatile u64 *window_directory(unsigned index);
#define PTE     0x063ULL        /* present, writable, accessed, dirty */
#define PTE_2M  0x0e3ULL

/** priv, shar: an address below 1 GiB through either view */
static inline void *priv(u64 gpa) { return (void *)gpa; }
static inline void *shar(u64 gpa) { return (void *)(gpa + SHARED_VA); }
/** gpa_of: the guest-physical address of something in .bss or the image */
u64 gpa_of(const volatile void *p);

/* ---- the kind of guest ---- */

/* What MSR_SEV_STATUS says of the three kinds */
enum { KIND_SEV = 1, KIND_ES = 3, KIND_SNP = 7 };

unsigned guest_kind(void);
/** own_features: SEV_FEATURES of the VMSA that this vCPU runs with */
u64 own_features(void);
static inline bool has_rmp(void) { return guest_kind() == KIND_SNP; }
static inline bool has_ghcb(void) { return guest_kind() != KIND_SEV; }

/* ---- vCPUs ---- */

struct cpu {
    struct cpu *self;
    struct trap *trap;
    unsigned index;
    u64 ghcb_gpa;
    volatile u64 interrupts;
};

extern struct cpu cpus[MAX_CPUS];
extern u8 stacks[MAX_CPUS][STACK_SIZE];
extern u8 gdt[], paging_root[], start_c[], ap_reset[];
extern u8 sipi_code[], sipi_code_end[];

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;

    asm volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/** payload: what the boot processor runs; its end is finish() */
void payload(void);
/** ap_main: what the others run; the default halts */
void ap_main(unsigned index);

/* ---- instructions ---- */

/** PVALIDATE; EAX, and whether CF said that nothing changed */
struct result {
    u32 eax;
    bool cf;
    u64 rcx, rdx;
};

#define FAIL_SIZEMISMATCH 6

struct result pvalidate(const volatile void *va, u64 rcx, u64 rdx);
struct result rmpadjust(const volatile void *va, u64 rcx, u64 rdx);
struct result rmpquery(const volatile void *va, u64 rdx);

/** has_tsc_aux: TSC_AUX is part of a VMSA, by the model in the CPUID page */
bool has_tsc_aux(void);
/** has_vnmi: virtual NMIs, by the model as well */
bool has_vnmi(void);

/*
 * Validate or rescind 4 KiB pages; a failure ends the payload.  Without an RMP
 * they do nothing.
 */
void validate(const volatile void *va, u64 size);
void rescind(const volatile void *va, u64 size);

/* ---- GHCB ---- */

#define MSR_GHCB        0xc0010130
#define MSR_SEV_STATUS  0xc0010131
/* GHCB specification, MSR protocol: hypervisor features */
#define GHCB_MSR_FEATURES 0x080

enum {
    GHCB_CPL = 0x0cb, GHCB_XSS = 0x140, GHCB_RAX = 0x1f8, GHCB_RCX = 0x308,
    GHCB_RDX = 0x310, GHCB_RBX = 0x318, GHCB_RSI = 0x330, GHCB_CODE = 0x390,
    GHCB_INFO1 = 0x398, GHCB_INFO2 = 0x3a0, GHCB_SCRATCH = 0x3a8,
    GHCB_XCR0 = 0x3e8, GHCB_VALID = 0x3f0, GHCB_BUFFER = 0x800,
    GHCB_BUFFER_END = 0xff0, GHCB_VERSION = 0xffa, GHCB_USAGE = 0xffc,
};

enum {
    NAE_READ_DR7 = 0x27, NAE_WRITE_DR7 = 0x37, NAE_DB = 0x41,
    NAE_RDTSC = 0x6e, NAE_RDPMC = 0x6f, NAE_CPUID = 0x72, NAE_INVD = 0x76,
    NAE_INVLPGA = 0x7a, NAE_IOIO = 0x7b, NAE_MSR = 0x7c, NAE_VMRUN = 0x80,
    NAE_VMMCALL = 0x81, NAE_VMLOAD = 0x82, NAE_VMSAVE = 0x83,
    NAE_SKINIT = 0x86, NAE_RDTSCP = 0x87, NAE_WBINVD = 0x89,
    NAE_MONITOR = 0x8a, NAE_MWAIT = 0x8b, NPF_MMIO = 0x400,
    NPF_NOT_VALIDATED = 0x404,
};

#define NAE_MMIO_READ   0x80000001
#define NAE_MMIO_WRITE  0x80000002
#define NAE_NMI_DONE    0x80000003
#define NAE_RESET_HOLD  0x80000004
#define NAE_JUMP_TABLE  0x80000005
#define NAE_PSC         0x80000010
#define NAE_GUEST_REQ   0x80000011
#define NAE_EXT_REQ     0x80000012
#define NAE_AP_CREATE   0x80000013
#define NAE_FEATURES    0x8000fffd
#define NAE_TERMINATE   0x8000fffe
#define NAE_UNSUPPORTED 0x8000ffff

enum {
    GHCB_ERR_NOT_REGISTERED = 1, GHCB_ERR_USAGE = 2, GHCB_ERR_SCRATCH = 3,
    GHCB_ERR_MISSING = 4, GHCB_ERR_INPUT = 5, GHCB_ERR_EVENT = 6,
};

/** vmgexit: with @value in the GHCB MSR; what the MSR holds afterwards */
u64 vmgexit(u64 value);

/* What the boot processor's GHCB MSR held before its first VMGEXIT */
extern u64 first_ghcb_msr;

/* The GHCB of this vCPU, through its shared mapping */
volatile u8 *ghcb(void);
/**
 * ghcb_setup: make a page shared by the MSR protocol, and register it
 *
 * A guest with SEV-ES alone can do neither: its first access shares the page.
 * With SEV alone there is no GHCB.
 */
void ghcb_setup(void);
void ghcb_clear(void);
u64 ghcb_get(unsigned offset);
void ghcb_poke(unsigned offset, u64 value);     /* without its valid bit */
void ghcb_set(unsigned offset, u64 value);      /* and its valid bit */
bool ghcb_is_valid(unsigned offset);
/**
 * ghcb_call: run an event with what has been set so far
 *
 * Sets exit code, SW_EXITINFO1 and 2.  Returns SW_EXITINFO1, low half.
 */
u32 ghcb_call(u64 code, u64 info1, u64 info2);
/**
 * answer: what the GHCB held after the first vCPU's last ghcb_call()
 *
 * Stays when output goes through the GHCB.
 */
u64 answer(unsigned offset);

/*
 * I/O by NAE event, or by instruction where registers are not encrypted; @size
 * in bytes.  A failure ends the payload.
 */
void io_out(u16 port, unsigned size, u32 value);
u32 io_in(u16 port, unsigned size);
u64 mmio_read(u64 gpa, unsigned size);
void mmio_write(u64 gpa, unsigned size, u64 value);

/* ---- page state change ---- */

#define PSC_PRIVATE     1
#define PSC_SHARED      2
#define PSC_2M          (1ULL << 56)

static inline u64 psc_entry(u64 gpa, unsigned op)
{
    return gpa | (u64)op << 52;
}

/** psc_msr: one page by MSR protocol; the response */
u64 psc_msr(u64 gpa, unsigned op);
/**
 * psc: entries by NAE event; SW_EXITINFO2
 *
 * Entries are updated with the progress, and psc_current is the header's
 * current entry afterwards.
 */
u64 psc(u64 *entries, unsigned n);
extern u16 psc_current;
/* ---- hypercalls ---- */

#define HC_MAP_GPA      12
#define MAP_PRIVATE     (1 << 4)
#define MAP_SHARED      0
#define HC_EPERM        (-1ULL)
#define HC_EINVAL       (-22ULL)
#define HC_ENOSYS       (-1000ULL)

/** hypercall: VMMCALL, by NAE event where registers are encrypted; RAX */
u64 hypercall(u64 nr, u64 a, u64 b, u64 c);

/*
 * Change a range, of 4 KiB or, for aligned ranges, 2 MiB pages: by page state
 * change or, without an RMP, by hypercall.  A failure ends the payload.
 */
void to_shared(u64 gpa, u64 size);      /* rescinds first */
void to_private(u64 gpa, u64 size);     /* validates after */

/* ---- application processors ---- */

#define AP_ON_INIT      0
#define AP_CREATE       1
#define AP_DESTROY      2
#define SEV_FEATURES    1

/**
 * ap_vmsa: a VMSA page, filled in for vCPU 1 to MAX_CPUS - 1 to run start_c
 *
 * Two pages take turns, as the one in use must not be written.
 */
u8 *ap_vmsa(unsigned index);
/** ap_request: SNP AP Creation; SW_EXITINFO1 << 32 | SW_EXITINFO2 */
u64 ap_request(unsigned op, u32 apic_id, u64 vmsa_gpa, u64 features);
/** ap_start: VMSA, RMPADJUST and creation; a failure ends the payload */
void ap_start(unsigned index);
/**
 * ap_init, ap_sipi: a signal by the local APIC; ap_signal: both
 *
 * With SEV alone the SIPI's vector is that of a page with a copy of sipi_code.
 */
void ap_init(u32 apic_id);
void ap_sipi(u32 apic_id);
void ap_signal(u32 apic_id);
/**
 * ap_signal_until: the same, every second until @what is not @old any more, for
 * WAIT_SECONDS at most
 *
 * KVM does nothing with a signal for a vCPU that has not come to its hold yet.
 */
void ap_signal_until(u32 apic_id, const volatile u64 *what, u64 old);
/** ap_signal_once: one, for a vCPU that had none by this function yet */
void ap_signal_once(unsigned index);
/*
 * What to wait at most for another vCPU, which the host may let wait for long
 * itself: a check asks whether it goes on, and not how fast.
 */
#define WAIT_SECONDS 60
/** wait_for: until @p is @value; whether it became so in WAIT_SECONDS */
bool wait_for(const volatile u64 *p, u64 value);
/** wait_for_more: the same, until @p is more than @than */
bool wait_for_more(const volatile u64 *p, u64 than);
/** stay_while: until another vCPU makes @p something else than @value */
void stay_while(const volatile u64 *p, u64 value);
void delay_us(u64 us);

/* ---- chance ---- */

/** chance_state: what chance() goes on from; not 0 */
extern u64 chance_state;
u64 chance(void);
/** below: a number by chance from 0 to @n - 1 */
u64 below(u64 n);

/** check_trap: @t is exception @vector with error code @error (-1: any) */
bool check_trap(const char *name, struct trap t, int vector, u64 error);

#endif
