/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* RISC-V unprivileged, 18 (RVWMO). %0: loaded, %1: scratch, %2: 1, %3: own place, %4: the other's,
 * %5: a third. */
#ifndef TESTS_GUESTS_RISCV64_LITMUS_H
#define TESTS_GUESTS_RISCV64_LITMUS_H

#include "tests/guests/litmus_test.h"

STORE_LOAD(plain, "sd %2, (%3)\n\tld %0, (%4)")
STORE_LOAD(fence_tso, "sd %2, (%3)\n\tfence.tso\n\tld %0, (%4)")
STORE_LOAD(fence_ww, "sd %2, (%3)\n\tfence w, w\n\tld %0, (%4)")
STORE_LOAD(fence, "sd %2, (%3)\n\tfence rw, rw\n\tld %0, (%4)")
STORE_LOAD(fence_wr, "sd %2, (%3)\n\tfence w, r\n\tld %0, (%4)")
STORE_LOAD(swap, "amoswap.d.aqrl %1, %2, (%3)\n\tld %0, (%4)")
STORE_LOAD(swap_elsewhere, "sd %2, (%3)\n\tamoadd.d.aqrl %1, %2, (%5)\n\tld %0, (%4)")
STORE_LOAD(reserved, "1: lr.d.aq %1, (%3)\n\tsc.d.aqrl %1, %2, (%3)\n\tbnez %1, 1b\n\t"
                     "lr.d.aqrl %0, (%4)")
STORE_LOAD(fence_swap, "sd %2, (%3)\n\tfence w, r\n\tamoadd.d %1, %2, (%5)\n\tld %0, (%4)")
SEND(send_fence, "sd %0, (%1)\n\tfence w, w\n\tsd %0, (%2)")
SEND(send_release, "sd %0, (%1)\n\tamoswap.d.rl zero, %0, (%2)")
RECEIVE(receive_fence, "ld %0, (%2)\n\tfence r, r\n\tld %1, (%3)")
RECEIVE(receive_acquire, "lr.d.aq %0, (%2)\n\tld %1, (%3)")

static const struct litmus litmus[] = {
    {.name = "SB sd, ld", .allowed = true, .run = plain},
    {.name = "SB sd, fence.tso, ld", .allowed = true, .run = fence_tso},
    {.name = "SB sd, fence w,w, ld", .allowed = true, .run = fence_ww},
    {.name = "SB sd, fence rw,rw, ld", .run = fence},
    {.name = "SB sd, fence w,r, ld", .run = fence_wr},
    {.name = "SB amoswap.aqrl, ld", .run = swap},
    {.name = "SB sd, amoadd.aqrl elsewhere, ld", .run = swap_elsewhere},
    {.name = "SB lr.aq, sc.aqrl, lr.aqrl", .run = reserved},
    {.name = "SB sd, fence w,r, amoadd elsewhere, ld", .run = fence_swap},
    {.name = "MP sd, fence w,w, sd; ld, fence r,r, ld",
     .send = send_fence,
     .receive = receive_fence},
    {.name = "MP sd, amoswap.rl; lr.aq, ld", .send = send_release, .receive = receive_acquire},
};

#endif
