/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What debuggers see of an x86_64 guest, and its single step, which is the same on SVM and VT-x:
 * RFLAGS.TF for one entry, with all exceptions intercepted (engines look at debug_stepping()), so
 * that an instruction that faults ends the step at the handler's first instruction.
 */
#include <string.h>
#include "arch/x86_64/guest/decode.h"

#define VECTOR_BP          3
#define OPCODE_INT3        0xcc
#define OPCODE_PUSHF       0x9c
#define PREFIX_OPERAND     0x66
#define PREFIX_REX_W       0x48
#define SYSCALL_LENGTH     2
#define STAR_KERNEL_CS(s)  ((uint16_t)((s) >> 32 & 0xfffc))
#define ATTR_KERNEL_CODE64 0xa9b /* G, L, P, S, execute and read, accessed */
#define ATTR_KERNEL_DATA   0xc93 /* G, B, P, S, read and write, accessed */
#define XSTATE_BV          512   /* in an XSAVE area (SDM vol. 1, 13.4.2) */
#define XSTATE_X87_SSE     3

/* The FXSAVE area at the beginning of the XSAVE area (SDM vol. 1, table 10-2). */
#define FX(offset)   (offsetof(struct x86_state, fpu) + (offset))
#define FX_TAGS      4
#define FX_MXCSR_TOP 26 /* reserved bits */
#define FX_ST(n)     (32 + 16 * (n))
#define FX_XMM(n)    (160 + 16 * (n))
#define ST_COUNT     8
#define TAG_EMPTY    3
#define TAG_ALL_BITS 2

enum { ID_TAGS };

#define GPR(text, n, type_)                                           \
    {                                                                 \
        text, type_, 64, 8, false, offsetof(struct x86_state, gpr[n]) \
    }
#define SELECTOR(text, n)                                                          \
    {                                                                              \
        text, "int", 32, 2, true, offsetof(struct x86_state, segments[n].selector) \
    }
#define ST(text, n)                                   \
    {                                                 \
        text, "i387_ext", 80, 10, false, FX(FX_ST(n)) \
    }
#define FPU(text, bytes, off)                  \
    {                                          \
        text, "int", 32, bytes, false, FX(off) \
    }
#define XMM(text, n)                                  \
    {                                                 \
        text, "vec128", 128, 16, false, FX(FX_XMM(n)) \
    }
#define BASE(text, n)                                                           \
    {                                                                           \
        text, "int", 64, 8, false, offsetof(struct x86_state, segments[n].base) \
    }
#define SYSTEM(field)                                                 \
    {                                                                 \
#field, NULL, 64, 8, false, offsetof(struct x86_state, field) \
    }
#define SHOWN(text, field, b)                                           \
    {                                                                   \
        text, NULL, b, (b) / 8, true, offsetof(struct x86_state, field) \
    }

static const struct debug_register core[] = {
    GPR("rax", X86_RAX, "int64"),
    GPR("rbx", X86_RBX, "int64"),
    GPR("rcx", X86_RCX, "int64"),
    GPR("rdx", X86_RDX, "int64"),
    GPR("rsi", X86_RSI, "int64"),
    GPR("rdi", X86_RDI, "int64"),
    GPR("rbp", X86_RBP, "data_ptr"),
    GPR("rsp", X86_RSP, "data_ptr"),
    GPR("r8", 8, "int64"),
    GPR("r9", 9, "int64"),
    GPR("r10", 10, "int64"),
    GPR("r11", 11, "int64"),
    GPR("r12", 12, "int64"),
    GPR("r13", 13, "int64"),
    GPR("r14", 14, "int64"),
    GPR("r15", 15, "int64"),
    {"rip", "code_ptr", 64, 8, false, offsetof(struct x86_state, rip)},
    {"eflags", "i386_eflags", 32, 4, false, offsetof(struct x86_state, rflags)},
    SELECTOR("cs", X86_CS),
    SELECTOR("ss", X86_SS),
    SELECTOR("ds", X86_DS),
    SELECTOR("es", X86_ES),
    SELECTOR("fs", X86_FS),
    SELECTOR("gs", X86_GS),
    ST("st0", 0),
    ST("st1", 1),
    ST("st2", 2),
    ST("st3", 3),
    ST("st4", 4),
    ST("st5", 5),
    ST("st6", 6),
    ST("st7", 7),
    FPU("fctrl", 2, 0),
    FPU("fstat", 2, 2),
    {"ftag", "int", 32, 0, false, ID_TAGS},
    FPU("fiseg", 2, 12),
    FPU("fioff", 4, 8),
    FPU("foseg", 2, 20),
    FPU("fooff", 4, 16),
    FPU("fop", 2, 6),
};

