/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Vector instructions (RISC-V Unprivileged ISA 20240411, chapter 30): done in C (vector.h). */
#include "arch/riscv64/guest/vector.h"

static void lift(struct rv_lift *t)
{
    if (t->u->mode & RV_MODE_VS)
        rv_lift_interpret(t);
    else
        rv_lift_illegal(t);
}

#define RV(name, format, mask, match, extension)
#define RVV(name, format, mask, match, extension, shape, operation) \
    void rv_lift_##name(struct rv_lift *t)                          \
    {                                                               \
        lift(t);                                                    \
    }
#include "arch/riscv64/guest/insns.def"
