/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: KVM as the provider of page states
 *
 * The private half is a guest_memfd, the page state a memory attribute
 * (Linux, Documentation/virt/kvm/api.rst: KVM_CREATE_GUEST_MEMFD,
 * KVM_SET_MEMORY_ATTRIBUTES).  KVM zaps its mappings when the attribute
 * changes, so there is nothing to flush.
 *
 * Locking: conversions come with the BQL.  A change of memory slots holds it
 * while it waits for all ioctls that are under way without it, and then asks
 * for the core's lock (upm_kvm_slot_added()); a vCPU that held that lock
 * alone could not finish its ioctl.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "standard-headers/asm-x86/kvm_para.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/cpus.h"
#include "system/kvm.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"
#include "system/upm/compat.h"
#include "trace/trace-upm.h"
#include "upm-kvm.h"

/* Bits 0-3 of the third argument of KVM_HC_MAP_GPA_RANGE */
#define MAP_GPA_PAGE_SIZE 0xf

/*
 * Tries before an EAGAIN or EINTR is passed on: the first ones at once, the
 * rest a millisecond apart, since what KVM waits for is somebody's reference
 * to a page.
 */
#define TRIES           100
#define TRIES_AT_ONCE   10

/*
 * The same access to the same page may fault more than once in a row while
 * nothing is left to convert: other vCPUs can convert it to and fro in
 * between.  Beyond this, KVM and QEMU do not agree.
 */
#define FAULTS_WITHOUT_PROGRESS 10000
/*
 * The same for a page that one instruction wants as private and as shared by
 * turns; the first turns cost no look at the registers.
 */
#define TURNS_WITHOUT_PROGRESS 1000
#define TURNS_UNSEEN 64

/* Faults in a row where no RAM is: memory may come and go in between. */
#define STALE_FAULTS 16

/* Whether this guest has private memory. */
static bool in_use;

/* It has none, and its requests are only recorded. */
static bool recording;

/* KVM_PRE_FAULT_MEMORY works, as far as is known; any thread may find out. */
static bool can_pre_fault;

static bool again(int ret, unsigned int *tries)
{
    if ((ret != -EAGAIN && ret != -EINTR) || ++*tries >= TRIES) {
        return false;
    }
    if (*tries >= TRIES_AT_ONCE) {
        g_usleep(1000);
    }
    return true;
}

/*
 * The provider
 */

static int create_private(uint64_t size, Error **errp)
{
    int fd = kvm_create_guest_memfd(size, 0, errp);

    if (fd < 0) {
        return -1;
    }
    /* The kernel has no flag for it. */
    qemu_set_cloexec(fd);
    if (!in_use) {
        in_use = true;
        can_pre_fault = kvm_vm_check_extension(kvm_state,
                                               KVM_CAP_PRE_FAULT_MEMORY) > 0;
    }
    return fd;
}

/*
 * The one place that sets page states.  @extent has the guest address, which
 * is what KVM wants for the whole VM, and the descriptor and offset, which is
 * what a guest_memfd would want that keeps the states itself.
 */
static int mark(const UpmExtent *extent, bool to_private)
{
    struct kvm_memory_attributes attributes = {
        .address = extent->gpa,
        .size = extent->size,
        .attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
    };
    unsigned int tries = 0;
    int ret;

    do {
        ret = kvm_vm_ioctl(kvm_state, KVM_SET_MEMORY_ATTRIBUTES, &attributes);
    } while (again(ret, &tries));
    return ret;
}

static int drop_private(const UpmExtent *extent)
{
    return upm_punch_hole(upm_memory_private_fd(extent->block),
                          extent->offset, extent->size);
}

static const UpmProviderOps kvm_provider = {
    .name = "KVM",
    .marks_extents = true,
    .create_private = create_private,
    .mark = mark,
    .drop_private = drop_private,
};

void upm_kvm_init(void)
{
    upm_set_provider(&kvm_provider);
}

/* What private memory takes (api.rst, 4.140 and 4.142), asked of this VM. */
bool upm_kvm_check(Error **errp)
{
    static const struct {
        unsigned int extension;
        int bit;
        const char *name;
    } needs[] = {
        { KVM_CAP_USER_MEMORY2, 1, "KVM_CAP_USER_MEMORY2" },
        { KVM_CAP_GUEST_MEMFD, 1, "KVM_CAP_GUEST_MEMFD" },
        { KVM_CAP_MEMORY_ATTRIBUTES, KVM_MEMORY_ATTRIBUTE_PRIVATE,
          "KVM_MEMORY_ATTRIBUTE_PRIVATE in KVM_CAP_MEMORY_ATTRIBUTES" },
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(needs); i++) {
        int has = kvm_vm_check_extension(kvm_state, needs[i].extension);

        if (has <= 0 || !(has & needs[i].bit)) {
            error_setg(errp, "this kernel's KVM has no private memory for "
                       "VMs of this type: %s is missing", needs[i].name);
            return false;
        }
    }
    return true;
}

