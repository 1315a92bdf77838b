/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The guest's registers that stay in the hardware while its vCPU is loaded: by group, to and from
 * the canonical state. */
#include "arch/aarch64/host/el2/el2.h"
#include "arch/aarch64/host/gic.h"

/* EL1 registers: with VHE they are reached by their _EL12 names, here by encoding (D8.9; op1 = 5).
 */
#define EL1_REGISTERS(X)                             \
    X(cpacr, "S3_5_C1_C0_2", "cpacr_el1")            \
    X(afsr0, "S3_5_C5_C1_0", "afsr0_el1")            \
    X(afsr1, "S3_5_C5_C1_1", "afsr1_el1")            \
    X(esr, "S3_5_C5_C2_0", "esr_el1")                \
    X(far, "S3_5_C6_C0_0", "far_el1")                \
    X(mair, "S3_5_C10_C2_0", "mair_el1")             \
    X(amair, "S3_5_C10_C3_0", "amair_el1")           \
    X(vbar, "S3_5_C12_C0_0", "vbar_el1")             \
    X(contextidr, "S3_5_C13_C0_1", "contextidr_el1") \
    X(cntkctl, "S3_5_C14_C1_0", "cntkctl_el1")       \
    X(spsr, "S3_5_C4_C0_0", "spsr_el1")              \
    X(elr, "S3_5_C4_C0_1", "elr_el1")

/* Those that are written only when they change. */
#define TRANSLATION_REGISTERS(X)          \
    X(tcr, "S3_5_C2_C0_2", "tcr_el1")     \
    X(ttbr0, "S3_5_C2_C0_0", "ttbr0_el1") \
    X(ttbr1, "S3_5_C2_C0_1", "ttbr1_el1") \
    X(sctlr, "S3_5_C1_C0_0", "sctlr_el1")

/* Registers of one name. */
#define PLAIN_REGISTERS(X)      \
    X(par, par_el1)             \
    X(csselr, csselr_el1)       \
    X(sp_el0, sp_el0)           \
    X(sp_el1, sp_el1)           \
    X(tpidr_el0, tpidr_el0)     \
    X(tpidrro_el0, tpidrro_el0) \
    X(tpidr_el1, tpidr_el1)

#define guest_read(vhe, nvhe)         MODE_READ(vhe, nvhe, nvhe)
#define guest_write(vhe, nvhe, value) MODE_WRITE(vhe, nvhe, nvhe, value)
#define guest_update(vhe, nvhe, value)        \
    do {                                      \
        if (guest_read(vhe, nvhe) != (value)) \
            guest_write(vhe, nvhe, value);    \
    } while (0)

/* APIAKeyLo_EL1 and those that follow (D19.2.17 on) */
#define PAUTH_KEYS(X)  \
    X(0, S3_0_C2_C1_0) \
    X(1, S3_0_C2_C1_1) \
    X(2, S3_0_C2_C1_2) \
    X(3, S3_0_C2_C1_3) \
    X(4, S3_0_C2_C2_0) \
    X(5, S3_0_C2_C2_1) X(6, S3_0_C2_C2_2) X(7, S3_0_C2_C2_3) X(8, S3_0_C2_C3_0) X(9, S3_0_C2_C3_1)

/* By encoding: ICH_* (IHI 0069H, 12.4) */
#define ICH_HCR  S3_4_C12_C11_0
#define ICH_VTR  S3_4_C12_C11_1
#define ICH_VMCR S3_4_C12_C11_7

/* ID_AA64ISAR1_EL1.APA, API, GPA, GPI or ISAR2's APA3, GPA3 */
static bool has_pauth(void)
{
    return sysreg_read(S3_0_C0_C6_1) & 0xff000ff0 || sysreg_read(S3_0_C0_C6_2) & 0xff00;
}

static void pauth_save(struct arm_system *s)
{
#define X(i, name) s->pauth_keys[i] = sysreg_read(name);
    PAUTH_KEYS(X)
#undef X
}

static void pauth_load(const struct arm_system *s)
{
#define X(i, name) sysreg_write(name, s->pauth_keys[i]);
    PAUTH_KEYS(X)
#undef X
}

