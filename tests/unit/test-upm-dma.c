/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What assigned devices may map, with listeners that write down what they are
 * told and keep a map of their own
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/int128.h"
#include "qemu/module.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "qom/object.h"
#include "system/upm/compat.h"
#include "system/upm/dma.h"
#include "system/upm/host.h"
#include "system/upm/provider.h"

#define K4      (4 * KiB)
#define SIZE    (1 * MiB)
#define FRAMES  (SIZE / K4)

static MemoryRegion region;
static RAMBlock ram_block = { .mr = &region };
static RamDiscardManager *manager;
static RamDiscardManagerClass *rdmc;
static GString *calls;
static bool with_manager = true;
static QemuEvent reclaimed;

/*
 * The rest of QEMU
 */

static int create_private(uint64_t size, Error **errp)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int mark(const UpmExtent *extent, bool to_private)
{
    return 0;
}

static int drop_private(const UpmExtent *extent)
{
    return 0;
}

static const UpmProviderOps provider = {
    .name = "unit test",
    .create_private = create_private,
    .mark = mark,
    .drop_private = drop_private,
};

bool upm_memory_resolve(hwaddr gpa, uint64_t size, UpmExtent *extent)
{
    if (gpa >= SIZE) {
        return false;
    }
    *extent = (UpmExtent) {
        .block = upm_block_find(&ram_block),
        .gpa = gpa,
        .offset = gpa,
        .size = MIN(size, SIZE - gpa),
    };
    return true;
}

const void *upm_memory_map(void)
{
    return &ram_block;
}

char *upm_memory_describe(hwaddr gpa)
{
    return g_strdup("nothing");
}

int upm_memory_drop_shared(const UpmExtent *extent)
{
    return 0;
}

void upm_memory_prepare(UpmBlock *block)
{
    if (with_manager) {
        upm_dma_add(block);
    }
}

void upm_memory_reclaim(UpmBlock *block)
{
    upm_dma_remove(block);
    qemu_event_set(&reclaimed);
}

int upm_memory_private_fd(const UpmBlock *block)
{
    return -1;
}

void upm_memory_stop_guest(const char *reason)
{
    g_assert_not_reached();
}

/* Returns nothing before QEMU 10.1. */
typeof(memory_region_set_ram_discard_manager(NULL, NULL))
memory_region_set_ram_discard_manager(MemoryRegion *mr, RamDiscardManager *rdm)
{
    g_assert(mr == &region);
    manager = rdm;
    rdmc = RAM_DISCARD_MANAGER_GET_CLASS(rdm);
    return (typeof(memory_region_set_ram_discard_manager(NULL, NULL)))0;
}

MemoryRegionSection *memory_region_section_new_copy(MemoryRegionSection *s)
{
    return g_memdup2(s, sizeof(*s));
}

void memory_region_section_free_copy(MemoryRegionSection *s)
{
    g_free(s);
}

const char *memory_region_name(const MemoryRegion *mr)
{
    return "ram";
}

static const TypeInfo interface_info = {
    .parent = TYPE_INTERFACE,
    .name = TYPE_RAM_DISCARD_MANAGER,
    .class_size = sizeof(RamDiscardManagerClass),
};

/*
 * A listener
 */

typedef struct Listener {
    RamDiscardListener rdl;
    char name;
    bool mapped[FRAMES];
    /* refuse the Nth populate, from 1 */
    unsigned int refuse;
} Listener;

static bool quiet;

static void note(const Listener *l, const char *what,
                 const MemoryRegionSection *s)
{
    if (quiet) {
        return;
    }
    g_string_append_printf(calls, "%s%c%s%" PRIx64 "+%" PRIx64 "@%" PRIx64,
                           calls->len ? " " : "", l->name, what,
                           s->offset_within_region, int128_get64(s->size),
                           s->offset_within_address_space);
}

static void set_mapped(Listener *l, const MemoryRegionSection *s, bool mapped)
{
    uint64_t first = s->offset_within_region / K4;
    uint64_t count = int128_get64(s->size) / K4;
    uint64_t i;

    for (i = first; i < first + count; i++) {
        g_assert_cmpint(l->mapped[i], !=, mapped);
        l->mapped[i] = mapped;
    }
}

static int populate(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    Listener *l = container_of(rdl, Listener, rdl);

    note(l, "+", s);
    if (l->refuse && !--l->refuse) {
        return -ENOSPC;
    }
    set_mapped(l, s, true);
    return 0;
}

static void discard(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    Listener *l = container_of(rdl, Listener, rdl);

    note(l, "-", s);
    if (!rdl->double_discard_supported) {
        set_mapped(l, s, false);
    } else {
        memset(l->mapped + s->offset_within_region / K4, 0,
               int128_get64(s->size) / K4);
    }
}

static MemoryRegionSection section(uint64_t offset, uint64_t size)
{
    return (MemoryRegionSection) {
        .mr = &region,
        .offset_within_region = offset,
        .offset_within_address_space = offset + 16 * MiB,
        .size = int128_make64(size),
    };
}

