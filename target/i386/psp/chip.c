/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated chip: keys, certificates, and the folder where they live
 *
 * Certificates look as AMD's do (VCEK Certificate and KDS Interface
 * Specification, 57230), so that verifiers take them once they are told to
 * trust this ARK.  Names that verifiers do not compare say that it is not
 * AMD's.
 */
#include "qemu/osdep.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "target/i386/sev-certs.h"
#include "attest.h"
#include "trace.h"

#define RSA_BITS        4096
#define SERIAL_SIZE     16
#define P384_SIZE       48

/* Clocks differ: a guest, or who verifies, may be a little behind. */
#define DAY             (24 * 3600)
#define YEARS(n)        ((n) * 365 * (time_t)DAY)
#define CA_LIFE         YEARS(25)
#define VCEK_LIFE       YEARS(7)

/* Extensions of a VCEK certificate, 57230 table 8 */
#define OID_STRUCT_VERSION  "1.3.6.1.4.1.3704.1.1"
#define OID_PRODUCT         "1.3.6.1.4.1.3704.1.2"
#define OID_SPL             "1.3.6.1.4.1.3704.1.3."     /* and 1 to 8 */
#define OID_HWID            "1.3.6.1.4.1.3704.1.4"

#define ASN1_INTEGER        0x02
#define ASN1_IA5_STRING     0x16

#define EMULATED_TEXT "Emulated by QEMU-UPM: not AMD, nothing is confidential"

#define KEY_FILE    "vcek.key"
#define CHAIN_FILE  "cert_chain.pem"
#define TABLE_FILE  "certs.bin"
#define LOCK_FILE   ".lock"

enum { ARK, ASK, VCEK, CERTS };

static const struct {
    const char *name;
    const SevCertGuid *guid;
} certs[CERTS] = {
    [ARK] = { "ark", &sev_cert_ark },
    [ASK] = { "ask", &sev_cert_ask },
    [VCEK] = { "vcek", &sev_cert_vcek },
};

struct PspChip {
    uint8_t id[PSP_CHIP_ID_SIZE];
    gnutls_x509_privkey_t key;
    gnutls_privkey_t signer;
    gnutls_x509_crt_t cert[CERTS];
    GByteArray *table;
};

/*
 * What gnutls says, as an Error.  Everything below returns true on success.
 */

static bool ok(int ret, const char *what, Error **errp)
{
    if (ret >= 0) {
        return true;
    }
    error_setg(errp, "%s: %s", what, gnutls_strerror(ret));
    return false;
}

/* From big-endian of any length, perhaps with zeros before it */
static bool to_little_endian(uint8_t out[PSP_EC_NUMBER_SIZE],
                             const gnutls_datum_t *number)
{
    memset(out, 0, PSP_EC_NUMBER_SIZE);
    for (size_t i = 0; i < number->size; i++) {
        uint8_t byte = number->data[number->size - 1 - i];

        if (i < P384_SIZE) {
            out[i] = byte;
        } else if (byte) {
            return false;
        }
    }
    return true;
}

/*
 * Making certificates
 */

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
    return ok(ret, "can not make a certificate", errp);
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
    return ok(ret, "can not make keys", errp);
}

static bool make_chip_id(PspChip *chip, Error **errp)
{
    size_t fixed = strlen(PSP_CHIP_ID_PREFIX);

    memcpy(chip->id, PSP_CHIP_ID_PREFIX, fixed);
    return ok(gnutls_rnd(GNUTLS_RND_KEY, chip->id + fixed,
                         sizeof(chip->id) - fixed), "no random numbers", errp);
}