/*
 * Guests without private memory
 */

bool upm_kvm_record(void)
{
    struct kvm_enable_cap cap = {
        .cap = KVM_CAP_EXIT_HYPERCALL,
        .args[0] = 1ULL << KVM_HC_MAP_GPA_RANGE,
    };

    if (kvm_vm_ioctl(kvm_state, KVM_ENABLE_CAP, &cap) < 0) {
        return false;
    }
    recording = true;
    upm_record("KVM, encrypted in place: page states are only recorded");
    return true;
}

uint32_t upm_kvm_features(void)
{
    return recording ? 1u << KVM_FEATURE_HC_MAP_GPA_RANGE : 0;
}

/*
 * Memory slots
 */

/* Run by run.  Returns 0 or a negative errno. */
static int mark_slot(UpmExtent rest)
{
    UpmClaim claim;
    int ret = 0;

    upm_claim(&claim, rest.block, rest.offset, rest.size);
    while (!ret && rest.size) {
        UpmExtent run;
        bool private;

        upm_next_run(&rest, &run, &private);
        ret = mark(&run, private);
        upm_extent_skip(&rest, run.size);
    }
    upm_release(&claim);
    return ret;
}

static void slot_failed(const UpmExtent *slot, int ret)
{
    g_autofree char *reason =
        g_strdup_printf("page states of '%s' at 0x%" HWADDR_PRIx " +0x%" PRIx64
                        " can not be set in its new memory slot: %s",
                        slot->block->name, slot->gpa, slot->size,
                        strerror(-ret));

    if (!phase_check(PHASE_MACHINE_READY)) {
        error_report("%s", reason);
        exit(EXIT_FAILURE);
    }
    upm_memory_stop_guest(reason);
}

bool upm_kvm_slot_added(hwaddr start, void *host, uint64_t size)
{
    UpmExtent slot = { .gpa = start, .size = size };
    ram_addr_t offset;
    RAMBlock *rb;
    int ret;

    if (!in_use) {
        return false;
    }
    RCU_READ_LOCK_GUARD();
    rb = qemu_ram_block_from_host(host, false, &offset);
    slot.block = rb ? upm_block_find(rb) : NULL;
    if (!slot.block) {
        return false;
    }
    slot.offset = offset;
    ret = mark_slot(slot);
    trace_upm_kvm_slot(slot.block->name, start, offset, size, ret);
    if (ret < 0) {
        slot_failed(&slot, ret);
    }
    return true;
}

/*
 * Exits
 */

/* For trace events; exits are of the vCPU that this thread runs. */
static int cpu_index(void)
{
    return current_cpu ? current_cpu->cpu_index : -1;
}

static void stop_guest(const char *reason)
{
    upm_memory_stop_guest(reason);
    /* Not into the guest once more until the main loop stops it. */
    cpu_stop_current();
}

