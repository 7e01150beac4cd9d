/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a chip: keys and certificates
 *
 * Certificates look as AMD's do (VCEK Certificate and KDS Interface
 * Specification, 57230), so that verifiers take them once they are told to
 * trust this ARK.  Names that verifiers do not compare say that it is not
 * AMD's.
 */
#include "qemu/osdep.h"
#include <gnutls/crypto.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "internal.h"

#define RSA_BITS        4096
#define SERIAL_SIZE     16

/* Clocks differ: a guest, or who verifies, may be a little behind. */
#define DAY             (24 * 3600)
#define YEARS(n)        ((n) * 365 * (time_t)DAY)
#define CA_LIFE         YEARS(25)
#define VCEK_LIFE       YEARS(7)

#define EMULATED_TEXT "Emulated by QEMU-UPM: not AMD, nothing is confidential"

static int set_name(gnutls_x509_crt_t crt, const char *oid, const char *value)
{
    return gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, value, strlen(value));
}

/*
 * Verifiers compare the names of a VCEK and of its issuer, attribute by
 * attribute, with those that AMD uses, and do not look at others.  Of the ARK
 * they compare nothing.
 */
static int set_subject(const PspChip *chip, int which)
{
    static const char *const prefix[CERTS] = {
        [ARK] = "ARK-", [ASK] = "SEV-", [VCEK] = "SEV-VCEK",
        [ASVK] = "SEV-VLEK-", [VLEK] = "SEV-VLEK",
    };
    g_autofree char *common_name = g_strconcat(
        prefix[which], psp_chip_is_ca(which) ? chip->product->line : "", NULL);
    const struct {
        const char *oid, *value;
    } names[] = {
        { GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, "Engineering" },
        { GNUTLS_OID_X520_COUNTRY_NAME, "US" },
        { GNUTLS_OID_X520_LOCALITY_NAME, "Santa Clara" },
        { GNUTLS_OID_X520_STATE_OR_PROVINCE_NAME, "CA" },
        { GNUTLS_OID_X520_ORGANIZATION_NAME,
          which == ARK ? "QEMU-UPM, emulated" : "Advanced Micro Devices" },
        { GNUTLS_OID_X520_COMMON_NAME, common_name },
        { "2.5.4.13", EMULATED_TEXT },      /* description */
    };
    int ret = 0;

    for (size_t i = 0; i < ARRAY_SIZE(names) && ret >= 0; i++) {
        ret = set_name(chip->cert[which], names[i].oid, names[i].value);
    }
    return ret;
}

static int set_chip_extensions(const PspChip *chip, int which)
{
    PspExtension list[PSP_EXTENSIONS_MAX];
    size_t count = psp_chip_extensions(chip, which, list);
    int ret = 0;

    for (size_t i = 0; i < count && ret >= 0; i++) {
        ret = gnutls_x509_crt_set_extension_by_oid(chip->cert[which],
                                                   list[i].oid, list[i].der,
                                                   list[i].size, 0);
    }
    return ret;
}

static int set_ca_extensions(gnutls_x509_crt_t crt, int which)
{
    uint8_t id[32];
    size_t size = sizeof(id);
    int ret = gnutls_x509_crt_set_basic_constraints(crt, 1, which == ARK);

    if (ret >= 0) {
        ret = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN |
                                            GNUTLS_KEY_CRL_SIGN);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_get_key_id(crt, 0, id, &size);
    }
    return ret < 0 ? ret :
        gnutls_x509_crt_set_subject_key_id(crt, id, size);
}

static int set_common(const PspChip *chip, gnutls_x509_privkey_t key,
                      int which)
{
    gnutls_x509_crt_t crt = chip->cert[which];
    uint8_t serial[SERIAL_SIZE];
    time_t now = time(NULL);
    int ret = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

    /* Positive, and of the same length always */
    serial[0] = (serial[0] & 0x7f) | 0x40;
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_version(crt, 3);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_activation_time(crt, now - DAY);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_expiration_time(
            crt, now + (psp_chip_is_ca(which) ? CA_LIFE : VCEK_LIFE));
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_key(crt, key);
    }
    return ret < 0 ? ret : set_subject(chip, which);
}

/* RSASSA-PSS with SHA-384 and a salt as long, as AMD signs them */
static int sign_cert(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer,
                     gnutls_x509_privkey_t issuer_key)
{
    gnutls_privkey_t signer;
    int ret = gnutls_privkey_init(&signer);

    if (ret < 0) {
        return ret;
    }
    ret = gnutls_privkey_import_x509(signer, issuer_key, 0);
    if (ret >= 0) {
        ret = gnutls_x509_crt_privkey_sign(crt, issuer, signer,
                                           GNUTLS_DIG_SHA384,
                                           GNUTLS_PRIVKEY_SIGN_FLAG_RSA_PSS);
    }
    gnutls_privkey_deinit(signer);
    return ret;
}

static const int issuer_of[CERTS] = {
    [ARK] = ARK, [ASK] = ARK, [VCEK] = ASK, [ASVK] = ARK, [VLEK] = ASVK,
};

static bool make_cert(PspChip *chip, int which,
                      gnutls_x509_privkey_t key[CERTS], Error **errp)
{
    gnutls_x509_crt_t crt = chip->cert[which];
    int issuer = issuer_of[which], ret = set_common(chip, key[which], which);

    if (ret >= 0) {
        ret = psp_chip_is_ca(which) ? set_ca_extensions(crt, which)
                                    : set_chip_extensions(chip, which);
    }
    if (ret >= 0) {
        ret = sign_cert(crt, chip->cert[issuer], key[issuer]);
    }
    return psp_chip_ok(ret, "can not make a certificate", errp);
}

static bool make_key(gnutls_x509_privkey_t key, int which, Error **errp)
{
    const unsigned curve =
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1);
    int ret = psp_chip_is_ca(which)
        ? gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, RSA_BITS, 0)
        : gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, curve, 0);

    return psp_chip_ok(ret, "can not make keys", errp);
}

static bool make_chip_id(PspChip *chip, Error **errp)
{
    const PspProduct *product = chip->product;
    size_t fixed = strlen(product->id_prefix);

    memcpy(chip->id, product->id_prefix, fixed);
    return psp_chip_ok(gnutls_rnd(GNUTLS_RND_KEY, chip->id + fixed,
                                  product->id_size - fixed),
                       "no random numbers", errp);
}

bool psp_chip_make(PspChip *chip, Error **errp)
{
    gnutls_x509_privkey_t key[CERTS] = { NULL };
    bool made = true;

    info_report("emulated SEV-SNP firmware: making the keys of a new chip,"
                " this takes a few seconds");
    key[VCEK] = chip->key[PSP_SIGNER_VCEK];
    key[VLEK] = chip->key[PSP_SIGNER_VLEK];
    for (int i = 0; i < psp_chip_certs_of(chip) && made; i++) {
        made = (key[i] || psp_chip_ok(gnutls_x509_privkey_init(&key[i]),
                                      "no memory", errp)) &&
               make_key(key[i], i, errp);
    }
    made = made && make_chip_id(chip, errp);
    for (int i = 0; i < psp_chip_certs_of(chip) && made; i++) {
        made = make_cert(chip, i, key, errp);
    }
    for (int i = 0; i < CERTS; i++) {
        if (psp_chip_is_ca(i)) {
            gnutls_x509_privkey_deinit(key[i]);
        }
    }
    return made;
}
