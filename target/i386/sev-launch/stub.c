/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-sev-launch-pages of a QEMU without SEV
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-upm.h"

SevLaunchPageList *qmp_query_sev_launch_pages(Error **errp)
{
    error_setg(errp, "this machine has no SEV-SNP guests");
    return NULL;
}
