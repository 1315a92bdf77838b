/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The operand of a load or store instruction that reached a device: base forms (unprivileged
 * specification, 2.6, 5.3) and compressed ones (26.3). Loads and stores of floating-point registers
 * and atomics are left out: devices do not take them.
 */
#include "arch/riscv64/guest/machine.h"

#define OPCODE_LOAD  0x03u
#define OPCODE_STORE 0x23u

#define OPCODE(i) ((i)&0x7fu)
#define FUNCT3(i) ((i) >> 12 & 7u)
#define RD(i)     ((i) >> 7 & 31u)
#define RS2(i)    ((i) >> 20 & 31u)
#define C_REG(i)  (((i) >> 2 & 7u) + 8) /* rd' and rs2' of the compressed forms */
#define C_RS2(i)  ((i) >> 2 & 31u)

static bool decode_base(uint32_t i, struct riscv_access *a)
{
    unsigned f = FUNCT3(i);

    a->length = 4;
    a->size = (uint8_t)(1u << (f & 3));
    if (OPCODE(i) == OPCODE_LOAD && f != 7) {
        a->store = false;
        a->sign_extend = !(f & 4);
        a->reg = (uint8_t)RD(i);
        return true;
    }
    if (OPCODE(i) == OPCODE_STORE && f < 4) {
        a->store = true;
        a->sign_extend = false;
        a->reg = (uint8_t)RS2(i);
        return true;
    }
    return false;
}

/* Quadrant and funct3 of each compressed load and store of general registers. */
static const struct {
    uint8_t quadrant, funct3, size;
    bool store, stack; /* stack: register numbers of five bits */
} compressed[] = {
    {0, 2, 4, false, false}, /* c.lw */
    {0, 3, 8, false, false}, /* c.ld */
    {0, 6, 4, true, false},  /* c.sw */
    {0, 7, 8, true, false},  /* c.sd */
    {2, 2, 4, false, true},  /* c.lwsp */
    {2, 3, 8, false, true},  /* c.ldsp */
    {2, 6, 4, true, true},   /* c.swsp */
    {2, 7, 8, true, true},   /* c.sdsp */
};

static bool decode_compressed(uint32_t i, struct riscv_access *a)
{
    for (unsigned n = 0; n < ARRAY_SIZE(compressed); n++) {
        if ((i & 3) != compressed[n].quadrant || (i >> 13 & 7) != compressed[n].funct3)
            continue;
        a->length = 2;
        a->size = compressed[n].size;
        a->store = compressed[n].store;
        a->sign_extend = true;
        if (!compressed[n].stack)
            a->reg = (uint8_t)C_REG(i);
        else
            a->reg = (uint8_t)(a->store ? C_RS2(i) : RD(i));
        return true;
    }
    return false;
}

bool riscv_decode_access(uint32_t instruction, struct riscv_access *a)
{
    if ((instruction & 3) == 3)
        return decode_base(instruction, a);
    return decode_compressed(instruction & 0xffff, a);
}

/* Bit 1 clear: the instruction was a compressed one, and this is its 32-bit equal. */
bool riscv_decode_transformed(uint32_t htinst, struct riscv_access *a)
{
    if (!(htinst & 1) || !decode_base(htinst | 2, a))
        return false;
    if (!(htinst & 2))
        a->length = 2;
    return true;
}
