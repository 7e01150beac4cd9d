/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The private half of the physical address space
 *
 * The C-bit is a physical address bit.  Below it lies system memory as
 * devices see it; at the same address plus the C-bit lies the private half
 * of whatever RAM has one, and nothing else.  A page-table entry with the
 * C-bit set thus resolves into private RAM by itself, translation blocks and
 * dirty tracking keep the halves apart, and no device reaches the private
 * one.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/guest-random.h"
#include "qemu/madvise.h"
#include "qemu/rcu.h"
#include "qapi/error.h"
#include "tcg/snp/guest/guest.h"
#include "trace.h"

typedef enum SnpWindowState {
    WINDOW_ARRIVING,
    WINDOW_MAPPED,
    WINDOW_LEAVING,
} SnpWindowState;

/* A run of guest-physical addresses with a private half */
struct SnpWindow {
    struct rcu_head rcu;
    SnpWindowState state;
    hwaddr gpa;
    uint64_t size;
    UpmBlock *block;
    uint64_t offset;
    bool readonly;
    MemoryRegion alias;
    QTAILQ_ENTRY(SnpWindow) next;
};

struct SnpMap {
    struct rcu_head rcu;
    size_t count;
    const SnpWindow *window[];
};

/* A descriptor for the private half, which the caller closes */
static int private_fd(UpmBlock *block, Error **errp)
{
    int fd;

    if (block->recorded) {
        return snp_view_create_private(block, errp);
    }
    fd = qemu_dup(upm_memory_private_fd(block));
    if (fd < 0) {
        error_setg_errno(errp, errno,
                         "no descriptor for the private half of %s",
                         block->name);
    }
    return fd;
}

bool snp_block_map(UpmBlock *block)
{
    SnpBlock *snp = block->provider_data;
    g_autofree char *name = g_strdup_printf("%s/private", block->name);
    Error *err = NULL;
    int fd;

    if (snp->host) {
        return true;
    }
    fd = private_fd(block, &err);
    if (fd < 0) {
        error_report_err(err);
        return false;
    }
    if (!memory_region_init_ram_from_fd(&snp->region, OBJECT(snp_guest()),
                                        name, block->size,
                                        RAM_SHARED | RAM_NORESERVE, fd, 0,
                                        &err)) {
        error_report_err(err);
        close(fd);
        return false;
    }
    snp->host = memory_region_get_ram_ptr(&snp->region);
    qemu_madvise(snp->host, block->size, QEMU_MADV_DONTDUMP);
    return true;
}

/* What the guest believes to be private would be everybody's. */
static void stop_without_half(const UpmBlock *block)
{
    g_autofree char *reason = g_strdup_printf(
        "no private half of %s could be mapped", block->name);

    upm_memory_stop_guest(reason);
}

static void snp_region_add(MemoryListener *listener,
                           MemoryRegionSection *section)
{
    SnpMemory *mem = container_of(listener, SnpMemory, listener);
    UpmBlock *block;
    SnpWindow *window;

    if (!memory_region_is_ram(section->mr)) {
        return;
    }
    block = upm_block_find(section->mr->ram_block);
    /* What outlives the machine is no memory to make noise of. */
    if (!block || (block->recorded && section->nonvolatile)) {
        return;
    }
    if (!snp_block_map(block)) {
        stop_without_half(block);
        return;
    }
    window = g_new0(SnpWindow, 1);
    window->gpa = section->offset_within_address_space;
    window->size = int128_get64(section->size);
    window->offset = section->offset_within_region;
    window->block = block;
    /* A private half of its own is RAM, as it is for KVM. */
    window->readonly = block->recorded && section->readonly;
    QTAILQ_INSERT_TAIL(&mem->windows, window, next);
    mem->changed = true;
}

static void snp_region_del(MemoryListener *listener,
                           MemoryRegionSection *section)
{
    SnpMemory *mem = container_of(listener, SnpMemory, listener);
    SnpWindow *window;

    QTAILQ_FOREACH(window, &mem->windows, next) {
        if (window->state == WINDOW_MAPPED &&
            window->gpa == section->offset_within_address_space) {
            window->state = WINDOW_LEAVING;
            mem->changed = true;
            return;
        }
    }
}

/* Big windows first: they are looked for most. */
static gint window_order(gconstpointer a, gconstpointer b)
{
    const SnpWindow *one = *(const SnpWindow *const *)a;
    const SnpWindow *two = *(const SnpWindow *const *)b;

    return one->size < two->size ? 1 : one->size > two->size ? -1 : 0;
}

