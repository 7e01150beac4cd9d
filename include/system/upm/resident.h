/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory occupies on the host
 *
 * No process maps the private half, so its resident set does not have it;
 * these ask the kernel for the pages themselves.
 */
#ifndef SYSTEM_UPM_RESIDENT_H
#define SYSTEM_UPM_RESIDENT_H

/**
 * upm_resident_of_file: what a file says that it occupies
 * @size: bytes that it has to have, since it is all of the file that tells
 * @bytes: set to its memory, swapped out or not
 *
 * At once, whatever the size.  Returns: false for files that do not say: only
 * those on tmpfs and hugetlbfs do, memfds among them.  The st_blocks of a
 * guest_memfd are always 0.
 */
bool upm_resident_of_file(int fd, uint64_t size, uint64_t *bytes);

/**
 * upm_resident_count_file: count the pages of a file
 * @size: bytes to look at, from the first one
 *
 * By cachestat(2), about 10 ns for each resident page; all pages of
 * guest_memfd are in the page cache, and stay there.  Returns: 0 or a negative
 * errno, -ENOSYS before Linux 6.5.
 */
int upm_resident_count_file(int fd, uint64_t size, uint64_t *bytes);

/**
 * upm_resident_count_mapping: count the pages of anonymous memory
 * @host: a multiple of the page size
 * @size: bytes
 *
 * By mincore(2): what is swapped out is not counted.  Returns: 0 or a
 * negative errno.
 */
int upm_resident_count_mapping(void *host, uint64_t size, uint64_t *bytes);

#endif
