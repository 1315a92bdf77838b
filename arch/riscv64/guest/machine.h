/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The riscv64 guest machine: the addresses and interrupt numbers of QEMU's `virt` board, a PLIC, a
 * 16550, and the hypervisor as the guest's SBI 2.0 firmware.
 */
#ifndef ARCH_RISCV64_GUEST_MACHINE_H
#define ARCH_RISCV64_GUEST_MACHINE_H

#include "arch/riscv64/guest/state.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/guest_clock.h"

#define RISCV_RTC_BASE  0x00101000UL
#define RISCV_RTC_SIZE  0x1000UL
#define RISCV_RTC_PIN   11
#define RISCV_PLIC_BASE 0x0c000000UL
#define RISCV_PLIC_SIZE 0x00600000UL
#define RISCV_UART_BASE 0x10000000UL
#define RISCV_UART_SIZE 0x100UL
#define RISCV_UART_PIN  10
#define RISCV_RAM_BASE  0x80000000UL
#define RISCV_PINS      96 /* of either controller; source 0 does not exist */

/* With `interrupts = aia`. */
#define RISCV_APLIC_BASE 0x0d000000UL
#define RISCV_APLIC_SIZE 0x8000UL
#define RISCV_IMSIC_BASE 0x28000000UL /* a page for each hart's supervisor file */

#define RISCV_VIRTIO_BASE   0x10001000UL
#define RISCV_VIRTIO_STRIDE 0x1000UL
#define RISCV_VIRTIO_PIN    36
#define RISCV_VIRTIO_SLOTS \
    28 /* all disks and cards that a guest can have, and what every guest has */

#define RISCV_ECAM_BASE   0x30000000UL
#define RISCV_PCI_BUSES   256
#define RISCV_MMIO32_BASE 0x40000000UL
#define RISCV_MMIO32_SIZE GIB(1)
#define RISCV_MMIO64_BASE 0x400000000UL
#define RISCV_MMIO64_SIZE GIB(16)
#define RISCV_INTX_PIN    32 /* to 35 */

struct dbt_guest;
struct riscv_aplic;
struct riscv_plic;

struct riscv_machine {
    struct riscv_plic *plic;   /* one of the two */
    struct riscv_aplic *aplic; /* and IMSIC files: struct riscv_imsic of each hart */
    /* What runs the guest says in its vm_init() what the device tree offers: */
    const char *isa;                 /* ISA string: only what is passed through or emulated */
    const char *mmu;                 /* "riscv,sv48" */
    uint32_t cbom_block, cboz_block; /* bytes; 0: no such extension */
    uint64_t timebase_hz;
    struct spinlock pair_lock; /* makes translated AMOCAS.Q atomic */
    bool hardware_timer;       /* stimecmp raises STIP without help */
    /* Interrupt files of the hardware's (struct riscv_imsic), NULL: the engine uses none. Has the
     * file of a loaded vCPU something for it? And: back to the software file, of a vCPU that does
     * not run. */
    bool (*file_pending)(const struct vcpu *v);
    void (*file_release)(struct vcpu *v);
};

/* SBI 2.0, table 9.1. */
enum riscv_hart_state {
    RISCV_HART_STARTED = 0,
    RISCV_HART_STOPPED = 1,
    RISCV_HART_START_PENDING = 2,
    RISCV_HART_SUSPENDED = 4,
};

/* What other vCPUs ask of this one's caches and address translation, done before its next entry. */
enum riscv_fence {
    RISCV_FENCE_I = 1u << 0,
    RISCV_FENCE_VMA = 1u << 1,   /* everything */
    RISCV_FENCE_PAGES = 1u << 2, /* the ranges listed */
};

#define RISCV_ASIDS         0xffffUL /* satp's field: what lies above is ignored */
#define RISCV_ASID_ALL      (~0UL)
#define RISCV_FENCE_RANGES  4
#define RISCV_FENCE_MAXIMUM (64 * PAGE_SIZE) /* bytes of a range: more are done as all */

