/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private frames and their RMP entries
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "tcg/snp/guest/guest.h"
#include "tcg/snp/guest/launch.h"

bool snp_frame_find(hwaddr gpa, SnpFrame *frame)
{
    uint64_t offset;
    UpmBlock *block = snp_memory_find(&snp_guest()->mem, gpa, &offset);
    const SnpBlock *snp;

    if (!block) {
        return false;
    }
    snp = block->provider_data;
    offset &= ~(UPM_FRAME_SIZE - 1);
    frame->extent = (UpmExtent) {
        .block = block,
        .gpa = gpa & ~(UPM_FRAME_SIZE - 1),
        .offset = offset,
        .size = UPM_FRAME_SIZE,
    };
    frame->rmp = snp->rmp ? &snp->rmp[offset >> UPM_FRAME_BITS] : NULL;
    frame->private_host = snp->host + offset;
    return true;
}

/* The 2 MiB of entries around a frame, NULL where they do not exist */
static uint32_t *large_page(const SnpFrame *frame)
{
    SnpBlock *snp = frame->extent.block->provider_data;
    uint64_t skew = (frame->extent.gpa ^ frame->extent.offset) % (SNP_PAGE_2M);
    uint64_t first = QEMU_ALIGN_DOWN(frame->extent.offset, SNP_PAGE_2M);

    if (skew || first + SNP_PAGE_2M > frame->extent.block->size) {
        return NULL;
    }
    return &snp->rmp[first >> UPM_FRAME_BITS];
}

/*
 * A host with such pages maps 2 MiB at once where all of it is private and
 * untouched.  Those of today have none: kvm_gmem_get_folio() of Linux 6.12.
 */
static bool assign_large_page(const SnpFrame *frame)
{
    uint32_t *entry = large_page(frame);
    size_t i;

    if (!snp_guest()->rules.large_pages || !entry) {
        return false;
    }
    for (i = 0; i < SNP_FRAMES_PER_2M; i++) {
        if (qatomic_read(&entry[i])) {
            return false;
        }
    }
    for (i = 0; i < SNP_FRAMES_PER_2M; i++) {
        qatomic_cmpxchg(&entry[i], 0, SNP_RMP_ASSIGNED | SNP_RMP_PAGE_2M);
    }
    return true;
}

uint32_t snp_frame_assign(const SnpFrame *frame)
{
    if (!qatomic_read(frame->rmp) && !assign_large_page(frame)) {
        qatomic_cmpxchg(frame->rmp, 0, SNP_RMP_ASSIGNED);
    }
    return qatomic_read(frame->rmp);
}

void snp_frame_split(const SnpFrame *frame)
{
    uint32_t *entry = large_page(frame);
    size_t i;

    if (!(qatomic_read(frame->rmp) & SNP_RMP_PAGE_2M) || !entry) {
        return;
    }
    for (i = 0; i < SNP_FRAMES_PER_2M; i++) {
        qatomic_and(&entry[i], ~SNP_RMP_PAGE_2M);
    }
}

void *snp_launch_page(hwaddr gpa)
{
    SnpFrame frame;

    RCU_READ_LOCK_GUARD();
    if (!snp_frame_find(gpa, &frame) || qatomic_read(frame.rmp)) {
        return NULL;
    }
    qatomic_set(frame.rmp, SNP_RMP_ASSIGNED | SNP_RMP_IMMUTABLE);
    return frame.private_host;
}

void snp_launch_page_done(hwaddr gpa)
{
    SnpFrame frame;

    RCU_READ_LOCK_GUARD();
    if (snp_frame_find(gpa, &frame)) {
        qatomic_set(frame.rmp, SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED);
    }
}
