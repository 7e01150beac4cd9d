/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAE events that reach devices: ports and MMIO
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "system/upm/compat.h"
#include "tcg/snp/guest/ghcb.h"

/*
 * A device may wait for another vCPU's thread, as one that unplugs a vCPU does,
 * and that for all vCPUs to leave guest code: this one has left it.  What it
 * then takes from the vCPU that goes it takes in an exclusive section of its
 * own, see snp_guest_unplugged().
 */
static void port_io(CPUX86State *env, unsigned port, uint8_t *data,
                    unsigned size, bool in)
{
    CPUState *cs = env_cpu(env);
    bool alone = cpu_in_exclusive_context(cs);

    if (!alone) {
        cpu_exec_end(cs);
    }
    address_space_rw(&address_space_io, port, cpu_get_mem_attrs(env), data,
                     size, !in);
    if (!alone) {
        cpu_exec_start(cs);
    }
}

static void string_io(CPUX86State *env, SnpNae *nae, unsigned port,
                      unsigned size, bool in)
{
    uint8_t data[GHCB_SHARED_SIZE], *scratch;
    uint64_t count = nae->info2;

    if (!count) {
        return;
    }
    /* In KVM's signed numbers of 32 bits: sev_es_string_io() of Linux 6.12 */
    if (count > INT32_MAX || count * size > INT32_MAX) {
        snp_nae_refuse(env, nae, GHCB_ERROR_SCRATCH,
                       "string longer than 2 GiB");
        return;
    }
    if (count > sizeof(data) / size) {
        snp_nae_error(nae, GHCB_ERROR_SCRATCH,
                      "string longer than shared buffer");
        return;
    }
    scratch = snp_nae_scratch(nae, count * size, NULL);
    if (!scratch) {
        return;
    }
    memcpy(data, scratch, count * size);
    for (unsigned i = 0; i < count; i++) {
        port_io(env, port, data + i * size, size, in);
    }
    if (in) {
        memcpy(scratch, data, count * size);
    }
}

void snp_nae_ioio(CPUX86State *env, SnpNae *nae)
{
    unsigned port = extract64(nae->info1, 16, 16);
    unsigned size = extract64(nae->info1, 4, 3);
    bool in = nae->info1 & SVM_IOIO_TYPE_MASK;
    uint8_t data[8];

    if (!size) {
        return;
    }
    if (nae->info1 & SVM_IOIO_STR_MASK) {
        string_io(env, nae, port, size, in);
        return;
    }
    /* An IN of 32 bits clears the upper half of RAX, a shorter one nothing */
    stq_le_p(data, in && size >= 4 ? 0 : nae->regs[R_EAX]);
    port_io(env, port, data, size, in);
    if (in) {
        nae->regs[R_EAX] = ldq_le_p(data);
    }
}

void snp_nae_mmio(CPUX86State *env, SnpNae *nae)
{
    bool write = nae->code == NAE_MMIO_WRITE;
    uint8_t data[8], *scratch;

    if (!nae->info2) {
        return;
    }
    if (nae->info2 > sizeof(data)) {
        snp_nae_error(nae, GHCB_ERROR_INVALID_INPUT,
                      "MMIO of more than 8 bytes");
        return;
    }
    scratch = snp_nae_scratch(nae, nae->info2, NULL);
    if (!scratch) {
        return;
    }
    memcpy(data, scratch, nae->info2);
    address_space_rw(&address_space_memory, nae->info1,
                     cpu_get_mem_attrs(env), data, nae->info2, write);
    if (!write) {
        memcpy(scratch, data, nae->info2);
    }
}
