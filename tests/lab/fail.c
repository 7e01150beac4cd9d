/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into QEMU: while the file that LAB_FAIL names says "discard", no
 * hole can be punched; while it says "mark ADDRESS", KVM makes no range
 * private that has this address in it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads what is to fail; returns whether that is @what. */
static bool fails(const char *what, unsigned long long *address)
{
    const char *path = getenv("LAB_FAIL");
    FILE *file = path ? fopen(path, "re") : NULL;
    char word[16] = "";

    if (!file) {
        return false;
    }
    *address = 0;
    if (fscanf(file, "%15s %llx", word, address) < 1) {
        word[0] = 0;
    }
    fclose(file);
    return !strcmp(word, what);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size)
{
    int (*next)(int, int, off64_t, off64_t) = dlsym(RTLD_NEXT, "fallocate64");
    unsigned long long unused;

    if (mode & FALLOC_FL_PUNCH_HOLE && fails("discard", &unused)) {
        errno = EIO;
        return -1;
    }
    return next(fd, mode, offset, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fallocate64(fd, mode, offset, size);
}

static bool fails_to_mark(const struct kvm_memory_attributes *range)
{
    unsigned long long address;

    return range->attributes & KVM_MEMORY_ATTRIBUTE_PRIVATE &&
           fails("mark", &address) && address >= range->address &&
           address - range->address < range->size;
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*next)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
    void *argument;
    va_list list;

    va_start(list, request);
    argument = va_arg(list, void *);
    va_end(list);
    if (request == KVM_SET_MEMORY_ATTRIBUTES && fails_to_mark(argument)) {
        errno = EINVAL;
        return -1;
    }
    return next(fd, request, argument);
}
