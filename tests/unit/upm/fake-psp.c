/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for the emulated firmware, see fake-psp.h
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/memalign.h"
#include "fake-psp.h"

#define ENTRIES (MACHINE_RMP_END / PAGE)

PspPlatform machine;
uint8_t *machine_ram;
unsigned machine_flushes;
bool machine_map_fails;

static SevRmpEntry rmp[ENTRIES];
static bool rmp_locked;
static unsigned mapped;

static bool machine_rmp_get(void *opaque, uint64_t spa, SevRmpEntry *entry)
{
    g_assert_true(rmp_locked);
    g_assert_cmphex(spa % PAGE, ==, 0);
    g_assert_false(spa >= MACHINE_RMP && spa < MACHINE_RMP_END);
    if (spa / PAGE >= ENTRIES) {
        return false;
    }
    *entry = rmp[spa / PAGE];
    return true;
}

/* The steps of 56860 chapter 5 that are the firmware's */
static void check_step(const SevRmpEntry *from, const SevRmpEntry *to)
{
    static const PspPageState steps[][2] = {
        { PSP_PAGE_STATE_FIRMWARE, PSP_PAGE_STATE_CONTEXT },
        { PSP_PAGE_STATE_CONTEXT, PSP_PAGE_STATE_FIRMWARE },
        { PSP_PAGE_STATE_FIRMWARE, PSP_PAGE_STATE_RECLAIM },
        { PSP_PAGE_STATE_METADATA, PSP_PAGE_STATE_RECLAIM },
        { PSP_PAGE_STATE_PRE_GUEST, PSP_PAGE_STATE_GUEST_VALID },
        { PSP_PAGE_STATE_PRE_GUEST, PSP_PAGE_STATE_GUEST_INVALID },
        { PSP_PAGE_STATE_PRE_SWAP, PSP_PAGE_STATE_GUEST_VALID },
        /* small ones become a large one */
        { PSP_PAGE_STATE_PRE_GUEST, PSP_PAGE_STATE_PRE_GUEST },
        { PSP_PAGE_STATE_PRE_SWAP, PSP_PAGE_STATE_PRE_SWAP },
    };
    PspPageState before = psp_page_state(from), after = psp_page_state(to);

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (steps[i][0] == before && steps[i][1] == after) {
            return;
        }
    }
    g_error("the firmware brings a page from state %d to state %d", before,
            after);
}

/* As the processor keeps them: a large page is 512 entries that say so. */
void machine_update(uint64_t spa, const SevRmpEntry *entry, bool large)
{
    for (uint64_t at = 0; at < (large ? LARGE : PAGE); at += PAGE) {
        SevRmpEntry *to = machine_entry(spa + at);

        *to = *entry;
        if (large && entry->lo & SEV_RMP_ASSIGNED) {
            to->lo |= SEV_RMP_PAGE_2M;
        }
        if (sev_rmp_asid(entry)) {
            to->lo += at;
        }
    }
}

static bool machine_rmp_set(void *opaque, uint64_t spa,
                            const SevRmpEntry *entry)
{
    g_assert_true(rmp_locked);
    g_assert_cmphex(spa % PAGE, ==, 0);
    g_assert_false(spa >= MACHINE_RMP && spa < MACHINE_RMP_END);
    g_assert_cmphex(spa / PAGE, <, ENTRIES);
    check_step(&rmp[spa / PAGE], entry);
    machine_update(spa, entry,
                   entry->lo & SEV_RMP_PAGE_2M && spa % LARGE == 0);
    return true;
}

static void machine_rmp_lock(void *opaque)
{
    g_assert_false(rmp_locked);
    rmp_locked = true;
}

static void machine_rmp_unlock(void *opaque)
{
    g_assert_true(rmp_locked);
    rmp_locked = false;
}

static bool is_writable(uint64_t spa)
{
    switch (machine_state(spa)) {
    case PSP_PAGE_STATE_DEFAULT:
    case PSP_PAGE_STATE_FIRMWARE:
    case PSP_PAGE_STATE_PRE_GUEST:
    case PSP_PAGE_STATE_PRE_SWAP:
        return true;
    default:
        return false;
    }
}