static bool make_chip(PspChip *chip, Error **errp)
{
    gnutls_x509_privkey_t key[CERTS] = { NULL };
    bool made = true;

    info_report("emulated SEV-SNP firmware: making the keys of a new chip,"
                " this takes a few seconds");
    key[VCEK] = chip->key;
    for (int i = ARK; i < VCEK && made; i++) {
        made = ok(gnutls_x509_privkey_init(&key[i]), "no memory", errp);
    }
    made = made && make_chip_id(chip, errp) && make_keys(key, errp);
    for (int i = ARK; i < CERTS && made; i++) {
        made = make_cert(chip, i, key[i], key[MAX(i - 1, ARK)], errp);
    }
    gnutls_x509_privkey_deinit(key[ARK]);
    gnutls_x509_privkey_deinit(key[ASK]);
    return made;
}

/*
 * The folder
 */

static char *path_of(const char *folder, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return g_build_filename(folder, file, NULL);
}

static bool write_file(const char *folder, const char *name,
                       const char *suffix, const void *data, size_t size,
                       int mode, Error **errp)
{
    g_autofree char *path = path_of(folder, name, suffix);
    g_autoptr(GError) err = NULL;

    if (g_file_set_contents_full(path, data, size,
                                 G_FILE_SET_CONTENTS_CONSISTENT |
                                 G_FILE_SET_CONTENTS_DURABLE, mode, &err)) {
        return true;
    }
    error_setg(errp, "%s", err->message);
    return false;
}

static bool export_cert(const PspChip *chip, int which, bool pem,
                        gnutls_datum_t *out, Error **errp)
{
    return ok(gnutls_x509_crt_export2(chip->cert[which], pem ?
                                      GNUTLS_X509_FMT_PEM :
                                      GNUTLS_X509_FMT_DER, out),
              "can not write a certificate", errp);
}

static bool save_cert(const PspChip *chip, const char *folder, int which,
                      bool pem, GString *chain, Error **errp)
{
    gnutls_datum_t data = { 0 };
    bool saved = export_cert(chip, which, pem, &data, errp) &&
                 write_file(folder, certs[which].name, pem ? ".pem" : ".der",
                            data.data, data.size, 0644, errp);

    if (saved && pem && which != VCEK) {
        g_string_append_len(chain, (const char *)data.data, data.size);
    }
    gnutls_free(data.data);
    return saved;
}

static bool save_key(const PspChip *chip, const char *folder, Error **errp)
{
    gnutls_datum_t data = { 0 };
    bool saved = ok(gnutls_x509_privkey_export2_pkcs8(chip->key,
                                                      GNUTLS_X509_FMT_PEM,
                                                      NULL, GNUTLS_PKCS_PLAIN,
                                                      &data),
                    "can not write a key", errp) &&
                 write_file(folder, KEY_FILE, "", data.data, data.size, 0600,
                            errp);

    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
    return saved;
}

/* The key comes last: where it is, everything is. */
static bool save_chip(const PspChip *chip, const char *folder, Error **errp)
{
    g_autoptr(GString) chain = g_string_new(NULL);

    for (int i = VCEK; i >= ARK; i--) {
        if (!save_cert(chip, folder, i, true, chain, errp) ||
            !save_cert(chip, folder, i, false, chain, errp)) {
            return false;
        }
    }
    return write_file(folder, CHAIN_FILE, "", chain->str, chain->len, 0644,
                      errp) &&
           write_file(folder, TABLE_FILE, "", chip->table->data,
                      chip->table->len, 0644, errp) &&
           save_key(chip, folder, errp);
}

static bool read_file(const char *path, gnutls_datum_t *out, Error **errp)
{
    g_autoptr(GError) err = NULL;
    char *contents;
    gsize size;

    if (!g_file_get_contents(path, &contents, &size, &err)) {
        error_setg(errp, "%s", err->message);
        return false;
    }
    *out = (gnutls_datum_t) { (unsigned char *)contents, size };
    return true;
}

static bool load_cert(PspChip *chip, const char *folder, int which,
                      Error **errp)
{
    g_autofree char *path = path_of(folder, certs[which].name, ".pem");
    gnutls_datum_t data;
    int ret;

    if (!read_file(path, &data, errp)) {
        return false;
    }
    ret = gnutls_x509_crt_import(chip->cert[which], &data,
                                 GNUTLS_X509_FMT_PEM);
    g_free(data.data);
    if (ret < 0) {
        error_setg(errp, "'%s' is not a certificate in PEM: %s", path,
                   gnutls_strerror(ret));
        return false;
    }
    return true;
}