/* Page aligned; `size` 0: all of the address space `asid`. */
struct riscv_fence_range {
    uint64_t start, size, asid;
};

#define RISCV_IMSIC_IDS   255 /* identities run from 1 to this, a power of two less one */
#define RISCV_IMSIC_WORDS ((RISCV_IMSIC_IDS + 1) / 64)

/* A hart's supervisor interrupt file (imsic.c). */
struct riscv_imsic {
    struct spinlock lock;
    uint64_t pending[RISCV_IMSIC_WORDS], enabled[RISCV_IMSIC_WORDS];
    uint64_t delivery, threshold; /* eidelivery, eithreshold */
    uint32_t external;            /* the hart's interrupt line; read without the lock */
    /* Set while the file is one of the hardware's, by the engine: where messages go then. The
     * members above are stale. */
    volatile uint32_t *file;
};

/* What moves between a software file and one of the hardware's. */
struct riscv_imsic_regs {
    uint64_t pending[RISCV_IMSIC_WORDS], enabled[RISCV_IMSIC_WORDS];
    uint64_t delivery, threshold;
};

/* vcpu->isa_data */
struct riscv_hart {
    struct riscv_imsic imsic; /* machines with AIA */
    bool software_timer;      /* the engine has no timer of its own: before_run() raises STIP */
    uint32_t ipi;             /* atomic: SSIP was asked for */
    uint32_t fences;          /* atomic: enum riscv_fence */
    struct spinlock fence_lock;
    unsigned range_count; /* under fence_lock, as the ranges */
    struct riscv_fence_range ranges[RISCV_FENCE_RANGES];
    struct guest_timer timer; /* for software_timer */
    struct vcpu *vcpu;
    uint64_t timer_set;  /* the stimecmp that `timer` is set for */
    uint32_t hart_state; /* atomic: enum riscv_hart_state */
    bool resumes_at_pc;  /* suspended for good: runs on at resume_pc with resume_opaque */
    uint64_t resume_pc, resume_opaque;
};

static inline struct riscv_machine *riscv_machine(const struct vm *vm)
{
    return vm->machine;
}

static inline struct riscv_hart *riscv_hart(const struct vcpu *v)
{
    return v->isa_data;
}

static inline struct riscv_state *riscv_state(const struct vcpu *v)
{
    return v->state;
}

static inline bool riscv_is_ram(const struct vm *vm, uint64_t address)
{
    return address - RISCV_RAM_BASE < vm->config->memory;
}

/* Of the 64-bit PCI window: behind all RAM. */
static inline uint64_t riscv_mmio64_base(const struct vm *vm)
{
    return ALIGN_UP(RISCV_RAM_BASE + vm->config->memory, RISCV_MMIO64_SIZE);
}

/* The guest's time CSR now. */
static inline uint64_t riscv_time(const struct vm *vm)
{
    return guest_clock_counter(&vm->clock);
}

/* plic.c */
extern const struct irqchip_ops riscv_plic_irqchip;
enum err riscv_plic_create(struct vm *vm) MUST_CHECK;
bool riscv_plic_pending(const struct vm *vm, unsigned hart);

/* machine.c: what is pending in sip; RISCV_CSR and RISCV_TIMER are valid. */
uint64_t riscv_pending(const struct vcpu *v);
/* Something that before_run() takes to `target` has come. `by`: the vCPU whose own exit
 * brought it, or NULL. Any context. */
void riscv_hart_notify(struct vcpu *target, const struct vcpu *by);
/* The vCPU has nothing to do until an interrupt: makes canonical what has_work() looks at. */
enum exit_action riscv_idle(struct vcpu *v);
/* Enters the guest's S-mode trap handler. */
void riscv_inject(struct vcpu *v, uint64_t cause, uint64_t value);
/* To the state in which SBI starts a hart (9.1): at `pc`, a0 = its id, a1 = `opaque`. */
void riscv_hart_reset(struct vcpu *v, uint64_t pc, uint64_t opaque);

