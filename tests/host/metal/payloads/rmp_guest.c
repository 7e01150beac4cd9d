/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RMP checks of a guest's accesses, and PVALIDATE, RMPADJUST and RMPQUERY
 *
 * APM volume 2, 15.36.10; volume 3, chapter 4.
 */
#include "rmp.h"

/* Short names for the table of accesses */
#define SET             RMP_ASSIGNED
#define L               RMP_2M
#define I               RMP_IMMUTABLE
#define ASID(n)         RMP_ASID(n)
#define V               RMP_VALIDATED
#define OWN             GUEST_ASSIGNED
#define ALL             RMP_ALL
#define DATA            GUEST_DATA
#define BIG             GUEST_BIG
#define PRIVATE         GUEST_PRIVATE

/* Error code of #NPF */
#define P               (1ULL << 0)
#define W               (1ULL << 1)
#define U               (1ULL << 2)
#define F               (1ULL << 4)             /* fetch */
#define RMP             (1ULL << 31)
#define FINAL           (1ULL << 32)
#define WALK            (1ULL << 33)
#define ENC             (1ULL << 34)
#define SIZEM           (1ULL << 35)
#define VMPL            (1ULL << 36)
#define DENIED          (P | U | RMP | FINAL)

ES_GUEST(g_load, "movq (%rsi), %rbx");
ES_GUEST(g_store, "movq %rsi, (%rsi)");
ES_GUEST(g_fetch, "callq *%rsi");
ES_GUEST(g_load_store, "movq (%rsi), %rbx\n movq %rsi, (%rsi)");
ES_GUEST(g_load_twice, "movq (%rsi), %rbx\n rep; vmmcall\n"
         "movq (%rsi), %rbx");
ES_GUEST(g_pvalidate, ".byte 0xf2, 0x0f, 0x01, 0xff");
ES_GUEST(g_rmpadjust, ".byte 0xf3, 0x0f, 0x01, 0xfe");
ES_GUEST(g_rmpquery, ".byte 0xf3, 0x0f, 0x01, 0xfd");

struct code {
    const u8 *start, *end;
};

static const struct code load = { g_load, g_load_end };
static const struct code store = { g_store, g_store_end };
static const struct code fetch = { g_fetch, g_fetch_end };
static const struct code load_store = { g_load_store, g_load_store_end };
static const struct code pvalidate = { g_pvalidate, g_pvalidate_end };
static const struct code rmpadjust = { g_rmpadjust, g_rmpadjust_end };
static const struct code rmpquery = { g_rmpquery, g_rmpquery_end };

/* ---- the host's side ---- */

static void start(const struct code *code, unsigned vmpl, u64 rsi)
{
    set_snp(code->start, code->end, vmpl, rsi);
    /* Accessed and dirty: nothing but the RMP makes a store come back. */
    *nested_entry(DATA) |= 0x60;
    flush_rmp();
}

/* ---- accesses ---- */

struct row {
    const char *name;
    const struct code *code;
    bool private;
    unsigned vmpl;
    u64 entry, perms;
    /* #NPF's error code, 0 where there is none; or #VC's */
    u64 error;
    u64 vc;
};

#define MINE (OWN | DATA | V)

