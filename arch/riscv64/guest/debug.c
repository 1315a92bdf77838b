/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What debuggers see of a riscv64 guest. Names and numbers as gdb has them. */
#include <string.h>
#include "arch/riscv64/guest/machine.h"
#include "arch/riscv64/guest/walk.h"

#define CAUSE_BREAKPOINT 3
#define EBREAK           0x00100073u
#define C_EBREAK         0x9002u
#define FRM_SHIFT        5
#define FFLAGS           BITS(4, 0)
#define FRM              BITS(2, 0)

/* Ids of registers that are part of another. */
enum { ID_FFLAGS, ID_FRM };

#define X(n, text, type_)                                                       \
    {                                                                           \
        text, type_, 64, 8, (n) == 0, offsetof(struct riscv_state, x) + 8 * (n) \
    }
#define F(n, text)                                                                   \
    {                                                                                \
        text, "ieee_double", 64, 8, false, offsetof(struct riscv_state, f) + 8 * (n) \
    }
#define CSR(name)                                                     \
    {                                                                 \
#name, NULL, 64, 8, false, offsetof(struct riscv_state, name) \
    }

static const struct debug_register general[] = {
    X(0, "zero", "int"),
    X(1, "ra", "code_ptr"),
    X(2, "sp", "data_ptr"),
    X(3, "gp", "data_ptr"),
    X(4, "tp", "data_ptr"),
    X(5, "t0", "int"),
    X(6, "t1", "int"),
    X(7, "t2", "int"),
    X(8, "fp", "data_ptr"),
    X(9, "s1", "int"),
    X(10, "a0", "int"),
    X(11, "a1", "int"),
    X(12, "a2", "int"),
    X(13, "a3", "int"),
    X(14, "a4", "int"),
    X(15, "a5", "int"),
    X(16, "a6", "int"),
    X(17, "a7", "int"),
    X(18, "s2", "int"),
    X(19, "s3", "int"),
    X(20, "s4", "int"),
    X(21, "s5", "int"),
    X(22, "s6", "int"),
    X(23, "s7", "int"),
    X(24, "s8", "int"),
    X(25, "s9", "int"),
    X(26, "s10", "int"),
    X(27, "s11", "int"),
    X(28, "t3", "int"),
    X(29, "t4", "int"),
    X(30, "t5", "int"),
    X(31, "t6", "int"),
    {"pc", "code_ptr", 64, 8, false, offsetof(struct riscv_state, pc)},
};

static const struct debug_register floats[] = {
    F(0, "ft0"),
    F(1, "ft1"),
    F(2, "ft2"),
    F(3, "ft3"),
    F(4, "ft4"),
    F(5, "ft5"),
    F(6, "ft6"),
    F(7, "ft7"),
    F(8, "fs0"),
    F(9, "fs1"),
    F(10, "fa0"),
    F(11, "fa1"),
    F(12, "fa2"),
    F(13, "fa3"),
    F(14, "fa4"),
    F(15, "fa5"),
    F(16, "fa6"),
    F(17, "fa7"),
    F(18, "fs2"),
    F(19, "fs3"),
    F(20, "fs4"),
    F(21, "fs5"),
    F(22, "fs6"),
    F(23, "fs7"),
    F(24, "fs8"),
    F(25, "fs9"),
    F(26, "fs10"),
    F(27, "fs11"),
    F(28, "ft8"),
    F(29, "ft9"),
    F(30, "ft10"),
    F(31, "ft11"),
    {"fflags", "int", 32, 0, false, ID_FFLAGS},
    {"frm", "int", 32, 0, false, ID_FRM},
    {"fcsr", "int", 32, 4, false, offsetof(struct riscv_state, fcsr)},
};

static const struct debug_register csrs[] = {
    CSR(sstatus), CSR(sie),   CSR(stvec), CSR(scounteren), CSR(sscratch), CSR(sepc),
    CSR(scause),  CSR(stval), CSR(sip),   CSR(stimecmp),   CSR(satp),     CSR(senvcfg),
};

#define V(n)                                                                               \
    {                                                                                      \
        "v" #n, "riscv_vector", 128, 16, false, offsetof(struct riscv_state, v) + 16 * (n) \
    }
/* Of 128 bits, which translated guests have (docs/translator.md). */
static const struct debug_register vectors[] = {
    V(0),  V(1),  V(2),  V(3),  V(4),  V(5),  V(6),  V(7),  V(8),  V(9),  V(10),
    V(11), V(12), V(13), V(14), V(15), V(16), V(17), V(18), V(19), V(20), V(21),
    V(22), V(23), V(24), V(25), V(26), V(27), V(28), V(29), V(30), V(31),
};

