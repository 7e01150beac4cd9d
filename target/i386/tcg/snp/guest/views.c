/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is encrypted in place: what the guest sees with and without
 * the key, and what everybody else sees
 *
 * The shared half of a block is the RAM block itself, so that devices, QEMU
 * and who has its memfd see what hardware would show them: what was written
 * without the key, and noise where the guest has its own.  The private half
 * is a memfd of ours.  view-page.h has what happens to a page whose content
 * moves from one to the other, which the guest's own accesses bring about, and
 * nothing else.  What it tells of its page states is written down
 * (system/upm/record.c), and not acted on: Linux tells of 64 MiB for devices
 * of which it uses little, and begins by saying that all of its RAM is
 * private, with the GHCB that it says so by.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/guest-random.h"
#include "qemu/memfd.h"
#include "qemu/rcu.h"
#include "qapi/error.h"
#include "cpu.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/guest/guest.h"
#include "trace.h"

/*
 * Blocks
 */

int snp_view_create_private(UpmBlock *block, Error **errp)
{
    return qemu_memfd_create("snp-private", block->size, false, 0,
                             F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL, errp);
}

static bool view_block_added(UpmBlock *block, Error **errp)
{
    SnpBlock *snp = g_new0(SnpBlock, 1);

    snp->view = g_try_new0(uint8_t, block->size >> UPM_FRAME_BITS);
    if (!snp->view) {
        error_setg(errp, "no memory for the states of %s", block->name);
        g_free(snp);
        return false;
    }
    snp->number = snp_guest()->mem.view_blocks++ & 0xffff;
    block->provider_data = snp;
    return true;
}

/*
 * All but private halves, which belong to the guest world, and what QEMU has
 * mapped for reading
 */
static bool view_records(RAMBlock *rb)
{
    return memory_region_owner(rb->mr) != OBJECT(snp_guest()) &&
           !(rb->flags & RAM_READONLY);
}

static int drop_private(UpmBlock *block, uint64_t offset, uint64_t size)
{
    SnpBlock *snp = block->provider_data;
    ram_addr_t start = memory_region_get_ram_addr(&snp->region) + offset;

    upm_invalidate_code(start, start + size - 1);
    return upm_punch_hole(memory_region_get_fd(&snp->region), offset, size);
}

/*
 * What a device has put there, and what the guest has left without the key,
 * stays; vCPUs were reset, which takes their translations.
 */
static int view_forget(UpmBlock *block)
{
    SnpBlock *snp = block->provider_data;

    memset(snp->view, SNP_VIEW_FRESH, block->size >> UPM_FRAME_BITS);
    return snp->host ? drop_private(block, 0, block->size) : 0;
}

static const UpmProviderOps view_provider = {
    .name = "emulated processor, encrypted in place: page states are only "
            "recorded",
    .block_added = view_block_added,
    .block_removed = snp_block_removed,
    .records = view_records,
    .forget = view_forget,
};

void snp_view_new_key(void)
{
    SnpMemory *mem = &snp_guest()->mem;

    qemu_guest_getrandom_nofail(&mem->view_key, sizeof(mem->view_key));
}

void snp_view_init(void)
{
    snp_view_new_key();
    upm_record(&view_provider);
}

/*
 * Pages
 */

static SnpViewPage page_of(UpmBlock *block, uint64_t offset)
{
    SnpBlock *snp = block->provider_data;

    offset &= ~(UPM_FRAME_SIZE - 1);
    return (SnpViewPage) {
        .key = &snp_guest()->mem.view_key,
        .block = snp->number,
        .offset = offset,
        .state = &snp->view[offset >> UPM_FRAME_BITS],
        .private = snp->host + offset,
        .shared = block->rb->host + offset,
    };
}

/*
 * May somebody have written to the shared half of a page that the guest has
 * never shared?  In a file that shows by its being there at all.  What is
 * mapped privately may be there for other reasons, so that its content has to
 * tell: zeroes that a device has written do not count.
 */
static bool may_be_written(const UpmBlock *block, uint64_t offset)
{
    RAMBlock *rb = block->rb;
    off_t at = rb->fd_offset + offset, data;

    if (rb->fd < 0 || !qemu_ram_is_shared(rb)) {
        return !buffer_is_zero(rb->host + offset, UPM_FRAME_SIZE);
    }
    data = lseek(rb->fd, at, SEEK_DATA);
    return data < 0 ? errno != ENXIO : data < at + UPM_FRAME_SIZE;
}