static const struct row rows[] = {
    /* private, as it should be */
    { T("load"), &load, 1, 0, MINE, ALL, 0, 0 },
    { T("store"), &store, 1, 0, MINE, ALL, 0, 0 },
    { T("fetch"), &fetch, 1, 0, MINE, ALL, 0, 0 },
    /* private, and not the guest's */
    { T("load-host"), &load, 1, 0, 0, 0, DENIED | ENC, 0 },
    { T("store-host"), &store, 1, 0, 0, 0, DENIED | ENC | W, 0 },
    { T("fetch-host"), &fetch, 1, 0, 0, 0, DENIED | ENC | F, 0 },
    { T("load-firmware"), &load, 1, 0, SET | I, 0, DENIED | ENC, 0 },
    { T("load-other-asid"), &load, 1, 0, SET | ASID(2) | DATA | V, ALL,
      DENIED | ENC, 0 },
    { T("load-other-gpa"), &load, 1, 0, OWN | (DATA + PAGE) | V, ALL,
      DENIED | ENC, 0 },
    { T("load-large-entry"), &load, 1, 0, MINE | L, ALL, DENIED | ENC, 0 },
    /* the first that fails is told */
    { T("size-before-validated"), &load, 1, 0, OWN | DATA | L, ALL,
      DENIED | ENC, 0 },
    { T("load-not-validated"), &load, 1, 0, OWN | DATA, ALL, 0, 0x404 },
    { T("store-not-validated"), &store, 1, 0, OWN | DATA, ALL, 0, 0x404 },
    { T("validated-before-vmpl"), &load, 1, 1, OWN | DATA, 0, 0, 0x404 },
    /* shared */
    { T("load-shared"), &load, 0, 0, 0, 0, 0, 0 },
    { T("store-shared"), &store, 0, 0, 0, 0, 0, 0 },
    { T("load-own-shared"), &load, 0, 0, MINE, ALL, 0, 0 },
    { T("store-own-shared"), &store, 0, 0, MINE, ALL, DENIED | W, 0 },
    { T("store-after-load"), &load_store, 0, 0, MINE, ALL, DENIED | W, 0 },
    { T("store-firmware-shared"), &store, 0, 0, SET | I, 0, DENIED | W, 0 },
    { T("store-fixed-shared"), &store, 0, 0, I, 0, 0, 0 },
    { T("fetch-shared"), &fetch, 0, 0, MINE, ALL, 0, 0 },
    /* permissions of VMPL1 */
    { T("vmpl1-load"), &load, 1, 1, MINE, 0x011f, 0, 0 },
    { T("vmpl1-store"), &store, 1, 1, MINE, 0x011f,
      DENIED | ENC | W | VMPL, 0 },
    { T("vmpl1-fetch"), &fetch, 1, 1, MINE, 0x031f,
      DENIED | ENC | F | VMPL, 0 },
    { T("vmpl1-fetch-user"), &fetch, 1, 1, MINE, 0x071f,
      DENIED | ENC | F | VMPL, 0 },
    { T("vmpl1-fetch-super"), &fetch, 1, 1, MINE, 0x0b1f, 0, 0 },
    { T("vmpl1-nothing"), &load, 1, 1, MINE, 0x001f, DENIED | ENC | VMPL, 0 },
    { T("vmpl1-store-after-load"), &load_store, 1, 1, MINE, 0x011f,
      DENIED | ENC | W | VMPL, 0 },
};

static void check_exit(const char *name, u64 exit, u64 error, u64 address)
{
    if (exit != (error ? EXIT_NPF : EXIT_VMGEXIT)) {
        check_eq(name, exit, error ? EXIT_NPF : EXIT_VMGEXIT);
        return;
    }
    if (error && (*vmcb64(VMCB_INFO2) & ~0xfffULL) != address) {
        check_eq(name, *vmcb64(VMCB_INFO2), address);
        return;
    }
    check_eq(name, error ? *vmcb64(VMCB_INFO1) : 0, error);
}

static void test_rows(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];

        set_rmp(DATA, 0, 0);
        memcpy((void *)DATA, g_fetch_end, ES_GUEST_TAIL);     /* VMGEXIT */
        start(row->code, row->vmpl, (row->private ? PRIVATE : 0) + DATA);
        set_rmp(DATA, row->entry, row->perms);
        u64 exit = run_encrypted();

        if (row->vc && exit == EXIT_VMGEXIT) {
            check_eq(row->name, *guest_state(VMSA_RBX), row->vc);
        } else {
            check_exit(row->name, exit, row->error, DATA);
        }
    }
    set_rmp(DATA, 0, 0);
}

/* ---- page sizes, page tables, and what is not there ---- */

static void set_big(u64 entry)
{
    for (unsigned i = 0; i < 512; i++) {
        rmp_entry(BIG + i * PAGE)[0] = entry ? entry + i * PAGE : 0;
        rmp_entry(BIG + i * PAGE)[1] = ALL;
    }
    flush_rmp();
}