static struct {
    bool pauth, scxtnum, ras;
    unsigned sve;      /* bytes */
    unsigned priority; /* number of ICH_AP0R and AP1R registers; 0 with a GICv2 */
} has;

/* By the bits of preemption (ICH_VTR.PREbits, 12.4.7). */
static unsigned priority_registers(void)
{
    unsigned bits = (sysreg_read(ICH_VTR) >> 26 & 7) + 1;

    return bits <= 5 ? 1 : 1u << (bits - 5);
}

/* The control of vector lengths at EL2: the longest that there is (D19.2.170) */
#define ZCR_EL2     S3_4_C1_C2_0
#define ZCR_LEN_MAX 0xfULL

void features_cpu_init(void)
{
    if (id_field(sysreg_read(id_aa64pfr0_el1), 32))
        sysreg_write(ZCR_EL2, ZCR_LEN_MAX);
    isb();
}

void features_init(void)
{
    uint64_t pfr0 = sysreg_read(id_aa64pfr0_el1);

    features_cpu_init();
    has.pauth = has_pauth();
    has.scxtnum = id_field(pfr0, 56) >= 2;
    has.ras = id_field(pfr0, 28);
    has.sve = id_field(pfr0, 32) ? sve_vector_bytes() : 0;
    has.priority = gic_is_v2() ? 0 : priority_registers();
}

unsigned sve_bytes(void)
{
    return has.sve;
}

#define SCXTNUM_EL0     S3_3_C13_C0_7
#define SCXTNUM_EL1_VHE "S3_5_C13_C0_7"
#define SCXTNUM_EL1     "S3_0_C13_C0_7"

static void scxtnum_save(struct arm_system *s)
{
    s->scxtnum_el0 = sysreg_read(SCXTNUM_EL0);
    s->scxtnum_el1 = guest_read(SCXTNUM_EL1_VHE, SCXTNUM_EL1);
}

static void scxtnum_load(const struct arm_system *s)
{
    sysreg_write(SCXTNUM_EL0, s->scxtnum_el0);
    guest_write(SCXTNUM_EL1_VHE, SCXTNUM_EL1, s->scxtnum_el1);
}

/* With HCR_EL2.AMO the guest's DISR_EL1 is this; no trap keeps it from it. */
#define VDISR_EL2 S3_4_C12_C1_1

static void system_save(struct arm_system *s)
{
#define X(field, vhe, nvhe) s->field = guest_read(vhe, nvhe);
    EL1_REGISTERS(X)
    TRANSLATION_REGISTERS(X)
#undef X
#define X(field, name) s->field = sysreg_read(name);
    PLAIN_REGISTERS(X)
#undef X
    if (has.pauth)
        pauth_save(s);
    if (has.scxtnum)
        scxtnum_save(s);
    if (has.ras)
        s->disr = sysreg_read(VDISR_EL2);
}

static void system_load(const struct arm_system *s)
{
#define X(field, vhe, nvhe) guest_write(vhe, nvhe, s->field);
    EL1_REGISTERS(X)
#undef X
#define X(field, vhe, nvhe) guest_update(vhe, nvhe, s->field);
    TRANSLATION_REGISTERS(X)
#undef X
#define X(field, name) sysreg_write(name, s->field);
    PLAIN_REGISTERS(X)
#undef X
    if (has.pauth)
        pauth_load(s);
    if (has.scxtnum)
        scxtnum_load(s);
    if (has.ras)
        sysreg_write(VDISR_EL2, s->disr);
}

#define CNTV_CTL_VHE  "S3_5_C14_C3_1"
#define CNTV_CVAL_VHE "S3_5_C14_C3_2"

static void timer_save(struct arm_timer *t)
{
    t->cntv_ctl = guest_read(CNTV_CTL_VHE, "cntv_ctl_el0");
    t->cntv_cval = guest_read(CNTV_CVAL_VHE, "cntv_cval_el0");
}

static void timer_load(const struct arm_timer *t)
{
    guest_update(CNTV_CVAL_VHE, "cntv_cval_el0", t->cntv_cval);
    isb();
    guest_write(CNTV_CTL_VHE, "cntv_ctl_el0", t->cntv_ctl);
}