static const char vector_types[] =
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v16u\" type=\"uint8\" count=\"16\"/>"
    "<vector id=\"v8u\" type=\"uint16\" count=\"8\"/>"
    "<vector id=\"v4u\" type=\"uint32\" count=\"4\"/>"
    "<vector id=\"v2u\" type=\"uint64\" count=\"2\"/>"
    "<vector id=\"v1u\" type=\"uint128\" count=\"1\"/>"
    "<union id=\"riscv_vector\"><field name=\"b\" type=\"v16u\"/><field name=\"s\" type=\"v8u\"/>"
    "<field name=\"w\" type=\"v4u\"/><field name=\"l\" type=\"v2u\"/>"
    "<field name=\"q\" type=\"v1u\"/><field name=\"f\" type=\"v4f\"/>"
    "<field name=\"d\" type=\"v2d\"/></union>";

static const struct debug_register vector_csrs[] = {
    CSR(vl), CSR(vtype), CSR(vstart), CSR(vcsr), CSR(vlenb),
};

static bool has_vectors(const struct vcpu *v)
{
    return riscv_state(v)->vlenb == 16;
}

static const struct debug_register virtuals[] = {
    {"priv", NULL, 64, 8, false, offsetof(struct riscv_state, prv)},
};

#define FEATURE(name_, list, rarely_)                                                        \
    {                                                                                        \
        .name = (name_), .registers = (list), .count = ARRAY_SIZE(list), .rarely = (rarely_) \
    }
static const struct debug_feature features[] = {
    FEATURE("org.gnu.gdb.riscv.cpu", general, false),
    FEATURE("org.gnu.gdb.riscv.fpu", floats, false),
    FEATURE("org.gnu.gdb.riscv.csr", csrs, true),
    FEATURE("org.gnu.gdb.riscv.virtual", virtuals, true),
    {.name = "org.gnu.gdb.riscv.vector",
     .types = vector_types,
     .registers = vectors,
     .count = ARRAY_SIZE(vectors),
     .rarely = true,
     .is_there = has_vectors},
    {.name = "org.ennead.riscv.vector",
     .registers = vector_csrs,
     .count = ARRAY_SIZE(vector_csrs),
     .rarely = true,
     .is_there = has_vectors},
};

static void get(struct vcpu *v, uint32_t id, uint8_t *bytes)
{
    uint64_t fcsr = riscv_state(v)->fcsr;
    uint32_t value = (uint32_t)(id == ID_FRM ? fcsr >> FRM_SHIFT & FRM : fcsr & FFLAGS);

    memcpy(bytes, &value, sizeof(value));
}

static void set(struct vcpu *v, uint32_t id, const uint8_t *bytes)
{
    uint64_t *fcsr = &riscv_state(v)->fcsr;
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    if (id == ID_FRM)
        *fcsr = (*fcsr & FFLAGS) | (value & FRM) << FRM_SHIFT;
    else
        *fcsr = (*fcsr & ~FFLAGS) | (value & FFLAGS);
}

/* ---- Memory ---- */

struct copied_entry {
    struct vcpu *vcpu;
    uint64_t entry;
};

/* Entries are looked at, not written: without a store the accessed bit stays as it is. */
static uint64_t *table_entry(void *arg, uint64_t gpa, bool write)
{
    struct copied_entry *c = arg;

    (void)write;
    return guest_copy_from(c->vcpu->vm->memory, GPA(gpa), &c->entry, sizeof(c->entry)) == ERR_OK
               ? &c->entry
               : NULL;
}

/* Pages of users and of the supervisor alike, also where only execution is allowed. */
static bool translate(struct vcpu *v, uint64_t va, gpa_t *gpa)
{
    static const enum dbt_access ways[] = {DBT_READ, DBT_FETCH};
    struct copied_entry copy = {.vcpu = v};
    const struct rv_table_access tables = {.entry = table_entry, .arg = &copy};
    struct rv_view view = {.sum = true, .mxr = true};
    struct rv_translation t;

    vcpu_need(v, RISCV_CSR);
    view.satp = riscv_state(v)->satp;
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(ways); i++) {
        view.user = i / ARRAY_SIZE(ways);
        if (rv_walk(&view, &tables, va, ways[i % ARRAY_SIZE(ways)], &t) == RV_NO_FAULT) {
            *gpa = GPA(t.gpa);
            return true;
        }
    }
    return false;
}

static unsigned breakpoint(unsigned kind, uint8_t code[DEBUG_CODE_MAX])
{
    uint32_t word = kind == 2 ? C_EBREAK : EBREAK;

    if (kind != 2 && kind != 4)
        return 0;
    memcpy(code, &word, sizeof(word));
    return kind;
}

static void reflect(struct vcpu *v, const struct vm_exit *exit)
{
    (void)exit;
    riscv_inject(v, CAUSE_BREAKPOINT, riscv_state(v)->pc);
}

const struct debug_isa riscv_debug = {
    .architecture = "riscv:rv64",
    .features = features,
    .feature_count = ARRAY_SIZE(features),
    .pc = 32,
    .sp = RISCV_SP,
    .fp = 8,
    .get = get,
    .set = set,
    .translate = translate,
    .breakpoint = breakpoint,
    .reflect = reflect,
    .frame_next = -16,
    .frame_return = -8,
};
