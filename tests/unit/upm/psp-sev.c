/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEV and SEV-ES guests of a host, see psp-sev.h
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "psp-sev.h"

void start_sev(bool es)
{
    machine_start();
    no_snp();
    sev_init(es ? PSP_INIT_ES : 0);
}

int launch_start(uint32_t policy, uint32_t *handle)
{
    PspCmdLaunchStart start = {
        .handle = cpu_to_le32(*handle),
        .policy = cpu_to_le32(policy),
    };
    int status = command(PSP_CMD_LAUNCH_START, &start, sizeof(start));

    *handle = le32_to_cpu(start.handle);
    return status;
}

uint32_t new_guest(uint32_t policy)
{
    uint32_t handle = 0;

    g_assert_cmpint(launch_start(policy, &handle), ==, 0);
    g_assert_cmpuint(handle, !=, 0);
    return handle;
}

int activate(uint32_t handle, uint32_t asid)
{
    PspCmdActivate activate = { cpu_to_le32(handle), cpu_to_le32(asid) };

    return command(PSP_CMD_ACTIVATE, &activate, sizeof(activate));
}

int on_handle(unsigned number, uint32_t handle)
{
    PspCmdHandle buffer = { cpu_to_le32(handle) };

    return command(number, &buffer, sizeof(buffer));
}

PspCmdGuestStatus status_of(uint32_t handle)
{
    PspCmdGuestStatus status = { .handle = cpu_to_le32(handle) };

    g_assert_cmpint(command(PSP_CMD_GUEST_STATUS, &status, sizeof(status)), ==,
                    0);
    return status;
}

int launch(unsigned number, uint32_t handle, uint64_t spa,
           uint32_t size)
{
    PspCmdLaunch launch = {
        .handle = cpu_to_le32(handle),
        .spa = cpu_to_le64(spa),
        .size = cpu_to_le32(size),
    };

    return command(number, &launch, sizeof(launch));
}

void put_pattern(uint64_t spa, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        machine.ram[spa + i] = i * 7 + (i >> 8);
    }
}

gnutls_datum_t reversed(const uint8_t *from, uint8_t *to)
{
    for (int i = 0; i < 48; i++) {
        to[i] = from[47 - i];
    }
    return (gnutls_datum_t) { to, 48 };
}
