/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chip that is made while the machine runs
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "internal.h"

struct PspChipMaker {
    QemuThread thread;
    char *folder;
    PspProductId product;
    bool vlek;
    void (*over)(void *opaque);
    void *opaque;
    PspChip *chip;
    Error *err;
    bool is_over;
};

static void *make(void *opaque)
{
    PspChipMaker *maker = opaque;

    maker->chip = psp_chip_open(maker->folder, maker->product, maker->vlek,
                                &maker->err);
    qatomic_store_release(&maker->is_over, true);
    if (maker->over) {
        maker->over(maker->opaque);
    }
    return NULL;
}

PspChipMaker *psp_chip_maker_new(const char *folder, PspProductId product,
                                 bool vlek, void (*over)(void *opaque),
                                 void *opaque)
{
    PspChipMaker *maker = g_new0(PspChipMaker, 1);

    maker->folder = g_strdup(folder);
    maker->product = product;
    maker->vlek = vlek;
    maker->over = over;
    maker->opaque = opaque;
    qemu_thread_create(&maker->thread, "chip-maker", make, maker,
                       QEMU_THREAD_JOINABLE);
    return maker;
}

bool psp_chip_maker_is_over(const PspChipMaker *maker)
{
    return qatomic_load_acquire(&maker->is_over);
}

PspChip *psp_chip_maker_end(PspChipMaker *maker, Error **errp)
{
    PspChip *chip;

    qemu_thread_join(&maker->thread);
    chip = maker->chip;
    error_propagate(errp, maker->err);
    g_free(maker->folder);
    g_free(maker);
    return chip;
}