static const struct debug_register sse[] = {
    XMM("xmm0", 0),
    XMM("xmm1", 1),
    XMM("xmm2", 2),
    XMM("xmm3", 3),
    XMM("xmm4", 4),
    XMM("xmm5", 5),
    XMM("xmm6", 6),
    XMM("xmm7", 7),
    XMM("xmm8", 8),
    XMM("xmm9", 9),
    XMM("xmm10", 10),
    XMM("xmm11", 11),
    XMM("xmm12", 12),
    XMM("xmm13", 13),
    XMM("xmm14", 14),
    XMM("xmm15", 15),
    {"mxcsr", "i386_mxcsr", 32, 4, false, FX(24)},
};

static const struct debug_register segments[] = {BASE("fs_base", X86_FS), BASE("gs_base", X86_GS)};

static const struct debug_register system[] = {
    SYSTEM(cr0),
    SYSTEM(cr2),
    SYSTEM(cr3),
    SYSTEM(cr4),
    SYSTEM(efer),
    SYSTEM(star),
    SYSTEM(lstar),
    SYSTEM(sfmask),
    SYSTEM(kernel_gs_base),
    SHOWN("idt_base", idtr.base, 64),
    SHOWN("gdt_base", gdtr.base, 64),
    SHOWN("tr_base", segments[X86_TR].base, 64),
    SHOWN("dr6", dr6, 64),
    SHOWN("dr7", dr7, 64),
    SHOWN("xcr0", xcr0, 64),
};

static const char core_types[] =
    "<flags id=\"i386_eflags\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/>"
    "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
    "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
    "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
    "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
    "<field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
    "<field name=\"AC\" start=\"18\" end=\"18\"/></flags>";
static const char sse_types[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
    "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
    "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
    "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
    "<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/>"
    "<field name=\"DE\" start=\"1\" end=\"1\"/><field name=\"ZE\" start=\"2\" end=\"2\"/>"
    "<field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" end=\"4\"/>"
    "<field name=\"PE\" start=\"5\" end=\"5\"/><field name=\"DAZ\" start=\"6\" end=\"6\"/></flags>";

#define FEATURE(name_, list, types_, rarely_)                                               \
    {                                                                                       \
        .name = (name_), .registers = (list), .count = ARRAY_SIZE(list), .types = (types_), \
        .rarely = (rarely_)                                                                 \
    }
static const struct debug_feature features[] = {
    FEATURE("org.gnu.gdb.i386.core", core, core_types, false),
    FEATURE("org.gnu.gdb.i386.sse", sse, sse_types, false),
    FEATURE("org.gnu.gdb.i386.segments", segments, NULL, false),
    FEATURE("org.ennead.x86_64.system", system, NULL, true),
};

/* A bit a register here, two there, by physical number in both (SDM vol. 1, 10.5.1.1). */
static void get(struct vcpu *v, uint32_t id, uint8_t *bytes)
{
    uint8_t full = x86_state(v)->fpu[FX_TAGS];
    uint32_t tags = 0;

    (void)id;
    for (unsigned i = 0; i < ST_COUNT; i++)
        tags |= full & 1u << i ? 0 : (uint32_t)TAG_EMPTY << TAG_ALL_BITS * i;
    memcpy(bytes, &tags, sizeof(tags));
}

static void set(struct vcpu *v, uint32_t id, const uint8_t *bytes)
{
    uint8_t *full = &x86_state(v)->fpu[FX_TAGS];
    uint32_t tags;

    (void)id;
    memcpy(&tags, bytes, sizeof(tags));
    *full = 0;
    for (unsigned i = 0; i < ST_COUNT; i++)
        if ((tags >> TAG_ALL_BITS * i & TAG_EMPTY) != TAG_EMPTY)
            *full |= (uint8_t)(1u << i);
}

/* What was written must be loaded, and suit the CPU. */
static void changed(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);

    s->rflags |= X86_RFLAGS_FIXED;
    s->fpu[XSTATE_BV] |= XSTATE_X87_SSE;
    s->fpu[FX_MXCSR_TOP] = s->fpu[FX_MXCSR_TOP + 1] = 0;
}

