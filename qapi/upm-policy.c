/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A discard policy that does not exist: name those that do
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-types-upm-common.h"
#include "qapi/upm-policy.h"

bool upm_policy_refused(const QEnumLookup *lookup, const char *name,
                        const char *value, Error **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);
    int i;

    if (lookup != &UpmDiscardPolicy_lookup) {
        return false;
    }
    for (i = 0; i < lookup->size; i++) {
        g_string_append_printf(known, "%s%s", i ? ", " : "",
                               qapi_enum_lookup(lookup, i));
    }
    error_setg(errp, "Parameter '%s' does not accept value '%s', only: %s",
               name ?: "discard", value, known->str);
    return true;
}
