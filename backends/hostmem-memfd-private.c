/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory backend with a shared and a private half
 *
 * The shared half is a memfd, which QEMU maps and can hand to other
 * processes.  The private half comes from the accelerator (see
 * system/upm/upm.h), and only the guest reads or writes it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-types-upm-common.h"
#include "qapi/visitor.h"
#include "qemu/bitmap.h"
#include "qemu/cutils.h"
#include "qemu/memfd.h"
#include "qemu/mmap-alloc.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qom/object_interfaces.h"
#include "system/hostmem.h"
#include "system/upm/map.h"
#include "system/upm/provider.h"
#include "system/upm/compat.h"
#include "system/upm/prealloc.h"

#ifdef CONFIG_NUMA
#include <numa.h>
#include <numaif.h>
#endif

#define TYPE_MEMFD_PRIVATE "memory-backend-memfd-private"

OBJECT_DECLARE_SIMPLE_TYPE(MemfdPrivate, MEMFD_PRIVATE)

struct MemfdPrivate {
    HostMemoryBackend parent_obj;

    bool hugetlb;
    uint64_t hugetlbsize;
    /* discard= was given; else the block follows the guest's default */
    bool has_discard;
    UpmDiscardPolicy discard;
    bool prealloc_shared;
    /* Another backend, which goes when this one comes */
    char *replaces;
};

static void (*parent_complete)(UserCreatable *uc, Error **errp);

/*
 * What can be said before anything is allocated
 */

static bool check_guest(HostMemoryBackend *backend, Error **errp)
{
    ERRP_GUARD();

    if (!backend->guest_memfd) {
        error_setg(errp, "only a confidential guest has private memory");
        error_append_hint(errp, "Give the guest, an object such as "
                          "sev-snp-guest, with "
                          "-machine confidential-guest-support=ID.\n");
        return false;
    }
    if (!upm_provider_name()) {
        error_setg(errp, "the accelerator cannot keep guest memory private");
        return false;
    }
    return true;
}

static bool check_options(HostMemoryBackend *backend, Error **errp)
{
    MemfdPrivate *m = MEMFD_PRIVATE(backend);
    bool has_nodes = find_first_bit(backend->host_nodes, MAX_NODES) < MAX_NODES;

    if (!backend->share) {
        error_setg(errp, "share=off cannot hold: the shared half is what the "
                   "guest shares with QEMU and its devices");
        return false;
    }
    if (backend->merge) {
        error_setg(errp, "merge=on cannot hold: the kernel merges no page "
                   "that is mapped as shared, and no private one");
        return false;
    }
    if (m->hugetlbsize && !m->hugetlb) {
        error_setg(errp, "hugetlbsize needs hugetlb=on");
        return false;
    }
    if (m->hugetlbsize && (!is_power_of_2(m->hugetlbsize) ||
                           m->hugetlbsize < UPM_FRAME_SIZE)) {
        error_setg(errp, "hugetlbsize=%" PRIu64 " is not the size of a page",
                   m->hugetlbsize);
        return false;
    }
    if (has_nodes && backend->policy == HOST_MEM_POLICY_DEFAULT) {
        error_setg(errp, "host-nodes needs a policy other than default");
        return false;
    }
    if (!has_nodes && backend->policy != HOST_MEM_POLICY_DEFAULT) {
        error_setg(errp, "policy=%s needs host-nodes",
                   HostMemPolicy_str(backend->policy));
        return false;
    }
    return true;
}

static bool check_size(uint64_t size, uint64_t page, Error **errp)
{
    g_autofree char *page_str = size_to_str(page);

    if (!size) {
        error_setg(errp, "size must be given and not be 0");
        return false;
    }
    if (!QEMU_IS_ALIGNED(size, page)) {
        error_setg(errp, "size must be a multiple of %s", page_str);
        return false;
    }
    return true;
}

/*
 * libvirt makes the machine's memory itself, and what its users add comes
 * after that.  Its backend would be listed with the guest's memory and never
 * be used, so it has to make room.  It goes last: where this backend cannot
 * be made, the other one is still there.
 */
static bool check_replaced(HostMemoryBackend *backend, Error **errp)
{
    const char *id = MEMFD_PRIVATE(backend)->replaces;
    HostMemoryBackend *other;
    Object *found;

    if (!id) {
        return true;
    }
    found = object_resolve_path_component(object_get_objects_root(), id);
    other = (HostMemoryBackend *)object_dynamic_cast(found,
                                                     TYPE_MEMORY_BACKEND);
    if (!other || other == backend) {
        error_setg(errp, "replaces=%s: there is no other memory backend of "
                   "this name", id);
        return false;
    }
    if (other->size != backend->size) {
        g_autofree char *size = size_to_str(other->size);

        error_setg(errp, "replaces=%s: that one has %s, and the guest is to "
                   "have as much", id, size);
        return false;
    }
    if (!user_creatable_can_be_deleted(USER_CREATABLE(other))) {
        error_setg(errp, "replaces=%s: that one is in use", id);
        return false;
    }
    return true;
}

