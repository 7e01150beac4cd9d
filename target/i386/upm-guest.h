/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TARGET_I386_UPM_GUEST_H
#define TARGET_I386_UPM_GUEST_H
bool upm_guest_emulated(Object *obj);
#endif
