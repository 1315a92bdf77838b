/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The aarch64 machine: QEMU virt's addresses, GICv3 (or GICv2), PL011, PSCI. What its files tell
 * each other.
 */
#ifndef ARCH_AARCH64_GUEST_MACHINE_H
#define ARCH_AARCH64_GUEST_MACHINE_H

#include "arch/aarch64/guest/state.h"
#include "kernel/vcpu.h"
#include "kernel/vm.h"

#define MACHINE_GICD_BASE 0x08000000UL
#define MACHINE_GICD_SIZE 0x10000UL
#define MACHINE_GICC_BASE 0x08010000UL /* GICv2: the CPU interface, the hardware's */
#define MACHINE_GICC_SIZE 0x2000UL
#define MACHINE_GICR_BASE 0x080a0000UL
#define MACHINE_GICR_SIZE 0x20000UL /* a vCPU */
#define MACHINE_UART_BASE 0x09000000UL
#define MACHINE_UART_PIN  1
#define MACHINE_V2M_BASE  0x08020000UL
#define MACHINE_V2M_SIZE  0x1000UL
#define MACHINE_RTC_BASE  0x09010000UL
#define MACHINE_RTC_PIN   2
#define MACHINE_RAM_BASE  0x40000000UL

/* VirtIO by MMIO, in place of PCI */
#define MACHINE_VIRTIO_BASE   0x0a000000UL
#define MACHINE_VIRTIO_STRIDE 0x200UL
#define MACHINE_VIRTIO_PIN    16 /* the first of: */
#define MACHINE_VIRTIO_SLOTS  32

/* PCI: the windows of QEMU's machine with high memory. */
#define MACHINE_ECAM_BASE   0x4010000000UL
#define MACHINE_PCI_BUSES   256
#define MACHINE_MMIO32_BASE 0x10000000UL
#define MACHINE_MMIO32_SIZE 0x2eff0000UL
#define MACHINE_MMIO64_BASE 0x8000000000UL
#define MACHINE_MMIO64_SIZE 0x8000000000UL
#define MACHINE_INTX_PIN    3 /* the first of four */

/* Pins that the GICv2m frame raises. */
#define V2M_FIRST_PIN 48u
#define V2M_PINS      128u

#define PPI_VIRTUAL_TIMER  27u
#define PPI_PHYSICAL_TIMER 30u

/* Interrupts in banks of 32: bank 0 is private to each vCPU (SGI, PPI), the others are shared. */
#define VGIC_BANKS 8
#define VGIC_LINES (VGIC_BANKS * 32)
#define VGIC_PINS  (VGIC_LINES - 32)

#define VGIC_SGI_COUNT 16
/* vCPUs that a GICv2 can tell apart */
#define VGIC_V2_CPUS 8u

struct vgic_bank {
    uint32_t group, enabled, latch, level, active, edge;
    uint8_t priority[32];
};

struct vgic {
    struct device distributor, redistributors, v2m;
    bool v2;
    struct spinlock lock; /* the shared interrupts; taken after a vCPU's own lock */
    uint32_t ctlr;
    uint32_t busy; /* a bit for each bank that has something for a list register */
    struct vgic_bank banks[VGIC_BANKS]; /* [0] is unused */
    uint64_t route[VGIC_LINES];         /* GICD_IROUTER; GICv2: GICD_ITARGETSR's mask */
    uint16_t target[VGIC_LINES];        /* the vCPU that it means */
};

/* TLB maintenance that translated vCPUs ask of each other. */
#define ARM_INVALIDATIONS 32
struct arm_invalidation {
    enum { ARM_INVALIDATE_ALL, ARM_INVALIDATE_ASID, ARM_INVALIDATE_PAGE } kind;
    uint32_t asid;
    uint64_t va;
};

struct arm_vcpu {
    struct vcpu *vcpu;
    struct spinlock lock; /* the private interrupts */
    struct vgic_bank bank;
    /* GICv2: which vCPUs sent each software interrupt that is latched; who sent the active one. */
    uint8_t sgi_pending[VGIC_SGI_COUNT], sgi_active[VGIC_SGI_COUNT];
    struct guest_timer physical_timer;
    /* Of translating engines: the virtual timer is the machine's, as the physical one is. */
    struct guest_timer virtual_timer;
    bool software_timer;
    bool tagged;         /* its TLB may have addresses with tags */
    uint32_t invalidate; /* atomic, 0 or 1: others want these, under `lock` */
    unsigned invalidation_count;
    struct arm_invalidation invalidations[ARM_INVALIDATIONS];
    uint32_t lr_new;   /* list registers that went in as pending */
    bool sleeping;     /* GICR_WAKER.ProcessorSleep */
    uint32_t starting; /* atomic: PSCI CPU_ON was called, not yet carried out */
    uint64_t start_pc, start_context;
};

struct arm_machine {
    struct vgic *vgic;
    struct spinlock pair_lock; /* makes translated accesses of 16 bytes atomic */
};

static inline struct arm_state *arm_state(struct vcpu *v)
{
    return v->state;
}

static inline struct arm_vcpu *arm_vcpu(struct vcpu *v)
{
    return v->isa_data;
}

static inline struct arm_machine *arm_machine(struct vm *vm)
{
    return vm->machine;
}

/* What the engine says of itself. */
static inline const struct arm_traits *arm_traits(const struct vm *vm)
{
    static const struct arm_traits none;

    return vm->engine && vm->engine->traits ? vm->engine->traits() : &none;
}

