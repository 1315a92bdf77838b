/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A debugger of riscv64: EBREAK alone. Triggers (debug specification, 5) are offered to no guest.
 */
#include "tests/guests/suite.h"

#define CAUSE_BREAKPOINT 3

/* Both lengths, with the places where they are. */
void ebreak_here(void);
extern const uint64_t ebreak_places[], ebreak_end[];
__asm__(".text\n"
        ".option push\n"
        "ebreak_here:\n"
        ".option norvc\n"
        "1: ebreak\n"
        ".option rvc\n"
        "2: c.ebreak\n"
        "   c.nop\n"
        "3: c.ebreak\n"
        "   ret\n"
        ".option pop\n"
        ".section .rodata\n"
        ".balign 8\n"
        "ebreak_places: .quad 1b, 2b, 3b\n"
        "ebreak_end:\n"
        ".text\n");

/* stval: its address, or zero where the implementation has none to tell (Privileged 12.1.9). */
bool isa_debug_trap(const struct trap *t, struct trap_frame *f)
{
    if (t->cause != CAUSE_BREAKPOINT)
        return false;
    debug_record(f->pc, t->address == f->pc || !t->address ? CAUSE_BREAKPOINT : t->address);
    f->pc += (*(const uint16_t *)f->pc & 3) == 3 ? 4 : 2;
    return true;
}

void isa_test_debug(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ebreak_here();
        check_places(ebreak_places, ebreak_end, CAUSE_BREAKPOINT, "EBREAK traps at itself");
    }
}
