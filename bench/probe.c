/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a VMM can do for a conversion: one ioctl, one hole
 *
 * usage: probe IMAGE CBIT POLICY
 *
 * Runs one of the lab's payloads (tests/lab/guest/) with a single vCPU.
 * POLICY is "both", or "none" to punch no holes.  See Linux,
 * Documentation/virt/kvm/api.rst, for everything that is called here.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_SIZE    (64UL << 20)
#define IMAGE_SIZE  0x10000UL
#define IMAGE_GPA   0xffff0000UL
#define PAGE_BITS   12
#define ENCRYPTED   0x10

#define PORT_EXIT   0xf4
#define PORT_OUT    0x402
#define PORT_DATA   0x3f8
#define PORT_STATUS 0x3fd

static int vm, vcpu, shared, private;
static bool discard;
static uint8_t cbit, reply;
static bool replied;

static int call(int fd, unsigned long request, void *argument)
{
    int ret = ioctl(fd, request, argument);

    if (ret < 0) {
        err(1, "ioctl 0x%lx", request);
    }
    return ret;
}

static int new_memfd(uint64_t size)
{
    int fd = memfd_create("shared", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, size)) {
        err(1, "memfd_create");
    }
    return fd;
}

static int new_private(uint64_t size)
{
    struct kvm_create_guest_memfd create = { .size = size };

    return call(vm, KVM_CREATE_GUEST_MEMFD, &create);
}

static void *add_slot(unsigned slot, uint64_t gpa, uint64_t size, int fd,
                      int private_fd)
{
    void *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct kvm_userspace_memory_region2 region = {
        .slot = slot,
        .flags = KVM_MEM_GUEST_MEMFD,
        .guest_phys_addr = gpa,
        .memory_size = size,
        .userspace_addr = (uintptr_t)host,
        .guest_memfd = private_fd,
    };

    if (host == MAP_FAILED) {
        err(1, "mmap");
    }
    call(vm, KVM_SET_USER_MEMORY_REGION2, &region);
    return host;
}

static void load_image(const char *path)
{
    int fd = open(path, O_RDONLY);
    void *host = add_slot(1, IMAGE_GPA, IMAGE_SIZE, new_memfd(IMAGE_SIZE),
                          new_private(IMAGE_SIZE));

    if (fd < 0 || read(fd, host, IMAGE_SIZE) != IMAGE_SIZE) {
        err(1, "%s", path);
    }
    close(fd);
}

static void convert(uint64_t gpa, uint64_t size, bool to_private)
{
    struct kvm_memory_attributes attributes = {
        .address = gpa,
        .size = size,
        .attributes = to_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
    };

    call(vm, KVM_SET_MEMORY_ATTRIBUTES, &attributes);
    if (discard && fallocate(to_private ? shared : private,
                             FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                             gpa, size)) {
        err(1, "fallocate");
    }
}

/* What the guest says; its one question is for the encryption bit. */
static void output(const char *text, size_t size)
{
    if (*text == '@') {
        reply = cbit;
        replied = true;
        return;
    }
    fwrite(text, 1, size, stdout);
}

static void handle_io(struct kvm_run *run)
{
    char *data = (char *)run + run->io.data_offset;

    switch (run->io.port) {
    case PORT_OUT:
        output(data, run->io.count * run->io.size);
        break;
    case PORT_STATUS:
        *data = replied;
        break;
    case PORT_DATA:
        *data = reply;
        replied = false;
        break;
    case PORT_EXIT:
        exit(*data != 16);
    }
}

static void set_up_vm(const char *image)
{
    struct kvm_enable_cap hypercalls = {
        .cap = KVM_CAP_EXIT_HYPERCALL,
        .args = { 1 << KVM_HC_MAP_GPA_RANGE },
    };
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (kvm < 0) {
        err(1, "/dev/kvm");
    }
    vm = call(kvm, KVM_CREATE_VM, (void *)(uintptr_t)KVM_X86_SW_PROTECTED_VM);
    call(vm, KVM_ENABLE_CAP, &hypercalls);
    shared = new_memfd(RAM_SIZE);
    private = new_private(RAM_SIZE);
    add_slot(0, 0, RAM_SIZE, shared, private);
    load_image(image);
    vcpu = call(vm, KVM_CREATE_VCPU, NULL);
}

/* All that KVM supports: an encryption bit must be a legal address. */
static void set_cpuid(void)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) +
                                      256 * sizeof(cpuid->entries[0]));
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    cpuid->nent = 256;
    call(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
    call(vcpu, KVM_SET_CPUID2, cpuid);
    close(kvm);
    free(cpuid);
}

static struct kvm_run *map_run(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int size = call(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
    void *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

    if (run == MAP_FAILED) {
        err(1, "mmap of the vCPU");
    }
    close(kvm);
    return run;
}

static void run_guest(struct kvm_run *run)
{
    int ret = ioctl(vcpu, KVM_RUN, NULL);

    if (ret < 0 && errno == EFAULT &&
        run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
        convert(run->memory_fault.gpa, run->memory_fault.size,
                run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE);
    } else if (ret < 0 && errno != EINTR) {
        err(1, "KVM_RUN");
    } else if (run->exit_reason == KVM_EXIT_IO) {
        handle_io(run);
    } else if (run->exit_reason == KVM_EXIT_HYPERCALL) {
        convert(run->hypercall.args[0], run->hypercall.args[1] << PAGE_BITS,
                run->hypercall.args[2] & ENCRYPTED);
        run->hypercall.ret = 0;
    } else if (!ret) {
        errx(1, "exit %u of the vCPU", run->exit_reason);
    }
}

int main(int argc, char **argv)
{
    struct kvm_run *run;

    if (argc != 4) {
        errx(2, "usage: probe IMAGE CBIT POLICY");
    }
    cbit = atoi(argv[2]);
    discard = !strcmp(argv[3], "both");
    set_up_vm(argv[1]);
    set_cpuid();
    run = map_run();
    for (;;) {
        run_guest(run);
    }
}
