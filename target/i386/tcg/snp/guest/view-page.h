/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One page of memory that is encrypted in place, as two views of it
 *
 * On hardware a page has one content, and who has no key sees it encrypted.
 * Here each view has a page of its own: the private one holds what the guest
 * reads and writes with the C-bit, the shared one what it reads and writes
 * without, and what devices and the host see.  The state says which one holds
 * the content; it moves when the guest uses the other one.
 *
 * Nothing is protected by this, so what stands for the cipher is a stream of
 * numbers from the key, the block and the address: cheap, its own inverse,
 * and as useless without the key as the guest has to find it.
 *
 * This file knows no vCPU and no QEMU; see tests/unit/test-snp-view.c.
 */
#ifndef TARGET_I386_TCG_SNP_GUEST_VIEW_PAGE_H
#define TARGET_I386_TCG_SNP_GUEST_VIEW_PAGE_H

#define SNP_VIEW_PAGE_SIZE 4096
/* What is encrypted at once, and so what a writer without the key spoils */
#define SNP_VIEW_UNIT 16

/**
 * SnpViewState: where a page's content is
 * @SNP_VIEW_FRESH: the guest has not used it yet
 * @SNP_VIEW_SHARED: in the shared view; the private one is empty
 * @SNP_VIEW_BARE: in the private view; the shared one is as it was
 * @SNP_VIEW_PRIVATE: in the private view; the shared one was filled with noise
 */
typedef enum SnpViewState {
    SNP_VIEW_FRESH,
    SNP_VIEW_SHARED,
    SNP_VIEW_BARE,
    SNP_VIEW_PRIVATE,
} SnpViewState;

/** SnpViewKey: of one guest, by chance */
typedef struct SnpViewKey {
    uint64_t word[2];
} SnpViewKey;

/**
 * SnpViewPage: a page
 * @block: number of its RAM block, below 2^16
 * @offset: in bytes, in the block; a multiple of the page size, below 2^50
 * @state: its SnpViewState (atomic)
 * @private, @shared: the views
 */
typedef struct SnpViewPage {
    const SnpViewKey *key;
    uint32_t block;
    uint64_t offset;
    uint8_t *state;
    void *private;
    void *shared;
} SnpViewPage;

/**
 * snp_view_use: the guest is about to use a page through a view
 *
 * A page that it has not used yet becomes that view's; with the key only where
 * nobody else has written to it either, or snp_view_to_private() is due.
 * Locking: none.
 *
 * Returns: false where the content is in the other view: snp_view_to_private()
 * or snp_view_to_shared() first.
 */
bool snp_view_use(uint8_t *state, bool private);

/** snp_view_is_private: is the content of a page in its private view? */
static inline bool snp_view_is_private(uint8_t state)
{
    return state == SNP_VIEW_BARE || state == SNP_VIEW_PRIVATE;
}

/*
 * What follows changes both views, while no vCPU runs.  Devices may write to
 * the shared one meanwhile; as on hardware, who lets them has lost what they
 * wrote to.
 */

/**
 * snp_view_to_private: what is in the shared view is seen with the key
 *
 * And the shared view is filled with noise.
 */
void snp_view_to_private(const SnpViewPage *page);

/**
 * snp_view_to_shared: what is in the private view is seen without the key
 * @written: somebody may have written to the shared view of a page that is
 *     SNP_VIEW_BARE, so that all of it has to stay
 *
 * What was written to the shared view since it was filled stays there: DMA
 * that came before the guest has looked.  The private view has nothing in it
 * that counts afterwards.
 */
void snp_view_to_shared(const SnpViewPage *page, bool written);

/**
 * snp_view_filled: the launch has given the private view its content
 *
 * The shared view is filled with noise.
 */
void snp_view_filled(const SnpViewPage *page);

#endif