static void map_publish(SnpMemory *mem)
{
    SnpMap *old = mem->map, *map;
    SnpWindow *window;
    size_t count = 0;

    QTAILQ_FOREACH(window, &mem->windows, next) {
        count += window->state == WINDOW_MAPPED;
    }
    map = g_malloc(sizeof(*map) + count * sizeof(map->window[0]));
    map->count = 0;
    QTAILQ_FOREACH(window, &mem->windows, next) {
        if (window->state == WINDOW_MAPPED) {
            map->window[map->count++] = window;
        }
    }
    qsort(map->window, count, sizeof(map->window[0]), window_order);
    qatomic_rcu_set(&mem->map, map);
    if (old) {
        g_free_rcu(old, rcu);
    }
}

static void window_map(SnpMemory *mem, SnpWindow *window)
{
    SnpBlock *snp = window->block->provider_data;

    trace_snp_window_add(window->block->name, window->gpa, window->size);
    memory_region_init_alias(&window->alias, NULL, "snp-window", &snp->region,
                             window->offset, window->size);
    memory_region_set_readonly(&window->alias, window->readonly);
    memory_region_add_subregion(&mem->private, window->gpa, &window->alias);
    window->state = WINDOW_MAPPED;
}

static void window_unmap(SnpMemory *mem, SnpWindow *window)
{
    trace_snp_window_del(window->block->name, window->gpa, window->size);
    memory_region_del_subregion(&mem->private, &window->alias);
    object_unparent(OBJECT(&window->alias));
    QTAILQ_REMOVE(&mem->windows, window, next);
    g_free_rcu(window, rcu);
}

/*
 * Runs after every other listener has finished this transaction, so that the
 * one that is opened here does not come in their way.
 */
static void snp_memory_commit(MemoryListener *listener)
{
    SnpMemory *mem = container_of(listener, SnpMemory, listener);
    SnpWindow *window, *after;

    if (!mem->changed) {
        return;
    }
    mem->changed = false;
    memory_region_transaction_begin();
    QTAILQ_FOREACH(window, &mem->windows, next) {
        if (window->state == WINDOW_ARRIVING) {
            window_map(mem, window);
        }
    }
    map_publish(mem);
    QTAILQ_FOREACH_SAFE(window, &mem->windows, next, after) {
        if (window->state == WINDOW_LEAVING) {
            window_unmap(mem, window);
        }
    }
    memory_region_transaction_commit();
}

UpmBlock *snp_memory_find(SnpMemory *mem, hwaddr gpa, uint64_t *offset)
{
    const SnpMap *map = qatomic_rcu_read(&mem->map);
    size_t i;

    for (i = 0; map && i < map->count; i++) {
        const SnpWindow *window = map->window[i];
        uint64_t within = gpa - window->gpa;

        if (gpa >= window->gpa && within < window->size) {
            *offset = within + window->offset;
            return window->block;
        }
    }
    return NULL;
}

void snp_memory_add_ciphertext(SnpMemory *mem, Object *owner)
{
    hwaddr behind = memory_region_size(&mem->root) / 2;

    memory_region_init_ram_nomigrate(&mem->ciphertext, owner, "snp-ciphertext",
                                     UPM_FRAME_SIZE, &error_fatal);
    qemu_guest_getrandom_nofail(memory_region_get_ram_ptr(&mem->ciphertext),
                                UPM_FRAME_SIZE);
    memory_region_set_readonly(&mem->ciphertext, true);
    memory_region_add_subregion(&mem->root, behind, &mem->ciphertext);
}

void snp_memory_init(SnpMemory *mem, Object *owner, uint32_t cbitpos)
{
    uint64_t half = 1ULL << cbitpos;

    QTAILQ_INIT(&mem->windows);
    memory_region_init(&mem->root, owner, "snp-root", 4 * half);
    memory_region_init_alias(&mem->shared, owner, "snp-shared",
                             get_system_memory(), 0, half);
    memory_region_add_subregion(&mem->root, 0, &mem->shared);
    memory_region_init(&mem->private, owner, "snp-private", half);
    memory_region_add_subregion(&mem->root, half, &mem->private);

    mem->listener = (MemoryListener) {
        .name = "snp",
        .priority = INT_MAX,
        .region_add = snp_region_add,
        .region_del = snp_region_del,
        .commit = snp_memory_commit,
    };
    memory_listener_register(&mem->listener, &address_space_memory);
}
