/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of SEV commands: by name, and with what to do about them
 *
 * Statuses: SEV-SNP Firmware ABI (56860), table 6.  What KVM refuses by
 * itself: Linux 6.12 to 7.3, arch/x86/kvm/svm/sev.c, read for facts.
 *
 * Numbers of statuses are the specification's.  Those above 0x18 in older
 * linux/psp-sev.h are wrong.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "errors.h"
#include "target/i386/sev-abi.h"

/* Statuses that hints below depend on */
enum {
    NOT_CALLED = -1,
    POLICY_FAILURE = 0x07,
    BAD_SIGNATURE = 0x0a,
    BAD_MEASUREMENT = 0x0b,
    INVALID_PARAM = 0x16,
};

#define UPDATE_FIRMWARE "Update the BIOS of the host, or the SEV firmware in" \
                        " /lib/firmware/amd."

static const struct {
    const char *name, *hint;
} statuses[] = {
    [0x00] = { "SUCCESS" },
    [0x01] = { "INVALID_PLATFORM_STATE",
               "Is SEV-SNP on? \"dmesg | grep -i sev\" on the host tells; it"
               " needs SNP in the BIOS and kvm_amd.sev_snp=1." },
    [0x02] = { "INVALID_GUEST_STATE",
               "The command came at the wrong time of the launch." },
    [0x03] = { "INVALID_CONFIG",
               "The platform is not set up for this; look at its BIOS." },
    [0x04] = { "INVALID_LEN" },
    [0x05] = { "ALREADY_OWNED" },
    [0x06] = { "INVALID_CERTIFICATE",
               "Certificates of the platform or of the session are wrong." },
    [POLICY_FAILURE] = { "POLICY_FAILURE" },
    [0x08] = { "INACTIVE" },
    [0x09] = { "INVALID_ADDRESS" },
    [BAD_SIGNATURE] = { "BAD_SIGNATURE" },
    [BAD_MEASUREMENT] = { "BAD_MEASUREMENT" },
    [0x0c] = { "ASID_OWNED" },
    [0x0d] = { "INVALID_ASID" },
    [0x0e] = { "WBINVD_REQUIRED" },
    [0x0f] = { "DFFLUSH_REQUIRED" },
    [0x10] = { "INVALID_GUEST" },
    [0x11] = { "INVALID_COMMAND", "The firmware is too old. "
               UPDATE_FIRMWARE },
    [0x12] = { "ACTIVE" },
    [0x13] = { "HWERROR_PLATFORM", "The host has a hardware error." },
    [0x14] = { "HWERROR_UNSAFE",
               "The host has a hardware error; it must be reset." },
    [0x15] = { "UNSUPPORTED", "The firmware does not have this feature. "
               UPDATE_FIRMWARE },
    [INVALID_PARAM] = { "INVALID_PARAM" },
    [0x17] = { "RESOURCE_LIMIT",
               "The firmware has no room for another guest: end one." },
    [0x18] = { "SECURE_DATA_INVALID" },
    [0x19] = { "INVALID_PAGE_SIZE" },
    [0x1a] = { "INVALID_PAGE_STATE",
               "The page belongs to a guest already, or is not private." },
    [0x1b] = { "INVALID_MDATA_ENTRY" },
    [0x1c] = { "INVALID_PAGE_OWNER",
               "The page belongs to another guest." },
    [0x1d] = { "AEAD_OFLOW",
               "Too many messages with one key; the guest must restart." },
    [0x1f] = { "RING_BUFFER_EXIT" },
    [0x20] = { "RMP_INIT_REQUIRED",
               "SEV-SNP was not set up when the host started: \"dmesg | grep"
               " -i sev\" tells why." },
    [0x21] = { "BAD_SVN", UPDATE_FIRMWARE },
    [0x22] = { "BAD_VERSION", UPDATE_FIRMWARE },
    [0x23] = { "SHUTDOWN_REQUIRED", "End all SEV guests of the host first." },
    [0x24] = { "UPDATE_FAILED" },
    [0x25] = { "RESTORE_REQUIRED" },
    [0x26] = { "RMP_INITIALIZATION_FAILED" },
    [0x27] = { "INVALID_KEY" },
    [0x28] = { "SHUTDOWN_INCOMPLETE" },
};

const char *sev_status_name(int status)
{
    if (status == NOT_CALLED) {
        return "not called";
    }
    if (status < 0 || status >= ARRAY_SIZE(statuses) ||
        !statuses[status].name) {
        return "unknown";
    }
    return statuses[status].name;
}

const char *sev_status_hint(int status)
{
    if (status < 0 || status >= ARRAY_SIZE(statuses)) {
        return NULL;
    }
    return statuses[status].hint;
}

