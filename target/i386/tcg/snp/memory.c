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
#include "qemu/main-loop.h"
#include "qemu/memfd.h"
#include "qemu/madvise.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "exec/cputlb.h"
#include "hw/core/cpu.h"
#include "system/upm/compat.h"
#include "target/i386/upm-compat.h"
#include "tcg/snp/snp.h"
#include "trace.h"

#define FRAMES_PER_2M (2 * MiB / UPM_FRAME_SIZE)

/*
 * The private half of a block: UpmBlock's provider_data.  The region is made
 * when the block is first mapped, as blocks cannot be made while another one
 * is being added.
 */
typedef struct SnpBlock {
    uint32_t *rmp;
    MemoryRegion region;
    uint8_t *host;
} SnpBlock;

typedef enum SnpWindowState {
    WINDOW_ARRIVING,
    WINDOW_MAPPED,
    WINDOW_LEAVING,
} SnpWindowState;

/* A run of guest-physical addresses with a private half */
typedef struct SnpWindow {
    struct rcu_head rcu;
    SnpWindowState state;
    hwaddr gpa;
    uint64_t size;
    UpmBlock *block;
    uint64_t offset;
    MemoryRegion alias;
    QTAILQ_ENTRY(SnpWindow) next;
} SnpWindow;

/* What readers see of the windows; replaced as a whole */
typedef struct SnpMap {
    struct rcu_head rcu;
    size_t count;
    const SnpWindow *window[];
} SnpMap;

static struct {
    MemoryRegion root;
    MemoryRegion shared;
    MemoryRegion private;
    SnpMap *map;
    /* BQL: all of them, and whether the transaction at hand changes them */
    QTAILQ_HEAD(, SnpWindow) windows;
    bool changed;
    /* in an exclusive section: a translation in use may be stale */
    bool stale;
} mem;

/*
 * Windows
 */

