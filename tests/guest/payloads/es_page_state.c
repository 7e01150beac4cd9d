/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "snp.h"

#define REQUEST (psc_entry(AREA_GPA, PSC_SHARED) | 0x14)

#include "es_preferred.c"
