/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device behind the IOMMU, and pages that are not the hypervisor's
 *
 * The machine has QEMU's device edu, which copies between memory and a buffer
 * of its own (docs/specs/edu.rst).  APM volume 2, 15.36.10.
 */
#include "rmp.h"

#define EDU_ID          0x11e81234
#define BAR0            0x10
#define COMMAND         0x04
#define MEMORY_MASTER   0x6
#define EDU             0xe0000000ULL
#define EDU_BUFFER      0x40000
#define EDU_RUN         1
#define EDU_TO_MEMORY   2

#define IOMMU           0xfed80000ULL
#define IOMMU_DEVICES   0x0000
#define IOMMU_CONTROL   0x0018
#define IOMMU_ON        0x1

#define DEVICES         0x2000000ULL
#define TABLE           0x2002000ULL
/* An entry: valid, present, for reads and writes; and of the device table */
#define IOMMU_VALID     (3ULL << 61 | 1)
#define IOMMU_TABLE_2   (2ULL << 9 | 2)
/* Next level 7: the address has as many ones as the page is large */
#define IOMMU_4M        (7ULL << 9 | 0x1ff000)
#define SOURCE          0x4000000ULL
#define TARGET          0x4400000ULL
/* What the device calls the 4 MiB there */
#define IOVA            0x8000000ULL
#define GPA             0x40000000ULL
#define OLD             0x11
#define NEW             0xa5

static unsigned int device;         /* bus, device, function */

static u64 assign(u64 spa, u32 asid)
{
    struct rmp_state state = { .gpa = GPA, .assigned = 1, .asid = asid };

    return rmpupdate(spa, &state);
}

static u64 release(u64 spa)
{
    struct rmp_state state = { 0 };

    return rmpupdate(spa, &state);
}

/* ---- PCI, by ports CF8h and CFCh ---- */

static void outl(u16 port, u32 value)
{
    asm volatile("outl %0, %1" :: "a"(value), "Nd"(port));
}

