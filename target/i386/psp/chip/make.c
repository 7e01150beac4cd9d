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
static int set_subject(gnutls_x509_crt_t crt, int which)
{
    static const char *const common_name[CERTS] = {
        [ARK] = "ARK-" PSP_CHIP_PRODUCT_LINE,
        [ASK] = "SEV-" PSP_CHIP_PRODUCT_LINE,
        [VCEK] = "SEV-VCEK",
    };
    const struct {
        const char *oid, *value;
    } names[] = {
        { GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, "Engineering" },
        { GNUTLS_OID_X520_COUNTRY_NAME, "US" },
        { GNUTLS_OID_X520_LOCALITY_NAME, "Santa Clara" },
        { GNUTLS_OID_X520_STATE_OR_PROVINCE_NAME, "CA" },
        { GNUTLS_OID_X520_ORGANIZATION_NAME,
          which == ARK ? "QEMU-UPM, emulated" : "Advanced Micro Devices" },
        { GNUTLS_OID_X520_COMMON_NAME, common_name[which] },
        { "2.5.4.13", EMULATED_TEXT },      /* description */
    };
    int ret = 0;

    for (size_t i = 0; i < ARRAY_SIZE(names) && ret >= 0; i++) {
        ret = set_name(crt, names[i].oid, names[i].value);
    }
    return ret;
}

/* An INTEGER of 0 to 255; from 128 on it takes a zero before it. */
static int set_integer(gnutls_x509_crt_t crt, const char *oid, uint8_t value)
{
    uint8_t der[] = { ASN1_INTEGER, 1, value, 0 };
    size_t size = 3;

    if (value >= 0x80) {
        der[1] = 2;
        der[2] = 0;
        der[3] = value;
        size = 4;
    }
    return gnutls_x509_crt_set_extension_by_oid(crt, oid, der, size, 0);
}

static int set_product(gnutls_x509_crt_t crt)
{
    uint8_t der[2 + sizeof(PSP_CHIP_PRODUCT) - 1] = {
        ASN1_IA5_STRING, sizeof(PSP_CHIP_PRODUCT) - 1
    };

    memcpy(der + 2, PSP_CHIP_PRODUCT, sizeof(PSP_CHIP_PRODUCT) - 1);
    return gnutls_x509_crt_set_extension_by_oid(crt, OID_PRODUCT, der,
                                                sizeof(der), 0);
}

static int set_vcek_extensions(gnutls_x509_crt_t crt, const uint8_t *chip_id)
{
    const PspTcb tcb = PSP_CHIP_TCB;
    const uint8_t spl[] = {
        tcb.boot_loader, tcb.tee, tcb.snp, tcb.reserved[0], tcb.reserved[1],
        tcb.reserved[2], tcb.reserved[3], tcb.microcode
    };
    int ret = set_integer(crt, OID_STRUCT_VERSION, 0);

    if (ret >= 0) {
        ret = set_product(crt);
    }
    for (size_t i = 0; i < ARRAY_SIZE(spl) && ret >= 0; i++) {
        g_autofree char *oid = g_strdup_printf(OID_SPL "%zu", i + 1);

        ret = set_integer(crt, oid, spl[i]);
    }
    if (ret >= 0) {
        /* AMD gives it without the tag of an OCTET STRING. */
        ret = gnutls_x509_crt_set_extension_by_oid(crt, OID_HWID, chip_id,
                                                   PSP_CHIP_ID_SIZE, 0);
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

static int set_common(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
                      int which)
{
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
            crt, now + (which == VCEK ? VCEK_LIFE : CA_LIFE));
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_key(crt, key);
    }
    return ret < 0 ? ret : set_subject(crt, which);
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

static bool make_cert(PspChip *chip, int which, gnutls_x509_privkey_t key,
                      gnutls_x509_privkey_t issuer_key, Error **errp)
{
    gnutls_x509_crt_t crt = chip->cert[which];
    int ret = set_common(crt, key, which);

    if (ret >= 0) {
        ret = which == VCEK ? set_vcek_extensions(crt, chip->id)
                            : set_ca_extensions(crt, which);
    }
    if (ret >= 0) {
        ret = sign_cert(crt, chip->cert[MAX(which - 1, ARK)], issuer_key);
    }
    return psp_chip_ok(ret, "can not make a certificate", errp);
}

static bool make_keys(gnutls_x509_privkey_t key[CERTS], Error **errp)
{
    const unsigned curve =
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1);
    int ret = gnutls_x509_privkey_generate(key[ARK], GNUTLS_PK_RSA, RSA_BITS,
                                           0);

    if (ret >= 0) {
        ret = gnutls_x509_privkey_generate(key[ASK], GNUTLS_PK_RSA, RSA_BITS,
                                           0);
    }
    if (ret >= 0) {
        ret = gnutls_x509_privkey_generate(key[VCEK], GNUTLS_PK_ECDSA, curve,
                                           0);
    }
    return psp_chip_ok(ret, "can not make keys", errp);
}

static bool make_chip_id(PspChip *chip, Error **errp)
{
    size_t fixed = strlen(PSP_CHIP_ID_PREFIX);

    memcpy(chip->id, PSP_CHIP_ID_PREFIX, fixed);
    return psp_chip_ok(gnutls_rnd(GNUTLS_RND_KEY, chip->id + fixed,
                                  sizeof(chip->id) - fixed),
                       "no random numbers", errp);
}

bool psp_chip_make(PspChip *chip, Error **errp)
{
    gnutls_x509_privkey_t key[CERTS] = { NULL };
    bool made = true;

    info_report("emulated SEV-SNP firmware: making the keys of a new chip,"
                " this takes a few seconds");
    key[VCEK] = chip->key;
    for (int i = ARK; i < VCEK && made; i++) {
        made = psp_chip_ok(gnutls_x509_privkey_init(&key[i]), "no memory",
                           errp);
    }
    made = made && make_chip_id(chip, errp) && make_keys(key, errp);
    for (int i = ARK; i < CERTS && made; i++) {
        made = make_cert(chip, i, key[i], key[MAX(i - 1, ARK)], errp);
    }
    gnutls_x509_privkey_deinit(key[ARK]);
    gnutls_x509_privkey_deinit(key[ASK]);
    return made;
}