static const char *errno_name(int errnum)
{
    static const struct {
        int errnum;
        const char *name;
    } names[] = {
        { EPERM, "EPERM" }, { EINTR, "EINTR" }, { EIO, "EIO" },
        { ENXIO, "ENXIO" }, { E2BIG, "E2BIG" }, { EAGAIN, "EAGAIN" },
        { ENOMEM, "ENOMEM" }, { EACCES, "EACCES" }, { EFAULT, "EFAULT" },
        { EBUSY, "EBUSY" }, { EEXIST, "EEXIST" }, { ENODEV, "ENODEV" },
        { EINVAL, "EINVAL" }, { ENOTTY, "ENOTTY" },
        { EOPNOTSUPP, "EOPNOTSUPP" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].errnum == errnum) {
            return names[i].name;
        }
    }
    return "errno";
}

void sev_command_error(Error **errp, const char *what, int ret, int status)
{
    ERRP_GUARD();
    const char *hint = sev_status_hint(status);

    error_setg(errp, "%s: %s (%s), firmware status %s (%d)", what,
               errno_name(-ret), strerror(-ret), sev_status_name(status),
               status);
    if (hint) {
        error_append_hint(errp, "%s\n", hint);
    }
}

void sev_init_error(Error **errp, int ret, int status)
{
    ERRP_GUARD();

    sev_command_error(errp, "SEV launch: INIT", ret, status);
    switch (-ret) {
    case EBUSY:
        error_append_hint(errp, "All ASIDs are in use: end another SEV guest,"
            " or give this kind of guest more of them in the host's BIOS"
            " (\"SEV-ES ASID Space Limit\"). /sys/fs/cgroup/misc.capacity"
            " tells how many there are.\n");
        break;
    case ENOTTY:
    case ENODEV:
        error_append_hint(errp, "KVM has SEV switched off: it needs"
            " kvm_amd.sev=1, sev_es=1 or sev_snp=1.\n");
        break;
    case EINVAL:
        error_append_hint(errp, "KVM can not make this kind of guest: the"
            " kernel is too old for it, or the host does not offer it.\n");
        break;
    }
}

/*
 * What can be wrong with a policy.  KVM answers EINVAL before it asks the
 * firmware, the firmware POLICY_FAILURE.
 */
static const struct {
    uint64_t bits;
    bool set;                   /* wrong when set, or when clear */
    bool by_kvm, by_firmware;   /* who refuses it */
    const char *hint;
} policy_rules[] = {
    { PSP_POLICY_ONE, false, true, true,
      "bit 17 is reserved and must be one: add 0x20000" },
    { PSP_POLICY_SMT, false, true, true,
      "bit 16 is clear, so that the guest does not run where SMT is on: add"
      " 0x10000, or switch SMT off (on the emulated platform by"
      " emulated-smt=off; KVM of Linux 6.12 wants the bit in any case)" },
    { PSP_POLICY_MIGRATE_MA, true, true, false,
      "bit 18 is set: KVM has no migration agents" },
    { PSP_POLICY_SINGLE_SOCKET, true, true, false,
      "bit 20 is set: KVM of Linux 6.12 can not keep a guest on one socket" },
    { PSP_POLICY_CXL_ALLOW, true, true, true,
      "bit 21 is set: CXL needs a newer kernel" },
    { PSP_POLICY_AES_256_XTS, true, true, true,
      "bit 22 is set: memory has to be encrypted with AES-256-XTS, which the"
      " host's BIOS selects" },
    { PSP_POLICY_RAPL_DIS, true, true, true,
      "bit 23 is set: RAPL has to be switched off on the host" },
    { PSP_POLICY_HIDE_CIPHERTEXT, true, true, true,
      "bit 24 is set: the host has to hide ciphertext" },
    { ~MAKE_64BIT_MASK(0, 26), true, true, true,
      "bits 26 to 63 are reserved and must be zero" },
};

void sev_start_error(Error **errp, uint64_t policy, unsigned api_major,
                     unsigned api_minor, int ret, int status)
{
    ERRP_GUARD();
    g_autofree char *what =
        g_strdup_printf("SEV-SNP launch: LAUNCH_START of policy 0x%" PRIx64,
                        policy);
    unsigned major = policy >> PSP_POLICY_ABI_MAJOR_SHIFT & 0xff;
    unsigned minor = policy & PSP_POLICY_ABI_MINOR;
    bool by_kvm = ret == -EINVAL, by_firmware = status == POLICY_FAILURE;

    sev_command_error(errp, what, ret, status);
    for (size_t i = 0; i < ARRAY_SIZE(policy_rules); i++) {
        if (!!(policy & policy_rules[i].bits) == policy_rules[i].set &&
            ((by_kvm && policy_rules[i].by_kvm) ||
             (by_firmware && policy_rules[i].by_firmware))) {
            error_append_hint(errp, "policy: %s.\n", policy_rules[i].hint);
        }
    }
    if (by_firmware && (major > api_major ||
                        (major == api_major && minor > api_minor))) {
        error_append_hint(errp, "policy: bits 0 to 15 want firmware of ABI"
                          " version %u.%u, the platform has %u.%u: lower"
                          " them, or update the firmware.\n", major, minor,
                          api_major, api_minor);
    }
}

