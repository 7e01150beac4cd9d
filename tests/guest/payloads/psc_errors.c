/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page state changes that can not be done
 *
 * To be run with 63 MiB of RAM, so that a 2 MiB entry can end behind it.
 */
#include "snp.h"

#define RAM_END         0x3f00000
#define INVALID_HEADER  0x100000001
#define INVALID_ENTRY   0x100000002
#define REFUSED         (0x100ULL << 32)
#define SECRET          0x5a

static u64 buffer(unsigned offset)
{
    return this_cpu()->ghcb_gpa + offset;
}

/* A request whose header is given by hand */
static u64 with_header(u64 header, unsigned at, u64 entry)
{
    ghcb_clear();
    ghcb_poke(at, header);
    for (unsigned i = at + 8; i + 8 <= GHCB_BUFFER_END; i += 8) {
        ghcb_poke(i, entry);
    }
    ghcb_set(GHCB_SCRATCH, buffer(at));
    ghcb_call(NAE_PSC, 0, 0);
    return ghcb_get(GHCB_INFO2);
}

static u64 header(u16 current, u16 last)
{
    return (u64)last << 16 | current;
}

static void check_header(u64 gpa)
{
    u64 entry = psc_entry(gpa, PSC_SHARED);

    check_eq(T("253-entries"), with_header(header(252, 252), 0x800, 0), 0);
    check_eq(T("254-entries"), with_header(header(0, 253), 0x800, entry),
             INVALID_HEADER);
    check_eq(T("65536-entries"), with_header(header(0, 0xffff), 0x800, entry),
             INVALID_HEADER);
    check_eq(T("current-behind-the-end"),
             with_header(header(300, 300), 0x800, entry), INVALID_HEADER);
    check_eq(T("late-buffer"), with_header(header(0, 125), 0xc00, entry),
             INVALID_HEADER);
    check_eq(T("current-beyond-last"),
             with_header(header(3, 2), 0x800, entry), 0);
    check_bytes(T("header-errors-do-nothing"), priv(gpa), PAGE, SECRET);
    check_eq(T("late-buffer-that-fits"),
             with_header(header(124, 124), 0xc00, 0), 0);
}

static void check_entry(u64 gpa)
{
    u64 entries[3];

    entries[0] = psc_entry(gpa, PSC_SHARED) | PSC_2M | 513;
    check_eq(T("progress-beyond-2m"), psc(entries, 1), INVALID_ENTRY);
    entries[0] = psc_entry(gpa, PSC_SHARED) | 2;
    check_eq(T("progress-beyond-4k"), psc(entries, 1), INVALID_ENTRY);
    entries[0] = psc_entry(gpa + PAGE, PSC_SHARED) | PSC_2M;
    check_eq(T("misaligned-2m"), psc(entries, 1), INVALID_ENTRY);
    check_bytes(T("entry-errors-do-nothing"), priv(gpa), PAGE, SECRET);

    /* The entries before a bad one are done, those behind it are not. */
    entries[0] = psc_entry(gpa + 2 * PAGE, PSC_SHARED);
    entries[1] = psc_entry(gpa + PAGE, PSC_SHARED) | PSC_2M;
    entries[2] = psc_entry(gpa, PSC_SHARED);
    check_eq(T("second-entry-is-bad"), psc(entries, 3), INVALID_ENTRY);
    check_eq(T("second-entry-is-current"), psc_current, 1);
    check_eq(T("first-entry-is-done"), entries[0] & 0xfff, 1);
    check_bytes(T("third-entry-is-not-done"), priv(gpa), PAGE, SECRET);
    to_private(gpa + 2 * PAGE, PAGE);
}

/* Operations that nothing stands behind are passed over. */
static void check_operations(u64 gpa)
{
    bool done = true;

    for (unsigned op = 0; op < 16; op++) {
        u64 entry = psc_entry(gpa, op);

        if (op == PSC_PRIVATE || op == PSC_SHARED) {
            continue;
        }
        if (psc(&entry, 1) || psc_current != 1) {
            print("# operation ");
            print_hex(op);
            print("\n");
            done = false;
        }
    }
    check(T("other-operations"), done);
    check_bytes(T("other-operations-do-nothing"), priv(gpa), PAGE, SECRET);
    check(T("other-operations-keep-validated"),
          pvalidate(priv(gpa), 0, 1).cf);
}

static const struct {
    const char *shared, *private;
    u64 entry;
} places[] = {
    { T("mmio-to-shared"), T("mmio-to-private"), 0xfed00000 },
    { T("pci-hole-to-shared"), T("pci-hole-to-private"), 0x80000000 },
    { T("beyond-ram-to-shared"), T("beyond-ram-to-private"), RAM_END },
    { T("2m-over-the-end-to-shared"), T("2m-over-the-end-to-private"),
      0x3e00000 | PSC_2M },
    { T("high-hole-to-shared"), T("high-hole-to-private"),
      0x8000000000 | PSC_2M },
    { T("beyond-physical-to-shared"), T("beyond-physical-to-private"),
      0xffffffffff000 },
};

static void check_places(u64 gpa)
{
    u64 last = RAM_END - PAGE;
    u64 entries[3];

    validate(priv(0x3e00000), PAGE);
    fill(priv(0x3e00000), PAGE, SECRET);
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        entries[0] = places[i].entry | (u64)PSC_SHARED << 52;
        check_eq(places[i].shared, psc(entries, 1), REFUSED);
        entries[0] = places[i].entry | (u64)PSC_PRIVATE << 52;
        check_eq(places[i].private, psc(entries, 1), REFUSED);
    }
    check(T("nothing-half-converted"), pvalidate(priv(0x3e00000), 0, 1).cf);
    check_bytes(T("nothing-half-discarded"), priv(0x3e00000), PAGE, SECRET);

    /* A good page, one behind the end of RAM, and another good one */
    validate(priv(last), PAGE);
    rescind(priv(last), PAGE);
    entries[0] = psc_entry(last, PSC_SHARED);
    entries[1] = psc_entry(RAM_END + PAGE, PSC_SHARED);
    entries[2] = psc_entry(gpa, PSC_SHARED);
    check_eq(T("across-the-end"), psc(entries, 3), REFUSED);
    check_eq(T("across-the-end-current"), psc_current, 1);
    check_eq(T("across-the-end-first"), entries[0] & 0xfff, 1);
    check_eq(T("across-the-end-second"), entries[1] & 0xfff, 0);
    fill(shar(last), PAGE, 0x11);
    check_bytes(T("across-the-end-usable"), shar(last), PAGE, 0x11);
    check_bytes(T("across-the-end-third"), priv(gpa), PAGE, SECRET);
    /* Neighbours may be done as one, and are then refused as one. */
    entries[0] = psc_entry(last, PSC_PRIVATE);
    entries[1] = psc_entry(RAM_END, PSC_PRIVATE);
    check_eq(T("touching-the-end"), psc(entries, 2), REFUSED);
    check(T("touching-the-end-progress"), psc_current == (entries[0] & 0xfff)
          && psc_current <= 1 && !(entries[1] & 0xfff));
}

void payload(void)
{
    u64 gpa = AREA_GPA;

    validate(priv(gpa), 4 * PAGE);
    fill(priv(gpa), 4 * PAGE, SECRET);
    check_header(gpa);
    check_entry(gpa);
    check_operations(gpa);
    check_places(gpa);
    /* The firmware image is RAM with a private half like any other. */
    validate(priv(gpa), PAGE);
    host_absent(T("no-secret-in-shared-half"), SECRET);
}