static bool load_key(PspChip *chip, const char *folder, Error **errp)
{
    g_autofree char *path = path_of(folder, KEY_FILE, "");
    gnutls_datum_t data;
    GStatBuf st;
    int ret;

    if (!read_file(path, &data, errp)) {
        return false;
    }
    ret = gnutls_x509_privkey_import(chip->key, &data, GNUTLS_X509_FMT_PEM);
    gnutls_memset(data.data, 0, data.size);
    g_free(data.data);
    if (ret < 0) {
        error_setg(errp, "'%s' is not a private key in PEM: %s", path,
                   gnutls_strerror(ret));
        return false;
    }
    if (g_stat(path, &st) == 0 && st.st_mode & 077) {
        warn_report("'%s' is a private key that others may read; chmod 600"
                    " it", path);
    }
    return true;
}

/* Has the VCEK been made for this chip, by this ASK, by this ARK? */
static bool check_signatures(const PspChip *chip, Error **errp)
{
    unsigned status = 0;
    gnutls_x509_trust_list_t roots;
    int ret = gnutls_x509_trust_list_init(&roots, 0);

    if (ret >= 0) {
        gnutls_x509_crt_t chain[] = { chip->cert[VCEK], chip->cert[ASK] };

        ret = gnutls_x509_trust_list_add_cas(roots, &chip->cert[ARK], 1, 0);
        if (ret >= 0) {
            ret = gnutls_x509_trust_list_verify_crt(
                roots, chain, ARRAY_SIZE(chain),
                GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status, NULL);
        }
        gnutls_x509_trust_list_deinit(roots, 0);
    }
    if (!ok(ret, "can not verify vcek.pem", errp)) {
        return false;
    }
    if (status) {
        error_setg(errp, "vcek.pem is not signed by ask.pem, or that not by"
                   " ark.pem");
        return false;
    }
    return true;
}

static bool check_key(const PspChip *chip, Error **errp)
{
    uint8_t of_key[32], of_cert[32];
    size_t key_size = sizeof(of_key), cert_size = sizeof(of_cert);
    int ret = gnutls_x509_privkey_get_key_id(chip->key, 0, of_key, &key_size);

    if (ret >= 0) {
        ret = gnutls_x509_crt_get_key_id(chip->cert[VCEK], 0, of_cert,
                                         &cert_size);
    }
    if (!ok(ret, "can not compare " KEY_FILE " with vcek.pem", errp)) {
        return false;
    }
    if (key_size != cert_size || memcmp(of_key, of_cert, key_size)) {
        error_setg(errp, KEY_FILE " is not the key of vcek.pem");
        return false;
    }
    return true;
}

static bool check_extension(const PspChip *chip, const char *oid,
                            const void *wanted, size_t size)
{
    uint8_t value[PSP_CHIP_ID_SIZE];
    size_t got = sizeof(value);

    return gnutls_x509_crt_get_extension_by_oid(chip->cert[VCEK], oid, 0,
                                                value, &got, NULL) >= 0 &&
           got == size && !memcmp(value, wanted, size);
}

/* Its ID is in the VCEK.  A VCEK of AMD's has another. */
static bool load_chip_id(PspChip *chip, Error **errp)
{
    const uint8_t microcode[] = {
        ASN1_INTEGER, 2, 0, PSP_CHIP_TCB.microcode
    };
    size_t size = sizeof(chip->id);
    int ret = gnutls_x509_crt_get_extension_by_oid(chip->cert[VCEK], OID_HWID,
                                                   0, chip->id, &size, NULL);

    if (ret < 0 || size != sizeof(chip->id) ||
        memcmp(chip->id, PSP_CHIP_ID_PREFIX, strlen(PSP_CHIP_ID_PREFIX))) {
        error_setg(errp, "vcek.pem is not that of an emulated chip");
        return false;
    }
    if (!check_extension(chip, OID_SPL "8", microcode, sizeof(microcode))) {
        error_setg(errp, "vcek.pem is for another patch level than the one"
                   " that this QEMU emulates");
        return false;
    }
    return true;
}