void sev_update_error(Error **errp, const char *what, int ret, int status)
{
    ERRP_GUARD();

    sev_command_error(errp, what, ret, status);
    switch (-ret) {
    case EIO:
        if (status != NOT_CALLED && status != 0) {
            break;
        }
        error_append_hint(errp, "KVM does not say why a page could not be"
            " launched: it is not private, was launched before, the host has"
            " no memory for it (\"dmesg\" may tell), or a signal came at each"
            " try.\n");
        break;
    case EINVAL:
        error_append_hint(errp, "KVM found no private memory (guest_memfd) at"
            " this address, or the launch has not begun.\n");
        break;
    case ENOMEM:
        error_append_hint(errp, "The host has no memory left.\n");
        break;
    }
}

void sev_encrypt_error(Error **errp, const char *what, int ret, int status)
{
    ERRP_GUARD();

    sev_command_error(errp, what, ret, status);
    if (ret == -ENOMEM) {
        error_append_hint(errp, "KVM locks the guest's memory: raise the"
                          " limit (\"ulimit -l\") above its size.\n");
    }
}

void sev_finish_error(Error **errp,
                      const struct kvm_sev_snp_launch_finish *finish, int ret,
                      int status)
{
    ERRP_GUARD();
    const char *hint = NULL;

    sev_command_error(errp, "SEV-SNP launch: LAUNCH_FINISH", ret, status);
    switch (status) {
    case BAD_MEASUREMENT:
        hint = "The launch digest in id-block is not that of what was"
               " launched: firmware, CPU model, number of vCPUs or kernel"
               " hashes differ from those that it was made for.";
        break;
    case BAD_SIGNATURE:
        hint = "id-auth does not fit id-block: the ID key has not signed the"
               " ID block, or the author key has not signed the ID key. A"
               " block that was changed has to be signed again.";
        break;
    case POLICY_FAILURE:
        hint = "The policy in id-block has to equal policy=.";
        break;
    case INVALID_PARAM:
        hint = "id-block has to be of version 1, the keys in id-auth ECDSA"
               " P-384 with SHA-384 (algorithm 1, curve 2); with"
               " author-key-enabled=on there have to be two keys.";
        break;
    case NOT_CALLED:
        if (finish->id_block_en && !finish->id_auth_uaddr) {
            hint = "id-block needs id-auth, its signature.";
        }
        break;
    }
    if (hint) {
        error_append_hint(errp, "%s\n", hint);
    }
}

void sev_cbitpos_error(Error **errp, unsigned host, unsigned asked)
{
    ERRP_GUARD();

    error_setg(errp, "SEV launch: cbitpos=%u is not this host's", asked);
    if (host < 32) {
        error_append_hint(errp, "This host's processor has no SEV. Without"
                          " the hardware SEV-SNP runs emulated: -accel tcg."
                          "\n");
        return;
    }
    error_append_hint(errp, "Use cbitpos=%u. It is in CPUID leaf 8000001Fh,"
                      " EBX bits 0 to 5.\n", host);
}

void sev_phys_bits_error(Error **errp, unsigned asked)
{
    ERRP_GUARD();

    error_setg(errp, "SEV launch: reduced-phys-bits=%u is not 1 to 63",
               asked);
    error_append_hint(errp, "Use reduced-phys-bits=1, which fits all"
                      " processors with SEV-SNP. The host's own is in CPUID"
                      " leaf 8000001Fh, EBX bits 6 to 11.\n");
}

void sev_device_error(Error **errp, const char *device, int errnum)
{
    ERRP_GUARD();

    error_setg(errp, "SEV launch: can not open %s: %s", device,
               strerror(errnum));
    if (errnum == EACCES || errnum == EPERM) {
        error_append_hint(errp, "Run as a user who may, or change its group"
                          " by a udev rule.\n");
        return;
    }
    error_append_hint(errp, "The host's kernel has no SEV: it needs"
                      " CONFIG_CRYPTO_DEV_SP_PSP, the module ccp, and SEV in"
                      " the BIOS. sev-device= names another device.\n");
}

void sev_report_command(const char *what, int ret, int status)
{
    Error *err = NULL;

    sev_command_error(&err, what, ret, status);
    error_report_err(err);
}

void sev_report_start(uint64_t policy, unsigned api_major, unsigned api_minor,
                      int ret, int status)
{
    Error *err = NULL;

    sev_start_error(&err, policy, api_major, api_minor, ret, status);
    error_report_err(err);
}

void sev_report_finish(const struct kvm_sev_snp_launch_finish *finish,
                       int ret, int status)
{
    Error *err = NULL;

    sev_finish_error(&err, finish, ret, status);
    error_report_err(err);
}
