/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unmapped private memory: KVM as the provider of page states
 *
 * The private half is a guest_memfd, the page state a memory attribute
 * (Linux, Documentation/virt/kvm/api.rst: KVM_CREATE_GUEST_MEMFD,
 * KVM_SET_MEMORY_ATTRIBUTES).  KVM zaps its mappings when the attribute
 * changes, so there is nothing to flush.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/kvm.h"
#include "system/upm.h"
#include "system/upm-compat.h"
#include "upm-kvm.h"

static int create_private(uint64_t size, Error **errp)
{
    int fd = kvm_create_guest_memfd(size, 0, errp);

    /* The kernel has no flag for it. */
    if (fd >= 0) {
        qemu_set_cloexec(fd);
    }
    return fd;
}

static int mark(const UpmPiece *piece, bool to_private)
{
    return to_private
           ? kvm_set_memory_attributes_private(piece->gpa, piece->size)
           : kvm_set_memory_attributes_shared(piece->gpa, piece->size);
}

static int drop_private(const UpmPiece *piece)
{
    return upm_punch_hole(piece->block->private_fd, piece->offset,
                          piece->size);
}

static const UpmProviderOps kvm_provider = {
    .name = "KVM",
    .create_private = create_private,
    .mark = mark,
    .drop_private = drop_private,
};

void upm_kvm_init(void)
{
    upm_set_provider(&kvm_provider);
}

static UpmCause cause(void)
{
    if (!current_cpu) {
        return UPM_CAUSE_LAUNCH;
    }
    return current_cpu->kvm_run->exit_reason == KVM_EXIT_HYPERCALL
           ? UPM_CAUSE_HYPERCALL : UPM_CAUSE_FAULT;
}

bool upm_kvm_convert(hwaddr start, uint64_t size, bool to_private, int *ret)
{
    UpmPiece first;
    Error *err = NULL;

    WITH_RCU_READ_LOCK_GUARD() {
        if (!upm_memory_resolve(start, UPM_FRAME_SIZE, &first)) {
            return false;
        }
    }
    *ret = upm_convert(start, size, to_private, cause(), &err);
    if (err) {
        error_report_err(err);
    }
    return true;
}

static void mark_shared(const UpmPiece *run, void *opaque)
{
    int *ret = opaque;

    if (!*ret) {
        *ret = mark(run, false);
    }
}

void upm_kvm_slot_added(hwaddr start, void *host, uint64_t size)
{
    UpmPiece piece = { .gpa = start, .size = size };
    ram_addr_t offset;
    RAMBlock *rb;
    int ret = 0;

    RCU_READ_LOCK_GUARD();
    rb = qemu_ram_block_from_host(host, false, &offset);
    piece.block = rb ? upm_block_find(rb) : NULL;
    if (!piece.block) {
        return;
    }
    piece.offset = offset;
    upm_foreach_shared(&piece, mark_shared, &ret);
    if (ret) {
        g_autofree char *reason =
            g_strdup_printf("shared memory of '%s' at 0x%" HWADDR_PRIx
                            " +0x%" PRIx64 " can not be made shared in its "
                            "new slot: %s", piece.block->name, start, size,
                            strerror(-ret));

        upm_memory_stop_guest(reason);
    }
}