static bool private_region_make(UpmBlock *block)
{
    SnpBlock *snp = block->provider_data;
    g_autofree char *name = g_strdup_printf("%s/private", block->name);
    Error *err = NULL;
    int fd;

    if (snp->host) {
        return true;
    }
    fd = qemu_dup(upm_memory_private_fd(block));
    if (fd < 0) {
        error_report("no descriptor for the private half of %s: %s",
                     block->name, strerror(errno));
        return false;
    }
    if (!memory_region_init_ram_from_fd(&snp->region, NULL, name, block->size,
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

static void snp_region_add(MemoryListener *listener,
                           MemoryRegionSection *section)
{
    UpmBlock *block;
    SnpWindow *window;

    if (!memory_region_is_ram(section->mr)) {
        return;
    }
    block = upm_block_find(section->mr->ram_block);
    if (!block || !private_region_make(block)) {
        return;
    }
    window = g_new0(SnpWindow, 1);
    window->gpa = section->offset_within_address_space;
    window->size = int128_get64(section->size);
    window->offset = section->offset_within_region;
    window->block = block;
    QTAILQ_INSERT_TAIL(&mem.windows, window, next);
    mem.changed = true;
}

static void snp_region_del(MemoryListener *listener,
                           MemoryRegionSection *section)
{
    SnpWindow *window;

    QTAILQ_FOREACH(window, &mem.windows, next) {
        if (window->state == WINDOW_MAPPED &&
            window->gpa == section->offset_within_address_space) {
            window->state = WINDOW_LEAVING;
            mem.changed = true;
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

static void map_publish(void)
{
    SnpMap *old = mem.map, *map;
    SnpWindow *window;
    size_t count = 0;

    QTAILQ_FOREACH(window, &mem.windows, next) {
        count += window->state == WINDOW_MAPPED;
    }
    map = g_malloc(sizeof(*map) + count * sizeof(map->window[0]));
    map->count = 0;
    QTAILQ_FOREACH(window, &mem.windows, next) {
        if (window->state == WINDOW_MAPPED) {
            map->window[map->count++] = window;
        }
    }
    qsort(map->window, count, sizeof(map->window[0]), window_order);
    qatomic_rcu_set(&mem.map, map);
    if (old) {
        g_free_rcu(old, rcu);
    }
}

static void window_map(SnpWindow *window)
{
    SnpBlock *snp = window->block->provider_data;

    trace_snp_window_add(window->block->name, window->gpa, window->size);
    memory_region_init_alias(&window->alias, NULL, "snp-window", &snp->region,
                             window->offset, window->size);
    memory_region_add_subregion(&mem.private, window->gpa, &window->alias);
    window->state = WINDOW_MAPPED;
}

static void window_unmap(SnpWindow *window)
{
    trace_snp_window_del(window->block->name, window->gpa, window->size);
    memory_region_del_subregion(&mem.private, &window->alias);
    object_unparent(OBJECT(&window->alias));
    QTAILQ_REMOVE(&mem.windows, window, next);
    g_free_rcu(window, rcu);
}

/*
 * Runs after every other listener has finished this transaction, so that the
 * one that is opened here does not come in their way.
 */
static void snp_memory_commit(MemoryListener *listener)
{
    SnpWindow *window, *after;

    if (!mem.changed) {
        return;
    }
    mem.changed = false;
    memory_region_transaction_begin();
    QTAILQ_FOREACH(window, &mem.windows, next) {
        if (window->state == WINDOW_ARRIVING) {
            window_map(window);
        }
    }
    map_publish();
    QTAILQ_FOREACH_SAFE(window, &mem.windows, next, after) {
        if (window->state == WINDOW_LEAVING) {
            window_unmap(window);
        }
    }
    memory_region_transaction_commit();
}

static MemoryListener snp_memory_listener = {
    .name = "snp",
    .priority = INT_MAX,
    .region_add = snp_region_add,
    .region_del = snp_region_del,
    .commit = snp_memory_commit,
};

MemoryRegion *snp_memory_root(void)
{
    return &mem.root;
}

/*
 * Frames
 */

bool snp_frame_find(hwaddr gpa, SnpFrame *frame)
{
    const SnpMap *map = qatomic_rcu_read(&mem.map);
    size_t i;

    for (i = 0; map && i < map->count; i++) {
        const SnpWindow *window = map->window[i];
        const SnpBlock *snp = window->block->provider_data;
        uint64_t within = gpa - window->gpa;

        if (gpa < window->gpa || within >= window->size) {
            continue;
        }
        within = (within + window->offset) & ~(UPM_FRAME_SIZE - 1);
        frame->extent = (UpmExtent) {
            .block = window->block,
            .gpa = gpa & ~(UPM_FRAME_SIZE - 1),
            .offset = within,
            .size = UPM_FRAME_SIZE,
        };
        frame->rmp = &snp->rmp[within >> UPM_FRAME_BITS];
        frame->private_host = snp->host + within;
        return true;
    }
    return false;
}

/* The 2 MiB of entries around a frame, NULL where they do not exist */
static uint32_t *large_page(const SnpFrame *frame)
{
    SnpBlock *snp = frame->extent.block->provider_data;
    uint64_t skew = (frame->extent.gpa ^ frame->extent.offset) % (2 * MiB);
    uint64_t first = QEMU_ALIGN_DOWN(frame->extent.offset, 2 * MiB);

    if (skew || first + 2 * MiB > frame->extent.block->size) {
        return NULL;
    }
    return &snp->rmp[first >> UPM_FRAME_BITS];
}

/* KVM maps 2 MiB at once where all of it is private and untouched. */
static bool assign_large_page(const SnpFrame *frame)
{
    uint32_t *entry = large_page(frame);
    uint64_t first = QEMU_ALIGN_DOWN(frame->extent.offset, 2 * MiB);
    size_t i;

    if (!entry) {
        return false;
    }
    for (i = 0; i < FRAMES_PER_2M; i++) {
        if (qatomic_read(&entry[i]) ||
            !upm_block_is_private(frame->extent.block,
                                  first + i * UPM_FRAME_SIZE)) {
            return false;
        }
    }
    for (i = 0; i < FRAMES_PER_2M; i++) {
        qatomic_cmpxchg(&entry[i], 0, SNP_RMP_ASSIGNED | SNP_RMP_PAGE_2M);
    }
    return true;
}

uint32_t snp_frame_assign(const SnpFrame *frame)
{
    if (!qatomic_read(frame->rmp) && !assign_large_page(frame)) {
        qatomic_cmpxchg(frame->rmp, 0, SNP_RMP_ASSIGNED);
    }
    return qatomic_read(frame->rmp);
}

void snp_frame_split(const SnpFrame *frame)
{
    uint32_t *entry = large_page(frame);
    size_t i;

    if (!(qatomic_read(frame->rmp) & SNP_RMP_PAGE_2M) || !entry) {
        return;
    }
    for (i = 0; i < FRAMES_PER_2M; i++) {
        qatomic_and(&entry[i], ~SNP_RMP_PAGE_2M);
    }
}

bool snp_rmp_read(hwaddr gpa, uint32_t *entry)
{
    SnpFrame frame;

    RCU_READ_LOCK_GUARD();
    if (!snp_frame_find(gpa, &frame)) {
        return false;
    }
    *entry = qatomic_read(frame.rmp);
    return true;
}

void *snp_private_ptr(hwaddr gpa, uint32_t rmp_flags)
{
    SnpFrame frame;

    if (!snp_frame_find(gpa, &frame) || !snp_frame_is_private(&frame) ||
        (qatomic_read(frame.rmp) & rmp_flags) != rmp_flags) {
        return NULL;
    }
    return frame.private_host + (gpa & (UPM_FRAME_SIZE - 1));
}

bool snp_shared_find(hwaddr gpa, uint64_t size, bool is_write,
                     SnpShared *shared)
{
    hwaddr len = size;
    MemoryRegion *mr = address_space_translate(&address_space_memory, gpa,
                                               &shared->offset, &len,
                                               is_write,
                                               MEMTXATTRS_UNSPECIFIED);

    if (len < size || !memory_region_is_ram(mr) ||
        memory_region_is_ram_device(mr) ||
        (is_write && (mr->readonly || mr->rom_device))) {
        return false;
    }
    shared->mr = mr;
    shared->host = (uint8_t *)memory_region_get_ram_ptr(mr) + shared->offset;
    return true;
}

void snp_shared_dirty(const SnpShared *shared, uint64_t size)
{
    memory_region_set_dirty(shared->mr, shared->offset, size);
}

void *snp_launch_page(hwaddr gpa)
{
    SnpFrame frame;

    RCU_READ_LOCK_GUARD();
    if (!snp_frame_find(gpa, &frame) || !snp_frame_is_private(&frame) ||
        qatomic_read(frame.rmp)) {
        return NULL;
    }
    qatomic_set(frame.rmp, SNP_RMP_ASSIGNED | SNP_RMP_IMMUTABLE);
    return frame.private_host;
}

void snp_launch_page_done(hwaddr gpa)
{
    SnpFrame frame;

    RCU_READ_LOCK_GUARD();
    if (snp_frame_find(gpa, &frame)) {
        qatomic_set(frame.rmp, SNP_RMP_ASSIGNED | SNP_RMP_VALIDATED);
    }
}

/*
 * Exclusive sections and stale translations
 */

static void flush_work(CPUState *cs, run_on_cpu_data data)
{
    qatomic_set(&snp_vcpu(cpu_env(cs))->flush_queued, false);
    tlb_flush(cs);
}

void snp_flush_others(CPUState *self)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (cs != self &&
            !qatomic_xchg(&snp_vcpu(cpu_env(cs))->flush_queued, true)) {
            async_run_on_cpu(cs, flush_work, RUN_ON_CPU_NULL);
        }
    }
}

/*
 * The same way in and out that QEMU's own page walker uses when it has to
 * write an entry behind a device.  Another vCPU may have changed a page
 * state while this one waited, hence the flush.
 */
void snp_exclusive(CPUState *cs, void (*fn)(void *opaque), void *opaque)
{
    bool bql = bql_locked();

    /* An instruction that cannot be atomic is run alone, all of it. */
    if (cpu_in_exclusive_context(cs)) {
        fn(opaque);
        tlb_flush(cs);
        return;
    }
    if (bql) {
        bql_unlock();
    }
    cpu_exec_end(cs);
    start_exclusive();
    fn(opaque);
    end_exclusive();
    cpu_exec_start(cs);
    if (bql) {
        bql_lock();
    }
    tlb_flush(cs);
}

typedef struct ConvertRequest {
    hwaddr gpa;
    uint64_t size;
    bool to_private;
    UpmCause cause;
    int result;
} ConvertRequest;

static void convert_exclusively(void *opaque)
{
    ConvertRequest *request = opaque;
    Error *err = NULL;

    request->result = upm_convert(request->gpa, request->size,
                                  request->to_private, request->cause, 0,
                                  &err);
    if (request->result) {
        trace_snp_convert_failed(request->gpa, request->size,
                                 request->to_private, request->result,
                                 error_get_pretty(err));
        error_free(err);
    }
}

int snp_convert(CPUX86State *env, hwaddr gpa, uint64_t size, bool to_private,
                UpmCause cause)
{
    ConvertRequest request = {
        .gpa = gpa, .size = size, .to_private = to_private, .cause = cause,
    };

    if (!upm_convert_needed(gpa, size, to_private)) {
        return 0;
    }
    snp_exclusive(env_cpu(env), convert_exclusively, &request);
    return request.result;
}

/*
 * The provider
 */

static int snp_create_private(uint64_t size, Error **errp)
{
    return qemu_memfd_create("snp-private", size, false, 0,
                             F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL, errp);
}

static bool snp_block_added(UpmBlock *block, Error **errp)
{
    SnpBlock *snp = g_new0(SnpBlock, 1);

    snp->rmp = g_try_new0(uint32_t, block->size >> UPM_FRAME_BITS);
    if (!snp->rmp) {
        error_setg(errp, "no memory for the RMP of %s", block->name);
        g_free(snp);
        return false;
    }
    block->provider_data = snp;
    return true;
}

static void snp_block_removed(UpmBlock *block)
{
    SnpBlock *snp = block->provider_data;

    if (snp->host) {
        object_unparent(OBJECT(&snp->region));
    }
    g_free(snp->rmp);
    g_free(snp);
}

/*
 * The map has the page states, and no vCPU runs meanwhile, so that the RMP can
 * stay as it is for as long as the conversion may be taken back.
 */
static int snp_mark(const UpmExtent *extent, bool to_private)
{
    SnpBlock *snp = extent->block->provider_data;
    uint64_t first = extent->offset >> UPM_FRAME_BITS;
    uint64_t count = extent->size >> UPM_FRAME_BITS;
    uint64_t i;

    for (i = first; i < first + count; i++) {
        if (snp->rmp[i] & SNP_RMP_IMMUTABLE) {
            return -EBUSY;
        }
    }
    for (i = first; i < first + count; i++) {
        mem.stale |= to_private || snp->rmp[i] & SNP_RMP_VALIDATED;
    }
    return 0;
}

/*
 * A frame that becomes shared is the hypervisor's; one that becomes private
 * is assigned when the guest touches it, and is not validated until then.
 */
static void snp_settle(const UpmExtent *extent, bool to_private)
{
    SnpBlock *snp = extent->block->provider_data;
    uint64_t first = extent->offset >> UPM_FRAME_BITS;
    uint64_t count = extent->size >> UPM_FRAME_BITS;
    SnpFrame frame = { .extent = *extent, .rmp = &snp->rmp[first] };
    uint64_t i;

    /* A large page that is left in part has to go through small ones. */
    snp_frame_split(&frame);
    frame.extent.offset += extent->size - UPM_FRAME_SIZE;
    frame.extent.gpa += extent->size - UPM_FRAME_SIZE;
    frame.rmp += count - 1;
    snp_frame_split(&frame);

    for (i = first; i < first + count; i++) {
        qatomic_set(&snp->rmp[i], 0);
    }
}

static void snp_flush(void)
{
    if (mem.stale) {
        mem.stale = false;
        snp_flush_others(current_cpu);
    }
}

static int snp_drop_private(const UpmExtent *extent)
{
    SnpBlock *snp = extent->block->provider_data;
    ram_addr_t start;

    if (snp->host) {
        start = memory_region_get_ram_addr(&snp->region) + extent->offset;
        upm_invalidate_code(start, start + extent->size - 1);
    }
    return upm_punch_hole(upm_memory_private_fd(extent->block),
                          extent->offset, extent->size);
}

static const UpmProviderOps snp_provider = {
    .name = "emulated SEV-SNP processor",
    .create_private = snp_create_private,
    .block_added = snp_block_added,
    .block_removed = snp_block_removed,
    .mark = snp_mark,
    .flush = snp_flush,
    .settle = snp_settle,
    .drop_private = snp_drop_private,
};

void snp_memory_init(uint32_t cbitpos)
{
    uint64_t half = 1ULL << cbitpos;

    QTAILQ_INIT(&mem.windows);
    memory_region_init(&mem.root, NULL, "snp-root", 2 * half);
    memory_region_init_alias(&mem.shared, NULL, "snp-shared",
                             get_system_memory(), 0, half);
    memory_region_add_subregion(&mem.root, 0, &mem.shared);
    memory_region_init(&mem.private, NULL, "snp-private", half);
    memory_region_add_subregion(&mem.root, half, &mem.private);

    upm_set_provider(&snp_provider);
    memory_listener_register(&snp_memory_listener, &address_space_memory);
}
