/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates for SEV-SNP guests under KVM: KVM_EXIT_SNP_REQ_CERTS
 *
 * Linux 7.0 and later, Documentation/virt/kvm/api.rst and
 * x86/amd-memory-encryption.rst.  QEMU's copy of the kernel's headers is
 * older than that, so what is needed of them is here.
 */
#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "system/kvm.h"
#include "system/upm/compat.h"
#include "target/i386/sev-certs.h"
#include "target/i386/upm-guest.h"
#include "sev-req-certs.h"

#define EXIT_SNP_REQ_CERTS          43
#define SEV_SNP_ENABLE_REQ_CERTS    103

/* Member of the union in struct kvm_run */
typedef struct ReqCerts {
    uint64_t gpa;
    uint64_t npages;
    uint64_t ret;           /* an errno, positive */
} ReqCerts;

QEMU_BUILD_BUG_ON(sizeof(ReqCerts) >
                  sizeof(((struct kvm_run *)NULL)->padding));

/* The file that this vCPU's thread keeps locked, -1: none */
static __thread int locked = -1;

bool sev_req_certs_enable(Error **errp)
{
    struct kvm_sev_cmd command = { .id = SEV_SNP_ENABLE_REQ_CERTS };
    int ret;

    if (!upm_guest_certs_path()) {
        return true;
    }
    ret = kvm_vm_ioctl(kvm_state, KVM_MEMORY_ENCRYPT_OP, &command);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "certs-path: this kernel's KVM can not"
                         " ask for certificates"
                         " (KVM_SEV_SNP_ENABLE_REQ_CERTS, Linux 7.0); leave"
                         " certs-path out");
        return false;
    }
    return true;
}

/* Returns: what @npages and @ret shall be, in @req */
static void give_certs(ReqCerts *req)
{
    g_autoptr(GByteArray) table = NULL;
    Error *err = NULL;
    uint64_t needed;
    int ret;

    table = sev_certs_read(upm_guest_certs_path(), &locked, &ret, &err);
    if (!table) {
        if (err) {
            sev_certs_report(err);
        }
        req->ret = ret == -EAGAIN ? EAGAIN : EIO;
        return;
    }
    needed = sev_certs_pages(table);
    if (needed > req->npages) {
        req->npages = needed;
        req->ret = ENOSPC;
        return;
    }
    if (address_space_write(&address_space_memory, req->gpa,
                            MEMTXATTRS_UNSPECIFIED, table->data,
                            table->len) != MEMTX_OK) {
        req->ret = EIO;
    }
}

bool sev_req_certs_handle_exit(struct kvm_run *run)
{
    ReqCerts req;

    if (run->exit_reason != EXIT_SNP_REQ_CERTS || !upm_guest_certs_path()) {
        return false;
    }
    memcpy(&req, run->padding, sizeof(req));
    req.ret = 0;
    give_certs(&req);
    memcpy(run->padding, &req, sizeof(req));
    if (req.ret) {
        sev_req_certs_after_run();
    } else if (locked >= 0) {
        qatomic_set(&run->immediate_exit, 1);
    }
    return true;
}

void sev_req_certs_after_run(void)
{
    if (locked >= 0) {
        close(locked);
        locked = -1;
    }
}