static bool translate(struct vcpu *v, uint64_t va, gpa_t *gpa)
{
    return x86_translate(v, va, false, gpa);
}

static unsigned breakpoint(unsigned kind, uint8_t code[DEBUG_CODE_MAX])
{
    code[0] = OPCODE_INT3;
    return kind == 1;
}

/* INT3 traps behind itself. */
static void reflect(struct vcpu *v, const struct vm_exit *exit)
{
    (void)exit;
    vcpu_dirty(v, X86_RIP);
    x86_state(v)->rip++;
    x86_inject_exception(v, VECTOR_BP, false, 0);
}

/* ---- Single step ---- */

/* saved[] of struct vcpu_debug */
enum { SAVED_TF, SAVED_NMI, SAVED_PUSHF, SAVED_SYSRET };

static void instruction_bytes(struct vcpu *v, uint8_t bytes[3])
{
    const struct x86_state *s = x86_state(v);

    memset(bytes, 0, 3);
    vcpu_need(v, X86_CODE | X86_CONTROL);
    if (x86_read_linear(v, GVA(s->rip), bytes, 3) != ERR_OK)
        bytes[0] = 0;
}

/* The trap flag does not outlive SYSCALL: what the instruction does is done here (SDM vol. 2,
 * SYSCALL). */
static void do_syscall(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);

    vcpu_dirty(v, X86_RIP | X86_GPR | X86_CODE);
    vcpu_need(v, X86_MSRS);
    s->gpr[X86_RCX] = s->rip + SYSCALL_LENGTH;
    s->gpr[11] = s->rflags;
    s->rip = s->lstar;
    s->rflags = (s->rflags & ~s->sfmask) | X86_RFLAGS_FIXED;
    s->segments[X86_CS] =
        (struct x86_segment){0, UINT32_MAX, STAR_KERNEL_CS(s->star), ATTR_KERNEL_CODE64};
    s->segments[X86_SS] = (struct x86_segment){
        0, UINT32_MAX, (uint16_t)(STAR_KERNEL_CS(s->star) + 8), ATTR_KERNEL_DATA};
}

static bool is_syscall(const struct x86_state *s, const uint8_t *bytes)
{
    return bytes[0] == 0x0f && bytes[1] == 0x05 && (s->efer & X86_EFER_SCE) &&
           (s->segments[X86_CS].attributes & X86_ATTR_LONG);
}

/* SYSRET looks at the flag that it loads. */
static bool is_sysret(const uint8_t *bytes)
{
    return bytes[0] == PREFIX_REX_W && bytes[1] == 0x0f && bytes[2] == 0x07;
}

/*
 * Interrupts and NMIs wait. An event that is on its way goes first: the interrupt that is sent here
 * ends the guest before the handler's first instruction.
 */
static bool step_begin(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    uint64_t *saved = v->debug.saved;
    uint8_t bytes[3];

    vcpu_dirty(v, X86_RIP | X86_EVENT | X86_DEBUG);
    s->pending_interrupt = -1;
    saved[SAVED_TF] = s->rflags & X86_RFLAGS_TF;
    saved[SAVED_NMI] = s->pending_nmi;
    saved[SAVED_PUSHF] = saved[SAVED_SYSRET] = false;
    s->pending_nmi = false;
    if (s->event.valid) {
        host_ipi_send(this_cpu(), HOST_IPI_RESCHEDULE);
        return false;
    }
    instruction_bytes(v, bytes);
    if (is_syscall(s, bytes)) {
        do_syscall(v);
        saved[SAVED_TF] = s->rflags & X86_RFLAGS_TF;
        return true;
    }
    saved[SAVED_PUSHF] = bytes[bytes[0] == PREFIX_OPERAND] == OPCODE_PUSHF;
    if (is_sysret(bytes) && !(s->gpr[11] & X86_RFLAGS_TF)) {
        saved[SAVED_SYSRET] = true;
        s->gpr[11] |= X86_RFLAGS_TF;
    }
    s->rflags |= X86_RFLAGS_TF;
    return false;
}

