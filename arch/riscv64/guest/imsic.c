/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A guest hart's incoming MSI controller (RISC-V AIA 1.0, chapter 3) in software: its supervisor
 * interrupt file, and the CSRs that reach it when the hardware has no file for the guest. While the
 * engine has put the file into hardware (`file`), messages go there and nothing here is read.
 */
#include "arch/riscv64/guest/machine.h"

#include <string.h>

/* CSRs (2.1, 2.3) and the instructions that access them (unprivileged specification, 6). */
#define AIA_SISELECT  0x150u
#define AIA_SIREG     0x151u
#define AIA_STOPEI    0x15cu
#define AIA_STOPI     0xdb0u
#define OPCODE_SYSTEM 0x73u
#define CSR_OP_WRITE  1u
#define CSR_OP_SET    2u
#define CSR_OP_CLEAR  3u
#define CSR_IMMEDIATE 4u

/* Indirect registers (3.8). Arrays have 64 identities in each even register. */
#define IPRIO_FIRST 0x30u
#define IPRIO_LAST  0x3fu
#define EIDELIVERY  0x70u
#define EITHRESHOLD 0x72u
#define EIP_FIRST   0x80u
#define EIP_LAST    0xbfu
#define EIE_FIRST   0xc0u
#define EIE_LAST    0xffu

#define TOP_IDENTITY_SHIFT 16 /* stopei, stopi */
#define PRIORITY_DEFAULT   1u /* stopi's, where all priorities are the default ones (5.4.3) */

LOCK_CLASS(imsic_class, "guest IMSIC", RANK_IRQCHIP_CPU);

void riscv_imsic_init(struct riscv_imsic *f)
{
    spin_init(&f->lock, &imsic_class);
}

/* The lowest identity that is pending and enabled and below the threshold, 0: none. */
static unsigned top(const struct riscv_imsic *f)
{
    for (unsigned w = 0; w < RISCV_IMSIC_WORDS; w++) {
        uint64_t ready = f->pending[w] & f->enabled[w];
        unsigned identity;

        if (!ready)
            continue;
        identity = w * 64 + (unsigned)__builtin_ctzl(ready);
        return f->threshold && identity >= f->threshold ? 0 : identity;
    }
    return 0;
}

/* Under the lock; tells the hart when its external interrupt line changes. */
static void update(struct vcpu *v, struct riscv_imsic *f, const struct vcpu *by)
{
    uint32_t line = f->delivery && top(f);

    if (line == f->external)
        return;
    WRITE_ONCE(f->external, line);
    riscv_hart_notify(v, by);
}

/* The software file's contents go to *regs; it is empty then. */
static void take(struct riscv_imsic *f, struct riscv_imsic_regs *regs)
{
    memcpy(regs->pending, f->pending, sizeof(regs->pending));
    memcpy(regs->enabled, f->enabled, sizeof(regs->enabled));
    regs->delivery = f->delivery;
    regs->threshold = f->threshold;
    memset(f->pending, 0, sizeof(f->pending));
    memset(f->enabled, 0, sizeof(f->enabled));
    f->delivery = f->threshold = 0;
    WRITE_ONCE(f->external, 0);
}

void riscv_imsic_attach(struct vcpu *v, volatile uint32_t *file, struct riscv_imsic_regs *regs)
{
    struct riscv_imsic *f = &riscv_hart(v)->imsic;
    uint64_t flags = spin_lock_irq(&f->lock);

    take(f, regs);
    f->file = file;
    spin_unlock_irq(&f->lock, flags);
}

void riscv_imsic_detach(struct vcpu *v)
{
    struct riscv_imsic *f = &riscv_hart(v)->imsic;
    uint64_t flags = spin_lock_irq(&f->lock);

    f->file = NULL;
    spin_unlock_irq(&f->lock, flags);
}

