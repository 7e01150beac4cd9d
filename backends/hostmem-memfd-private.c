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
#include "qapi/visitor.h"
#include "qemu/bitmap.h"
#include "qemu/cutils.h"
#include "qemu/module.h"
#include "qom/object_interfaces.h"
#include "system/upm/compat.h"
#include "system/upm/map.h"
#include "system/upm/prealloc.h"
#include "memfd-private.h"

#ifdef CONFIG_NUMA
#include <numa.h>
#include <numaif.h>
#endif

static void (*parent_complete)(UserCreatable *uc, Error **errp);

/*
 * Allocation
 */

static bool memfd_private_alloc(HostMemoryBackend *backend, Error **errp)
{
    MemfdPrivate *m = MEMFD_PRIVATE(backend);
    int fd = memfd_private_open_shared(m, errp);

    if (fd < 0) {
        return false;
    }
    backend->aligned = true;
    if (!memfd_private_map_shared(backend, fd, errp)) {
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

    if (memfd_private_check(backend, errp) && set_up(backend, errp)) {
        memfd_private_delete_replaced(backend, errp);
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
