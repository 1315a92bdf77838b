/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What debuggers see of an aarch64 guest. Names and numbers as gdb has them. */
#include <string.h>
#include "arch/aarch64/guest/machine.h"

#define BRK_0               0xd4200000u /* C6.2.43 */
#define ESR_EC_SHIFT        26
#define ESR_EC_SAME         (1ULL << ESR_EC_SHIFT)
#define SYNDROME_CLASS(esr) ((unsigned)((esr) >> ESR_EC_SHIFT & 63))
#define CLASS_BREAK         0x30 /* from a lower level; 0x32 step, 0x34 watchpoint; BRK has one class */
#define CLASS_WATCH         0x34
#define CLASS_SAME_LAST     0x35

enum { ID_SP };

#define X(n)                                                          \
    {                                                                 \
        "x" #n, "int", 64, 8, false, offsetof(struct arm_state, x[n]) \
    }
#define V(n)                                                                          \
    {                                                                                 \
        "v" #n, "aarch64v", 128, 16, false, offsetof(struct arm_state, fp.v[2 * (n)]) \
    }
#define SYS(field)                                                               \
    {                                                                            \
#field "_el1", NULL, 64, 8, false, offsetof(struct arm_state, sys.field) \
    }
#define RAW(field)                                                        \
    {                                                                     \
#field, NULL, 64, 8, false, offsetof(struct arm_state, sys.field) \
    }

static const struct debug_register core[] = {
    X(0),
    X(1),
    X(2),
    X(3),
    X(4),
    X(5),
    X(6),
    X(7),
    X(8),
    X(9),
    X(10),
    X(11),
    X(12),
    X(13),
    X(14),
    X(15),
    X(16),
    X(17),
    X(18),
    X(19),
    X(20),
    X(21),
    X(22),
    X(23),
    X(24),
    X(25),
    X(26),
    X(27),
    X(28),
    X(29),
    X(30),
    {"sp", "data_ptr", 64, 0, false, ID_SP},
    {"pc", "code_ptr", 64, 8, false, offsetof(struct arm_state, pc)},
    {"cpsr", "int", 32, 4, false, offsetof(struct arm_state, pstate)},
};

static const struct debug_register fpu[] = {
    V(0),
    V(1),
    V(2),
    V(3),
    V(4),
    V(5),
    V(6),
    V(7),
    V(8),
    V(9),
    V(10),
    V(11),
    V(12),
    V(13),
    V(14),
    V(15),
    V(16),
    V(17),
    V(18),
    V(19),
    V(20),
    V(21),
    V(22),
    V(23),
    V(24),
    V(25),
    V(26),
    V(27),
    V(28),
    V(29),
    V(30),
    V(31),
    {"fpsr", "int", 32, 4, false, offsetof(struct arm_state, fp.fpsr)},
    {"fpcr", "int", 32, 4, false, offsetof(struct arm_state, fp.fpcr)},
};

static const struct debug_register system[] = {
    SYS(sctlr),
    SYS(cpacr),
    SYS(ttbr0),
    SYS(ttbr1),
    SYS(tcr),
    SYS(esr),
    SYS(far),
    SYS(mair),
    SYS(vbar),
    SYS(contextidr),
    SYS(spsr),
    SYS(elr),
    SYS(par),
    RAW(sp_el0),
    RAW(sp_el1),
    RAW(tpidr_el0),
    RAW(tpidrro_el0),
    RAW(tpidr_el1),
    {"mpidr_el1", NULL, 64, 8, true, offsetof(struct arm_state, mpidr)},
};

static const char fpu_types[] =
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v2u\" type=\"uint64\" count=\"2\"/>"
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v4u\" type=\"uint32\" count=\"4\"/>"
    "<vector id=\"v8u\" type=\"uint16\" count=\"8\"/>"
    "<vector id=\"v16u\" type=\"uint8\" count=\"16\"/>"
    "<vector id=\"v1u\" type=\"uint128\" count=\"1\"/>"
    "<union id=\"vnd\"><field name=\"f\" type=\"v2d\"/><field name=\"u\" type=\"v2u\"/></union>"
    "<union id=\"vns\"><field name=\"f\" type=\"v4f\"/><field name=\"u\" type=\"v4u\"/></union>"
    "<union id=\"vnh\"><field name=\"u\" type=\"v8u\"/></union>"
    "<union id=\"vnb\"><field name=\"u\" type=\"v16u\"/></union>"
    "<union id=\"vnq\"><field name=\"u\" type=\"v1u\"/></union>"
    "<union id=\"aarch64v\"><field name=\"d\" type=\"vnd\"/><field name=\"s\" type=\"vns\"/>"
    "<field name=\"h\" type=\"vnh\"/><field name=\"b\" type=\"vnb\"/>"
    "<field name=\"q\" type=\"vnq\"/></union>";