static void *machine_map(void *opaque, uint64_t spa, uint64_t size,
                         bool is_write)
{
    if (machine_map_fails || spa >= MACHINE_RAM || size > MACHINE_RAM - spa) {
        return NULL;
    }
    g_assert_true(spa >= MACHINE_RMP_END || spa + size <= MACHINE_RMP);
    for (uint64_t at = spa & ~(PAGE - 1); is_write && at < spa + size;
         at += PAGE) {
        g_assert_true(is_writable(at));
    }
    mapped++;
    return machine_ram + spa;
}

static void machine_unmap(void *opaque, void *p, uint64_t size, bool is_write)
{
    g_assert_cmpuint(mapped--, >, 0);
}

static void machine_flush(void *opaque)
{
    machine_flushes++;
}

static PspChip *machine_chip(void *opaque, Error **errp)
{
    error_setg(errp, "this machine has no chip");
    return NULL;
}

static const PspPlatformOps machine_ops = {
    .rmp_get = machine_rmp_get,
    .rmp_set = machine_rmp_set,
    .rmp_lock = machine_rmp_lock,
    .rmp_unlock = machine_rmp_unlock,
    .map = machine_map,
    .unmap = machine_unmap,
    .flush = machine_flush,
    .chip = machine_chip,
};

void machine_reset(void)
{
    psp_platform_destroy(&machine);
    psp_platform_init(&machine, &machine_ops, &machine);
    machine.platform_info = PSP_PLATFORM_SMT | PSP_PLATFORM_RAPL_DIS;
    machine.signature = MILAN;
    machine.max_asid = MACHINE_ASIDS;
    machine.snp_state = PSP_PLATFORM_INIT;
    machine.rmp_base = MACHINE_RMP;
    machine.rmp_size = MACHINE_RMP_END - MACHINE_RMP;
    if (!machine_ram) {
        machine_ram = qemu_memalign(LARGE, MACHINE_RAM);
    }
    memset(machine_ram, 0xa5, MACHINE_RAM);
    memset(rmp, 0, sizeof(rmp));
    machine_flushes = 0;
    machine_map_fails = false;
}

void machine_free(void)
{
    psp_platform_destroy(&machine);
    g_clear_pointer(&machine_ram, qemu_vfree);
}

SevRmpEntry *machine_entry(uint64_t spa)
{
    g_assert_cmphex(spa / PAGE, <, ENTRIES);
    return &rmp[spa / PAGE];
}

PspPageState machine_state(uint64_t spa)
{
    return spa / PAGE < ENTRIES ? psp_page_state(&rmp[spa / PAGE])
                                : PSP_PAGE_STATE_DEFAULT;
}

/* Written as the table of 56860 reads, not as the firmware has it. */
void machine_put(uint64_t spa, PspPageState state, unsigned asid,
                 uint64_t gpa)
{
    uint64_t guest = (uint64_t)asid << 51 | gpa;
    static const uint64_t bits[PSP_PAGE_STATE_LIMIT] = {
        [PSP_PAGE_STATE_INVALID] = 1ULL << 62,
        [PSP_PAGE_STATE_HV_FIXED] = 4,
        [PSP_PAGE_STATE_RECLAIM] = 1,
        [PSP_PAGE_STATE_FIRMWARE] = 5,
        [PSP_PAGE_STATE_FIRMWARE_IOMMU] = 5 | 1 << 12,
        [PSP_PAGE_STATE_CONTEXT] = 5 | 1ULL << 61,
        [PSP_PAGE_STATE_METADATA] = 5 | 7 << 12,
        [PSP_PAGE_STATE_PRE_GUEST] = 5,
        [PSP_PAGE_STATE_PRE_SWAP] = 5 | 1ULL << 62,
        [PSP_PAGE_STATE_GUEST_INVALID] = 1,
        [PSP_PAGE_STATE_GUEST_VALID] = 1 | 1ULL << 62,
    };

    machine_entry(spa)->lo = bits[state] |
        (state >= PSP_PAGE_STATE_PRE_GUEST ? guest : 0);
    machine_entry(spa)->perms = SEV_RMP_PERM_ALL;
}

