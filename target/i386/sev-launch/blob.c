/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties of an SEV-SNP guest that are structures of the firmware, in base64
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/base64.h"
#include "target/i386/sev-abi.h"
#include "check.h"

#define GOSVW_SIZE     16
#define HOST_DATA_SIZE 32

/*
 * Four digits are three bytes, and the last ones are padded to four by "=".
 * What is left of a group would be dropped, and nobody told.
 */
static bool is_whole(const char *text)
{
    size_t digits = 0;

    for (; *text; text++) {
        digits += *text != '\n';
    }
    return digits % 4 == 0;
}

static uint8_t *decode(const char *name, const char *text, size_t *size,
                       Error **errp)
{
    ERRP_GUARD();
    uint8_t *blob;

    if (!is_whole(text)) {
        error_setg(errp, "%s: base64 that was cut, or is not padded: the"
                   " number of its digits is no multiple of 4", name);
        return NULL;
    }
    blob = qbase64_decode(text, -1, size, errp);
    if (!blob) {
        error_prepend(errp, "%s: ", name);
    }
    return blob;
}

static uint8_t *decode_whole(const char *name, const char *text, size_t wanted,
                             size_t *size, Error **errp)
{
    uint8_t *blob = decode(name, text, size, errp);

    if (blob && *size != wanted) {
        error_setg(errp, "%s: %zu bytes were given, in base64, and it has %zu",
                   name, *size, wanted);
        g_clear_pointer(&blob, g_free);
    }
    return blob;
}

uint8_t *sev_launch_gosvw(const char *text, size_t *size, Error **errp)
{
    return decode_whole("guest-visible-workarounds", text, GOSVW_SIZE,
                        size, errp);
}

uint8_t *sev_launch_id_block(const char *text, size_t *size, Error **errp)
{
    return decode_whole("id-block", text, sizeof(PspIdBlock), size, errp);
}

uint8_t *sev_launch_host_data(const char *text, size_t *size, Error **errp)
{
    return decode_whole("host-data", text, HOST_DATA_SIZE, size, errp);
}

uint8_t *sev_launch_id_auth(const char *text, size_t *size, Error **errp)
{
    uint8_t *blob = decode("id-auth", text, size, errp);

    if (!blob) {
        return NULL;
    }
    if (*size > sizeof(PspIdAuth)) {
        error_setg(errp, "id-auth: %zu bytes were given, in base64, and it has"
                   " %zu at most", *size, sizeof(PspIdAuth));
        g_free(blob);
        return NULL;
    }
    blob = g_realloc(blob, sizeof(PspIdAuth));
    memset(blob + *size, 0, sizeof(PspIdAuth) - *size);
    *size = sizeof(PspIdAuth);
    return blob;
}
