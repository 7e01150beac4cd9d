/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory backend with a shared and a private half: the shared one
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/memfd.h"
#include "qemu/mmap-alloc.h"
#include "qemu/units.h"
#include "system/upm/compat.h"
#include "system/upm/upm.h"
#include "memfd-private.h"

/*
 * The system's default size of huge pages is only known from a file that has
 * them, and the size of a memfd must be right from the start.
 */
static bool check_size_of_huge_pages(MemfdPrivate *m, Error **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(m);
    bool fits;
    int fd;

    if (!m->hugetlb) {
        return true;
    }
    fd = qemu_memfd_create(TYPE_MEMFD_PRIVATE, 0, true, m->hugetlbsize, 0,
                           errp);
    if (fd < 0) {
        return false;
    }
    fits = memfd_private_check_size(backend->size, qemu_fd_getpagesize(fd),
                                    errp);
    close(fd);
    return fits;
}

int memfd_private_open_shared(MemfdPrivate *m, Error **errp)
{
    ERRP_GUARD();
    int fd;

    if (!check_size_of_huge_pages(m, errp)) {
        return -1;
    }
    fd = qemu_memfd_create(TYPE_MEMFD_PRIVATE, MEMORY_BACKEND(m)->size,
                           m->hugetlb, m->hugetlbsize,
                           F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL, errp);
    if (fd < 0) {
        error_prepend(errp, "cannot create the shared half: ");
    }
    return fd;
}

/* Huge pages that nobody has reserved; 0 where the kernel has none. */
static uint64_t count_free_huge_pages(uint64_t page)
{
    static const char *const files[] = { "free_hugepages", "resv_hugepages" };
    uint64_t counts[ARRAY_SIZE(files)] = {};
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path =
            g_strdup_printf("/sys/kernel/mm/hugepages/hugepages-%" PRIu64
                            "kB/%s", page / KiB, files[i]);
        g_autofree char *text = NULL;

        if (g_file_get_contents(path, &text, NULL, NULL)) {
            counts[i] = g_ascii_strtoull(text, NULL, 10);
        }
    }
    return counts[0] > counts[1] ? counts[0] - counts[1] : 0;
}

/*
 * A mapping of huge pages reserves all of them, so that a guest whose private
 * half has the memory wants twice its size.
 */
static void explain_huge_pages(HostMemoryBackend *backend, uint64_t page,
                               Error **errp)
{
    uint64_t needed = backend->size / page;
    uint64_t found = count_free_huge_pages(page);
    g_autofree char *size = size_to_str(page);

    if (!backend->reserve || found >= needed) {
        return;
    }
    error_prepend(errp, "reserve=on wants %" PRIu64 " huge pages of %s for the "
                  "shared half, and %" PRIu64 " are free: ", needed, size,
                  found);
    error_append_hint(errp, "They come on top of the private half, which has "
                      "small pages, and few of them\nare ever used: with "
                      "reserve=off only what the guest shares takes any.  See "
                      "to it that\nthere are enough for that, as QEMU ends "
                      "where there is none left.\n");
}

bool memfd_private_map_shared(HostMemoryBackend *backend, int fd, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *name = host_memory_backend_get_name(backend);
    uint64_t page = qemu_fd_getpagesize(fd);
    uint32_t flags = RAM_SHARED | RAM_GUEST_MEMFD;

    if (!backend->reserve) {
        flags |= RAM_NORESERVE;
    }
    if (memory_region_init_ram_from_fd(&backend->mr, OBJECT(backend), name,
                                       backend->size, flags, fd, 0, errp)) {
        return true;
    }
    if (page > UPM_FRAME_SIZE) {
        explain_huge_pages(backend, page, errp);
    }
    return false;
}
