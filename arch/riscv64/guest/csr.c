/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The CSRs of translated riscv64 guests: which exist, who may touch them, what a write leaves
 * (Privileged Architecture 1.13, chapters 2, 10 and 12). */
#include "arch/riscv64/guest/execute.h"
#include "arch/riscv64/guest/vector.h"
#include "dbt/emitter.h"

#define PRIVILEGE(number)     ((number) >> 8 & 3) /* the lowest that may (2.1) */
#define IS_READ_ONLY(number)  ((number) >> 10 == 3)
#define INTERRUPTS            (RISCV_SIP_SSIP | RISCV_SIP_STIP | RISCV_SIP_SEIP)
#define FCSR_FLAGS            BITS(4, 0)
#define FCSR_FRM              BITS(7, 5)
#define FCSR_FRM_SHIFT        5
#define STVEC_MODE            BITS(1, 0)
#define STVEC_VECTORED        1
#define COUNTER_FIRST         0xc00
#define SENVCFG_CBIE          BITS(5, 4)
#define SENVCFG_CBIE_RESERVED BIT(5)
#define SENVCFG_WRITABLE      (BIT(0) | BITS(7, 4))

/* False: the access is illegal, and nothing was done. */
typedef bool (*read_fn)(struct dbt_vcpu *d, uint64_t *value);
typedef bool (*write_fn)(struct dbt_vcpu *d, uint64_t value);

/* ---- Floating point (Unprivileged ISA, 20.2): with FS off there is none ---- */

static bool fp_is_off(const struct dbt_vcpu *d)
{
    return !(rv_state(d)->sstatus & RV_SSTATUS_FS);
}

static bool read_fcsr(struct dbt_vcpu *d, uint64_t *value)
{
    *value = (rv_state(d)->fcsr & FCSR_FRM) | (d->frame->fp_flags & FCSR_FLAGS);
    return !fp_is_off(d);
}

static bool write_fcsr(struct dbt_vcpu *d, uint64_t value)
{
    if (fp_is_off(d))
        return false;
    rv_state(d)->fcsr = value & FCSR_FRM;
    d->frame->fp_flags = (d->frame->fp_flags & SF_SATURATED) | (uint32_t)(value & FCSR_FLAGS);
    rv_fp_dirty(d);
    rv_context(d);
    return true;
}

static bool read_fflags(struct dbt_vcpu *d, uint64_t *value)
{
    *value = d->frame->fp_flags & FCSR_FLAGS;
    return !fp_is_off(d);
}

static bool write_fflags(struct dbt_vcpu *d, uint64_t value)
{
    return write_fcsr(d, (rv_state(d)->fcsr & FCSR_FRM) | (value & FCSR_FLAGS));
}

static bool read_frm(struct dbt_vcpu *d, uint64_t *value)
{
    *value = (rv_state(d)->fcsr & FCSR_FRM) >> FCSR_FRM_SHIFT;
    return !fp_is_off(d);
}

static bool write_frm(struct dbt_vcpu *d, uint64_t value)
{
    return write_fcsr(d, (value << FCSR_FRM_SHIFT & FCSR_FRM) | (d->frame->fp_flags & FCSR_FLAGS));
}

/* ---- Vectors (Unprivileged ISA, 30.3): with VS off there are none ---- */

static bool vectors_are_off(const struct dbt_vcpu *d)
{
    return !(rv_state(d)->sstatus & RV_SSTATUS_VS) || !rv_state(d)->vlenb;
}

/* Of all that writes: VS becomes Dirty. */
static bool write_vector(struct dbt_vcpu *d)
{
    if (vectors_are_off(d))
        return false;
    rv_vector_dirty(d);
    return true;
}

static bool read_vstart(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_frame(d)->vstart;
    return !vectors_are_off(d);
}

static bool write_vstart(struct dbt_vcpu *d, uint64_t value)
{
    struct rv_frame *r = rv_frame(d);

    if (!write_vector(d))
        return false;
    r->vstart = value & RV_VSTART_MASK;
    r->vconfig = rv_vconfig(r->vtype, r->vl, r->vstart);
    return true;
}

static bool read_vxsat(struct dbt_vcpu *d, uint64_t *value)
{
    *value = d->frame->fp_flags & SF_SATURATED ? RV_VCSR_VXSAT : 0;
    return !vectors_are_off(d);
}

static bool write_vxsat(struct dbt_vcpu *d, uint64_t value)
{
    uint32_t flags = d->frame->fp_flags & ~(uint32_t)SF_SATURATED;

    if (!write_vector(d))
        return false;
    d->frame->fp_flags = flags | (value & RV_VCSR_VXSAT ? SF_SATURATED : 0);
    return true;
}

