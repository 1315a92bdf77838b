/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The aarch64 guest ISA: its machine, the vCPU's reset state, and what goes where after an exit. */
#include <string.h>

#include "arch/aarch64/guest/machine.h"
#include "kernel/devices/pci.h"
#include "kernel/devices/pl011.h"
#include "kernel/timer.h"
#include "mm/heap.h"

/* SCTLR_EL1 at reset: RES1 bits, MMU and caches off (D19.2.130) */
#define SCTLR_RESET 0x30d00980ULL

/* As QEMU's PCI Express host bridge says who it is. */
#define BRIDGE_VENDOR 0x1b36
#define BRIDGE_DEVICE 0x0008

static const struct pci_host_layout pci_layout = {
    .ecam = MACHINE_ECAM_BASE,
    .buses = MACHINE_PCI_BUSES,
    .mmio32 = {MACHINE_MMIO32_BASE, MACHINE_MMIO32_SIZE},
    .mmio64 = {MACHINE_MMIO64_BASE, MACHINE_MMIO64_SIZE},
    .bridge_vendor = BRIDGE_VENDOR,
    .bridge_device = BRIDGE_DEVICE,
    .pins = {MACHINE_INTX_PIN, MACHINE_INTX_PIN + 1, MACHINE_INTX_PIN + 2, MACHINE_INTX_PIN + 3},
};

LOCK_CLASS(pair_class, "guest accesses of 16 bytes", RANK_IRQCHIP);

static enum err machine_create(struct vm *vm)
{
    struct arm_machine *m = heap_zalloc(sizeof(*m));
    enum err err;

    if (!m)
        return ERR_NO_MEMORY;
    vm->machine = m;
    spin_init(&m->pair_lock, &pair_class);
    err = guest_memory_add_ram(vm->memory, GPA(MACHINE_RAM_BASE), vm->config->memory);
    if (err == ERR_OK)
        err = vgic_create(vm);
    if (err == ERR_OK)
        err = pl011_create(vm, &vm->mmio, MACHINE_UART_BASE, MACHINE_UART_PIN);
    if (err == ERR_OK)
        err = pl031_create(vm, MACHINE_RTC_BASE, MACHINE_RTC_PIN);
    if (err != ERR_OK || vm->config->virtio == CONFIG_VIRTIO_PCI)
        return err == ERR_OK ? pci_host_create(vm, &pci_layout) : err;
    vm->virtio_mmio.base = MACHINE_VIRTIO_BASE;
    vm->virtio_mmio.stride = MACHINE_VIRTIO_STRIDE;
    vm->virtio_mmio.pin = MACHINE_VIRTIO_PIN;
    vm->virtio_mmio.count = MACHINE_VIRTIO_SLOTS;
    return ERR_OK;
}

static void machine_destroy(struct vm *vm)
{
    heap_free(arm_machine(vm)->vgic);
    heap_free(vm->machine);
    vm->machine = NULL;
}

void arm_reset(struct vcpu *v, uint64_t pc, uint64_t x0)
{
    struct arm_state *s = v->state;

    vcpu_dirty(v, UINT64_MAX);
    for (unsigned i = 0; i < ARRAY_SIZE(s->x); i++)
        s->x[i] = 0;
    s->sys = (struct arm_system){.sctlr = SCTLR_RESET};
    s->fp = (struct arm_fp){.fpcr = 0};
    memset(s->sve.z, 0, sizeof(s->sve.z));
    memset(s->sve.p, 0, sizeof(s->sve.p));
    s->sve.zcr = 0;
    s->timer.cntv_ctl = 0;
    s->timer.cntv_cval = 0;
    arm_timer_write(v, ARM_TIMER_PHYSICAL, ARM_TIMER_CTL, 0);
    s->timer.cntp_cval = 0;
    s->debug = (struct arm_debug){.os_lock = true};
    s->gic.vmcr = ARM_VMCR_RESET;
    for (unsigned i = 0; i < 4; i++)
        s->gic.ap0r[i] = s->gic.ap1r[i] = 0;
    s->pstate = ARM_PSTATE_EL1H | ARM_PSTATE_DAIF;
    s->pc = pc;
    s->x[0] = x0;
}