static u32 inl(u16 port)
{
    u32 value;

    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static u32 config_read(unsigned int at)
{
    outl(0xcf8, 1U << 31 | device << 8 | at);
    return inl(0xcfc);
}

static void config_write(unsigned int at, u32 value)
{
    outl(0xcf8, 1U << 31 | device << 8 | at);
    outl(0xcfc, value);
}

static void find_device(void)
{
    for (device = 0; device < 256; device++) {
        if (config_read(0) == EDU_ID) {
            config_write(BAR0, EDU);
            config_write(COMMAND, MEMORY_MASTER);
            return;
        }
    }
    fatal("no device edu", 0);
}

/* ---- what the device does ---- */

static volatile u64 *edu(u64 at)
{
    return (u64 *)(EDU + at);
}

static void transfer(u64 from, u64 to, u64 size, u64 command)
{
    *edu(0x80) = from;
    *edu(0x88) = to;
    *edu(0x90) = size;
    *edu(0x98) = command | EDU_RUN;
    while (*edu(0x98) & EDU_RUN) {
        pause();
    }
}

static void device_reads(u64 spa)
{
    transfer(spa, EDU_BUFFER, PAGE, 0);
}

static void device_writes(u64 spa)
{
    transfer(EDU_BUFFER, spa, PAGE, EDU_TO_MEMORY);
}

/* ---- the IOMMU ---- */

static volatile u64 *iommu(u64 at)
{
    return (u64 *)(IOMMU + at);
}

/* No entry of the table is valid: addresses are not translated. */
static void iommu_on(void)
{
    fill((u8 *)DEVICES, PAGE, 0);
    *iommu(IOMMU_DEVICES) = DEVICES;
    *iommu(IOMMU_CONTROL) = IOMMU_ON;
}

/* ---- checks ---- */

static void prepare(void)
{
    fill((u8 *)SOURCE, PAGE, NEW);
    fill((u8 *)TARGET, 2 * PAGE, OLD);
    device_reads(SOURCE);
}

static void test_without_snp(void)
{
    prepare();
    device_writes(TARGET);
    check_bytes(T("write-without-snp"), (u8 *)TARGET, PAGE, NEW);
    check_bytes(T("and-no-more"), (u8 *)TARGET + PAGE, PAGE, OLD);
}

static void test_own_page(void)
{
    prepare();
    device_writes(TARGET);
    check_bytes(T("write-own-page"), (u8 *)TARGET, PAGE, NEW);
}

static void test_assigned(const char *prefix, u32 asid)
{
    set_prefix(prefix);
    prepare();
    check_eq(S("assign"), assign(TARGET, asid), 0);
    device_writes(TARGET);
    check_bytes(S("write-refused"), (u8 *)TARGET, PAGE, OLD);
    device_reads(TARGET);
    check_eq(S("release"), release(TARGET), 0);
    device_writes(SOURCE);
    check_bytes(S("could-be-read"), (u8 *)SOURCE, PAGE, OLD);
    prepare();
    device_writes(TARGET);
    check_bytes(S("write-released"), (u8 *)TARGET, PAGE, NEW);
    set_prefix(NULL);
}

/* The first half goes to the hypervisor's page. */
static void test_two_owners(void)
{
    prepare();
    assign(TARGET + PAGE, 1);
    device_writes(TARGET + PAGE / 2);
    release(TARGET + PAGE);
    check_eq(T("before-the-border"), *(u64 *)(TARGET + PAGE - 8),
             0x0101010101010101ULL * NEW);
    check_bytes(T("behind-the-border"), (u8 *)TARGET + PAGE, PAGE, OLD);
}

/* By the same entry twice, in a table of two levels */
static void map_4m(u64 iova, u64 spa)
{
    u64 *entry = (u64 *)TABLE + iova / PAGE_2M;

    entry[0] = entry[1] = spa | IOMMU_4M | IOMMU_VALID;
}

static void translate(void)
{
    u64 *entry = (u64 *)(DEVICES + device * 32);

    fill((u8 *)TABLE, PAGE, 0);
    map_4m(SOURCE, SOURCE);
    map_4m(IOVA, TARGET);
    entry[1] = 1;
    entry[0] = TABLE | IOMMU_VALID | IOMMU_TABLE_2;
}

/*
 * From the second time on the IOMMU knows the translation.  The host's own
 * mapping is larger than a page, so that it may not write beside a guest's.
 */
static void test_translated(void)
{
    prepare();
    assign(TARGET + PAGE, 1);
    device_writes(IOVA + PAGE / 2);
    check_eq(T("other-half-of-large"), *(u64 *)(TARGET + PAGE / 2 - 8),
             0x0101010101010101ULL * OLD);
    check_eq(T("half-of-large"), *(u64 *)(TARGET + PAGE - 8),
             0x0101010101010101ULL * NEW);
    device_writes(IOVA);
    check_bytes(T("own-page-of-large"), (u8 *)TARGET, PAGE, NEW);
    device_writes(IOVA + PAGE);
    check_bytes(T("guest-page-of-large"), (u8 *)TARGET + PAGE, PAGE, OLD);
    release(TARGET + PAGE);
    device_writes(IOVA + PAGE);
    check_bytes(T("released-of-large"), (u8 *)TARGET + PAGE, PAGE, NEW);
}

/* No way around it */
static void test_iommu_off(void)
{
    prepare();
    *iommu(IOMMU_CONTROL) = 0;
    assign(TARGET, 1);
    device_writes(TARGET);
    check_bytes(T("iommu-off-refused"), (u8 *)TARGET, PAGE, OLD);
    release(TARGET);
    device_writes(TARGET);
    check_bytes(T("iommu-off-released"), (u8 *)TARGET, PAGE, NEW);
}

void payload(void)
{
    find_device();
    iommu_on();
    test_without_snp();
    snp_on();
    test_own_page();
    test_assigned(A("guest"), 1);
    test_assigned(A("firmware"), 0);
    test_two_owners();
    translate();
    test_translated();
    test_iommu_off();
}
