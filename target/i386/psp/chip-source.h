/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chip of a platform, which is there once somebody needs it
 *
 * The keys of a new one take seconds.  Whoever can wait asks whether it is
 * ready first, which has them made in a thread.
 *
 * Locking: the owner's.
 */
#ifndef TARGET_I386_PSP_CHIP_SOURCE_H
#define TARGET_I386_PSP_CHIP_SOURCE_H

#include "qemu/notify.h"
#include "chip.h"

/**
 * PspChipSource
 * @chip: NULL until somebody needs it
 * @maker: NULL but while it is made
 * @retry: making it has failed: nobody tries before this monotonic time, in
 *     us; 0: it has not
 * @exit: QEMU ends
 */
typedef struct PspChipSource {
    PspChip *chip;
    PspChipMaker *maker;
    int64_t retry;
    Notifier exit;
} PspChipSource;

void psp_chip_source_init(PspChipSource *source);

/** psp_chip_source_destroy: waits for who makes keys */
void psp_chip_source_destroy(PspChipSource *source);

/**
 * psp_chip_source_is_ready: will psp_chip_source_get() not take time?
 * @folder, @product, @vlek: see psp_chip_open()
 * @over: called in another thread once it will not, where this returns false
 *     for the first time; may be NULL
 */
bool psp_chip_source_is_ready(PspChipSource *source, const char *folder,
                              PspProductId product, bool vlek,
                              void (*over)(void *opaque), void *opaque);

/** psp_chip_source_get: the chip; NULL with @errp set where there is none */
PspChip *psp_chip_source_get(PspChipSource *source, const char *folder,
                             PspProductId product, bool vlek, Error **errp);

#endif
