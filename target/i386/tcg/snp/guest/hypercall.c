/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's hypercalls, for guests that find KVM's signature
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/kvm_para.h"
#include "system/upm/map-gpa.h"
#include "system/upm/upm.h"
#include "hypercall.h"

static bool is_range(const MapGpa *request)
{
    return request->size && !(request->gpa & (UPM_FRAME_SIZE - 1)) &&
           request->gpa + (request->size - 1) > request->gpa;
}

/* To try again, or an error: KVM's user space has no other answers. */
static int64_t answer_of(int error)
{
    switch (error) {
    case 0:
        return 0;
    case -ENOMEM:
    case -EAGAIN:
    case -EINTR:
        return -EAGAIN;
    default:
        return -KVM_EINVAL;
    }
}

static int64_t map_gpa_range(const uint64_t args[3],
                             SnpHypercallConvert *convert, void *opaque)
{
    MapGpa request;

    if (upm_decode_map_gpa(args[0], args[1], args[2], &request) ||
        !is_range(&request)) {
        return -KVM_EINVAL;
    }
    return answer_of(convert(opaque, request.gpa, request.size,
                             request.to_private));
}

static int64_t serve(const SnpHypercall *call, SnpHypercallConvert *convert,
                     void *opaque)
{
    if (call->user) {
        return -KVM_EPERM;
    }
    switch (call->nr) {
    case KVM_HC_VAPIC_POLL_IRQ:
        /* All that it does is done by the exit. */
        return 0;
    case KVM_HC_MAP_GPA_RANGE:
        return map_gpa_range(call->args, convert, opaque);
    default:
        return -KVM_ENOSYS;
    }
}

uint64_t snp_hypercall_answer(const SnpHypercall *call,
                              SnpHypercallConvert *convert, void *opaque)
{
    SnpHypercall narrow = *call;

    if (call->wide) {
        return serve(call, convert, opaque);
    }
    narrow.nr = (uint32_t)call->nr;
    for (int i = 0; i < ARRAY_SIZE(narrow.args); i++) {
        narrow.args[i] = (uint32_t)call->args[i];
    }
    return (uint32_t)serve(&narrow, convert, opaque);
}