static bool read_vxrm(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_frame(d)->vxrm;
    return !vectors_are_off(d);
}

static bool write_vxrm(struct dbt_vcpu *d, uint64_t value)
{
    if (!write_vector(d))
        return false;
    rv_frame(d)->vxrm = value & 3;
    return true;
}

static bool read_vcsr(struct dbt_vcpu *d, uint64_t *value)
{
    uint64_t vxsat;
    bool ok = read_vxsat(d, &vxsat);

    *value = rv_frame(d)->vxrm << RV_VCSR_VXRM_SHIFT | vxsat;
    return ok;
}

static bool write_vcsr(struct dbt_vcpu *d, uint64_t value)
{
    return write_vxsat(d, value) && write_vxrm(d, value >> RV_VCSR_VXRM_SHIFT);
}

static bool read_vl(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_frame(d)->vl;
    return !vectors_are_off(d);
}

static bool read_vtype(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_frame(d)->vtype;
    return !vectors_are_off(d);
}

static bool read_vlenb(struct dbt_vcpu *d, uint64_t *value)
{
    *value = RV_VLENB;
    return !vectors_are_off(d);
}

/* ---- Counters (Zicntr; scounteren: 12.1.5) ---- */

static bool may_count(const struct dbt_vcpu *d, unsigned number)
{
    return rv_state(d)->prv == RISCV_PRV_S ||
           rv_state(d)->scounteren >> (number - COUNTER_FIRST) & 1;
}

/* Emitted code does not count what it does: then both go on with time. */
static uint64_t count(const struct dbt_vcpu *d)
{
    return d->jit && !(d->mode_common & DBT_MODE_COUNT) ? riscv_time(d->vcpu->vm) : d->frame->count;
}

/* A cycle is an instruction. */
static bool read_cycle(struct dbt_vcpu *d, uint64_t *value)
{
    *value = count(d);
    return may_count(d, 0xc00);
}

static bool read_time(struct dbt_vcpu *d, uint64_t *value)
{
    *value = riscv_time(d->vcpu->vm);
    return may_count(d, 0xc01);
}

static bool read_instret(struct dbt_vcpu *d, uint64_t *value)
{
    *value = count(d);
    return may_count(d, 0xc02);
}

/* Zihpm: counters 3 to 31 count nothing, and user mode is not given them. */
static bool read_hpmcounter(struct dbt_vcpu *d, uint64_t *value)
{
    *value = 0;
    return rv_state(d)->prv == RISCV_PRV_S;
}

/* ---- Supervisor level ---- */

static bool read_sstatus(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_sstatus(rv_state(d));
    return true;
}

static bool write_sstatus(struct dbt_vcpu *d, uint64_t value)
{
    rv_state(d)->sstatus = (value & rv_sstatus_writable(rv_state(d))) | RISCV_SSTATUS_UXL_64;
    rv_context(d);
    d->attend = true;
    return true;
}

static bool read_sie(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_state(d)->sie & INTERRUPTS;
    return true;
}

static bool write_sie(struct dbt_vcpu *d, uint64_t value)
{
    rv_state(d)->sie = value & INTERRUPTS;
    d->attend = true;
    return true;
}

static bool read_sip(struct dbt_vcpu *d, uint64_t *value)
{
    *value = (rv_state(d)->sip & RISCV_SIP_SSIP) | rv_state(d)->lines;
    return true;
}

/* STIP follows stimecmp, SEIP the interrupt controller (12.1.3). */
static bool write_sip(struct dbt_vcpu *d, uint64_t value)
{
    rv_state(d)->sip = value & RISCV_SIP_SSIP;
    d->attend = true;
    return true;
}

static bool read_stvec(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_state(d)->stvec;
    return true;
}

/* Reserved modes leave it as it was (12.1.2: MODE is WARL). */
static bool write_stvec(struct dbt_vcpu *d, uint64_t value)
{
    if ((value & STVEC_MODE) <= STVEC_VECTORED)
        rv_state(d)->stvec = value;
    return true;
}

static bool read_stimecmp(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_state(d)->stimecmp;
    return true;
}

/* The machine looks at it before the vCPU runs on: STIP, and the timer for when it will rise. */
static bool write_stimecmp(struct dbt_vcpu *d, uint64_t value)
{
    rv_state(d)->stimecmp = value;
    d->vcpu->irq_news = true;
    d->attend = true;
    return true;
}

static bool read_senvcfg(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_state(d)->senvcfg;
    return true;
}

