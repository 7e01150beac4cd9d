/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_HC_MAP_GPA_RANGE: whatever a guest asks for, page states are those of a
 * plain reading of the ABI (Linux, Documentation/virt/kvm/x86/hypercalls.rst)
 *
 * Sources: accel/accel-blocker.c
 * Sources: system/upm/accounts.c system/upm/blocks.c system/upm/check.c
 * Sources: system/upm/claims.c system/upm/discard.c system/upm/door.c
 * Sources: system/upm/map.c system/upm/map-gpa.c system/upm/mark.c
 * Sources: system/upm/notify.c
 * Sources: system/upm/record.c system/upm/request.c system/upm/undo.c
 */
#include "qemu/osdep.h"
#include "../unit/upm/fake-kvm.c.inc"
#include "fuzz.h"

/* An input is a row of these. */
typedef struct QEMU_PACKED Request {
    /* low 2 bits: 0: as it is, else a page of guest memory or next to it */
    uint8_t kind;
    /* low 4 bits: one of @failures; next 2: in which call of the kernel */
    uint8_t failure;
    uint64_t gpa;
    uint64_t pages;
    uint64_t attributes;
} Request;

static const int failures[] = { 0, -EIO, -ENOMEM, -EINVAL, -EAGAIN, -EINTR };

static bool private[FRAMES];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    init_fake_kvm();
    set_up();
    upm_block_set_discard(blocks[0], UPM_DISCARD_POLICY_NONE);
    upm_block_set_discard(blocks[1], UPM_DISCARD_POLICY_NONE);
    return 0;
}

static bool is_valid(const Request *r)
{
    return !(r->gpa % K4) && r->pages && r->pages <= FRAMES && r->gpa < MMIO &&
           r->gpa / K4 + r->pages <= FRAMES && !(r->attributes & ~0x1fULL) &&
           (r->attributes & 0xf) <= 2;
}

/* Calls of KVM_SET_MEMORY_ATTRIBUTES: one a block in which any frame changes */
static unsigned int count_marks(const Request *r)
{
    uint64_t first = r->gpa / K4, frame;
    bool wanted = r->attributes & ENC;
    bool changes[2] = {};

    for (frame = first; frame < first + r->pages; frame++) {
        changes[frame >= HIGH / K4] |= private[frame] != wanted;
    }
    return changes[0] + changes[1];
}

/* What the guest is told: 0, EINVAL or EAGAIN */
static int expected(const Request *r)
{
    unsigned int call = r->failure >> 4 & 3;
    int failure = failures[(r->failure & 0xf) % ARRAY_SIZE(failures)];

    if (!is_valid(r)) {
        failure = -EINVAL;
    } else if (call >= count_marks(r) ||
               failure == -EAGAIN || failure == -EINTR) {
        failure = 0;
    }
    return failure == -ENOMEM ? EAGAIN : failure ? EINVAL : 0;
}

static void check_states(void)
{
    unsigned int i;
    uint64_t frame, shared = 0;

    FUZZ_ASSERT(!memcmp(private, attribute_private, sizeof(private)));
    for (i = 0; i < ARRAY_SIZE(blocks); i++) {
        for (frame = 0; frame < block_size[i] / K4; frame++) {
            bool state = upm_block_is_private(blocks[i], frame * K4);

            FUZZ_ASSERT(state == private[base[i] / K4 + frame]);
            shared += !state;
        }
    }
    FUZZ_ASSERT(shared == blocks[0]->shared_frames + blocks[1]->shared_frames);
}

static void do_request(Request *r)
{
    int answer;

    if (r->kind & 3) {
        r->gpa = r->gpa % (FRAMES + 4) * K4;
        r->pages = r->pages % (r->kind & 1 ? 8 : FRAMES + 4);
        r->attributes &= r->kind & 2 ? ENC : 0x3f;
    }
    forget();
    set_attributes.result[r->failure >> 4 & 3] =
        failures[(r->failure & 0xf) % ARRAY_SIZE(failures)];
    answer = expected(r);
    FUZZ_ASSERT(hypercall(r->gpa, r->pages, r->attributes) == answer);
    if (!answer) {
        memset(private + r->gpa / K4, !!(r->attributes & ENC), r->pages);
    }
    /* Only a host without memory is a reason to stop. */
    FUZZ_ASSERT(!stop_reason == (answer != EAGAIN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    forget();
    FUZZ_ASSERT(hypercall(0, FRAMES, ENC) == 0);
    memset(private, 1, sizeof(private));
    for (; size >= sizeof(Request); size -= sizeof(Request)) {
        Request r;

        memcpy(&r, data, sizeof(r));
        data += sizeof(r);
        do_request(&r);
    }
    check_states();
    return 0;
}
