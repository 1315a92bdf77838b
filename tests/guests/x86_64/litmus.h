/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* SDM 3, 9.2. %0: loaded, %1: scratch, %2: 1, %3: own place, %4: the other's, %5: a third. */
#ifndef TESTS_GUESTS_X86_64_LITMUS_H
#define TESTS_GUESTS_X86_64_LITMUS_H

#include "tests/guests/litmus_test.h"

STORE_LOAD(plain, "mov %2, (%3)\n\tmov (%4), %0")
STORE_LOAD(fence_store, "mov %2, (%3)\n\tsfence\n\tmov (%4), %0")
STORE_LOAD(fence, "mov %2, (%3)\n\tmfence\n\tmov (%4), %0")
STORE_LOAD(locked, "mov %2, (%3)\n\tlock addl $0, (%%rsp)\n\tmov (%4), %0")
STORE_LOAD(exchange, "mov %2, %1\n\txchg %1, (%3)\n\tmov (%4), %0")
SEND(send, "mov %0, (%1)\n\tmov %0, (%2)")
RECEIVE(receive, "mov (%2), %0\n\tmov (%3), %1")

static const struct litmus litmus[] = {
    {.name = "SB mov, mov", .allowed = true, .run = plain},
    {.name = "SB mov, sfence, mov", .allowed = true, .run = fence_store},
    {.name = "SB mov, mfence, mov", .run = fence},
    {.name = "SB mov, lock add elsewhere, mov", .run = locked},
    {.name = "SB xchg, mov", .run = exchange},
    {.name = "MP mov, mov; mov, mov", .send = send, .receive = receive},
};

#endif
