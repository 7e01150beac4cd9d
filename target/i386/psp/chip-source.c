/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See chip-source.h. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "system/system.h"
#include "chip-source.h"

/* Who could not make keys need not try all the time. */
#define RETRY_US (10 * G_USEC_PER_SEC)

static void end_maker(PspChipSource *source)
{
    if (source->maker) {
        psp_chip_free(psp_chip_maker_end(g_steal_pointer(&source->maker),
                                         NULL));
    }
}

/* The libraries that it uses are about to be taken down. */
static void source_exit(Notifier *notifier, void *data)
{
    end_maker(container_of(notifier, PspChipSource, exit));
}

void psp_chip_source_init(PspChipSource *source)
{
    source->exit.notify = source_exit;
    qemu_add_exit_notifier(&source->exit);
}

void psp_chip_source_destroy(PspChipSource *source)
{
    qemu_remove_exit_notifier(&source->exit);
    end_maker(source);
    psp_chip_free(source->chip);
}

bool psp_chip_source_is_ready(PspChipSource *source, const char *folder,
                              PspProductId product, bool vlek,
                              void (*over)(void *opaque), void *opaque)
{
    if (source->maker) {
        return psp_chip_maker_is_over(source->maker);
    }
    if (source->retry) {
        if (g_get_monotonic_time() < source->retry) {
            return true;
        }
    } else if (source->chip || psp_chip_is_made(folder)) {
        return true;
    }
    source->maker = psp_chip_maker_new(folder, product, vlek, over, opaque);
    return false;
}

PspChip *psp_chip_source_get(PspChipSource *source, const char *folder,
                             PspProductId product, bool vlek, Error **errp)
{
    if (source->maker) {
        source->chip = psp_chip_maker_end(g_steal_pointer(&source->maker),
                                          errp);
        source->retry = source->chip ? 0 : g_get_monotonic_time() + RETRY_US;
    } else if (source->retry) {
        error_setg(errp, "the keys of a chip could not be made, and are tried"
                   " again in some seconds");
    } else if (!source->chip) {
        source->chip = psp_chip_open(folder, product, vlek, errp);
    }
    return source->chip;
}
