/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of SEV commands: by name, and with what to do about them
 *
 * Nothing here depends on the accelerator: KVM's errno and the firmware's
 * status are all that is asked for.
 */
#ifndef TARGET_I386_SEV_LAUNCH_ERRORS_H
#define TARGET_I386_SEV_LAUNCH_ERRORS_H

struct kvm_sev_snp_launch_finish;

/**
 * sev_status_name: a firmware status by its name
 * @status: SEV_RET_*, as in SEV-SNP Firmware ABI (56860), table 6; -1 where
 *     KVM did not call the firmware
 *
 * Returns: a constant, never NULL; statuses that are not known have one name.
 */
const char *sev_status_name(int status);

/**
 * sev_status_hint: what to do about a status, whatever the command was
 *
 * Returns: one sentence, or NULL where there is no more to say.
 */
const char *sev_status_hint(int status);

/**
 * sev_command_error: a command failed
 * @what: the command, and what it was for
 * @ret: a negative errno
 *
 * Sets @errp to @what, errno and status by name, with sev_status_hint().
 */
void sev_command_error(Error **errp, const char *what, int ret, int status);

/** sev_init_error: SEV_INIT, SEV_ES_INIT or SEV_INIT2 failed */
void sev_init_error(Error **errp, int ret, int status);

/**
 * sev_start_error: SNP_LAUNCH_START failed
 * @api_major, @api_minor: version of the platform's firmware
 *
 * The hints name each bit of @policy that can be the cause.
 */
void sev_start_error(Error **errp, uint64_t policy, unsigned api_major,
                     unsigned api_minor, int ret, int status);

/**
 * sev_update_error: SNP_LAUNCH_UPDATE failed
 * @what: the command and the page that it was for
 */
void sev_update_error(Error **errp, const char *what, int ret, int status);

/**
 * sev_encrypt_error: a command of an SEV or SEV-ES guest failed that encrypts
 * memory where it is
 * @what: the command and what it was for
 */
void sev_encrypt_error(Error **errp, const char *what, int ret, int status);

/** sev_finish_error: SNP_LAUNCH_FINISH failed */
void sev_finish_error(Error **errp,
                      const struct kvm_sev_snp_launch_finish *finish, int ret,
                      int status);

/** sev_cbitpos_error: the host's C-bit is bit @host, @asked was given */
void sev_cbitpos_error(Error **errp, unsigned host, unsigned asked);

/** sev_phys_bits_error: reduced-phys-bits is not 1 to 63 */
void sev_phys_bits_error(Error **errp, unsigned asked);

/** sev_device_error: @device can not be opened, for @errnum */
void sev_device_error(Error **errp, const char *device, int errnum);

/**
 * sev_report_command, sev_report_start, sev_report_finish: the same, to
 * error_report()
 */
void sev_report_command(const char *what, int ret, int status);
void sev_report_start(uint64_t policy, unsigned api_major, unsigned api_minor,
                      int ret, int status);
void sev_report_finish(const struct kvm_sev_snp_launch_finish *finish,
                       int ret, int status);

#endif