static bool delete_replaced(HostMemoryBackend *backend, Error **errp)
{
    const char *id = MEMFD_PRIVATE(backend)->replaces;

    return !id || user_creatable_del(id, errp);
}

/*
 * Allocation
 */

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
    fits = check_size(backend->size, qemu_fd_getpagesize(fd), errp);
    close(fd);
    return fits;
}

/* Returns a sealed memfd of the backend's size, or -1. */
static int open_shared_half(MemfdPrivate *m, Error **errp)
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

static bool map_shared_half(HostMemoryBackend *backend, int fd, Error **errp)
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

static bool memfd_private_alloc(HostMemoryBackend *backend, Error **errp)
{
    MemfdPrivate *m = MEMFD_PRIVATE(backend);
    int fd = open_shared_half(m, errp);

    if (fd < 0) {
        return false;
    }
    backend->aligned = true;
    if (!map_shared_half(backend, fd, errp)) {
        close(fd);
        return false;
    }
    if (m->has_discard) {
        upm_block_set_discard(upm_block_find(backend->mr.ram_block),
                              m->discard);
    }
    return true;
}

/* Returns false where the backend has no policy. */
static bool get_policy(HostMemoryBackend *backend, UpmNumaPolicy *policy)
{
    unsigned long last = find_last_bit(backend->host_nodes, MAX_NODES);

    *policy = (UpmNumaPolicy) {
        .mode = backend->policy,
        .nodes = backend->host_nodes,
        .bits = last + 1,
    };
#ifdef HAVE_NUMA_HAS_PREFERRED_MANY
    if (policy->mode == MPOL_PREFERRED && numa_has_preferred_many() > 0) {
        policy->mode = MPOL_PREFERRED_MANY;
    }
#endif
    return last < MAX_NODES;
}

static char *describe(HostMemoryBackend *backend)
{
    g_autofree char *size = size_to_str(backend->size);

    return g_strdup_printf("%s '%s' (%s)", TYPE_MEMFD_PRIVATE,
        object_get_canonical_path_component(OBJECT(backend)), size);
}

/* The parent has done the shared half. */
static bool bind_private_half(HostMemoryBackend *backend, Error **errp)
{
    g_autofree char *name = describe(backend);
    UpmNumaPolicy policy;

    return !get_policy(backend, &policy) ||
           upm_bind(backend->mr.ram_block->guest_memfd, name, backend->size,
                    backend->prealloc, &policy, errp);
}

static bool prealloc_private_half(HostMemoryBackend *backend, Error **errp)
{
    const char *id = object_get_canonical_path_component(OBJECT(backend));
    UpmNumaPolicy policy;
    bool bound = get_policy(backend, &policy);

    return upm_prealloc(backend->mr.ram_block->guest_memfd, id, backend->size,
                        backend->prealloc_threads, backend->prealloc_context,
                        bound ? &policy : NULL, errp);
}

bool upm_prealloc_later(HostMemoryBackend *backend, Error **errp)
{
    if (!object_dynamic_cast(OBJECT(backend), TYPE_MEMFD_PRIVATE)) {
        return false;
    }
    backend->prealloc = prealloc_private_half(backend, errp);
    return true;
}

/*
 * The guest begins in its private half, so that is what prealloc=on means
 * here; the shared half would take as much once more.
 */
static bool set_up(HostMemoryBackend *backend, Error **errp)
{
    ERRP_GUARD();
    bool prealloc = backend->prealloc;

    backend->prealloc = MEMFD_PRIVATE(backend)->prealloc_shared;
    parent_complete(USER_CREATABLE(backend), errp);
    backend->prealloc = prealloc;
    return !*errp && bind_private_half(backend, errp) &&
           (!prealloc || prealloc_private_half(backend, errp));
}

static void complete(UserCreatable *uc, Error **errp)
{
    ERRP_GUARD();
    HostMemoryBackend *backend = MEMORY_BACKEND(uc);

    if (check_options(backend, errp) &&
        check_size(backend->size, UPM_FRAME_SIZE, errp) &&
        check_guest(backend, errp) && check_replaced(backend, errp) &&
        set_up(backend, errp)) {
        delete_replaced(backend, errp);
    }
    if (*errp) {
        g_autofree char *name = describe(backend);

        error_prepend(errp, "%s: ", name);
    }
}

/*
 * Properties
 */