/* No more interrupts of the guest's timer here. */
void timer_stop(void)
{
    guest_update(CNTV_CTL_VHE, "cntv_ctl_el0", 0UL);
}

/* ---- The GIC's CPU interface: by system registers, or a GICv2's (gich.c) ---- */

static void gic_save(struct arm_gic *g)
{
    if (!has.priority) {
        gich_save(g);
        return;
    }
    g->vmcr = sysreg_read(ICH_VMCR);
    g->ap0r[0] = sysreg_read(S3_4_C12_C8_0);
    g->ap1r[0] = sysreg_read(S3_4_C12_C9_0);
    if (has.priority >= 2) {
        g->ap0r[1] = sysreg_read(S3_4_C12_C8_1);
        g->ap1r[1] = sysreg_read(S3_4_C12_C9_1);
    }
    if (has.priority >= 4) {
        g->ap0r[2] = sysreg_read(S3_4_C12_C8_2);
        g->ap0r[3] = sysreg_read(S3_4_C12_C8_3);
        g->ap1r[2] = sysreg_read(S3_4_C12_C9_2);
        g->ap1r[3] = sysreg_read(S3_4_C12_C9_3);
    }
}

static void gic_load(const struct arm_gic *g)
{
    if (!has.priority) {
        gich_load(g);
        return;
    }
    sysreg_write(ICH_VMCR, g->vmcr);
    sysreg_write(S3_4_C12_C8_0, g->ap0r[0]);
    sysreg_write(S3_4_C12_C9_0, g->ap1r[0]);
    if (has.priority >= 2) {
        sysreg_write(S3_4_C12_C8_1, g->ap0r[1]);
        sysreg_write(S3_4_C12_C9_1, g->ap1r[1]);
    }
    if (has.priority >= 4) {
        sysreg_write(S3_4_C12_C8_2, g->ap0r[2]);
        sysreg_write(S3_4_C12_C8_3, g->ap0r[3]);
        sysreg_write(S3_4_C12_C9_2, g->ap1r[2]);
        sysreg_write(S3_4_C12_C9_3, g->ap1r[3]);
    }
}

/* ---- Debug registers: the guest's accesses trap, so they are only written ---- */

#define MDCR_TDE         (1ULL << 8) /* D19.3.18 */
#define DBGCR_ENABLE     BIT(0)
#define DBGCR_EL1_EL0    (3ULL << 1)
#define DBGBCR_ALL_BYTES (0xfULL << 5)
#define DBGWCR_BYTES     5
/* Loads, stores or both. */
#define DBGWCR_KIND(k) ((k) == POINT_READ ? 1ULL << 3 : (k) == POINT_WRITE ? 2ULL << 3 : 3ULL << 3)

/* clang-format off */
#define DEBUG_REGISTERS(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* clang-format on */

