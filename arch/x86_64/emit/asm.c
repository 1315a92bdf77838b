/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Machine code of x86-64, byte by byte (asm.h). */
#include "arch/x86_64/emit/asm.h"

/*
 * Bytes that may be there are written, and kept by moving on: there is room behind the last one
 * (OP_BYTES_MAX), and the branches would cost more than the stores.
 */
static inline uint8_t *put_opcode(uint8_t *p, unsigned op, bool w, unsigned reg, unsigned index,
                                  unsigned rm)
{
    unsigned rex = (w ? 8u : 0) | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (rm >> 3 & 1);
    unsigned map = op >> 8 & 0x7fff;

    *p = (uint8_t)(op >> 24);
    p += op >> 24 != 0;
    *p = (uint8_t)(0x40 | rex);
    p += (rex | (op & OP_BYTE)) != 0;
    *p = (uint8_t)(map >> 8);
    p += map > 0xff;
    *p = (uint8_t)map;
    p += map != 0;
    *p++ = (uint8_t)op;
    return p;
}

static inline uint8_t modrm(unsigned mod, unsigned reg, unsigned rm)
{
    return (uint8_t)(mod << 6 | (reg & 7) << 3 | (rm & 7));
}

static inline unsigned mod_of(unsigned base, int32_t disp)
{
    return disp == 0 && (base & 7) != RBP ? 0 : disp == (int8_t)disp ? 1 : 2;
}

static inline uint8_t *put_disp(uint8_t *p, unsigned mod, int32_t disp)
{
    memcpy(p, &disp, sizeof(disp));
    return p + (mod == 2 ? 4 : mod);
}

/* ModRM, SIB and displacement of [base + disp]. */
static inline uint8_t *put_address(uint8_t *p, unsigned reg, unsigned base, int32_t disp)
{
    unsigned mod = mod_of(base, disp);

    *p++ = modrm(mod, reg, base);
    *p = 0x24;
    p += (base & 7) == RSP;
    return put_disp(p, mod, disp);
}

/* ... and of [base + index + disp]; index is not rsp. */
static inline uint8_t *put_indexed(uint8_t *p, unsigned reg, unsigned base, unsigned index,
                                   int32_t disp)
{
    unsigned mod = mod_of(base, disp);

    *p++ = modrm(mod, reg, RSP);
    *p++ = (uint8_t)((index & 7) << 3 | (base & 7));
    return put_disp(p, mod, disp);
}

void as_opcode(struct as *a, unsigned op, bool w, unsigned reg, unsigned index, unsigned rm)
{
    a->p = put_opcode(a->p, op, w, reg, index, rm);
}

void as_rr(struct as *a, unsigned op, bool w, unsigned reg, unsigned rm)
{
    uint8_t *p = put_opcode(a->p, op, w, reg, 0, rm);

    *p = modrm(3, reg, rm);
    a->p = p + 1;
}

void as_rm(struct as *a, unsigned op, bool w, unsigned reg, unsigned base, int32_t disp)
{
    a->p = put_address(put_opcode(a->p, op, w, reg, 0, base), reg, base, disp);
}

void as_rmx(struct as *a, unsigned op, bool w, unsigned reg, unsigned base, unsigned index,
            int32_t disp)
{
    a->p = put_indexed(put_opcode(a->p, op, w, reg, index, base), reg, base, index, disp);
}

void as_lea_shifted(struct as *a, bool w, unsigned reg, unsigned base, unsigned index,
                    unsigned shift)
{
    bool none = base == REG_NONE;
    unsigned mod = none ? 0 : mod_of(base, 0), low = none ? RBP : base;
    uint8_t *p = put_opcode(a->p, OP_LEA, w, reg, index, none ? 0 : base);

    *p++ = modrm(mod, reg, RSP);
    *p++ = (uint8_t)(shift << 6 | (index & 7) << 3 | (low & 7));
    a->p = put_disp(p, none ? 2 : mod, 0);
}

/* ... and of [rip + ...]. */
static void as_target(struct as *a, unsigned reg, const void *target, unsigned after)
{
    as_8(a, modrm(0, reg, RBP));
    as_32(a, (uint32_t)((const uint8_t *)target - as_exec(a, a->p + 4 + after)));
}

void as_rip(struct as *a, unsigned op, bool w, unsigned reg, const void *target, unsigned after)
{
    a->p = put_opcode(a->p, op, w, reg, 0, 0);
    as_target(a, reg, target, after);
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
    as_8(a, modrm(3, reg, rm));
}

void as_vex_rm(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, unsigned base,
               int32_t disp)
{
    as_vex(a, op, w, reg, vvvv, 0, base);
    a->p = put_address(a->p, reg, base, disp);
}

void as_vex_rip(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, const void *target)
{
    as_vex(a, op, w, reg, vvvv, 0, 0);
    as_target(a, reg, target, 0);
}

/* A byte, or all four. */
static inline uint8_t *put_imm(uint8_t *p, bool small, int32_t imm)
{
    memcpy(p, &imm, sizeof(imm));
    return p + (small ? 1 : 4);
}

void as_alu_imm(struct as *a, unsigned op, bool w, unsigned rm, int32_t imm)
{
    bool small = imm == (int8_t)imm;
    uint8_t *p = put_opcode(a->p, small ? OP_ALU_IMM8 : OP_ALU_IMM32, w, 0, 0, rm);

    *p = modrm(3, ALU_DIGIT(op), rm);
    a->p = put_imm(p + 1, small, imm);
}

void as_alu_mem_imm(struct as *a, unsigned op, bool w, unsigned base, int32_t disp, int32_t imm)
{
    bool small = imm == (int8_t)imm;
    uint8_t *p = put_opcode(a->p, small ? OP_ALU_IMM8 : OP_ALU_IMM32, w, 0, 0, base);

    a->p = put_imm(put_address(p, ALU_DIGIT(op), base, disp), small, imm);
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
    uint8_t *p = a->p;

    p[0] = OP_JCC >> 8;
    p[1] = (uint8_t)((OP_JCC & 0xff) | cc);
    a->p = p + 6;
    return p + 2;
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