void riscv_imsic_merge(struct vcpu *v, const struct riscv_imsic_regs *regs)
{
    struct riscv_imsic *f = &riscv_hart(v)->imsic;
    uint64_t flags = spin_lock_irq(&f->lock);

    for (unsigned w = 0; w < RISCV_IMSIC_WORDS; w++)
        f->pending[w] |= regs->pending[w];
    memcpy(f->enabled, regs->enabled, sizeof(f->enabled));
    f->delivery = regs->delivery;
    f->threshold = regs->threshold;
    update(v, f, v);
    spin_unlock_irq(&f->lock, flags);
}

void riscv_imsic_send(struct vcpu *v, uint32_t identity, const struct vcpu *by)
{
    struct riscv_imsic *f = &riscv_hart(v)->imsic;
    uint64_t flags;

    if (identity == 0 || identity > RISCV_IMSIC_IDS)
        return;
    flags = spin_lock_irq(&f->lock);
    if (f->file) {
        mmio_write32(f->file, identity);
    } else {
        f->pending[identity / 64] |= BIT(identity % 64);
        update(v, f, by);
    }
    spin_unlock_irq(&f->lock, flags);
}

bool riscv_imsic_pending(const struct vcpu *v)
{
    return READ_ONCE(riscv_hart(v)->imsic.external);
}

/* ---- CSRs ---- */

/* The word of an array register `reg` that starts at `first`, NULL: all zero; *valid: it exists. */
static uint64_t *array_word(uint64_t *words, uint64_t reg, unsigned first, bool *valid)
{
    uint64_t index = (reg - first) / 2;

    *valid = reg % 2 == 0;
    return *valid && index < RISCV_IMSIC_WORDS ? &words[index] : NULL;
}

/* The indirect register `reg`: *value and the bits that can be written; NULL: reads as zero. */
static uint64_t *indirect(struct riscv_imsic *f, uint64_t reg, uint64_t *writable, bool *valid)
{
    *valid = true;
    *writable = UINT64_MAX;
    switch (reg) {
    case IPRIO_FIRST ... IPRIO_LAST:
        *valid = reg % 2 == 0;
        return NULL;
    case EIDELIVERY:
        *writable = 1;
        return &f->delivery;
    case EITHRESHOLD:
        *writable = RISCV_IMSIC_IDS;
        return &f->threshold;
    case EIP_FIRST ... EIP_LAST:
        *writable = reg == EIP_FIRST ? ~1UL : UINT64_MAX;
        return array_word(f->pending, reg, EIP_FIRST, valid);
    case EIE_FIRST ... EIE_LAST:
        *writable = reg == EIE_FIRST ? ~1UL : UINT64_MAX;
        return array_word(f->enabled, reg, EIE_FIRST, valid);
    default:
        *valid = false;
        return NULL;
    }
}

struct csr_access {
    unsigned number, rd, op; /* op: CSR_OP_ */
    bool writes;
    uint64_t operand;
};

static bool decode(const struct riscv_state *s, uint32_t instruction, struct csr_access *a)
{
    unsigned funct3 = instruction >> 12 & 7, rs1 = instruction >> 15 & 31;

    a->number = instruction >> 20;
    a->rd = instruction >> 7 & 31;
    a->op = funct3 & 3;
    a->writes = a->op == CSR_OP_WRITE || rs1 != 0;
    a->operand = funct3 & CSR_IMMEDIATE ? rs1 : s->x[rs1];
    return (instruction & 0x7f) == OPCODE_SYSTEM && a->op != 0;
}

static uint64_t modified(const struct csr_access *a, uint64_t old)
{
    return a->op == CSR_OP_WRITE ? a->operand
           : a->op == CSR_OP_SET ? old | a->operand
                                 : old & ~a->operand;
}

static bool access_sireg(struct riscv_imsic *f, const struct csr_access *a, uint64_t select,
                         uint64_t *old)
{
    uint64_t writable;
    bool valid;
    uint64_t *reg = indirect(f, select, &writable, &valid);

    *old = reg ? *reg : 0;
    if (valid && reg && a->writes)
        *reg = modified(a, *old) & writable;
    return valid;
}