static bool check_unused(HostMemoryBackend *backend, const char *name,
                         Error **errp)
{
    if (host_memory_backend_mr_inited(backend)) {
        error_setg(errp, "%s of '%s' cannot change any more", name,
                   object_get_canonical_path_component(OBJECT(backend)));
        return false;
    }
    return true;
}

static bool get_hugetlb(Object *obj, Error **errp)
{
    return MEMFD_PRIVATE(obj)->hugetlb;
}

static void set_hugetlb(Object *obj, bool value, Error **errp)
{
    if (check_unused(MEMORY_BACKEND(obj), "hugetlb", errp)) {
        MEMFD_PRIVATE(obj)->hugetlb = value;
    }
}

static void get_hugetlbsize(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    visit_type_size(v, name, &MEMFD_PRIVATE(obj)->hugetlbsize, errp);
}

static void set_hugetlbsize(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    uint64_t value;

    if (check_unused(MEMORY_BACKEND(obj), name, errp) &&
        visit_type_size(v, name, &value, errp)) {
        MEMFD_PRIVATE(obj)->hugetlbsize = value;
    }
}

static bool get_prealloc_shared(Object *obj, Error **errp)
{
    return MEMFD_PRIVATE(obj)->prealloc_shared;
}

static void set_prealloc_shared(Object *obj, bool value, Error **errp)
{
    if (check_unused(MEMORY_BACKEND(obj), "prealloc-shared", errp)) {
        MEMFD_PRIVATE(obj)->prealloc_shared = value;
    }
}

static char *get_replaces(Object *obj, Error **errp)
{
    return g_strdup(MEMFD_PRIVATE(obj)->replaces);
}

static void set_replaces(Object *obj, const char *value, Error **errp)
{
    if (check_unused(MEMORY_BACKEND(obj), "replaces", errp)) {
        g_free(MEMFD_PRIVATE(obj)->replaces);
        MEMFD_PRIVATE(obj)->replaces = g_strdup(value);
    }
}

static UpmBlock *block_of(Object *obj)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    return host_memory_backend_mr_inited(backend)
           ? upm_block_find(backend->mr.ram_block) : NULL;
}

static int get_discard(Object *obj, Error **errp)
{
    UpmBlock *block = block_of(obj);

    return block ? block->discard : MEMFD_PRIVATE(obj)->discard;
}

static void set_discard(Object *obj, int value, Error **errp)
{
    MemfdPrivate *m = MEMFD_PRIVATE(obj);
    UpmBlock *block = block_of(obj);

    m->has_discard = true;
    m->discard = value;
    if (block) {
        upm_block_set_discard(block, value);
    }
}

/*
 * The type
 */

static void memfd_private_init(Object *obj)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    backend->share = true;
    /* mem-merge=on is every machine's default, and holds for neither half. */
    backend->merge = false;
}

static void memfd_private_finalize(Object *obj)
{
    g_free(MEMFD_PRIVATE(obj)->replaces);
}

static void memfd_private_class_init(ObjectClass *oc, const void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    parent_complete = ucc->complete;
    ucc->complete = complete;
    MEMORY_BACKEND_CLASS(oc)->alloc = memfd_private_alloc;

    object_class_property_add_bool(oc, "hugetlb", get_hugetlb, set_hugetlb);
    object_class_property_set_description(oc, "hugetlb",
        "Use huge pages for the shared half");
    object_class_property_add(oc, "hugetlbsize", "size",
        get_hugetlbsize, set_hugetlbsize, NULL, NULL);
    object_class_property_set_description(oc, "hugetlbsize",
        "Size of these huge pages (ex: 2M, 1G)");
    object_class_property_add_bool(oc, "prealloc-shared", get_prealloc_shared,
                                   set_prealloc_shared);
    object_class_property_set_description(oc, "prealloc-shared",
        "Preallocate the shared half; prealloc=on is about the private one");
    object_class_property_add_str(oc, "replaces", get_replaces, set_replaces);
    object_class_property_set_description(oc, "replaces",
        "Delete this other memory backend, unused and of the same size");
    object_class_property_add_enum(oc, "discard", "UpmDiscardPolicy",
        &UpmDiscardPolicy_lookup, get_discard, set_discard);
    object_class_property_set_description(oc, "discard",
        "Half that is discarded when a conversion hides it "
        "(both, shared, private, none)");
}

static const TypeInfo memfd_private_info = {
    .name = TYPE_MEMFD_PRIVATE,
    .parent = TYPE_MEMORY_BACKEND,
    .instance_size = sizeof(MemfdPrivate),
    .instance_init = memfd_private_init,
    .instance_finalize = memfd_private_finalize,
    .class_init = (void *)memfd_private_class_init,
};

static void memfd_private_register(void)
{
    type_register_static(&memfd_private_info);
}

type_init(memfd_private_register);
