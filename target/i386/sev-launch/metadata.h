/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a firmware image says of its launch, checked before it is believed
 *
 * OVMF's SEV metadata (OvmfPkg/ResetVector of edk2): a table of sections that
 * the launch has to populate, found through the table of GUIDs at the image's
 * end.  Neither depends on the target, so that unit tests and fuzzers can run
 * it.
 */
#ifndef TARGET_I386_SEV_LAUNCH_METADATA_H
#define TARGET_I386_SEV_LAUNCH_METADATA_H

/* Hints: which firmware to use instead */
#define SEV_METADATA_OTHER_FIRMWARE \
    "Use firmware that is built for SEV-SNP, such as -bios OVMF.fd of" \
    " Debian's package ovmf.\n"
#define SEV_METADATA_HASHES_FIRMWARE \
    "Use firmware with a page for kernel hashes, such as" \
    " -bios OVMF.amdsev.fd.\n"

/**
 * sev_metadata_in_image: is there a table of metadata?
 * @image, @size: the firmware
 * @offset: where the table starts, counted from the image's end
 *
 * What comes after the table's header is not looked at, but is all inside of
 * the image.
 *
 * Returns: false with @errp set.
 */
bool sev_metadata_in_image(const uint8_t *image, size_t size, uint32_t offset,
                           Error **errp);

/**
 * sev_metadata_reset_block: is the SEV information block in the image?
 * @end: where the block ends, in bytes from the image's start
 * @length: what the block says of its own length
 *
 * That is the block of firmware without a table of GUIDs.
 *
 * Returns: false where it is not, or holds no address.
 */
bool sev_metadata_reset_block(size_t end, uint16_t length);

/**
 * SevMetadataUse: the launch that a table is for
 * @image_size: of the firmware, which ends at 4 GiB
 * @hashes_size: of the table of kernel hashes, 0 without kernel-hashes=on
 * @hashes_offset: where in its page that table starts
 * @unfit: what the @size bytes at @gpa are where no section can be, "is ...",
 *     to be freed; NULL where they are RAM of one block
 */
typedef struct SevMetadataUse {
    uint64_t image_size;
    uint32_t hashes_size;
    uint32_t hashes_offset;
    char *(*unfit)(uint64_t gpa, uint64_t size);
} SevMetadataUse;

/**
 * sev_metadata_check: can the sections be launched?
 * @table: one that sev_metadata_in_image() has seen
 *
 * Returns: false with @errp naming the section, its range and its type.
 */
bool sev_metadata_check(const void *table, const SevMetadataUse *use,
                        Error **errp);

#endif
