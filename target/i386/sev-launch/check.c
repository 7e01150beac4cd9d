/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks in front of what target/i386/sev.c does with a firmware image and
 * with the properties of the guest object
 */
#include "qemu/osdep.h"
#include "hw/i386/pc.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/upm/compat.h"
#include "target/i386/sev-abi.h"
#include "metadata.h"
#include "state.h"

/*
 * OVMF's table of kernel hashes: head, three entries of a GUID, a length and
 * a SHA-256, and padding to 16 bytes
 */
#define HASHES_SIZE 176

bool sev_launch_find_metadata(const uint8_t *image, size_t size,
                              uint32_t offset)
{
    Error *err = NULL;

    sev_launch_current()->image_size = size;
    if (!sev_metadata_in_image(image, size, offset, &err)) {
        warn_report_err(err);
        return false;
    }
    return true;
}

static char *unfit(uint64_t gpa, uint64_t size)
{
    const char *before = NULL;

    while (size) {
        MemoryRegionSection section =
            memory_region_find(get_system_memory(), gpa, size);
        uint64_t known = int128_get64(section.size);
        char *what = NULL;

        if (!section.mr || section.offset_within_address_space != gpa) {
            what = g_strdup_printf("is not all RAM: there is nothing at 0x%"
                                   PRIx64 "; more memory (-m) may help", gpa);
        } else if (!memory_region_is_ram(section.mr) ||
                   memory_region_is_rom(section.mr)) {
            what = g_strdup_printf("is not all RAM: '%s' is at 0x%" PRIx64,
                                   memory_region_name(section.mr), gpa);
        } else if (before) {
            what = g_strdup_printf("is in two blocks of RAM: '%s' ends at 0x%"
                                   PRIx64 ", where '%s' begins; choose other"
                                   " sizes", before, gpa,
                                   memory_region_name(section.mr));
        }
        if (section.mr) {
            memory_region_unref(section.mr);
        }
        if (what) {
            return what;
        }
        before = memory_region_name(section.mr);
        gpa += known;
        size -= known;
    }
    return NULL;
}

void sev_launch_check_metadata(const void *table, const void *hashes,
                               uint32_t hashes_offset)
{
    SevMetadataUse use = {
        .image_size = sev_launch_current()->image_size,
        .hashes_offset = hashes_offset,
        .hashes_size = hashes ? HASHES_SIZE : 0,
        .unfit = unfit,
    };
    Error *err = NULL;

    if (sev_metadata_check(table, &use, &err)) {
        return;
    }
    error_prepend(&err, "SEV-SNP launch: ");
    error_report_err(err);
    exit(EXIT_FAILURE);
}

void sev_launch_no_metadata(void)
{
    error_report("SEV-SNP launch: the firmware has no SEV metadata, which say"
                 " where the CPUID and secrets pages are");
    error_printf(SEV_METADATA_OTHER_FIRMWARE);
}

void sev_launch_no_reset_vector(void)
{
    error_report("SEV launch: the firmware names no reset vector for SEV-ES"
                 " (SEV information block), so it is not built for SEV");
    error_printf(SEV_METADATA_OTHER_FIRMWARE);
}

bool sev_launch_check_reset_block(size_t end, uint16_t length)
{
    bool fits = sev_metadata_reset_block(end, length);

    if (!fits) {
        sev_launch_no_reset_vector();
    }
    return fits;
}

void sev_launch_check_kernel(const void *hashes)
{
    if (!hashes) {
        error_report("SEV-SNP launch: kernel-hashes=on needs a kernel to hash;"
                     " give one by -kernel FILE");
        exit(EXIT_FAILURE);
    }
}

void sev_launch_no_hashes_page(Error **errp, uint32_t base, uint32_t size)
{
    ERRP_GUARD();

    error_setg(errp, "kernel-hashes=on: the firmware has no room for the"
               " hashes (base=0x%x size=0x%x)", base, size);
    error_append_hint(errp, SEV_METADATA_HASHES_FIRMWARE);
}

static bool has_hashes_section(const OvmfSevMetadata *metadata)
{
    for (uint32_t i = 0; i < metadata->num_desc; i++) {
        if (metadata->descs[i].type == SEV_DESC_TYPE_SNP_KERNEL_HASHES) {
            return true;
        }
    }
    return false;
}

void sev_launch_hint_hashes(Object *guest, const OvmfSevMetadata *metadata)
{
    if (!current_machine->kernel_filename || !has_hashes_section(metadata) ||
        object_property_get_bool(guest, "kernel-hashes", NULL)) {
        return;
    }
    warn_report("SEV-SNP launch: the firmware wants to check the kernel of"
                " -kernel, and is given no hash of it");
    error_printf("Use kernel-hashes=on, or a firmware without a section for"
                 " kernel hashes, such as OVMF.fd.\n");
}
