/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks in front of what target/i386/sev.c does with a firmware image and
 * with the properties of the guest object
 */
#ifndef TARGET_I386_SEV_LAUNCH_CHECK_H
#define TARGET_I386_SEV_LAUNCH_CHECK_H

#include "qom/object.h"

struct OvmfSevMetadata;

/** sev_launch_find_metadata: sev_metadata_in_image(), with a warning */
bool sev_launch_find_metadata(const uint8_t *image, size_t size,
                              uint32_t offset);

/**
 * sev_launch_check_metadata: before sections are launched
 * @table: one that sev_launch_find_metadata() has found
 * @hashes: the table of kernel hashes, NULL without kernel-hashes=on
 * @hashes_offset: where in its page it starts
 *
 * Does not return where the table cannot be launched.
 */
void sev_launch_check_metadata(const void *table, const void *hashes,
                               uint32_t hashes_offset);

/**
 * sev_launch_check_reset_block: sev_metadata_reset_block(), with an error
 */
bool sev_launch_check_reset_block(size_t end, uint16_t length);

/**
 * sev_launch_check_kernel: kernel-hashes=on has something to hash
 *
 * Does not return where @hashes is NULL.
 */
void sev_launch_check_kernel(const void *hashes);

/** sev_launch_no_metadata: report that the firmware has none */
void sev_launch_no_metadata(void);

/** sev_launch_no_reset_vector: report that the firmware is not for SEV */
void sev_launch_no_reset_vector(void);

/** sev_launch_no_hashes_page: the firmware has no room for kernel hashes */
void sev_launch_no_hashes_page(Error **errp, uint32_t base, uint32_t size);

/**
 * sev_launch_hint_hashes: a kernel is given to a firmware that only starts one
 * whose hash it knows, and kernel-hashes=on is not
 */
void sev_launch_hint_hashes(Object *guest,
                            const struct OvmfSevMetadata *metadata);

/*
 * blob.c: properties in base64
 *
 * @size: set to that of what is returned, which is what the firmware wants.
 * An id-auth may be given shorter than its page, and is filled up with zeros.
 *
 * Returns: to be freed; NULL with @errp set where @text is no base64 that ends
 * with a whole group of four digits, or has another length.
 */
uint8_t *sev_launch_gosvw(const char *text, size_t *size, Error **errp);
uint8_t *sev_launch_id_block(const char *text, size_t *size, Error **errp);
uint8_t *sev_launch_id_auth(const char *text, size_t *size, Error **errp);
uint8_t *sev_launch_host_data(const char *text, size_t *size, Error **errp);

#endif
