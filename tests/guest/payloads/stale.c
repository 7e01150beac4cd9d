/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What another vCPU converts is not reached by translations older than that,
 * and page tables are private whatever was told of them; guests without an RMP,
 * whose accesses say which half they want; two vCPUs
 */
#include "snp.h"

#define AREA    (AREA_GPA + PAGE_2M)
#define TABLE   (AREA_GPA + 2 * PAGE_2M)
#define CODE    (TABLE + PAGE)
#define DIRECTORY 5
#define PF_FETCH 0x10

static volatile u64 asked, done, started;
static volatile u8 *volatile place;

/* Writes where it is told, once each time it is asked. */
void ap_main(unsigned index)
{
    (void)index;
    ghcb_setup();
    started = 1;
    for (;;) {
        while (asked == done) {
            pause();
        }
        *place = 0x77;
        done++;
    }
}

static void write_there(volatile void *at)
{
    place = at;
    asked++;
    wait_for(&done, asked);
}

static void write_byte(void *va)
{
    *(volatile u8 *)va = 0xc3;
}

static void call(void *code)
{
    ((void (*)(void))code)();
}

/* Fetches, and then data, by way of a table that has become shared */
static void check_walks(void)
{
    volatile u64 *table = priv(TABLE);
    u8 *code = (u8 *)(WINDOW_VA + DIRECTORY * PAGE_2M);

    *(volatile u8 *)priv(CODE) = 0xc3;          /* ret */
    table[0] = CODE | CBIT | PTE;
    *window_directory(DIRECTORY) = TABLE | CBIT | PTE;
    invlpg(code);
    check_trap(T("code-by-the-table"), try_fn(call, code), -1, -1);
    to_shared(TABLE, PAGE);
    invlpg(code);
    check_trap(T("table-was-shared"), try_fn(call, code), PF, PF_FETCH);
    table[0] = CODE | CBIT | PTE;
    check_trap(T("table-is-private-again"), try_fn(call, code), -1, -1);
    to_shared(TABLE, PAGE);
    invlpg(code);
    check_trap(T("data-by-a-shared-table"), try_fn(write_byte, code), PF,
               PF_WRITE);
}

void payload(void)
{
    ap_signal(1);
    check(T("other-vcpu-starts"), wait_for(&started, 1));

    write_there(priv(AREA));
    to_shared(AREA, PAGE);
    host_mark();
    write_there(priv(AREA));
    host_counted(T("private-translation-is-gone"), 1, PAGE, 0);

    to_shared(AREA, PAGE);
    write_there(shar(AREA));
    to_private(AREA, PAGE);
    host_mark();
    write_there(shar(AREA));
    host_counted(T("shared-translation-is-gone"), 1, 0, PAGE);
    check_eq(T("what-was-written-is-shared"), *(volatile u8 *)shar(AREA),
             0x77);
    check_walks();
}
