/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware's place in a machine with snp-host=on
 *
 * Locking: the BQL.
 */
#ifndef TARGET_I386_PSP_HOST_OPS_H
#define TARGET_I386_PSP_HOST_OPS_H

#include "host.h"

typedef struct PspHostMachine PspHostMachine;

/**
 * psp_host_machine_new: a firmware on this machine
 * @cert_dir: where its chip lives, NULL for the default
 *
 * Returns: NULL with @errp set where the machine has no snp-host=on.
 */
PspHostMachine *psp_host_machine_new(const char *cert_dir, Error **errp);

void psp_host_machine_free(PspHostMachine *machine);

/** psp_host_machine_reset: as the machine is reset, all vCPUs are there */
void psp_host_machine_reset(PspHostMachine *machine);

/**
 * psp_host_machine_is_ready: can a command be run without anybody waiting?
 * @command, @spa: see psp_host_command()
 * @over: called once it can, in any thread, where this returns false for the
 *     first time
 *
 * The keys of a new chip take seconds to make.
 */
bool psp_host_machine_is_ready(PspHostMachine *machine, unsigned command,
                               uint64_t spa, void (*over)(void *opaque),
                               void *opaque);

/** psp_host_machine: the firmware, for psp_host_command() */
PspHost *psp_host_machine(PspHostMachine *machine);

#endif