static enum err arm_vcpu_create(struct vcpu *v)
{
    struct arm_state *s = v->state;

    v->isa_data = heap_zalloc(sizeof(struct arm_vcpu));
    if (!v->isa_data)
        return ERR_NO_MEMORY;
    s->mpidr = BIT(31) | arm_affinity(v->id); /* bit 31 is RES1 */
    vgic_vcpu_init(v);
    arm_timers_init(v);
    return ERR_OK;
}

static void arm_vcpu_destroy(struct vcpu *v)
{
    arm_timers_destroy(v);
    heap_free(v->isa_data);
    v->isa_data = NULL;
}

struct vcpu *arm_vcpu_by_affinity(struct vm *vm, uint64_t affinity)
{
    uint64_t id = (affinity & 15) | (affinity >> 8 & 0xff) << 4;

    if (affinity & ~0xff0fULL || id >= vm->vcpu_count)
        return NULL;
    return vm->vcpus[id];
}

/* On the vCPU's own thread: what PSCI CPU_ON asked for. */
static void arm_startup(struct vcpu *v)
{
    struct arm_vcpu *a = arm_vcpu(v);

    if (!__atomic_exchange_n(&a->starting, 0, __ATOMIC_ACQUIRE))
        return;
    arm_reset(v, a->start_pc, a->start_context);
    __atomic_store_n(&v->running, true, __ATOMIC_RELEASE);
}

static uint64_t arm_idle_deadline(struct vcpu *v)
{
    struct arm_state *s = v->state;

    vcpu_need(v, ARM_TIMER);
    if ((s->timer.cntv_ctl & (ARM_TIMER_ENABLE | ARM_TIMER_IMASK)) != ARM_TIMER_ENABLE)
        return UINT64_MAX;
    return guest_clock_counter_deadline(&v->vm->clock, s->timer.cntv_cval);
}

static enum exit_action arm_handle_exit(struct vcpu *v, const struct vm_exit *exit)
{
    switch (exit->kind) {
    case EXIT_IDLE:
        arm_advance(v);
        vcpu_need(v, ARM_LIST | ARM_TIMER); /* both will be looked at */
        vgic_sync(v);                       /* what waits in a list register is work too */
        return ACTION_IDLE;
    case EXIT_HYPERCALL:
        return arm_hypercall(v, exit);
    case EXIT_REGISTER:
        return arm_sysreg(v, exit);
    default:
        /* SME and the rest that ID registers do not offer. */
        arm_inject_undefined(v);
        return ACTION_RESUME;
    }
}

static uint64_t arm_pc(struct vcpu *v)
{
    return arm_state(v)->pc;
}

static void arm_print(struct vcpu *v, struct out *out)
{
    const struct arm_state *s = v->state;

    for (unsigned i = 0; i < 30; i += 3)
        out_printf(out, "x%-2u %016llx  x%-2u %016llx  x%-2u %016llx\n", i,
                   (unsigned long long)s->x[i], i + 1, (unsigned long long)s->x[i + 1], i + 2,
                   (unsigned long long)s->x[i + 2]);
    out_printf(out, "x30 %016llx  pc  %016llx  pstate %08llx\n", (unsigned long long)s->x[30],
               (unsigned long long)s->pc, (unsigned long long)s->pstate);
}

TABLE_ENTRY(guest_isas, struct guest_isa, isa_aarch64) = {
    .name = "aarch64",
    .translator = &a64_guest,
    .state_size = sizeof(struct arm_state),
    .machine_create = machine_create,
    .machine_destroy = machine_destroy,
    .vcpu_create = arm_vcpu_create,
    .vcpu_destroy = arm_vcpu_destroy,
    .load = arm_load,
    .before_run = vgic_before_run,
    .has_work = vgic_has_work,
    .startup = arm_startup,
    .idle_deadline = arm_idle_deadline,
    .mmio = arm_mmio,
    .handle_exit = arm_handle_exit,
    .state_each = arm_state_each,
    .pc = arm_pc,
    .debug = &arm_debug_isa,
    .print = arm_print,
};