static void test_sizes(void)
{
    const u64 at = BIG + 5 * PAGE;

    start(&load, 0, PRIVATE + at);
    set_big(OWN | V | L | BIG);
    check_exit(T("large"), run_encrypted(), 0, 0);
    start(&load, 0, PRIVATE + at);
    set_big(OWN | V | BIG);
    check_exit(T("large-over-small"), run_encrypted(), DENIED | ENC, at);
    set_big(0);
    start(&store, 0, at);
    check_exit(T("large-shared"), run_encrypted(), 0, 0);
    start(&store, 0, at);
    set_rmp(BIG, 511 << 3, 0);
    check_exit(T("large-shared-neighbour"), run_encrypted(), DENIED | W, at);
    set_rmp(BIG, 0, 0);
}

static void test_walk(void)
{
    start(&load, 0, DATA);
    set_rmp(GUEST_TABLE, 0, 0);
    check_exit(T("table-of-host"), run_encrypted(),
               P | W | U | RMP | WALK | ENC, GUEST_TABLE);
    start(&load, 0, DATA);
    set_rmp(GUEST_ROOT, OWN | GUEST_ROOT, ALL);
    /* The #VC cannot be delivered with such tables. */
    check_eq(T("table-not-validated"), run_encrypted(), EXIT_SHUTDOWN);
}

static void test_absent(void)
{
    u64 *pte = nested_entry(DATA);

    start(&load, 0, PRIVATE + DATA);
    *pte = 0;
    check_exit(T("absent"), run_encrypted(), U | FINAL | ENC, DATA);
    start(&load, 0, DATA);
    *pte = 0;
    check_exit(T("absent-shared"), run_encrypted(), U | FINAL, DATA);
    start(&load, 0, DATA);
    *pte = DATA | 0xffULL << 43 | 7;
    run_encrypted();
    check_eq(T("mmio"), *guest_state(VMSA_RBX), 0x400);
    *pte = DATA | 7;
}

/* ---- instructions ---- */

static u64 operate(const struct code *code, u64 gpa, u64 rcx, u64 rdx)
{
    start(code, 0, 0);
    set_guest_state(SAVE_RAX, PRIVATE + gpa);
    set_guest_state(VMSA_RCX, rcx);
    set_guest_state(VMSA_RDX, rdx);
    return run_encrypted();
}

static void check_result(const char *name, u64 exit, u64 eax, u64 carry)
{
    if (exit != EXIT_VMGEXIT) {
        check_eq(name, exit, EXIT_VMGEXIT);
        return;
    }
    check_eq(name, *guest_state(SAVE_RAX) << 1 |
             (*guest_state(SAVE_RFLAGS) & 1), eax << 1 | carry);
}

static void test_pvalidate(void)
{
    set_rmp(DATA, OWN | DATA, ALL);
    check_result(T("pvalidate"), operate(&pvalidate, DATA, 0, 1), 0, 0);
    check_eq(T("validated"), *rmp_entry(DATA), MINE);
    check_result(T("pvalidate-again"), operate(&pvalidate, DATA, 0, 1), 0, 1);
    check_result(T("rescind"), operate(&pvalidate, DATA, 0, 0), 0, 0);
    check_eq(T("rescinded"), *rmp_entry(DATA), OWN | DATA);
    set_rmp(DATA, 0, 0);
    check_exit(T("pvalidate-host"), operate(&pvalidate, DATA, 0, 1),
               DENIED | ENC | W, DATA);
    set_rmp(DATA, SET | ASID(2) | DATA, ALL);
    check_exit(T("pvalidate-other"), operate(&pvalidate, DATA, 0, 1),
               DENIED | ENC | W, DATA);
    check_eq(T("other-not-validated"), *rmp_entry(DATA), SET | ASID(2) | DATA);
    set_rmp(DATA, 0, 0);
    set_big(OWN | BIG);
    check_result(T("pvalidate-2m-of-4k"), operate(&pvalidate, BIG, 1, 1), 6,
                 0);
    set_big(OWN | BIG | L);
    check_exit(T("pvalidate-4k-of-2m"), operate(&pvalidate, BIG, 0, 1),
               DENIED | ENC | W | SIZEM, BIG);
    check_result(T("pvalidate-2m"), operate(&pvalidate, BIG, 1, 1), 0, 0);
    check_eq(T("validated-2m"), *rmp_entry(BIG), OWN | BIG | L | V);
    check_eq(T("validated-2m-last"), *rmp_entry(BIG + 511 * PAGE),
             OWN | (BIG + 511 * PAGE) | L | V);
    check_result(T("pvalidate-2m-again"), operate(&pvalidate, BIG, 1, 1), 0,
                 1);
    set_big(0);
}

