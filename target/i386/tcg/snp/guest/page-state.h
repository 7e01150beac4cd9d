/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page state change requests: what their encodings mean
 *
 * Knows nothing of vCPUs or memory, so that a test can feed it bytes.
 */
#ifndef TARGET_I386_TCG_SNP_PAGE_STATE_H
#define TARGET_I386_TCG_SNP_PAGE_STATE_H

/* Room in a GHCB's shared buffer of 2032 bytes, behind the header */
#define SNP_PSC_MAX_ENTRIES 253

/* Results in SW_EXITINFO2 of NAE event 80000010h */
#define SNP_PSC_DONE            0
#define SNP_PSC_INVALID_HEADER  0x0000000100000001ULL
#define SNP_PSC_INVALID_ENTRY   0x0000000100000002ULL
#define SNP_PSC_FAILED          0x0000010000000000ULL

/**
 * SnpPscConvert: change the page state of [@gpa, @gpa + @size), bytes
 *
 * Returns: 0, or anything else for a refusal.
 */
typedef int SnpPscConvert(void *opaque, uint64_t gpa, uint64_t size,
                          bool to_private);

/**
 * snp_psc_buffer: NAE event 80000010h, GHCB specification 4.1.6
 * @buffer: header and entries, in guest byte order, of any alignment; the
 *     guest may write it meanwhile.  Progress is written back.
 * @size: bytes from @buffer to the end of the shared area, at least 8
 *
 * Adjacent entries with the same operation and page size become one call of
 * @convert.  An entry of 2 MiB that the guest has finished in part continues
 * in pages of 4 KiB.  Operations other than private and shared are finished
 * without action, as KVM does.
 *
 * Returns: SNP_PSC_DONE or one of the errors above.
 */
uint64_t snp_psc_buffer(void *buffer, size_t size, SnpPscConvert *convert,
                        void *opaque);

/**
 * snp_psc_msr: request 014h of the GHCB MSR protocol, for one 4 KiB page
 *
 * Returns: the response, with bit 63 set where the request was refused.
 */
uint64_t snp_psc_msr(uint64_t request, SnpPscConvert *convert, void *opaque);

#endif