/* Reading gives the top interrupt, writing anything claims it (3.10). */
static void access_stopei(struct riscv_imsic *f, const struct csr_access *a, uint64_t *old)
{
    unsigned identity = top(f);

    *old = (uint64_t)identity << TOP_IDENTITY_SHIFT | identity;
    if (a->writes)
        f->pending[identity / 64] &= ~BIT(identity % 64);
}

/* What is pending and enabled, by the default priorities: external, software, timer (5.4.3). */
static uint64_t read_stopi(const struct vcpu *v)
{
    static const uint8_t order[] = {RISCV_IRQ_EXT, RISCV_IRQ_SOFT, RISCV_IRQ_TIMER};
    uint64_t ready = riscv_pending(v) & riscv_state(v)->sie;

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        if (ready & BIT(order[i]))
            return (uint64_t)order[i] << TOP_IDENTITY_SHIFT | PRIORITY_DEFAULT;
    return 0;
}

static bool access_csr(struct vcpu *v, const struct csr_access *a, uint64_t *old)
{
    struct riscv_state *s = riscv_state(v);
    struct riscv_imsic *f = &riscv_hart(v)->imsic;
    bool valid = true;
    uint64_t flags;

    if (a->number == AIA_STOPI) {
        vcpu_need(v, RISCV_CSR | RISCV_TIMER);
        *old = read_stopi(v);
        return !a->writes;
    }
    vcpu_need(v, RISCV_AIA);
    if (a->number == AIA_SISELECT) {
        *old = s->siselect;
        if (a->writes) {
            vcpu_dirty(v, RISCV_AIA);
            s->siselect = modified(a, *old);
        }
        return true;
    }
    if (a->number != AIA_SIREG && a->number != AIA_STOPEI)
        return false;
    flags = spin_lock_irq(&f->lock);
    if (f->file) /* the hardware has what there is */
        valid = false;
    else if (a->number == AIA_SIREG)
        valid = access_sireg(f, a, s->siselect, old);
    else
        access_stopei(f, a, old);
    if (valid)
        update(v, f, v);
    spin_unlock_irq(&f->lock, flags);
    return valid;
}

bool riscv_aia_instruction(struct vcpu *v, uint32_t instruction)
{
    struct riscv_state *s = riscv_state(v);
    struct csr_access a;
    uint64_t old;

    if (!riscv_machine(v->vm)->aplic || s->prv != RISCV_PRV_S || !decode(s, instruction, &a) ||
        !access_csr(v, &a, &old))
        return false;
    if (a.rd != RISCV_ZERO)
        s->x[a.rd] = old;
    s->pc += 4;
    return true;
}

/* ---- State ---- */

/* Saving and loading act on the software file. */
static void imsic_release(void *object)
{
    struct riscv_imsic *f = object;
    struct vcpu *v;

    if (!f->file)
        return;
    v = container_of(f, struct riscv_hart, imsic)->vcpu;
    riscv_machine(v->vm)->file_release(v);
}

static enum err imsic_loaded(void *object)
{
    struct riscv_imsic *f = object, loaded = *f;

    imsic_release(f); /* which brings what the hardware's file had */
    memcpy(f->pending, loaded.pending, sizeof(f->pending));
    memcpy(f->enabled, loaded.enabled, sizeof(f->enabled));
    f->delivery = loaded.delivery;
    f->threshold = loaded.threshold;
    if (f->delivery > 1 || f->threshold > RISCV_IMSIC_IDS || (f->pending[0] | f->enabled[0]) & 1)
        return ERR_INVALID;
    f->external = f->delivery && top(f);
    return ERR_OK;
}

STATE_FIELDS(imsic_fields, STATE_ARRAY(struct riscv_imsic, pending, 1),
             STATE_ARRAY(struct riscv_imsic, enabled, 1),
             STATE_FIELD(struct riscv_imsic, delivery, 1),
             STATE_FIELD(struct riscv_imsic, threshold, 1));

const struct state_table riscv_imsic_state = {.name = "imsic",
                                              .version = 1,
                                              .fields = imsic_fields,
                                              .field_count = ARRAY_SIZE(imsic_fields),
                                              .before_save = imsic_release,
                                              .after_load = imsic_loaded};