static void start_listening(Listener *l, char name, uint64_t offset,
                            uint64_t size, bool double_discard)
{
    MemoryRegionSection s = section(offset, size);

    *l = (Listener) { .name = name };
    ram_discard_listener_init(&l->rdl, populate, discard, double_discard);
    rdmc->register_listener(manager, &l->rdl, &s);
}

static void stop_listening(Listener *l)
{
    unsigned int i;

    rdmc->unregister_listener(manager, &l->rdl);
    for (i = 0; i < FRAMES; i++) {
        g_assert_false(l->mapped[i]);
    }
}

/*
 * Helpers
 */

#define expect_calls(text) do {                         \
        g_assert_cmpstr(calls->str, ==, text);          \
        g_string_truncate(calls, 0);                    \
    } while (0)

static void convert(uint64_t offset, uint64_t size, bool to_private)
{
    upm_convert(offset, size, to_private, UPM_CAUSE_FAULT, 0, &error_abort);
}

static void set_up(void)
{
    int fd = upm_block_register(&ram_block, "ram", SIZE, K4, &error_abort);

    close(fd);
    g_string_truncate(calls, 0);
}

static void tear_down(void)
{
    qemu_event_reset(&reclaimed);
    g_assert_true(upm_block_unregister(&ram_block));
    qemu_event_wait(&reclaimed);
}

static bool populated(uint64_t offset, uint64_t size)
{
    MemoryRegionSection s = section(offset, size);

    return rdmc->is_populated(manager, &s);
}

/*
 * Tests
 */

static void test_populated(void)
{
    set_up();
    g_assert_cmpuint(rdmc->get_min_granularity(manager, &region), ==, K4);
    g_assert_false(populated(0, SIZE));
    convert(0x3000, 0x2000, false);
    g_assert_true(populated(0x3000, 0x2000));
    g_assert_true(populated(0x3800, 0x400));
    g_assert_true(populated(0x4fff, 1));
    g_assert_false(populated(0x2000, 0x2000));
    g_assert_false(populated(0x2fff, 2));
    g_assert_false(populated(0x4fff, 2));
    g_assert_false(populated(0x5000, 1));
    convert(0, SIZE, false);
    g_assert_true(populated(0, SIZE));
    tear_down();
}

static int write_populated(MemoryRegionSection *s, void *opaque)
{
    int *stop_after = opaque;

    g_string_append_printf(calls, "+%" PRIx64 "+%" PRIx64 " ",
                           s->offset_within_region, int128_get64(s->size));
    return --*stop_after ? 0 : -EIO;
}

static int write_discarded(MemoryRegionSection *s, void *opaque)
{
    g_string_append_printf(calls, "-%" PRIx64 "+%" PRIx64 " ",
                           s->offset_within_region, int128_get64(s->size));
    return 0;
}

static void test_replay(void)
{
    MemoryRegionSection all = section(0, SIZE);
    MemoryRegionSection part = section(0x1800, 0x6000);
    int stop_after = 100;

    set_up();
    rdmc->replay_discarded(manager, &all, (void *)write_discarded, NULL);
    expect_calls("-0+100000 ");
    convert(0x1000, 0x1000, false);
    convert(0x7000, 0x2000, false);
    g_assert_cmpint(rdmc->replay_populated(manager, &all, write_populated,
                                           &stop_after), ==, 0);
    expect_calls("+1000+1000 +7000+2000 ");
    rdmc->replay_discarded(manager, &all, (void *)write_discarded, NULL);
    expect_calls("-0+1000 -2000+5000 -9000+f7000 ");
    rdmc->replay_populated(manager, &part, write_populated, &stop_after);
    expect_calls("+1800+800 +7000+800 ");
    rdmc->replay_discarded(manager, &part, (void *)write_discarded, NULL);
    expect_calls("-2000+5000 ");
    stop_after = 1;
    g_assert_cmpint(rdmc->replay_populated(manager, &all, write_populated,
                                           &stop_after), ==, -EIO);
    expect_calls("+1000+1000 ");
    tear_down();
}

static void test_listener(void)
{
    Listener a, b;

    set_up();
    convert(0x1000, 0x1000, false);
    start_listening(&a, 'a', 0, SIZE, false);
    expect_calls("a+1000+1000@1001000");
    start_listening(&b, 'b', 0x4000, 0x4000, true);
    expect_calls("");

    /* to shared, of which one is told only what it listens to */
    convert(0x3000, 0x2000, false);
    expect_calls("b+4000+1000@1004000 a+3000+2000@1003000");
    /* only what changes */
    convert(0, 0x5000, false);
    expect_calls("a+0+1000@1000000 a+2000+1000@1002000");
    convert(0x1000, 0x4000, true);
    expect_calls("b-4000+1000@1004000 a-1000+4000@1001000");

    convert(0x6000, 0x1000, false);
    g_string_truncate(calls, 0);
    stop_listening(&b);
    expect_calls("b-4000+4000@1004000");
    stop_listening(&a);
    expect_calls("a-0+1000@1000000 a-6000+1000@1006000");
    convert(0x9000, 0x1000, false);
    expect_calls("");
    tear_down();
}