PspGuest *machine_guest(uint64_t spa)
{
    return g_hash_table_lookup(machine.guests, &spa);
}

static uint64_t mix(uint64_t sum, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        sum = (sum ^ ldq_he_p(data + i)) * 0x100000001b3ULL;
    }
    return sum;
}

QEMU_BUILD_BUG_ON(sizeof(PspGuest) % 8 || PSP_ASID_LIMIT % 8 ||
                  sizeof(rmp) % 8);

uint64_t machine_fingerprint(void)
{
    uint64_t sum = mix(0, machine_ram, MACHINE_RAM);
    GHashTableIter iter;
    gpointer guest;

    sum = mix(sum, rmp, sizeof(rmp));
    g_hash_table_iter_init(&iter, machine.guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        sum = mix(sum, guest, sizeof(PspGuest));
    }
    return mix(sum, machine.asids, sizeof(machine.asids));
}

void machine_check_launched(uint64_t spa, int type)
{
    const SevRmpEntry *entry = machine_entry(spa);

    g_assert_cmpint(machine_state(spa), ==, PSP_PAGE_STATE_GUEST_VALID);
    g_assert_cmphex(sev_rmp_gpa(entry), ==, GPA);
    g_assert_cmpuint(sev_rmp_asid(entry), ==, ASID);
    g_assert_cmpint(!!(entry->lo & SEV_RMP_VMSA), ==, type == PSP_PAGE_VMSA);
    g_assert_cmphex(entry->perms, ==, 0x1312111f);
}

int machine_run(unsigned command, const PspCommandBuffer *buffer)
{
    g_autofree PspCommandBuffer *copy = g_memdup2(buffer, sizeof(*copy));
    size_t size = psp_snp_command_size(command);
    int status;

    /* What lies behind the command's own bytes says nothing. */
    memset((uint8_t *)copy + size, 0xee, sizeof(*copy) - size);
    status = psp_snp_command(&machine, command, copy);

    g_assert_false(rmp_locked);
    g_assert_cmpuint(mapped, ==, 0);
    return status;
}

/*
 * Command buffers, and what they are used for most
 */

PspCommandBuffer gctx_buffer(uint64_t gctx)
{
    return (PspCommandBuffer) { .guest.gctx_paddr = cpu_to_le64(gctx) };
}

PspCommandBuffer start_buffer(uint64_t gctx, uint64_t policy)
{
    return (PspCommandBuffer) { .launch_start = {
        .gctx_paddr = cpu_to_le64(gctx), .policy = cpu_to_le64(policy),
        .gosvw = { 1, 2, 3 },
    } };
}

PspCommandBuffer activate_buffer(uint64_t gctx, uint32_t asid)
{
    return (PspCommandBuffer) { .activate = {
        .gctx_paddr = cpu_to_le64(gctx), .asid = cpu_to_le32(asid),
    } };
}

PspCommandBuffer activate_ex_buffer(uint64_t gctx, uint32_t asid)
{
    return (PspCommandBuffer) { .activate_ex = {
        .length = cpu_to_le32(0x20), .gctx_paddr = cpu_to_le64(gctx),
        .asid = cpu_to_le32(asid), .numids = cpu_to_le32(2),
        .ids_paddr = cpu_to_le64(SOURCE),
    } };
}

PspCommandBuffer update_buffer(uint64_t gctx, int type, uint64_t spa)
{
    return (PspCommandBuffer) { .launch_update = {
        .gctx_paddr = cpu_to_le64(gctx), .flags = cpu_to_le32(type << 1),
        .page_paddr = cpu_to_le64(spa), .vmpl_perms = { 0x11, 0x12, 0x13 },
    } };
}

PspCommandBuffer finish_buffer(uint64_t gctx)
{
    return (PspCommandBuffer) { .launch_finish = {
        .gctx_paddr = cpu_to_le64(gctx), .host_data = { 9, 8, 7 },
    } };
}