static void breakpoint_load(unsigned i, uint64_t value, uint64_t control)
{
    switch (i) {
#define X(n)                                     \
    case n:                                      \
        sysreg_write(S2_0_C0_C##n##_4, value);   \
        sysreg_write(S2_0_C0_C##n##_5, control); \
        break;
        DEBUG_REGISTERS(X)
#undef X
    }
}

static void watchpoint_load(unsigned i, uint64_t value, uint64_t control)
{
    switch (i) {
#define X(n)                                     \
    case n:                                      \
        sysreg_write(S2_0_C0_C##n##_6, value);   \
        sysreg_write(S2_0_C0_C##n##_7, control); \
        break;
        DEBUG_REGISTERS(X)
#undef X
    }
}

unsigned debug_register_count(bool watch)
{
    return (unsigned)id_field(sysreg_read(id_aa64dfr0_el1), watch ? 20 : 12) + 1;
}

/* The guest's own. */
static void points_load(const struct arm_debug *d)
{
    for (unsigned i = 0; i < debug_register_count(false); i++)
        breakpoint_load(i, d->bvr[i], d->bcr[i]);
    for (unsigned i = 0; i < debug_register_count(true); i++)
        watchpoint_load(i, d->wvr[i], d->wcr[i]);
}

/* A debugger's, at EL1 and EL0 (D19.3.2, D19.3.25); as many as the CPU has. */
static void debugger_points_load(const struct debug_point *points, unsigned count)
{
    unsigned breaks = 0, watches = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct debug_point *p = &points[i];
        uint64_t bytes = (BIT(p->size) - 1) << (p->address & 7);

        if (p->kind == POINT_BREAK)
            breakpoint_load(breaks++, p->address, DBGBCR_ALL_BYTES | DBGCR_EL1_EL0 | DBGCR_ENABLE);
        else
            watchpoint_load(watches++, p->address & ~7ULL,
                            bytes << DBGWCR_BYTES | DBGWCR_KIND(p->kind) | DBGCR_EL1_EL0 |
                                DBGCR_ENABLE);
    }
    while (breaks < debug_register_count(false))
        breakpoint_load(breaks++, 0, 0);
    while (watches < debug_register_count(true))
        watchpoint_load(watches++, 0, 0);
}

/* Debug exceptions come here while a debugger wants some. */
static NOINLINE void debugger_load(const struct vcpu *v, const struct arm_debug *d, uint64_t *mdscr,
                                   uint64_t *mdcr)
{
    const struct debug_point *points;
    unsigned count = debug_points(v->vm, &points);

    if (count) {
        debugger_points_load(points, count);
        *mdscr |= ARM_MDSCR_MDE;
    } else if (*mdscr & ARM_MDSCR_MDE) {
        points_load(d);
    }
    if (debug_stepping(v))
        *mdscr |= ARM_MDSCR_SS;
    if (count || debug_stepping(v) || debug_has_patches(v->vm))
        *mdcr |= MDCR_TDE;
}

/* Without a debugger they are the guest's own. Without MDSCR_EL1.MDE no point does anything. */
static void debug_load(const struct vcpu *v, const struct arm_debug *d)
{
    uint64_t mdscr = d->os_lock ? 0 : d->mdscr, mdcr = sysreg_read(mdcr_el2) & ~MDCR_TDE;

    if (unlikely(v->vm->debug))
        debugger_load(v, d, &mdscr, &mdcr);
    else if (mdscr & ARM_MDSCR_MDE)
        points_load(d);
    sysreg_update(mdscr_el1, mdscr);
    sysreg_update(mdcr_el2, mdcr);
}

/* ---- Floating point and vectors ---- */

#define ZCR_VHE  "S3_5_C1_C2_0"
#define ZCR_NVHE "S3_0_C1_C2_0"

static void vectors_save(struct arm_state *s)
{
    fpu_save(&s->fp);
    if (!has.sve)
        return;
    sve_save(s->sve.z, s->sve.p);
    s->sve.zcr = guest_read(ZCR_VHE, ZCR_NVHE);
}

/* The low parts first: writing them clears the rest. */
static void vectors_load(const struct arm_state *s)
{
    fpu_load(&s->fp);
    if (!has.sve)
        return;
    sve_load(s->sve.z, s->sve.p);
    guest_write(ZCR_VHE, ZCR_NVHE, s->sve.zcr);
}

void registers_load(struct vcpu *v, uint64_t groups)
{
    struct arm_state *s = v->state;

    if (groups & ARM_SYSTEM)
        system_load(&s->sys);
    if (groups & ARM_FP)
        vectors_load(s);
    if (groups & ARM_TIMER)
        timer_load(&s->timer);
    if (groups & ARM_GIC)
        gic_load(&s->gic);
    if (groups & ARM_DEBUG)
        debug_load(v, &s->debug);
}

void registers_save(struct arm_state *s, uint64_t groups)
{
    if (groups & ARM_SYSTEM)
        system_save(&s->sys);
    if (groups & ARM_FP)
        vectors_save(s);
    if (groups & ARM_TIMER)
        timer_save(&s->timer);
    if (groups & ARM_GIC)
        gic_save(&s->gic);
}

/* ---- List registers ---- */

/* clang-format off */
#define LIST_REGISTERS(X) \
    X(15, S3_4_C12_C13_7) X(14, S3_4_C12_C13_6) X(13, S3_4_C12_C13_5) X(12, S3_4_C12_C13_4) \
    X(11, S3_4_C12_C13_3) X(10, S3_4_C12_C13_2) X(9, S3_4_C12_C13_1) X(8, S3_4_C12_C13_0) \
    X(7, S3_4_C12_C12_7) X(6, S3_4_C12_C12_6) X(5, S3_4_C12_C12_5) X(4, S3_4_C12_C12_4) \
    X(3, S3_4_C12_C12_3) X(2, S3_4_C12_C12_2) X(1, S3_4_C12_C12_1) X(0, S3_4_C12_C12_0)
/* clang-format on */

unsigned list_register_count(void)
{
    return gic_is_v2() ? gich_count() : (unsigned)(sysreg_read(ICH_VTR) & 31) + 1;
}

static void list_register_write(unsigned i, uint64_t value)
{
    if (gic_is_v2()) {
        gich_list_write(i, value);
        return;
    }
    switch (i) {
#define X(i_, name)                \
    case i_:                       \
        sysreg_write(name, value); \
        break;
        LIST_REGISTERS(X)
#undef X
    }
}

static void hcr_write(uint64_t value)
{
    if (gic_is_v2())
        gich_hcr_write(value);
    else
        sysreg_write(ICH_HCR, value);
}

/* Writes what differs from what is there. */
void list_registers_load(struct el2_vcpu *e, const struct arm_gic *g)
{
    for (unsigned i = 0; i < g->lr_used; i++) {
        if (i < e->lr_live && e->lr[i] == g->lr[i])
            continue;
        list_register_write(i, g->lr[i]);
        e->lr[i] = g->lr[i];
    }
    for (unsigned i = g->lr_used; i < e->lr_live; i++)
        list_register_write(i, 0);
    e->lr_live = g->lr_used;
    if (e->hcr == g->hcr)
        return;
    hcr_write(g->hcr);
    e->hcr = g->hcr;
}

/* From the last one that is in use down to 0. */
static void list_read(struct el2_vcpu *e, struct arm_gic *g)
{
    switch (e->lr_live) {
#define X(i, name)                               \
    case i + 1:                                  \
        e->lr[i] = g->lr[i] = sysreg_read(name); \
        __attribute__((fallthrough));
        LIST_REGISTERS(X)
#undef X
    case 0:
        break;
    }
}

void list_registers_save(struct el2_vcpu *e, struct arm_gic *g)
{
    if (!gic_is_v2())
        list_read(e, g);
    for (unsigned i = 0; gic_is_v2() && i < e->lr_live; i++)
        e->lr[i] = g->lr[i] = gich_list_read(i);
    for (unsigned i = 0; i < e->lr_live; i++)
        if (g->lr[i] & ARM_LR_HW)
            g->timer_held = g->lr[i] & (ARM_LR_PENDING | ARM_LR_ACTIVE);
    if (g->hcr & ARM_ICH_LRENPIE)
        e->hcr = g->hcr = gic_is_v2() ? gich_hcr_read() : sysreg_read(ICH_HCR);
}

uint64_t list_registers_enable(uint64_t hcr)
{
    uint64_t before = gic_is_v2() ? gich_hcr_read() : sysreg_read(ICH_HCR);

    if (gic_is_v2())
        gich_hcr_write(hcr);
    else
        sysreg_write(ICH_HCR, hcr);
    return before;
}

void list_registers_off(struct el2_vcpu *e)
{
    for (unsigned i = 0; i < e->lr_live; i++)
        list_register_write(i, 0);
    e->lr_live = 0;
    if (e->hcr)
        hcr_write(0);
    e->hcr = 0;
}

/* ---- ID registers ---- */

#define ID_ROW(crm)                                  \
    s->id[crm][0] = sysreg_read(S3_0_C0_C##crm##_0); \
    s->id[crm][1] = sysreg_read(S3_0_C0_C##crm##_1); \
    s->id[crm][2] = sysreg_read(S3_0_C0_C##crm##_2); \
    s->id[crm][3] = sysreg_read(S3_0_C0_C##crm##_3)

void id_registers_read(struct arm_state *s)
{
    ID_ROW(4);
    ID_ROW(5);
    ID_ROW(6);
    ID_ROW(7);
    s->id[4][4] = sysreg_read(S3_0_C0_C4_4);
}