static void test_permissions(void)
{
    set_rmp(DATA, MINE, 0x1f);
    check_result(T("rmpadjust"), operate(&rmpadjust, DATA, 0, 0x0301), 0, 0);
    check_eq(T("adjusted"), rmp_entry(DATA)[1], 0x031f);
    check_result(T("rmpadjust-vmsa"), operate(&rmpadjust, DATA, 0, 0x10001),
                 0, 0);
    check_eq(T("adjusted-vmsa"), *rmp_entry(DATA), MINE | RMP_VMSA);
    set_rmp(DATA, MINE, 0x1f07031f);
    check_result(T("rmpquery"), operate(&rmpquery, DATA, 0, 2), 0, 0);
    check_eq(T("queried"), *guest_state(VMSA_RDX), 0x0702);
    set_rmp(DATA, OWN | DATA, ALL);
    operate(&rmpadjust, DATA, 0, 0x0301);
    check_eq(T("rmpadjust-not-validated"), *guest_state(VMSA_RBX), 0x404);
    set_rmp(DATA, 0, 0);
}

/* ---- a guest without SEV ---- */

static u64 run_plain(const u8 *code, u64 rsi)
{
    set_guest(code);
    *vmcb64(VMCB_NESTED_CTL) = NESTED_NP;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *vmcb32(VMCB_ASID) = 3;
    regs.rsi = rsi;
    return run();
}

static void test_plain(void)
{
    set_rmp(DATA, MINE, ALL);
    check_eq(T("plain-load"), run_plain(g_load, DATA), EXIT_VMMCALL);
    check_eq(T("plain-store"), run_plain(g_store, DATA), EXIT_NPF);
    check_eq(T("plain-store-error"), *vmcb64(VMCB_INFO1), DENIED | W);
    check_eq(T("plain-store-address"), *vmcb64(VMCB_INFO2), DATA);
    set_rmp(DATA, 0, 0);
    check_eq(T("plain-store-own"), run_plain(g_store, DATA), EXIT_VMMCALL);
}

/* ---- translations that the guest has already, and the host ends ---- */

static u64 update(u64 spa, bool assigned)
{
    struct rmp_state state = { assigned ? spa : 0, assigned, 0, 0, 0,
                               assigned ? GUEST_ASID : 0 };

    return rmpupdate(spa, &state);
}

static u64 store_again(void)
{
    set_guest(g_store);
    *vmcb64(VMCB_NESTED_CTL) = NESTED_NP;
    *vmcb64(VMCB_NESTED_CR3) = nested_pages();
    *vmcb32(VMCB_ASID) = 3;
    vmcb[VMCB_TLB_CONTROL] = 0;
    regs.rsi = DATA;
    return run();
}

static void test_ended(void)
{
    static const struct code load_twice = { g_load_twice, g_load_twice_end };

    check_eq(T("shared-store"), run_plain(g_store, DATA), EXIT_VMMCALL);
    check_eq(T("shared-store-again"), store_again(), EXIT_VMMCALL);
    check_eq(T("take-shared"), update(DATA, true), 0);
    check_eq(T("shared-taken"), store_again(), EXIT_NPF);
    check_eq(T("give-shared"), update(DATA, false), 0);
    check_eq(T("shared-given"), store_again(), EXIT_VMMCALL);

    start(&load_twice, 0, PRIVATE + DATA);
    set_rmp(DATA, MINE, ALL);
    check_eq(T("private-load"), run_encrypted(), EXIT_VMGEXIT);
    vmcb[VMCB_TLB_CONTROL] = 0;
    check_eq(T("take-private"), update(DATA, false), 0);
    check_exit(T("private-taken"), run_encrypted(), DENIED | ENC, DATA);
}

void payload(void)
{
    svm_on();
    map_small();
    snp_on();
    test_rows();
    test_sizes();
    test_walk();
    test_absent();
    test_pvalidate();
    test_permissions();
    test_plain();
    test_ended();
}
