/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of x86 machines with private memory
 */
#ifndef TARGET_I386_UPM_MACHINE_H
#define TARGET_I386_UPM_MACHINE_H

#include "qom/object.h"

/** upm_machine_class_init: give x86 machines the option "kvm-type" */
void upm_machine_class_init(ObjectClass *oc);

#endif
