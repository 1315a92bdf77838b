/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Text of riscv64 instructions and the words of text's parts: both from insns.def. */
#include "arch/riscv64/guest/disasm.h"

static const char x_names[32][5] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};
static const char f_names[32][5] = {
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1",  "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4",  "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};
/* Rounding modes (Unprivileged ISA, 20.2); "": reserved. */
static const char rm_names[8][4] = {"rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn"};

/*
 * How each format shows its operands: a letter is replaced by what it stands for.
 *   d s t    rd, rs1, rs2            D S T R  the same and rs3, floating-point registers
 *   i        12-bit immediate        j        of stores
 *   h w      shift, 6 and 5 bits     u        upper 20 bits
 *   b J      offset of a branch, of a jump
 *   c z      number of a CSR, immediate of a CSR instruction
 *   m        rounding mode           p q      predecessors and successors of a fence
 *   f        number of a constant
 * A space follows each comma.
 */
static const char *const operands[] = {
    [RV_FORMAT_R] = "d,s,t",     [RV_FORMAT_R1] = "d,s",       [RV_FORMAT_I] = "d,s,i",
    [RV_FORMAT_L] = "d,i(s)",    [RV_FORMAT_SH] = "d,s,h",     [RV_FORMAT_SHW] = "d,s,w",
    [RV_FORMAT_S] = "t,j(s)",    [RV_FORMAT_B] = "s,t,b",      [RV_FORMAT_U] = "d,u",
    [RV_FORMAT_J] = "d,J",       [RV_FORMAT_CSR] = "d,c,s",    [RV_FORMAT_CSRI] = "d,c,z",
    [RV_FORMAT_AMO] = "d,t,(s)", [RV_FORMAT_LR] = "d,(s)",     [RV_FORMAT_FL] = "D,i(s)",
    [RV_FORMAT_FS] = "T,j(s)",   [RV_FORMAT_F4] = "D,S,T,R,m", [RV_FORMAT_F] = "D,S,T,m",
    [RV_FORMAT_F1] = "D,S,m",    [RV_FORMAT_FN] = "D,S,T",     [RV_FORMAT_FX] = "d,S,T",
    [RV_FORMAT_FXI] = "d,S,m",   [RV_FORMAT_FIX] = "D,s,m",    [RV_FORMAT_FMX] = "d,S",
    [RV_FORMAT_FMF] = "D,s",     [RV_FORMAT_FENCE] = "p,q",    [RV_FORMAT_NONE] = "",
    [RV_FORMAT_V] = "s,t",       [RV_FORMAT_CBO] = "(s)",      [RV_FORMAT_FLI] = "D,f",
};

/* The bits of a fence: input, output, reads, writes. */
static void print_fence(struct out *out, unsigned set)
{
    for (unsigned bit = 0; bit < 4; bit++)
        if (set & (8u >> bit))
            out_printf(out, "%c", "iorw"[bit]);
    if (!set)
        out_printf(out, "0");
}

static void print_operand(struct out *out, char what, uint32_t w)
{
    switch (what) {
    case 'd':
        out_printf(out, "%s", x_names[rv_rd(w)]);
        break;
    case 's':
        out_printf(out, "%s", x_names[rv_rs1(w)]);
        break;
    case 't':
        out_printf(out, "%s", x_names[rv_rs2(w)]);
        break;
    case 'D':
        out_printf(out, "%s", f_names[rv_rd(w)]);
        break;
    case 'S':
        out_printf(out, "%s", f_names[rv_rs1(w)]);
        break;
    case 'T':
        out_printf(out, "%s", f_names[rv_rs2(w)]);
        break;
    case 'R':
        out_printf(out, "%s", f_names[rv_rs3(w)]);
        break;
    case 'i':
        out_printf(out, "%d", (int)rv_imm_i(w));
        break;
    case 'j':
        out_printf(out, "%d", (int)rv_imm_s(w));
        break;
    case 'h':
        out_printf(out, "%u", w >> 20 & 63);
        break;
    case 'w':
        out_printf(out, "%u", w >> 20 & 31);
        break;
    case 'u':
        out_printf(out, "%u", w >> 12);
        break;
    case 'b':
        out_printf(out, "%d", (int)rv_imm_b(w));
        break;
    case 'J':
        out_printf(out, "%d", (int)rv_imm_j(w));
        break;
    case 'c':
        out_printf(out, "%u", w >> 20);
        break;
    case 'f':
    case 'z':
        out_printf(out, "%u", rv_rs1(w));
        break;
    case 'm':
        out_printf(out, "%s", rm_names[rv_rm(w)]);
        break;
    case 'p':
        print_fence(out, w >> 24 & 15);
        break;
    case 'q':
        print_fence(out, w >> 20 & 15);
        break;
    default:
        out_printf(out, what == ',' ? ", " : "%c", what);
    }
}

static void print_name(struct out *out, const char *name)
{
    for (; *name; name++)
        out_printf(out, "%c", *name == '_' ? '.' : *name);
}

/* Does the word hold a rounding mode that is none? */
static bool reserved_rounding(const char *format, uint32_t word)
{
    for (; *format; format++)
        if (*format == 'm' && !*rm_names[rv_rm(word)])
            return true;
    return false;
}

void rv_print(struct out *out, uint32_t word, uint64_t extensions)
{
    enum rv_insn_id id = rv_decode(word, extensions);
    const struct rv_insn *insn = &rv_insns[id];

    if (id == RV_INSN_ILLEGAL || reserved_rounding(operands[insn->format], word)) {
        out_printf(out, ".word 0x%08x", word);
        return;
    }
    print_name(out, insn->name);
    if (insn->format == RV_FORMAT_AMO || insn->format == RV_FORMAT_LR)
        out_printf(out, "%s%s%s", word >> 25 & 3 ? "." : "", word >> 26 & 1 ? "aq" : "",
                   word >> 25 & 1 ? "rl" : "");
    if (id == RV_INSN_fence_i)
        return;
    for (const char *o = operands[insn->format]; *o; o++) {
        if (o == operands[insn->format])
            out_printf(out, " ");
        print_operand(out, *o, word);
    }
}
