/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Where a cage's registers are, for C and assembly. */
#ifndef X86_HOST_CAGE_WORLD_H
#define X86_HOST_CAGE_WORLD_H

#define CAGE_CLEAR_BUFFERS 1 /* VERW before the entry */
#define CAGE_CLEAR_AC      2 /* the CPU has SMAP */

#define WORLD_TABLES   176
#define WORLD_RSP      184
#define WORLD_FLAGS    192
#define WORLD_SELECTOR 200

#ifndef __ASSEMBLER__
#include "kernel/host.h"

/* The end of a page that is in the cage for the CPU only (supervisor): the stack on which
 * interrupts of caged code arrive ends with `frame`. */
struct x86_cage_world {
    struct host_trap_frame frame;
    uint64_t tables; /* the kernel's, as CR3 has it */
    uint64_t rsp;    /* of who entered */
    uint64_t flags;
    uint64_t selector; /* of data, for VERW */
};
_Static_assert(offsetof(struct x86_cage_world, tables) == WORLD_TABLES &&
                   offsetof(struct x86_cage_world, rsp) == WORLD_RSP &&
                   offsetof(struct x86_cage_world, flags) == WORLD_FLAGS &&
                   offsetof(struct x86_cage_world, selector) == WORLD_SELECTOR,
               "entry.S knows these");

void x86_cage_enter(struct x86_cage_world *world, uint64_t tables);
#endif

#endif
