/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: KVM as the provider of page states
 *
 * The private half is a guest_memfd, the page state a memory attribute
 * (Linux, Documentation/virt/kvm/api.rst: KVM_CREATE_GUEST_MEMFD,
 * KVM_SET_MEMORY_ATTRIBUTES).  KVM zaps its mappings when the attribute
 * changes, so there is nothing to flush.
 *
 * Locking: a vCPU converts without the BQL.  Where memory slots change, QEMU
 * holds it, lets no further ioctl begin that comes without it, and waits for
 * those that are under way (accel_ioctl_inhibit_begin()).  The new slots are
 * given their page states then (upm_kvm_slot_added()), for which attributes
 * and map have to be in step.  So each step of a conversion counts as an ioctl
 * from before it sets an attribute until the map says so, or neither, see
 * upm_kvm_enter(); the ioctls inside of it are let through, since the count is
 * not 0.  Who waits to enter may have claims: slots wait for none.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "system/accel-blocker.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "trace/trace-accel_kvm.h"
#include "internal.h"

/*
 * Tries before an EAGAIN or EINTR is passed on: the first ones at once, the
 * rest a millisecond apart, since what KVM waits for is somebody's reference
 * to a page.
 */
#define TRIES           100
#define TRIES_AT_ONCE   10

UpmKvm upm_kvm;

bool upm_kvm_again(int ret, unsigned int *tries)
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
 * All vCPUs are counted in one place, which need never be empty while each
 * makes one conversion after the other.  But the own place of a vCPU is locked
 * first by who waits, so that each of them gets past it once more at most.
 * Nobody may stay in there: it would keep the other count from 0.
 */
static void pass_own_place(CPUState *cpu)
{
    /* With a futex this is the count and the lock: 0 where there is neither. */
    QEMU_BUILD_BUG_ON(sizeof(cpu->in_ioctl_lock) != sizeof(unsigned int));
    if (qatomic_read(&cpu->in_ioctl_lock.count)) {
        accel_cpu_ioctl_begin(cpu);
        accel_cpu_ioctl_end(cpu);
    }
}

void upm_kvm_enter(void)
{
    CPUState *cpu = current_cpu;

    if (cpu) {
        pass_own_place(cpu);
    }
    accel_ioctl_begin();
}

void upm_kvm_leave(void)
{
    accel_ioctl_end();
}

static int create_private(uint64_t size, Error **errp)
{
    int fd = kvm_create_guest_memfd(size, 0, errp);

    if (fd < 0) {
        return -1;
    }
    /* The kernel has no flag for it. */
    qemu_set_cloexec(fd);
    if (!upm_kvm.in_use) {
        upm_kvm.in_use = true;
        upm_kvm.can_pre_fault =
            kvm_vm_check_extension(kvm_state, KVM_CAP_PRE_FAULT_MEMORY) > 0;
    }
    return fd;
}

/*
 * kvm_vm_ioctl() would count it once more, for who changes slots; whoever comes
 * here keeps these from changing.
 */
static int ioctl_mark(struct kvm_memory_attributes *attributes)
{
    trace_kvm_vm_ioctl(KVM_SET_MEMORY_ATTRIBUTES, attributes);
    return ioctl(kvm_state->vmfd, KVM_SET_MEMORY_ATTRIBUTES, attributes) < 0
           ? -errno : 0;
}

int upm_kvm_mark(const UpmExtent *extent, bool to_private)
{
    struct kvm_memory_attributes attributes = {
        .address = extent->gpa,
        .size = extent->size,
        .attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
    };
    unsigned int tries = 0;
    int ret;

    do {
        ret = ioctl_mark(&attributes);
    } while (upm_kvm_again(ret, &tries));
    return ret;
}

/*
 * Where it fails, it may have been to take something back, and the map does
 * not wait for it.
 */
static int mark_conversion(const UpmExtent *extent, bool to_private)
{
    int ret;

    upm_kvm_marked_converted(extent);
    ret = upm_kvm_mark(extent, to_private);
    if (ret < 0) {
        upm_kvm_marked_forget(extent->gpa, extent->size);
    }
    return ret;
}

/* Other memory is there by now, or none: the attributes stay. */
static void unmarked(const UpmExtent *extent)
{
    upm_kvm_marked_converted(extent);
    upm_kvm_marked_forget(extent->gpa, extent->size);
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
    .block_removed = upm_kvm_marked_forget_block,
    .enter = upm_kvm_enter,
    .mark = mark_conversion,
    .unmarked = unmarked,
    .drop_private = drop_private,
    .leave = upm_kvm_leave,
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
