/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory backend with a shared and a private half: what can be said before
 * anything is allocated
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "qemu/cutils.h"
#include "qom/object_interfaces.h"
#include "system/upm/provider.h"
#include "memfd-private.h"

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

bool memfd_private_check_size(uint64_t size, uint64_t page, Error **errp)
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

bool memfd_private_delete_replaced(HostMemoryBackend *backend, Error **errp)
{
    const char *id = MEMFD_PRIVATE(backend)->replaces;

    return !id || user_creatable_del(id, errp);
}

bool memfd_private_check(HostMemoryBackend *backend, Error **errp)
{
    return check_options(backend, errp) &&
           memfd_private_check_size(backend->size, UPM_FRAME_SIZE, errp) &&
           check_guest(backend, errp) && check_replaced(backend, errp);
}
