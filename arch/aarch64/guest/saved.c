/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Saved state of the aarch64 machine: canonical state and private interrupts of each vCPU, the
 * interrupt controller. List registers are folded back first. */
#include "arch/aarch64/guest/vgic.h"
#include "kernel/state.h"

#define SYS(name)   STATE_FIELD(struct arm_state, sys.name, 1)
#define TIMER(name) STATE_FIELD(struct arm_state, timer.name, 1)

/* A mode that an entry can take, vectors of the length that this engine has. */
static enum err state_loaded(void *object)
{
    struct arm_state *s = object;
    uint64_t mode = s->pstate & ARM_PSTATE_MODE;

    if (mode != ARM_PSTATE_EL0 && mode != ARM_PSTATE_EL1T && mode != ARM_PSTATE_EL1H)
        return ERR_INVALID;
    if (s->sve.saved_bytes != s->sve.bytes)
        return ERR_INVALID;
    s->gic.lr_used = 0;
    s->gic.timer_drop = false;
    return ERR_OK;
}

static void state_before(void *object)
{
    struct arm_state *s = object;

    s->sve.saved_bytes = s->sve.bytes;
}

STATE_TABLE_HOOKS(
    vcpu_table, "aarch64-vcpu", 1, state_before, state_loaded, STATE_ARRAY(struct arm_state, x, 1),
    STATE_FIELD(struct arm_state, pc, 1), STATE_FIELD(struct arm_state, pstate, 1), SYS(sctlr),
    SYS(cpacr), SYS(ttbr0), SYS(ttbr1), SYS(tcr), SYS(afsr0), SYS(afsr1), SYS(esr), SYS(far),
    SYS(mair), SYS(amair), SYS(vbar), SYS(contextidr), SYS(cntkctl), SYS(spsr), SYS(elr), SYS(par),
    SYS(csselr), SYS(sp_el0), SYS(sp_el1), SYS(tpidr_el0), SYS(tpidrro_el0), SYS(tpidr_el1),
    SYS(scxtnum_el0), SYS(scxtnum_el1), SYS(disr), STATE_ARRAY(struct arm_state, sys.pauth_keys, 1),
    STATE_ARRAY(struct arm_state, fp.v, 1), STATE_FIELD(struct arm_state, fp.fpcr, 1),
    STATE_FIELD(struct arm_state, fp.fpsr, 1), STATE_FIELD(struct arm_state, sve.saved_bytes, 1),
    STATE_FIELD(struct arm_state, sve.zcr, 1), STATE_ARRAY(struct arm_state, sve.z, 1),
    STATE_ARRAY(struct arm_state, sve.p, 1), TIMER(cntv_ctl), TIMER(cntv_cval), TIMER(cntp_ctl),
    TIMER(cntp_cval), STATE_ARRAY(struct arm_state, debug.bvr, 1),
    STATE_ARRAY(struct arm_state, debug.bcr, 1), STATE_ARRAY(struct arm_state, debug.wvr, 1),
    STATE_ARRAY(struct arm_state, debug.wcr, 1), STATE_FIELD(struct arm_state, debug.mdscr, 1),
    STATE_FIELD(struct arm_state, debug.mdccint, 1),
    STATE_FIELD(struct arm_state, debug.os_lock, 1), STATE_FIELD(struct arm_state, gic.vmcr, 1),
    STATE_ARRAY(struct arm_state, gic.ap0r, 1), STATE_ARRAY(struct arm_state, gic.ap1r, 1),
    STATE_FIELD(struct arm_state, gic.timer_held, 1));

static enum err private_loaded(void *object)
{
    struct arm_vcpu *a = object;

    for (unsigned i = 0; i < VGIC_SGI_COUNT; i++)
        if (a->sgi_active[i] >= VGIC_V2_CPUS)
            return ERR_INVALID;
    a->lr_new = 0;
    a->vcpu->irq_news = true;
    return a->starting > 1 ? ERR_INVALID : ERR_OK;
}

#define BANK(type, path)                                                    \
    STATE_FIELD(type, path.group, 1), STATE_FIELD(type, path.enabled, 1),   \
        STATE_FIELD(type, path.latch, 1), STATE_FIELD(type, path.level, 1), \
        STATE_FIELD(type, path.active, 1), STATE_FIELD(type, path.edge, 1), \
        STATE_ARRAY(type, path.priority, 1)

#define PRIVATE_FIELDS                                                                        \
    BANK(struct arm_vcpu, bank), STATE_FIELD(struct arm_vcpu, sleeping, 1),                   \
        STATE_FIELD(struct arm_vcpu, starting, 1), STATE_FIELD(struct arm_vcpu, start_pc, 1), \
        STATE_FIELD(struct arm_vcpu, start_context, 1),                                       \
        STATE_FIELD(struct arm_vcpu, physical_timer.deadline, 1)

STATE_TABLE_HOOKS(private_table, "aarch64-redistributor", 1, NULL, private_loaded, PRIVATE_FIELDS);
STATE_TABLE_HOOKS(v2_private_table, "aarch64-gicv2-private", 1, NULL, private_loaded,
                  PRIVATE_FIELDS, STATE_ARRAY(struct arm_vcpu, sgi_pending, 1),
                  STATE_ARRAY(struct arm_vcpu, sgi_active, 1));

static enum err vgic_loaded(void *object)
{
    struct vgic *g = object;

    if (g->ctlr & ~(VGIC_CTLR_GROUP0 | VGIC_CTLR_GROUP1))
        return ERR_INVALID;
    for (unsigned irq = 32; irq < VGIC_LINES; irq++)
        vgic_route_changed(g, irq);
    for (unsigned i = 1; i < VGIC_BANKS; i++)
        vgic_bank_settle(g, i);
    return ERR_OK;
}

#define VGIC_BANK(i) BANK(struct vgic, banks[i])

#define VGIC_FIELDS                                                                      \
    STATE_FIELD(struct vgic, ctlr, 1), STATE_ARRAY(struct vgic, route, 1), VGIC_BANK(1), \
        VGIC_BANK(2), VGIC_BANK(3), VGIC_BANK(4), VGIC_BANK(5), VGIC_BANK(6), VGIC_BANK(7)

STATE_TABLE_HOOKS(vgic_table, "aarch64-gic", 1, NULL, vgic_loaded, VGIC_FIELDS);
STATE_TABLE_HOOKS(v2_vgic_table, "aarch64-gicv2", 1, NULL, vgic_loaded, VGIC_FIELDS);
_Static_assert(VGIC_BANKS == 8, "every bank is saved");

void arm_state_each(struct vm *vm, state_visit visit, void *arg)
{
    struct vgic *g = arm_machine(vm)->vgic;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        vgic_sync(v);
        visit(&vcpu_table, i, arm_state(v), arg);
        visit(g->v2 ? &v2_private_table : &private_table, i, arm_vcpu(v), arg);
    }
    visit(g->v2 ? &v2_vgic_table : &vgic_table, 0, g, arg);
}