static bool load_chip(PspChip *chip, const char *folder, Error **errp)
{
    for (int i = ARK; i < CERTS; i++) {
        if (!load_cert(chip, folder, i, errp)) {
            return false;
        }
    }
    return load_key(chip, folder, errp) && check_key(chip, errp) &&
           check_signatures(chip, errp) && load_chip_id(chip, errp);
}

/* A folder without a key must not have what would be written over. */
static bool check_empty(const char *folder, Error **errp)
{
    static const char *const files[] = {
        "ark.pem", "ask.pem", "vcek.pem", "ark.der", "ask.der", "vcek.der",
        CHAIN_FILE, TABLE_FILE,
    };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path = path_of(folder, files[i], "");

        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            error_setg(errp, "'%s' is there, but no " KEY_FILE " that belongs"
                       " to it", path);
            return false;
        }
    }
    return true;
}

static bool make_table(PspChip *chip, Error **errp)
{
    static const int order[] = { VCEK, ASK, ARK };
    SevCert entries[CERTS];
    gnutls_datum_t der[CERTS] = { { 0 } };
    bool exported = true;

    for (size_t i = 0; i < ARRAY_SIZE(order) && exported; i++) {
        exported = export_cert(chip, order[i], false, &der[i], errp);
        entries[i] = (SevCert) {
            certs[order[i]].guid, der[i].data, der[i].size
        };
    }
    if (exported) {
        chip->table = sev_certs_table(entries, ARRAY_SIZE(entries));
    }
    for (size_t i = 0; i < ARRAY_SIZE(der); i++) {
        gnutls_free(der[i].data);
    }
    return exported;
}

/* Folder locked: load, or make and save */
static bool settle(PspChip *chip, const char *folder, Error **errp)
{
    g_autofree char *key = path_of(folder, KEY_FILE, "");
    bool made = !g_file_test(key, G_FILE_TEST_EXISTS);

    if (made) {
        if (!check_empty(folder, errp) || !make_chip(chip, errp) ||
            !make_table(chip, errp) || !save_chip(chip, folder, errp)) {
            return false;
        }
    } else if (!load_chip(chip, folder, errp) || !make_table(chip, errp)) {
        return false;
    }
    trace_psp_chip(folder, made);
    return ok(gnutls_privkey_import_x509(chip->signer, chip->key, 0),
              "can not use " KEY_FILE, errp);
}

/* Returns: a descriptor that keeps others out until it is closed, or -1 */
static int lock_folder(const char *folder, Error **errp)
{
    g_autofree char *path = path_of(folder, LOCK_FILE, "");
    int fd, ret;

    if (g_mkdir_with_parents(folder, 0700) < 0) {
        error_setg_errno(errp, errno, "can not make the folder");
        return -1;
    }
    fd = qemu_create(path, O_RDWR, 0600, errp);
    if (fd < 0) {
        return -1;
    }
    do {
        ret = flock(fd, LOCK_EX);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0) {
        error_setg_errno(errp, errno, "can not lock '%s'", path);
        close(fd);
        return -1;
    }
    return fd;
}

static PspChip *new_chip(void)
{
    PspChip *chip = g_new0(PspChip, 1);
    int ret = gnutls_x509_privkey_init(&chip->key);

    if (ret >= 0) {
        ret = gnutls_privkey_init(&chip->signer);
    }
    for (int i = 0; i < CERTS && ret >= 0; i++) {
        ret = gnutls_x509_crt_init(&chip->cert[i]);
    }
    if (ret < 0) {
        psp_chip_free(chip);
        return NULL;
    }
    return chip;
}

