/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a QEMU without SEV answers
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-upm.h"
#include "again.h"

void sev_launch_again(ResetType type)
{
}

SevLaunchPageList *qmp_query_sev_launch_pages(Error **errp)
{
    error_setg(errp, "this machine has no SEV-SNP guests");
    return NULL;
}
