/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Arm ARM B2.3. %0: loaded, %1: scratch, %2: 1, %3: own place, %4: the other's, %5: a third. */
#ifndef TESTS_GUESTS_AARCH64_LITMUS_H
#define TESTS_GUESTS_AARCH64_LITMUS_H

#include "tests/guests/litmus_test.h"

STORE_LOAD(plain, "str %2, [%3]\n\tldr %0, [%4]")
STORE_LOAD(barrier, "str %2, [%3]\n\tdmb ish\n\tldr %0, [%4]")
STORE_LOAD(barrier_st, "str %2, [%3]\n\tdmb ishst\n\tldr %0, [%4]")
STORE_LOAD(release_acquire, "stlr %2, [%3]\n\tldar %0, [%4]")
STORE_LOAD(release_then_plain, "stlr %2, [%3]\n\tldr %0, [%4]")
STORE_LOAD(exclusive, "1: ldaxr %1, [%3]\n\tstlxr %w1, %2, [%3]\n\tcbnz %w1, 1b\n\tldar %0, [%4]")
STORE_LOAD(exclusive_barrier,
           "1: ldxr %1, [%5]\n\tstxr %w1, %2, [%5]\n\tcbnz %w1, 1b\n\tstr %2, [%3]\n\tdmb ish\n\t"
           "ldr %0, [%4]")
STORE_LOAD(barrier_exclusive,
           "str %2, [%3]\n\tdmb ish\n\t1: ldxr %1, [%5]\n\tstxr %w1, %2, [%5]\n\tcbnz %w1, 1b\n\t"
           "ldr %0, [%4]")
STORE_LOAD(release_acquire_pc, ".arch_extension rcpc\n\tstlr %2, [%3]\n\tldapr %0, [%4]")
SEND(send_release, "str %0, [%1]\n\tstlr %0, [%2]")
SEND(send_barrier, "str %0, [%1]\n\tdmb ishst\n\tstr %0, [%2]")
RECEIVE(receive_acquire, "ldar %0, [%2]\n\tldr %1, [%3]")
RECEIVE(receive_acquire_pc, ".arch_extension rcpc\n\tldapr %0, [%2]\n\tldr %1, [%3]")
RECEIVE(receive_barrier, "ldr %0, [%2]\n\tdmb ishld\n\tldr %1, [%3]")

#define ISAR1_LRCPC(v) ((v) >> 20 & 0xf)

static bool has_ldapr(void)
{
    return ISAR1_LRCPC(READ_SYSREG("id_aa64isar1_el1"));
}

static const struct litmus litmus[] = {
    {.name = "SB str, ldr", .allowed = true, .run = plain},
    {.name = "SB str, dmb ishst, ldr", .allowed = true, .run = barrier_st},
    {.name = "SB stlr, ldr", .allowed = true, .run = release_then_plain},
    {.name = "SB stlr, ldapr", .allowed = true, .offered = has_ldapr, .run = release_acquire_pc},
    {.name = "SB str, dmb ish, ldr", .run = barrier},
    {.name = "SB stlr, ldar", .run = release_acquire},
    {.name = "SB ldaxr, stlxr, ldar", .run = exclusive},
    {.name = "SB exclusives elsewhere, str, dmb ish, ldr", .run = exclusive_barrier},
    {.name = "SB str, dmb ish, exclusives elsewhere, ldr", .run = barrier_exclusive},
    {.name = "MP str, stlr; ldar, ldr", .send = send_release, .receive = receive_acquire},
    {.name = "MP str, stlr; ldapr, ldr",
     .offered = has_ldapr,
     .send = send_release,
     .receive = receive_acquire_pc},
    {.name = "MP str, dmb ishst, str; ldr, dmb ishld, ldr",
     .send = send_barrier,
     .receive = receive_barrier},
};

#endif