/* A listener refuses: the others forget it, and nothing is converted. */
static void test_refused(void)
{
    UpmCounters before;
    Listener a, b;
    Error *err = NULL;

    set_up();
    convert(0x2000, 0x1000, false);
    start_listening(&a, 'a', 0, SIZE, false);
    start_listening(&b, 'b', 0, SIZE, false);
    g_string_truncate(calls, 0);
    before = upm_counters();

    /* the second run of two, at the second listener */
    a.refuse = 2;
    g_assert_cmpint(upm_convert(0x1000, 0x3000, false, UPM_CAUSE_FAULT, 0,
                                &err), ==, -ENOSPC);
    g_assert_cmpstr(error_get_pretty(err), ==, "cannot convert 0x1000 +0x3000 "
                    "to shared: refused for 0x3000 +0x1000: an assigned "
                    "device cannot follow: No space left on device");
    error_free(err);
    expect_calls("b+1000+1000@1001000 a+1000+1000@1001000 "
                 "b+3000+1000@1003000 a+3000+1000@1003000 "
                 "b-3000+1000@1003000 "
                 "b-1000+1000@1001000 a-1000+1000@1001000");
    g_assert_cmpuint(upm_counters().failed_requests, ==,
                     before.failed_requests + 1);
    g_assert_false(populated(0x1000, 0x1000));
    g_assert_true(populated(0x2000, 0x1000));
    stop_listening(&a);
    stop_listening(&b);
    tear_down();
}

/* Random conversions and refusals: a listener maps exactly what is shared. */
static void test_random(void)
{
    UpmBlock *block;
    Listener a, b;
    unsigned int n, i;

    set_up();
    block = upm_block_find(&ram_block);
    quiet = true;
    start_listening(&a, 'a', 0, SIZE, false);
    start_listening(&b, 'b', 0x8000, 0x20000, true);
    for (n = 0; n < 5000; n++) {
        unsigned int first = g_test_rand_int_range(0, FRAMES);
        unsigned int count = g_test_rand_int_range(1, FRAMES - first + 1);

        a.refuse = g_test_rand_int_range(0, 3);
        upm_convert(first * K4, count * K4, g_test_rand_bit(),
                    UPM_CAUSE_FAULT, 0, NULL);
        for (i = 0; i < FRAMES; i++) {
            bool shared = !upm_block_is_private(block, i * K4);

            g_assert_cmpint(a.mapped[i], ==, shared);
            g_assert_cmpint(b.mapped[i], ==, shared && i >= 8 && i < 40);
        }
    }
    stop_listening(&b);
    stop_listening(&a);
    quiet = false;
    tear_down();
}

/*
 * Conversions of a provider that holds no BQL: a listener that comes and goes
 * meanwhile is told of each frame once.
 */
static bool converting;

static void *convert_all_the_time(void *opaque)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    while (qatomic_read(&converting)) {
        upm_convert(g_rand_int_range(rand, 0, FRAMES) * K4, K4,
                    g_rand_boolean(rand), UPM_CAUSE_FAULT, 0, &error_abort);
    }
    return NULL;
}

static void test_concurrent(void)
{
    unsigned int i;
    QemuThread thread;
    Listener l;

    set_up();
    quiet = true;
    converting = true;
    qemu_thread_create(&thread, "convert", convert_all_the_time, NULL,
                       QEMU_THREAD_JOINABLE);
    for (i = 0; i < 5000; i++) {
        start_listening(&l, 'a', 0, SIZE, false);
        stop_listening(&l);
    }
    qatomic_set(&converting, false);
    qemu_thread_join(&thread);
    quiet = false;
    tear_down();
}

/* A block that has no manager, as of a device that is not ours */
static void test_no_manager(void)
{
    with_manager = false;
    set_up();
    convert(0x9000, 0x1000, false);
    expect_calls("");
    tear_down();
    with_manager = true;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    calls = g_string_new(NULL);
    module_call_init(MODULE_INIT_QOM);
    type_register_static(&interface_info);
    upm_set_provider(&provider);
    qemu_event_init(&reclaimed, false);

    g_test_add_func("/upm-dma/populated", test_populated);
    g_test_add_func("/upm-dma/replay", test_replay);
    g_test_add_func("/upm-dma/listener", test_listener);
    g_test_add_func("/upm-dma/refused", test_refused);
    g_test_add_func("/upm-dma/random", test_random);
    g_test_add_func("/upm-dma/concurrent", test_concurrent);
    g_test_add_func("/upm-dma/no-manager", test_no_manager);
    return g_test_run();
}
