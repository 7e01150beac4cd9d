/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The accelerator of a guest that is not run
 *
 * A guest object with measure-only= wants its CPU models and its memory, and
 * neither KVM nor hardware.
 */
#include "qemu/osdep.h"
#include "qemu/config-file.h"
#include "qemu/option.h"
#include "qom/object.h"
#include "system/upm/upm.h"
#include "system/upm/compat.h"

void upm_choose_accelerator(void)
{
    QemuOptsList *list = qemu_find_opts("accel");
    Object *guest = OBJECT(current_machine->cgs);
    g_autofree char *mode = NULL;

    if (!guest || !object_property_find(guest, "measure-only")) {
        return;
    }
    mode = object_property_get_str(guest, "measure-only", NULL);
    if (g_str_equal(mode, "off")) {
        return;
    }
    qemu_opts_reset(list);
    qemu_opts_parse_noisily(list, "tcg", true);
}