PspChip *psp_chip_open(const char *folder, Error **errp)
{
    ERRP_GUARD();
    PspChip *chip = new_chip();
    int lock = -1;

    if (!chip) {
        error_setg(errp, "no memory for the chip's keys");
        return NULL;
    }
    lock = lock_folder(folder, errp);
    if (lock < 0 || !settle(chip, folder, errp)) {
        error_prepend(errp, "cert-dir '%s': ", folder);
        error_append_hint(errp, "Remove that folder, and a new chip is made in"
                          " its place; or name another by cert-dir=.\n");
        psp_chip_free(chip);
        chip = NULL;
    }
    if (lock >= 0) {
        close(lock);
    }
    return chip;
}

void psp_chip_free(PspChip *chip)
{
    if (!chip) {
        return;
    }
    for (int i = 0; i < CERTS; i++) {
        gnutls_x509_crt_deinit(chip->cert[i]);
    }
    gnutls_privkey_deinit(chip->signer);
    gnutls_x509_privkey_deinit(chip->key);
    if (chip->table) {
        g_byte_array_unref(chip->table);
    }
    g_free(chip);
}

const uint8_t *psp_chip_id(const PspChip *chip)
{
    return chip->id;
}

const GByteArray *psp_chip_certs(const PspChip *chip)
{
    return chip->table;
}

/*
 * Using the key
 */

bool psp_chip_sign(const PspChip *chip, const void *data, size_t size,
                   PspEcSignature *signature, Error **errp)
{
    gnutls_datum_t in = { (void *)data, size };
    gnutls_datum_t der = { 0 }, r = { 0 }, s = { 0 };
    bool fits = false;
    int ret = gnutls_privkey_sign_data(chip->signer, GNUTLS_DIG_SHA384, 0, &in,
                                       &der);

    if (ret >= 0) {
        ret = gnutls_decode_rs_value(&der, &r, &s);
    }
    if (ret >= 0) {
        memset(signature, 0, sizeof(*signature));
        fits = to_little_endian(signature->r, &r) &&
               to_little_endian(signature->s, &s);
    }
    gnutls_free(der.data);
    gnutls_free(r.data);
    gnutls_free(s.data);
    if (ret >= 0 && !fits) {
        ret = GNUTLS_E_INTERNAL_ERROR;
    }
    return ok(ret, "can not sign with the VCEK", errp);
}

static int hkdf(const gnutls_datum_t *secret, const gnutls_datum_t *context,
                uint8_t key[PSP_DERIVED_KEY_SIZE])
{
    uint8_t extracted[PSP_DIGEST_SIZE];
    const gnutls_datum_t salt = { (void *)PSP_CHIP_ID_PREFIX,
                                  strlen(PSP_CHIP_ID_PREFIX) };
    const gnutls_datum_t prk = { extracted, sizeof(extracted) };
    int ret = gnutls_hkdf_extract(GNUTLS_MAC_SHA384, secret, &salt, extracted);

    if (ret >= 0) {
        ret = gnutls_hkdf_expand(GNUTLS_MAC_SHA384, &prk, context, key,
                                 PSP_DERIVED_KEY_SIZE);
    }
    gnutls_memset(extracted, 0, sizeof(extracted));
    return ret;
}

/*
 * The specification keeps the derivation to the firmware; HKDF (RFC 5869) of
 * the VCEK's private number has the properties that it promises.
 */
bool psp_chip_derive(const PspChip *chip, const void *context, size_t size,
                     uint8_t key[PSP_DERIVED_KEY_SIZE], Error **errp)
{
    const gnutls_datum_t info = { (void *)context, size };
    gnutls_datum_t secret = { 0 };
    int ret = gnutls_x509_privkey_export_ecc_raw(chip->key, NULL, NULL, NULL,
                                                 &secret);

    if (ret >= 0) {
        ret = hkdf(&secret, &info, key);
    }
    if (secret.data) {
        gnutls_memset(secret.data, 0, secret.size);
        gnutls_free(secret.data);
    }
    return ok(ret, "can not derive a key", errp);
}