PspCommandBuffer status_buffer(uint64_t gctx, uint64_t spa)
{
    return (PspCommandBuffer) { .guest_status = {
        .gctx_paddr = cpu_to_le64(gctx), .status_paddr = cpu_to_le64(spa),
    } };
}

PspCommandBuffer request_buffer(uint64_t gctx, uint64_t request,
                                uint64_t response)
{
    return (PspCommandBuffer) { .guest_request = {
        .gctx_paddr = cpu_to_le64(gctx),
        .request_paddr = cpu_to_le64(request),
        .response_paddr = cpu_to_le64(response),
    } };
}

PspCommandBuffer debug_buffer(uint64_t gctx, uint64_t from, uint64_t to)
{
    return (PspCommandBuffer) { .debug = {
        .gctx_paddr = cpu_to_le64(gctx), .src_paddr = cpu_to_le64(from),
        .dst_paddr = cpu_to_le64(to),
    } };
}

PspCommandBuffer page_buffer(uint64_t spa)
{
    return (PspCommandBuffer) { .page.page_paddr = cpu_to_le64(spa) };
}

void expect(unsigned command, PspCommandBuffer buffer, int status)
{
    g_assert_cmphex(machine_run(command, &buffer), ==, status);
}

void create_guest(uint64_t spa)
{
    machine_put(spa, PSP_PAGE_STATE_FIRMWARE, 0, 0);
    expect(PSP_SNP_GCTX_CREATE, gctx_buffer(spa), SEV_RET_SUCCESS);
}

void start_guest(uint64_t spa, uint64_t policy, unsigned asid)
{
    create_guest(spa);
    expect(PSP_SNP_LAUNCH_START, start_buffer(spa, policy),
           SEV_RET_SUCCESS);
    expect(PSP_SNP_ACTIVATE, activate_buffer(spa, asid), SEV_RET_SUCCESS);
}

void run_guest(uint64_t spa, uint64_t policy, unsigned asid)
{
    start_guest(spa, policy, asid);
    expect(PSP_SNP_LAUNCH_FINISH, finish_buffer(spa), SEV_RET_SUCCESS);
}

void put_page(uint64_t spa, uint64_t gpa)
{
    machine_put(spa, PSP_PAGE_STATE_PRE_GUEST, ASID, gpa);
}

void put_large_page(uint64_t spa, PspPageState state, uint64_t gpa)
{
    machine_put(spa, state, ASID, gpa);
    machine_update(spa, &(SevRmpEntry) {
        machine_entry(spa)->lo, SEV_RMP_PERM_ALL
    }, true);
}

/* MSG_TSC_INFO_REQ, which needs no chip */
void seal_request(uint64_t spa, const PspGuest *guest, uint64_t seqno)
{
    PspMessage message = { .header = {
        .seqno = cpu_to_le64(seqno), .algorithm = 1, .header_version = 1,
        .header_size = cpu_to_le16(0x60), .type = PSP_MSG_TSC_INFO_REQ,
        .version = 1, .size = cpu_to_le16(sizeof(PspTscRequest)), .vmpck = 2,
    } };
    gnutls_datum_t key = { (void *)guest->vmpck[2], PSP_VMPCK_SIZE };
    uint8_t iv[12] = { 0 };
    size_t tag_size = PSP_AUTHTAG_SIZE;
    giovec_t aad = { &message.header.algorithm, 0x30 };
    giovec_t payload = { message.payload, sizeof(PspTscRequest) };
    gnutls_aead_cipher_hd_t cipher;

    stq_le_p(iv, seqno);
    g_assert_cmpint(gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM,
                                            &key), ==, 0);
    g_assert_cmpint(gnutls_aead_cipher_encryptv2(
        cipher, iv, sizeof(iv), &aad, 1, &payload, 1, message.header.authtag,
        &tag_size), ==, 0);
    gnutls_aead_cipher_deinit(cipher);
    memcpy(machine_ram + spa, &message, 0x60 + sizeof(PspTscRequest));
}
