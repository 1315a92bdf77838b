/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Machine code of x86-64, byte by byte (asm.h). */
#include "arch/x86_64/emit/asm.h"

void as_opcode(struct as *a, unsigned op, bool w, unsigned reg, unsigned index, unsigned rm)
{
    unsigned rex = (w ? 8u : 0) | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (rm >> 3 & 1);
    unsigned map = op >> 8 & 0x7fff;

    if (op >> 24)
        as_8(a, op >> 24);
    if (rex || op & OP_BYTE)
        as_8(a, 0x40 | rex);
    if (map > 0xff)
        as_8(a, map >> 8);
    if (map)
        as_8(a, map);
    as_8(a, op);
}

static void as_modrm(struct as *a, unsigned mod, unsigned reg, unsigned rm)
{
    as_8(a, mod << 6 | (reg & 7) << 3 | (rm & 7));
}

/* ModRM, SIB and displacement of [base + disp]. */
static void as_address(struct as *a, unsigned reg, unsigned base, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (int8_t)disp ? 1 : 2;

    as_modrm(a, mod, reg, base);
    if ((base & 7) == RSP)
        as_8(a, 0x24);
    if (mod == 1)
        as_8(a, (unsigned)disp);
    else if (mod == 2)
        as_32(a, (uint32_t)disp);
}

/* ... and of [base + index + disp]; index is not rsp. */
static void as_indexed(struct as *a, unsigned reg, unsigned base, unsigned index, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (int8_t)disp ? 1 : 2;

    as_modrm(a, mod, reg, RSP);
    as_8(a, (index & 7) << 3 | (base & 7));
    if (mod == 1)
        as_8(a, (unsigned)disp);
    else if (mod == 2)
        as_32(a, (uint32_t)disp);
}

void as_rr(struct as *a, unsigned op, bool w, unsigned reg, unsigned rm)
{
    as_opcode(a, op, w, reg, 0, rm);
    as_modrm(a, 3, reg, rm);
}

void as_rm(struct as *a, unsigned op, bool w, unsigned reg, unsigned base, int32_t disp)
{
    as_opcode(a, op, w, reg, 0, base);
    as_address(a, reg, base, disp);
}

void as_rmx(struct as *a, unsigned op, bool w, unsigned reg, unsigned base, unsigned index,
            int32_t disp)
{
    as_opcode(a, op, w, reg, index, base);
    as_indexed(a, reg, base, index, disp);
}

void as_rip(struct as *a, unsigned op, bool w, unsigned reg, const void *target, unsigned after)
{
    as_opcode(a, op, w, reg, 0, 0);
    as_modrm(a, 0, reg, RBP);
    as_32(a, (uint32_t)((const uint8_t *)target - as_exec(a, a->p + 4 + after)));
}

/* VEX (2.3): three operands. `op` as above; the map and prefix go into VEX. */
static void as_vex(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, unsigned index,
                   unsigned rm)
{
    unsigned map = (op >> 8 & 0x7fff) == 0x0f ? 1u : (op >> 8 & 0x7fff) == 0x0f38 ? 2u : 3u;
    unsigned prefix = op >> 24 == 0x66 ? 1u : op >> 24 == 0xf3 ? 2u : op >> 24 == 0xf2 ? 3u : 0;
    unsigned r = ~reg >> 3 & 1, x = ~index >> 3 & 1, b = ~rm >> 3 & 1;

    if (map == 1 && !w && x && b) {
        as_8(a, 0xc5);
        as_8(a, r << 7 | (~vvvv & 15) << 3 | prefix);
    } else {
        as_8(a, 0xc4);
        as_8(a, r << 7 | x << 6 | b << 5 | map);
        as_8(a, (w ? 0x80u : 0) | (~vvvv & 15) << 3 | prefix);
    }
    as_8(a, op);
}

void as_vex_rr(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, unsigned rm)
{
    as_vex(a, op, w, reg, vvvv, 0, rm);
    as_modrm(a, 3, reg, rm);
}

void as_vex_rm(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, unsigned base,
               int32_t disp)
{
    as_vex(a, op, w, reg, vvvv, 0, base);
    as_address(a, reg, base, disp);
}

void as_alu_imm(struct as *a, unsigned op, bool w, unsigned rm, int32_t imm)
{
    bool small = imm == (int8_t)imm;

    as_rr(a, small ? OP_ALU_IMM8 : OP_ALU_IMM32, w, ALU_DIGIT(op), rm);
    if (small)
        as_8(a, (unsigned)imm);
    else
        as_32(a, (uint32_t)imm);
}

void as_alu_mem_imm(struct as *a, unsigned op, bool w, unsigned base, int32_t disp, int32_t imm)
{
    bool small = imm == (int8_t)imm;

    as_rm(a, small ? OP_ALU_IMM8 : OP_ALU_IMM32, w, ALU_DIGIT(op), base, disp);
    if (small)
        as_8(a, (unsigned)imm);
    else
        as_32(a, (uint32_t)imm);
}

void as_shift_imm(struct as *a, enum shift_digit digit, bool w, unsigned rm, unsigned count)
{
    as_rr(a, OP_SHIFT_IMM, w, digit, rm);
    as_8(a, count);
}

void as_const(struct as *a, unsigned reg, uint64_t v)
{
    if (v <= UINT32_MAX) {
        as_opcode(a, 0xb8 | (reg & 7), false, 0, 0, reg);
        as_32(a, (uint32_t)v);
    } else if ((int64_t)v == (int32_t)v) {
        as_rr(a, OP_MOV_IMM32, true, 0, reg);
        as_32(a, (uint32_t)v);
    } else {
        as_opcode(a, 0xb8 | (reg & 7), true, 0, 0, reg);
        as_64(a, v);
    }
}

uint8_t *as_jcc(struct as *a, enum cc cc)
{
    as_opcode(a, OP_JCC | cc, false, 0, 0, 0);
    as_32(a, 0);
    return a->p - 4;
}

uint8_t *as_jmp(struct as *a)
{
    as_8(a, 0xe9);
    as_32(a, 0);
    return a->p - 4;
}

uint8_t *as_call(struct as *a)
{
    as_8(a, 0xe8);
    as_32(a, 0);
    return a->p - 4;
}

void as_jmp_to(struct as *a, const uint8_t *to)
{
    as_patch(as_jmp(a), to);
}

void as_jmp_exec(struct as *a, const uint8_t *to)
{
    as_8(a, 0xe9);
    as_32(a, (uint32_t)(to - as_exec(a, a->p + 4)));
}

void as_call_exec(struct as *a, const uint8_t *to)
{
    as_8(a, 0xe8);
    as_32(a, (uint32_t)(to - as_exec(a, a->p + 4)));
}