#define FEATURE(name_, list, types_, rarely_)                                               \
    {                                                                                       \
        .name = (name_), .registers = (list), .count = ARRAY_SIZE(list), .types = (types_), \
        .rarely = (rarely_)                                                                 \
    }
static const struct debug_feature features[] = {
    FEATURE("org.gnu.gdb.aarch64.core", core, NULL, false),
    FEATURE("org.gnu.gdb.aarch64.fpu", fpu, fpu_types, false),
    FEATURE("org.ennead.aarch64.system", system, NULL, true),
};

static uint64_t *stack_pointer(struct arm_state *s)
{
    return (s->pstate & ARM_PSTATE_MODE) == ARM_PSTATE_EL1H ? &s->sys.sp_el1 : &s->sys.sp_el0;
}

static void get(struct vcpu *v, uint32_t id, uint8_t *bytes)
{
    (void)id;
    memcpy(bytes, stack_pointer(arm_state(v)), sizeof(uint64_t));
}

static void set(struct vcpu *v, uint32_t id, const uint8_t *bytes)
{
    (void)id;
    memcpy(stack_pointer(arm_state(v)), bytes, sizeof(uint64_t));
}

static bool translate(struct vcpu *v, uint64_t va, gpa_t *gpa)
{
    uint64_t address;

    if (!arm_translate(v, va, &address))
        return false;
    *gpa = GPA(address);
    return true;
}

static unsigned breakpoint(unsigned kind, uint8_t code[DEBUG_CODE_MAX])
{
    uint32_t word = BRK_0;

    memcpy(code, &word, sizeof(word));
    return kind == sizeof(word) ? kind : 0;
}

/* Classes but that of BRK tell the level from which the exception came. */
static void reflect(struct vcpu *v, const struct vm_exit *exit)
{
    uint64_t esr = exit->debug.syndrome;
    unsigned class = SYNDROME_CLASS(esr);
    bool same = (arm_state(v)->pstate & ARM_PSTATE_MODE) != ARM_PSTATE_EL0;

    if (same && class >= CLASS_BREAK && class <= CLASS_SAME_LAST)
        esr |= ESR_EC_SAME;
    vcpu_dirty(v, ARM_SYSTEM);
    if (class == CLASS_WATCH)
        arm_state(v)->sys.far = exit->debug.address;
    arm_inject_syndrome(v, esr);
}

/* ---- Single step: the engine switches MDSCR_EL1.SS on (D2.12) ---- */

static bool step_begin(struct vcpu *v)
{
    struct arm_state *s = arm_state(v);

    vcpu_dirty(v, ARM_GENERAL | ARM_DEBUG);
    v->debug.saved[0] = s->pstate & ARM_PSTATE_SS;
    s->pstate |= ARM_PSTATE_SS;
    return false;
}

static void step_end(struct vcpu *v)
{
    struct arm_state *s = arm_state(v);

    vcpu_dirty(v, ARM_GENERAL | ARM_DEBUG);
    s->pstate = (s->pstate & ~ARM_PSTATE_SS) | v->debug.saved[0];
}

const struct debug_isa arm_debug_isa = {
    .architecture = "aarch64",
    .features = features,
    .feature_count = ARRAY_SIZE(features),
    .pc = 32,
    .sp = 31,
    .fp = 29,
    .get = get,
    .set = set,
    .translate = translate,
    .breakpoint = breakpoint,
    .reflect = reflect,
    .step_begin = step_begin,
    .step_end = step_end,
    .frame_next = 0,
    .frame_return = 8,
    .signature = BITS(63, 48), /* pointer authentication, with 48-bit addresses */
};