static void step_end(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    const uint64_t *saved = v->debug.saved;

    vcpu_dirty(v, X86_RIP | X86_EVENT | X86_DEBUG | X86_GPR);
    if (!saved[SAVED_TF])
        s->rflags &= ~X86_RFLAGS_TF;
    if (saved[SAVED_SYSRET])
        s->gpr[11] &= ~X86_RFLAGS_TF;
    s->pending_nmi |= saved[SAVED_NMI] != 0;
}

/* PUSHF has shown the flag to the guest. */
static void stepped(struct vcpu *v)
{
    const uint64_t *saved = v->debug.saved;
    uint64_t at = x86_state(v)->gpr[X86_RSP];
    uint16_t flags;

    if (!saved[SAVED_PUSHF] || saved[SAVED_TF] ||
        x86_read_linear(v, GVA(at), &flags, sizeof(flags)) != ERR_OK)
        return;
    flags &= (uint16_t)~X86_RFLAGS_TF;
    if (x86_write_linear(v, GVA(at), &flags, sizeof(flags)) != ERR_OK)
        log_guest(v->vm, LOG_DEBUG, "PUSHF was stepped over, its stack is gone");
}

#define CALL_NEAR    0xe8 /* rel32 */
#define GROUP_5      0xff
#define MODRM_CALL   2 /* its reg field */
#define MODRM_MOD(b) ((b) >> 6)
#define MOD_REGISTER 3

/* CALL rel32, or CALL by a register (Intel SDM volume 2, CALL). */
static bool after_call(const uint8_t *code, size_t size)
{
    return code[size - 5] == CALL_NEAR ||
           (code[size - 2] == GROUP_5 && MODRM_MOD(code[size - 1]) == MOD_REGISTER &&
            (code[size - 1] >> 3 & 7) == MODRM_CALL);
}

const struct debug_isa x86_debug = {
    .architecture = "i386:x86-64",
    .features = features,
    .feature_count = ARRAY_SIZE(features),
    .pc = 16,
    .sp = 7,
    .fp = 6,
    .get = get,
    .set = set,
    .changed = changed,
    .translate = translate,
    .breakpoint = breakpoint,
    .reflect = reflect,
    .step_begin = step_begin,
    .step_end = step_end,
    .stepped = stepped,
    .frame_next = 0,
    .frame_return = 8,
    .after_call = after_call,
};

/* ---- MOV to and from debug registers, while the hardware's are a debugger's ---- */

#define MODRM_REG(b) ((b) >> 3 & 7)
#define MODRM_RM(b)  ((b)&7)
#define REX_B        BIT(0)

static uint64_t *debug_register(struct x86_state *s, unsigned n)
{
    return n < 4 ? &s->dr[n] : n == 6 || n == 4 ? &s->dr6 : &s->dr7;
}

/* The guest's own registers are kept, and have no effect meanwhile. */
void x86_debug_register_access(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    uint8_t bytes[4] = {0};
    unsigned rex, gpr;
    uint64_t *dr;

    vcpu_need(v, X86_CODE | X86_CONTROL);
    vcpu_dirty(v, X86_DEBUG | X86_GPR);
    if (x86_read_linear(v, GVA(s->rip), bytes, sizeof(bytes)) != ERR_OK)
        return;
    rex = (bytes[0] & 0xf0) == 0x40;
    gpr = MODRM_RM(bytes[rex + 2]) | (rex && (bytes[0] & REX_B) ? 8 : 0);
    dr = debug_register(s, MODRM_REG(bytes[rex + 2]));
    if (bytes[rex + 1] == 0x21)
        s->gpr[gpr] = *dr;
    else
        *dr = dr == &s->dr6 || dr == &s->dr7 ? s->gpr[gpr] & BITS(31, 0) : s->gpr[gpr];
    x86_skip(v, rex + 3);
}