bool upm_kvm_convert(hwaddr start, uint64_t size, bool to_private, int *ret)
{
    UpmExtent first;
    Error *err = NULL;

    if (!in_use) {
        return false;
    }
    BQL_LOCK_GUARD();
    WITH_RCU_READ_LOCK_GUARD() {
        if (!upm_memory_resolve(start, UPM_FRAME_SIZE, &first)) {
            return false;
        }
    }
    *ret = upm_convert(start, size, to_private,
                       current_cpu ? UPM_CAUSE_HYPERCALL : UPM_CAUSE_LAUNCH,
                       current_cpu ? 0 : UPM_KEEP_HIDDEN, &err);
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
    if (ret == -EFAULT || ret == -EHWPOISON) {
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

/*
 * What this vCPU last faulted on: each has a thread of its own.  A fault for
 * the state that the page has, or for the other one as last time (a turn) by
 * the same instruction, is no progress.
 */
typedef struct FaultGuard {
    hwaddr gpa;
    bool to_private;
    bool alternates;
    unsigned int repeats;
    unsigned int turns;
    struct kvm_regs regs;
} FaultGuard;

static __thread FaultGuard guard;

/*
 * Has this vCPU executed an instruction since the last call?  An instruction
 * that has come back to the same address with nothing new in any register
 * counts as the same one.  KVM does not tell registers that are encrypted.
 */
static bool has_executed(FaultGuard *g)
{
    struct kvm_regs regs = {};
    bool changed;

    if (kvm_vcpu_ioctl(current_cpu, KVM_GET_REGS, &regs) < 0) {
        memset(&regs, 0, sizeof(regs));
    }
    changed = memcmp(&regs, &g->regs, sizeof(regs));
    g->regs = regs;
    return changed;
}

/* The page is wanted as private and as shared by turns. */
static bool turn_is_progress(FaultGuard *g)
{
    g->to_private = !g->to_private;
    return ++g->turns <= TURNS_UNSEEN || has_executed(g);
}

/* Returns true where a fault comes back too often and nothing has changed. */
static bool no_progress(FaultGuard *g, hwaddr gpa, bool to_private,
                        bool changed)
{
    if (g->gpa != gpa) {
        *g = (FaultGuard) { .gpa = gpa, .to_private = to_private };
        return false;
    }
    g->alternates = g->to_private != to_private;
    if (g->alternates ? turn_is_progress(g) : changed) {
        g->repeats = 0;
        return false;
    }
    return ++g->repeats >= (g->alternates ? TURNS_WITHOUT_PROGRESS
                                          : FAULTS_WITHOUT_PROGRESS);
}

/* Somebody else may have converted the page since the fault. */
static bool has_state(hwaddr gpa, bool private)
{
    UpmExtent extent;

    RCU_READ_LOCK_GUARD();
    return upm_memory_resolve(gpa, UPM_FRAME_SIZE, &extent) &&
           upm_block_is_private(extent.block, extent.offset) == private;
}

/*
 * Attributes outlive the memory that they were set for (see
 * upm_kvm_slot_added()): what is no RAM any more has to be shared, or every
 * access to it would fault.  Where KVM takes the type of an access from the
 * attribute, such a fault is one for private memory.
 */
static bool clear_stale(hwaddr gpa, uint64_t size, bool to_private)
{
    UpmExtent page = { .gpa = gpa, .size = size };
    UpmExtent found;

    WITH_RCU_READ_LOCK_GUARD() {
        if (upm_memory_resolve(gpa, UPM_FRAME_SIZE, &found)) {
            return false;
        }
    }
    return !no_progress(&guard, gpa, to_private, false) &&
           guard.repeats < STALE_FAULTS && !mark(&page, false);
}

static char *without_progress(hwaddr gpa, uint64_t size, const char *state)
{
    if (guard.alternates) {
        return g_strdup_printf("a vCPU used 0x%" HWADDR_PRIx " +0x%" PRIx64
                               " as private and as shared %u times by turns "
                               "without executing an instruction", gpa, size,
                               guard.repeats);
    }
    return g_strdup_printf("a vCPU used 0x%" HWADDR_PRIx " +0x%" PRIx64 " as "
                           "%s %u times in a row and KVM refused it each time,"
                           " although it is %s", gpa, size, state,
                           guard.repeats, state);
}

/* Returns NULL to run the vCPU again, or why the guest can not go on. */
static char *convert_fault(hwaddr gpa, uint64_t size, bool to_private)
{
    const char *state = to_private ? "private" : "shared";
    /* asked only where the answer tells something */
    bool had_state = guard.gpa == gpa && guard.to_private == to_private &&
                     has_state(gpa, to_private);
    Error *err = NULL;
    char *reason;
    int ret = upm_convert(gpa, size, to_private, UPM_CAUSE_FAULT, 0, &err);

    if (!ret || ret == -EAGAIN || ret == -EINTR) {
        if (!no_progress(&guard, gpa, to_private, !ret && !had_state)) {
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
    return without_progress(gpa, size, state);
}

bool upm_kvm_handle_fault(const struct kvm_run *run, int *ret)
{
    uint64_t flags = run->memory_fault.flags;
    g_autofree char *reason = NULL;

    if (!in_use) {
        return false;
    }
    BQL_LOCK_GUARD();
    if (flags & ~KVM_MEMORY_EXIT_FLAG_PRIVATE) {
        reason = g_strdup_printf("a memory fault at 0x%" PRIx64 " has the "
                                 "unknown flags 0x%" PRIx64,
                                 (uint64_t)run->memory_fault.gpa, flags);
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

/*
 * What the guest asks for (Linux, Documentation/virt/kvm/x86/hypercalls.rst,
 * KVM_HC_MAP_GPA_RANGE).  The page size is a hint, and not always true: KVM
 * leaves it at 2 MiB when it goes on with the rest of a page state change.
 */
typedef struct MapGpa {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
} MapGpa;

/* Returns NULL, or what is wrong that upm_convert() would not see. */
static const char *decode_map_gpa(const struct kvm_run *run, MapGpa *request)
{
    uint64_t gpa = run->hypercall.args[0];
    uint64_t pages = run->hypercall.args[1];
    uint64_t attributes = run->hypercall.args[2];
    uint64_t page_size = attributes & MAP_GPA_PAGE_SIZE;

    if (attributes & ~(uint64_t)(MAP_GPA_PAGE_SIZE |
                                 KVM_MAP_GPA_RANGE_ENCRYPTED)) {
        return "unknown attributes";
    }
    if (page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_4K &&
        page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_2M &&
        page_size != KVM_MAP_GPA_RANGE_PAGE_SZ_1G) {
        return "unknown page size";
    }
    if (pages > UINT64_MAX >> UPM_FRAME_BITS) {
        return "too many pages";
    }
    *request = (MapGpa) {
        .gpa = gpa,
        .size = pages << UPM_FRAME_BITS,
        .to_private = attributes & KVM_MAP_GPA_RANGE_ENCRYPTED,
    };
    return NULL;
}

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

    BQL_LOCK_GUARD();
    ret = upm_convert(request->gpa, request->size, request->to_private,
                      UPM_CAUSE_HYPERCALL, 0, &err);
    if (!ret) {
        return 0;
    }
    guest_error(run, error_get_pretty(err));
    if (ret == -ENOMEM) {
        stop_guest(error_get_pretty(err));
    }
    error_free(err);
    return ret == -ENOMEM || ret == -EAGAIN || ret == -EINTR ? EAGAIN : EINVAL;
}

/*
 * KVM gives hypercall.ret to the guest as it is where hypercalls are answered
 * in RAX: zero or a negative errno, as KVM itself answers (Linux,
 * Documentation/virt/kvm/x86/hypercalls.rst; complete_hypercall_exit() in
 * arch/x86/kvm/x86.c).  Where registers are encrypted, and so can not be reset
 * either, it makes an answer of the GHCB protocol of it, and takes 0, EINVAL
 * or EAGAIN and nothing else (snp_complete_psc_msr() and
 * snp_complete_one_psc() in arch/x86/kvm/svm/sev.c).
 */
static uint64_t answer(int error)
{
    return cpus_are_resettable() ? -(int64_t)error : error;
}

/*
 * Save the guest the faults of its first accesses.  It would take these, so
 * no failure matters here; a signal means that the vCPU is wanted elsewhere.
 */
static void pre_fault(const MapGpa *request)
{
    struct kvm_pre_fault_memory range = {
        .gpa = request->gpa,
        .size = request->size,
    };
    unsigned int tries = 0;
    int ret;

    do {
        uint64_t left = range.size;

        ret = kvm_vcpu_ioctl(current_cpu, KVM_PRE_FAULT_MEMORY, &range);
        if (!ret && range.size == left) {
            break;
        }
    } while (ret ? ret == -EAGAIN && again(ret, &tries) : range.size);
    if (ret == -EOPNOTSUPP) {
        qatomic_set(&can_pre_fault, false);
    }
    trace_upm_kvm_pre_fault(cpu_index(), request->gpa, request->size,
                            range.size, ret);
}

bool upm_kvm_handle_hypercall(struct kvm_run *run)
{
    const char *wrong;
    MapGpa request = {};

    if ((!in_use && !recording) ||
        run->hypercall.nr != KVM_HC_MAP_GPA_RANGE) {
        return false;
    }
    /* A vCPU that asks is not stuck. */
    guard = (FaultGuard) {};
    wrong = decode_map_gpa(run, &request);
    if (wrong) {
        guest_error(run, wrong);
        run->hypercall.ret = answer(EINVAL);
    } else {
        run->hypercall.ret = answer(convert_map_gpa(run, &request));
    }
    trace_upm_kvm_hypercall(cpu_index(), run->hypercall.args[0],
                            run->hypercall.args[1], run->hypercall.args[2],
                            run->hypercall.ret);
    if (!run->hypercall.ret && request.to_private &&
        qatomic_read(&can_pre_fault)) {
        pre_fault(&request);
    }
    return true;
}