/*
 * Where the guest has not used a page, nothing has to be moved unless
 * somebody else has.
 */
static bool is_in_other_view(UpmBlock *block, uint64_t offset, bool private)
{
    SnpViewPage page = page_of(block, offset);
    uint8_t state = qatomic_read(page.state);

    if (state == SNP_VIEW_FRESH) {
        return private && may_be_written(block, page.offset);
    }
    return snp_view_is_private(state) != private;
}

/*
 * Changing the view, in an exclusive section
 */

typedef struct Change {
    CPUState *cs;
    hwaddr gpa;
    bool to_private;
} Change;

static void change_page(UpmBlock *block, uint64_t offset, bool to_private)
{
    SnpViewPage page = page_of(block, offset);

    if (to_private) {
        snp_view_to_private(&page);
    } else {
        snp_view_to_shared(&page, may_be_written(block, page.offset));
        /* Where it fails the memory stays allocated: nobody sees it. */
        drop_private(block, page.offset, UPM_FRAME_SIZE);
    }
    memory_region_set_dirty(block->rb->mr, page.offset, UPM_FRAME_SIZE);
}

/* Another vCPU may have been first. */
static void change(void *opaque)
{
    const Change *c = opaque;
    UpmBlock *block;
    uint64_t offset;

    RCU_READ_LOCK_GUARD();
    block = snp_memory_find(&snp_guest()->mem, c->gpa, &offset);
    if (block && is_in_other_view(block, offset, c->to_private)) {
        change_page(block, offset, c->to_private);
        snp_flush_others(c->cs);
    }
}

/*
 * For the processor
 */

SnpOutcome snp_view_access(CPUX86State *env, SnpAccess *access)
{
    UpmBlock *block;
    uint64_t offset;

    if (!snp_guest_address(env, access)) {
        return SNP_ACCESS_RESOLVED;
    }
    RCU_READ_LOCK_GUARD();
    block = snp_memory_find(&snp_guest()->mem, access->gpa, &offset);
    if (!block) {
        return snp_plain_elsewhere(env, access);
    }
    if (is_in_other_view(block, offset, access->private) ||
        !snp_view_use(page_of(block, offset).state, access->private)) {
        return SNP_ACCESS_FAULT;
    }
    return SNP_ACCESS_OK;
}

/*
 * Inside a translation block the instruction starts again; while an exception
 * is being delivered there is none to return to, and delivery goes on.
 */
void snp_view_fault(CPUX86State *env, const SnpAccess *access, bool is_walk,
                    uintptr_t ra)
{
    CPUState *cs = env_cpu(env);
    Change c = {
        .cs = cs, .gpa = access->gpa & ~(UPM_FRAME_SIZE - 1),
        .to_private = access->private,
    };

    if (ra) {
        cpu_restore_state(cs, ra);
    }
    trace_snp_view(cs->cpu_index, c.gpa, c.to_private);
    snp_exclusive(cs, change, &c);
    if (ra) {
        cpu_loop_exit_noexc(cs);
    }
}

/*
 * For the launch
 */

static void *make_private(UpmBlock *block, uint64_t offset)
{
    SnpViewPage page = page_of(block, offset);

    if (!snp_view_is_private(qatomic_read(page.state))) {
        snp_view_to_private(&page);
    }
    return page.private + (offset - page.offset);
}

static void encrypt_piece(UpmBlock *block, uint64_t offset, uint64_t size)
{
    SnpViewPage page = page_of(block, offset);
    g_autofree void *piece = g_memdup2(block->rb->host + offset, size);

    memcpy(make_private(block, offset), piece, size);
    snp_view_filled(&page);
}

void snp_view_encrypt(UpmBlock *block, uint64_t offset, uint64_t size)
{
    while (size) {
        uint64_t in_page = UPM_FRAME_SIZE - offset % UPM_FRAME_SIZE;
        uint64_t piece = MIN(size, in_page);

        encrypt_piece(block, offset, piece);
        offset += piece;
        size -= piece;
    }
}

void *snp_view_private(UpmBlock *block, uint64_t offset, uint64_t size)
{
    SnpBlock *snp = block->provider_data;
    uint64_t at;

    for (at = offset & ~(UPM_FRAME_SIZE - 1); at < offset + size;
         at += UPM_FRAME_SIZE) {
        make_private(block, at);
    }
    return snp->host + offset;
}
