/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QAPI_UPM_POLICY_H
#define QAPI_UPM_POLICY_H

#include "qapi/util.h"

/**
 * upm_policy_refused: @value is none of @lookup's; say which are
 * @name: of the option, or NULL
 *
 * Returns: true with @errp set where @lookup is that of UpmDiscardPolicy;
 * false, and nothing done, for any other enumeration.
 */
bool upm_policy_refused(const QEnumLookup *lookup, const char *name,
                        const char *value, Error **errp);

#endif
