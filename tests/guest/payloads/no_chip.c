/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks for a report and its certificates, time and again, of a chip whose keys
 * cannot be made
 */
#include "snp.h"

#define REQUEST_GPA     AREA_GPA
#define RESPONSE_GPA    (AREA_GPA + PAGE)
#define CERTS_GPA       (AREA_GPA + 2 * PAGE)
#define CERTS_PAGES     4
/* The hypervisor's part of the result, an error that has no name */
#define VMM_GENERIC     (0xffffffffULL << 32)
/* The header of a guest message, 56860 table 99 */
#define TYPE            0x34
#define REPORT_REQUEST  5

void payload(void)
{
    print("# begins\n");
    to_shared(REQUEST_GPA, (2 + CERTS_PAGES) * PAGE);
    memset(shar(REQUEST_GPA), 0, PAGE);
    ((volatile u8 *)shar(REQUEST_GPA))[TYPE] = REPORT_REQUEST;
    for (;;) {
        ghcb_clear();
        ghcb_set(GHCB_RAX, CERTS_GPA);
        ghcb_set(GHCB_RBX, CERTS_PAGES);
        ghcb_call(NAE_EXT_REQ, REQUEST_GPA, RESPONSE_GPA);
        print(answer(GHCB_INFO2) == VMM_GENERIC ? "# refused\n"
                                                : "# answered\n");
        delay_us(200000);
    }
}
