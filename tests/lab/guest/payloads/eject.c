/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU ejects a DIMM that another one asks for as private: before, while
 * its pages are marked and while they are pre-faulted; two vCPUs
 *
 * Whatever the moment, the request gets an answer, the DIMM goes, and QEMU
 * can be talked to.
 */
#include "dimm.h"

#define MOMENTS 8

static volatile u64 ordered, asked, answered;
static volatile int64_t answer;

void ap_main(unsigned index)
{
    (void)index;
    for (u64 next = 1;; next++) {
        while (ordered != next) {
            pause();
        }
        asked = next;
        answer = map_gpa_range(DIMM_GPA, DIMM_SIZE / PAGE, TO_PRIVATE);
        answered = next;
    }
}

static void let_ask(void)
{
    ordered++;
    while (asked != ordered) {
        pause();
    }
}

static void await_answer(void)
{
    while (answered != ordered) {
        pause();
    }
}

/* Returns how long a request takes that nobody disturbs. */
static u64 undisturbed(void)
{
    u64 began;

    let_ask();
    began = rdtsc();
    await_answer();
    check_eq(T("undisturbed-granted"), answer, 0);
    return rdtsc() - began;
}

/* @cycles after the request has begun */
static void eject_after(u64 cycles)
{
    u64 began;

    let_ask();
    began = rdtsc();
    while (rdtsc() - began < cycles) {
        pause();
    }
    dimm_eject();
    await_answer();
    result("answer", answer);
}

void payload(void)
{
    u64 took;

    map_dimm();
    start_cpus(1);
    host("watch-monitor", NULL, 0, 0, 0);
    took = undisturbed();
    dimm_eject();
    dimm_unplugged(0);
    for (unsigned i = 0; i < MOMENTS; i++) {
        dimm_plug(i + 1);
        eject_after(took * i / MOMENTS);
        dimm_unplugged(i + 1);
    }
    check_eq(T("all-requests-answered"), answered, MOMENTS + 1);
    host("monitor-answered", T("monitor-answers"), 0, 0, 0);
    host("private", T("nothing-left-private"), 0, 0, 0);
    dimm_plug(MOMENTS + 1);
    fill(shar(DIMM_GPA), PAGE, 0x11);
    check_bytes(T("next-dimm-is-memory"), shar(DIMM_GPA), PAGE, 0x11);
    host("private", T("next-dimm-is-shared"), 0, 0, 0);
}
