/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No SEV and SEV-ES guests: a QEMU without what their firmware is built on
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "sev-home.h"
#include "sev-kvm.h"

static void say_why(Error **errp)
{
    error_setg(errp, "SEV and SEV-ES guests are not emulated: this QEMU was"
               " built without nettle, hogweed and GMP");
}

PspSevKvm *psp_sev_kvm_new(bool es, const PspProcessor *processor,
                           PspSevIdentityFn *identity, void *opaque,
                           Error **errp)
{
    say_why(errp);
    return NULL;
}

void psp_sev_kvm_forget(PspSevKvm *vm)
{
}

void psp_sev_kvm_free(PspSevKvm *vm)
{
}

int psp_sev_kvm_command(PspSevKvm *vm, int command, void *data,
                        int *fw_error)
{
    return -ENOTTY;
}

unsigned psp_sev_kvm_guests(const PspSevKvm *vm)
{
    return 0;
}

bool psp_sev_home_open(const char *folder, PspSevIdentity *identity,
                       Error **errp)
{
    say_why(errp);
    return false;
}
