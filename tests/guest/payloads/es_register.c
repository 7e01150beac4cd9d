/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "snp.h"

#define REQUEST (GHCB_GPA | 0x12)

#include "es_preferred.c"