/* FIOM, CBCFE, CBZE; CBIE keeps its value when the one written is reserved (12.1.10). */
static bool write_senvcfg(struct dbt_vcpu *d, uint64_t value)
{
    struct riscv_state *s = rv_state(d);

    if ((value & SENVCFG_CBIE) == SENVCFG_CBIE_RESERVED)
        value = (value & ~SENVCFG_CBIE) | (s->senvcfg & SENVCFG_CBIE);
    s->senvcfg = value & SENVCFG_WRITABLE;
    rv_context(d);
    return true;
}

static bool read_satp(struct dbt_vcpu *d, uint64_t *value)
{
    *value = rv_state(d)->satp;
    return true;
}

static bool has_mode(const struct dbt_vcpu *d, uint64_t mode)
{
    return mode == RV_SATP_BARE || mode == RV_SATP_SV39 || mode == RV_SATP_SV48 ||
           (mode == RV_SATP_SV57 && rv_has_sv57(d->vcpu->vm));
}

/* A mode that there is not makes the whole write void (12.1.11). */
static bool write_satp(struct dbt_vcpu *d, uint64_t value)
{
    if (has_mode(d, RV_SATP_MODE(value))) {
        rv_state(d)->satp = value;
        rv_context(d);
    }
    return true;
}

/* ---- The table ---- */

struct csr {
    read_fn read; /* NULL: `offset` and `mask` say all */
    write_fn write;
    uint16_t offset; /* in the canonical state */
    uint64_t mask;
};

enum csr_index {
    CSR_NONE,
#define RV_CSR_FIELD(number, name, member, mask) CSR_##name,
#define RV_CSR_CODE(number, name)                CSR_##name,
#define RV_CSR_READ(number, name)                CSR_##name,
#include "arch/riscv64/guest/csrs.def"
    CSR_hpmcounter,
    CSR_COUNT
};

static const struct csr csrs[CSR_COUNT] = {
    [CSR_hpmcounter] = {.read = read_hpmcounter},
#define RV_CSR_FIELD(number, name, member, mask_) \
    [CSR_##name] = {.offset = offsetof(struct riscv_state, member), .mask = (mask_)},
#define RV_CSR_CODE(number, name) [CSR_##name] = {.read = read_##name, .write = write_##name},
#define RV_CSR_READ(number, name) [CSR_##name] = {.read = read_##name},
#include "arch/riscv64/guest/csrs.def"
};

static const uint8_t csr_numbers[4096] = {
    [COUNTER_FIRST + 3 ... COUNTER_FIRST + 31] = CSR_hpmcounter,
#define RV_CSR_FIELD(number, name, member, mask) [number] = CSR_##name,
#define RV_CSR_CODE(number, name)                [number] = CSR_##name,
#define RV_CSR_READ(number, name)                [number] = CSR_##name,
#include "arch/riscv64/guest/csrs.def"
};

static bool read_csr(struct dbt_vcpu *d, const struct csr *c, uint64_t *value)
{
    if (c->read)
        return c->read(d, value);
    *value = *(const uint64_t *)((const char *)rv_state(d) + c->offset);
    return true;
}

static bool write_csr(struct dbt_vcpu *d, const struct csr *c, uint64_t value)
{
    if (c->read)
        return c->write(d, value);
    *(uint64_t *)((char *)rv_state(d) + c->offset) = value & c->mask;
    return true;
}

/* ---- Zicsr (Unprivileged ISA, chapter 6) ---- */

enum csr_operation { CSR_SWAP = 1, CSR_SET = 2, CSR_CLEAR = 3 };

/* sip.SEIP and the like read as the lines say, but what is set and cleared is what software wrote
 * (9.1.3): those bits cannot be written here, so it is all one. */
static uint64_t combine(enum csr_operation operation, uint64_t old, uint64_t operand)
{
    return operation == CSR_SWAP ? operand : operation == CSR_SET ? old | operand : old & ~operand;
}

bool rv_csr_instruction(struct dbt_vcpu *d, uint32_t word)
{
    unsigned number = word >> 20, rd = rv_rd(word), rs1 = rv_rs1(word);
    enum csr_operation operation = (enum csr_operation)(word >> 12 & 3);
    bool immediate = word >> 14 & 1, writes = operation == CSR_SWAP || rs1;
    const struct csr *c = &csrs[csr_numbers[number]];
    struct rv_frame *r = rv_frame(d);
    uint64_t operand = immediate ? rs1 : rs1 ? r->x[rs1] : 0, old = 0;

    if (!csr_numbers[number] || PRIVILEGE(number) > rv_state(d)->prv ||
        (writes && IS_READ_ONLY(number)))
        return false;
    if ((operation != CSR_SWAP || rd) && !read_csr(d, c, &old))
        return false;
    if (writes && !write_csr(d, c, combine(operation, old, operand)))
        return false;
    if (rd)
        r->x[rd] = old;
    return true;
}