/* Register 31 is the zero register. */
static inline uint64_t arm_get_x(struct vcpu *v, unsigned n)
{
    return n == 31 ? 0 : arm_state(v)->x[n];
}

static inline void arm_set_x(struct vcpu *v, unsigned n, uint64_t value)
{
    if (n != 31)
        arm_state(v)->x[n] = value;
}

/* The instruction was carried out in the guest's stead. */
static inline void arm_advance(struct vcpu *v)
{
    struct arm_state *s = v->state;

    s->pc += 4;
    s->pstate &= ~(ARM_PSTATE_SS | ARM_PSTATE_BTYPE);
}

/* MPIDR affinity of vCPU `id`: 16 in each cluster, as SGIs address them. */
static inline uint64_t arm_affinity(unsigned id)
{
    return (id & 15) | (uint64_t)(id >> 4) << 8;
}
/* The vCPU of an affinity (Aff3..Aff0 as in MPIDR), or NULL. */
struct vcpu *arm_vcpu_by_affinity(struct vm *vm, uint64_t affinity);

/* machine.c: power-on state of the vCPU; entry at `pc` with `x0`. */
void arm_reset(struct vcpu *v, uint64_t pc, uint64_t x0);

/* saved.c */
void arm_state_each(struct vm *vm, state_visit visit, void *arg);

/* vgic.c */
/* execute.c: for the translator */
struct dbt_guest;
extern const struct dbt_guest a64_guest;

extern const struct irqchip_ops vgic_ops, vgic_v2_ops;
enum err vgic_create(struct vm *vm) MUST_CHECK;
/* Once the second stage is there: gives the guest what the hardware does for it. */
enum err vgic_map(struct vm *vm) MUST_CHECK;
void vgic_vcpu_init(struct vcpu *v);
void vgic_before_run(struct vcpu *v);
bool vgic_has_work(struct vcpu *v);
/* On v's own thread, or in an interrupt of the CPU where it is loaded: takes back what its list
 * registers hold, as before it sleeps. They are filled again before the next entry. */
void vgic_sync(struct vcpu *v);
/* `v` gets software interrupt `sgi` from vCPU number `source`. Any context. */
void vgic_sgi(struct vcpu *v, unsigned sgi, unsigned source);
/* The level of a private interrupt. Any context. */
void vgic_set_private(struct vcpu *v, unsigned irq, bool level);
/* A write of ICC_SGI1R_EL1 or its like. */
void vgic_send_sgi(struct vcpu *v, uint64_t value);
/* A rising edge of shared interrupt `irq` and back. Any context. */
void vgic_pulse(struct vm *vm, unsigned irq);

/* gicv2m.c: message-signalled interrupts. */
enum err gicv2m_create(struct vm *vm) MUST_CHECK;
void gicv2m_msi(struct vm *vm, uint64_t address, uint32_t data);

/* pl031.c */
enum err pl031_create(struct vm *vm, uint64_t base, unsigned pin) MUST_CHECK;

/* timer.c: the physical timer, and the virtual one where it is not the engine's. On the vCPU's own
 * thread. */
enum arm_timer_name { ARM_TIMER_PHYSICAL, ARM_TIMER_VIRTUAL };
enum arm_timer_register { ARM_TIMER_TVAL, ARM_TIMER_CTL, ARM_TIMER_CVAL };
void arm_timers_init(struct vcpu *v);
void arm_timers_destroy(struct vcpu *v);
uint64_t arm_timer_read(struct vcpu *v, enum arm_timer_name name, enum arm_timer_register reg);
void arm_timer_write(struct vcpu *v, enum arm_timer_name name, enum arm_timer_register reg,
                     uint64_t value);
/* Does the virtual timer assert its line? */
bool arm_virtual_timer_asserts(struct vcpu *v);

/* exception.c: takes an exception to EL1. */
void arm_inject_undefined(struct vcpu *v);
/* A synchronous external abort for a data access (or fetch) at `far`. */
void arm_inject_abort(struct vcpu *v, uint64_t far, bool fetch);
/* Is `pc` where an exception would lead that is taken now, at EL1? */
bool arm_vector_is(struct vcpu *v, uint64_t pc);
/* Any exception, with this ESR_EL1. */
void arm_inject_syndrome(struct vcpu *v, uint64_t esr);
/* debug.c */
extern const struct debug_isa arm_debug_isa;

/* walk.c: the guest-physical address of `va` by the guest's own tables. On the vCPU's own thread;
 * false when it is not mapped. */
bool arm_translate(struct vcpu *v, uint64_t va, uint64_t *gpa);

/* sysreg.c */
enum exit_action arm_sysreg(struct vcpu *v, const struct vm_exit *exit);
/* The registers that hardware guests trap for, numbered as in a syndrome (D19.2.37, without Rt and
 * direction). False: there is none. */
bool arm_sysreg_read(struct vcpu *v, uint64_t reg, uint64_t *value);
bool arm_sysreg_write(struct vcpu *v, uint64_t reg, uint64_t value);
/* psci.c */
enum exit_action arm_hypercall(struct vcpu *v, const struct vm_exit *exit);
/* mmio.c */
enum exit_action arm_mmio(struct vcpu *v, const struct vm_exit *exit);
/* load.c */
enum err arm_load(struct vm *vm);
/* fdt.c: writes the machine's device tree into `buffer`. initrd_size 0: none. */
enum err arm_fdt_build(struct vm *vm, void *buffer, size_t size, uint64_t initrd,
                       uint64_t initrd_size) MUST_CHECK;

#endif