/* execute.c: for the engines that translate. */
extern const struct dbt_guest rv_guest;

/* debug.c */
extern const struct debug_isa riscv_debug;

/* aplic.c */
enum err riscv_aplic_create(struct vm *vm) MUST_CHECK;

/* imsic.c. `by`: as with riscv_hart_notify(). */
void riscv_imsic_init(struct riscv_imsic *f);
void riscv_imsic_send(struct vcpu *v, uint32_t identity, const struct vcpu *by);
bool riscv_imsic_pending(const struct vcpu *v);
/* For the engine: messages go to `file` from here on; what the software file held goes to *regs
 * (nothing, when it was another of the hardware's). */
void riscv_imsic_attach(struct vcpu *v, volatile uint32_t *file, struct riscv_imsic_regs *regs);
/* And to the software file again, which is empty; what the hardware's held is added to what has
 * come meanwhile. */
void riscv_imsic_detach(struct vcpu *v);
void riscv_imsic_merge(struct vcpu *v, const struct riscv_imsic_regs *regs);
/* Executes an instruction that trapped when it is an access to a CSR of the AIA; false: it is not,
 * or may not. */
bool riscv_aia_instruction(struct vcpu *v, uint32_t instruction);
extern const struct state_table riscv_imsic_state;

/* rtc.c */
enum err riscv_rtc_create(struct vm *vm) MUST_CHECK;

/* sbi.c */
struct riscv_sbi_extension {
    uint64_t id;
    enum exit_action (*call)(struct vcpu *v, struct riscv_state *s, uint64_t function);
};
#define RISCV_SBI_SLOTS    16
#define RISCV_SBI_SLOT(id) ((id) % RISCV_SBI_SLOTS)
extern const struct riscv_sbi_extension riscv_sbi_extensions[RISCV_SBI_SLOTS];
enum exit_action riscv_sbi_unknown(struct riscv_state *s);

/* An ecall (SBI 2.0, chapter 3): a7 names the extension, a6 its function. */
static inline enum exit_action riscv_sbi_call(struct vcpu *v)
{
    struct riscv_state *s = riscv_state(v);
    uint64_t id = s->x[RISCV_A7];
    const struct riscv_sbi_extension *e = &riscv_sbi_extensions[RISCV_SBI_SLOT(id)];

    s->pc += 4;                /* ecall has no compressed form */
    if (unlikely(e->id != id)) /* the slot of 0 is not empty */
        return riscv_sbi_unknown(s);
    return e->call(v, s, s->x[RISCV_A6]);
}

/* For the engine, before an entry: what fences are asked for; their ranges are copied when the
 * result has RISCV_FENCE_PAGES. */
uint32_t riscv_fences_take(struct riscv_hart *hart,
                           struct riscv_fence_range ranges[RISCV_FENCE_RANGES], unsigned *count);

/* fdt.c: writes the device tree into `buffer`; its size goes to *used. */
struct riscv_boot {
    uint64_t initrd_start, initrd_end; /* guest-physical, both 0: none */
};
enum err riscv_fdt_build(const struct vm *vm, const struct riscv_boot *boot, void *buffer,
                         size_t size, size_t *used) MUST_CHECK;

/* load.c */
enum err riscv_load(struct vm *vm) MUST_CHECK;

/* decode.c: a load or store of general registers. */
struct riscv_access {
    bool store, sign_extend;
    uint8_t size, reg, length; /* bytes, register number, bytes of the instruction */
};
bool riscv_decode_access(uint32_t instruction, struct riscv_access *a) MUST_CHECK;
/* The same for htinst's transformed form (21.6.3). */
bool riscv_decode_transformed(uint32_t htinst, struct riscv_access *a) MUST_CHECK;

#endif
