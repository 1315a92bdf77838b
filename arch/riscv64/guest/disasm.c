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
 *   V X Y    vd, vs2, vs1            k g      5-bit immediate, 6-bit shift
 *   0 M      v0, mask if any         C        vector configuration
 * A space follows each comma.
 */
static const char *const operands[] = {
    [RV_FORMAT_R] = "d,s,t",      [RV_FORMAT_R1] = "d,s",        [RV_FORMAT_I] = "d,s,i",
    [RV_FORMAT_L] = "d,i(s)",     [RV_FORMAT_SH] = "d,s,h",      [RV_FORMAT_SHW] = "d,s,w",
    [RV_FORMAT_S] = "t,j(s)",     [RV_FORMAT_B] = "s,t,b",       [RV_FORMAT_U] = "d,u",
    [RV_FORMAT_J] = "d,J",        [RV_FORMAT_CSR] = "d,c,s",     [RV_FORMAT_CSRI] = "d,c,z",
    [RV_FORMAT_AMO] = "d,t,(s)",  [RV_FORMAT_LR] = "d,(s)",      [RV_FORMAT_FL] = "D,i(s)",
    [RV_FORMAT_FS] = "T,j(s)",    [RV_FORMAT_F4] = "D,S,T,R,m",  [RV_FORMAT_F] = "D,S,T,m",
    [RV_FORMAT_F1] = "D,S,m",     [RV_FORMAT_FN] = "D,S,T",      [RV_FORMAT_FX] = "d,S,T",
    [RV_FORMAT_FXI] = "d,S,m",    [RV_FORMAT_FIX] = "D,s,m",     [RV_FORMAT_FMX] = "d,S",
    [RV_FORMAT_FMF] = "D,s",      [RV_FORMAT_FENCE] = "p,q",     [RV_FORMAT_NONE] = "",
    [RV_FORMAT_V] = "s,t",        [RV_FORMAT_CBO] = "(s)",       [RV_FORMAT_FLI] = "D,f",
    [RV_FORMAT_VLD] = "V,(s)M",   [RV_FORMAT_VLDS] = "V,(s),tM", [RV_FORMAT_VLDX] = "V,(s),XM",
    [RV_FORMAT_VVV] = "V,X,YM",   [RV_FORMAT_VVX] = "V,X,sM",    [RV_FORMAT_VVI] = "V,X,kM",
    [RV_FORMAT_VVU] = "V,X,zM",   [RV_FORMAT_VVF] = "V,X,SM",    [RV_FORMAT_VVVM] = "V,X,Y,0",
    [RV_FORMAT_VVXM] = "V,X,s,0", [RV_FORMAT_VVIM] = "V,X,k,0",  [RV_FORMAT_VVFM] = "V,X,S,0",
    [RV_FORMAT_MVV] = "V,Y,XM",   [RV_FORMAT_MVX] = "V,s,XM",    [RV_FORMAT_MVF] = "V,S,XM",
    [RV_FORMAT_VV2] = "V,XM",     [RV_FORMAT_XV2] = "d,XM",      [RV_FORMAT_FV2] = "D,X",
    [RV_FORMAT_VMVV] = "V,Y",     [RV_FORMAT_VMVX] = "V,s",      [RV_FORMAT_VMVI] = "V,k",
    [RV_FORMAT_VMVF] = "V,S",     [RV_FORMAT_VID] = "VM",        [RV_FORMAT_VSETI] = "d,s,C",
    [RV_FORMAT_VSETII] = "d,z,C", [RV_FORMAT_VVS] = "V,X,gM",
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

/* vtype (30.3.4); what is reserved as a number. */
static void print_vtype(struct out *out, unsigned vtype)
{
    static const char lmul[8][4] = {"m1", "m2", "m4", "m8", "", "mf8", "mf4", "mf2"};

    if (vtype >> 8 || vtype & 0x20 || !*lmul[vtype & 7]) {
        out_printf(out, "%u", vtype);
        return;
    }
    out_printf(out, "e%u, %s, %s, %s", 8u << (vtype >> 3 & 3), lmul[vtype & 7],
               vtype & 0x40 ? "ta" : "tu", vtype & 0x80 ? "ma" : "mu");
}

static void print_vector_operand(struct out *out, char what, uint32_t w)
{
    switch (what) {
    case 'V':
        out_printf(out, "v%u", rv_rd(w));
        break;
    case 'X':
        out_printf(out, "v%u", rv_rs2(w));
        break;
    case 'Y':
        out_printf(out, "v%u", rv_rs1(w));
        break;
    case 'M':
        out_printf(out, "%s", w >> 25 & 1 ? "" : ", v0.t");
        break;
    case 'C':
        print_vtype(out, w >> 20 & (w >> 31 ? 0x3ff : 0x7ff));
        break;
    case 'k':
        out_printf(out, "%d", (int)(rv_rs1(w) ^ 16) - 16);
        break;
    case 'g':
        out_printf(out, "%u", rv_imm_v6(w));
        break;
    default:
        out_printf(out, "v0");
    }
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
    case 'V':
    case 'X':
    case 'Y':
    case 'M':
    case 'C':
    case 'k':
    case 'g':
    case '0':
        print_vector_operand(out, what, w);
        break;
    default:
        out_printf(out, what == ',' ? ", " : "%c", what);
    }
}

/* `fields`: of a vector's load or store, 1 but for segments. */
static void print_name(struct out *out, const char *name, unsigned fields)
{
    for (; *name; name++) {
        if (*name == 'e' && fields > 1) {
            out_printf(out, "seg%u", fields);
            fields = 1;
        }
        out_printf(out, "%c", *name == '_' ? '.' : *name);
    }
}

static unsigned fields_of(const struct rv_insn *insn, uint32_t word)
{
    bool any =
        insn->format >= RV_FORMAT_VLD && insn->format <= RV_FORMAT_VLDX && !(insn->mask >> 29);

    return any ? (word >> 29) + 1 : 1;
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
    print_name(out, insn->name, fields_of(insn, word));
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
