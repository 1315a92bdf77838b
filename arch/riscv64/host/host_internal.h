/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the parts of the riscv64 host call of each other. */
#ifndef ARCH_RISCV64_HOST_INTERNAL_H
#define ARCH_RISCV64_HOST_INTERNAL_H

#include "kernel/cpu.h"

/* entry.S, vector.S */
extern char trap_vector[], host_secondary_entry[], host_secondary_virtual[], host_thread_start[];
extern char boot_stack[], boot_emergency_top[];
NORETURN void host_secondary_main(struct cpu *cpu);
NORETURN void host_context_resume(void *unused, struct host_context *to);
uint64_t host_call_on_stack(uint64_t fn, const uint64_t args[4], void *stack_top);

/* traps.c */
void trap_handle(struct host_trap_frame *frame);
NORETURN void trap_stack_overflow(struct host_trap_frame *frame);
void traps_cpu_init(struct cpu *cpu);

/* paging.c: satp of the kernel's tables; physical address of something in the kernel's image. */
uint64_t paging_satp(void);
hpa_t paging_image_phys(const void *p);
void paging_early_init(const struct boot_info *info);
/* Of all harts (isa.h). */
void paging_set_features(uint64_t features);

/* cpus.c: every hart that is not disabled, by the tables of the firmware. */
enum err cpus_init(void) MUST_CHECK;
/* Bytes that cache block operations (Zicbom) and zeroing (Zicboz) work on, 0: not told. */
struct cbo_blocks {
    uint32_t manage, zero;
};

struct hart {
    uint64_t id;       /* hart id */
    uint64_t features; /* isa.h */
    struct cbo_blocks cbo;
    uint32_t acpi_uid;
    int fdt_intc;        /* device tree: the node of its interrupt controller, or -1 */
    uint32_t controller; /* ACPI: RINTC's external interrupt controller id */
    uint64_t imsic;      /* physical address of its S-mode file, 0: none */
    uint32_t imsic_size;
    uint32_t plic_context;   /* UINT32_MAX: none */
    volatile uint32_t *sswi; /* its register of the ACLINT, mapped, or NULL */
    struct cpu *cpu;         /* set when it runs */
};
unsigned cpus_hart_count(void);
struct hart *cpus_hart(unsigned index);
struct hart *cpus_hart_by_id(uint64_t id);
/* By the node of its interrupt controller in the device tree. */
struct hart *cpus_hart_by_intc(int node);
/* What every hart has (isa.h). */
uint64_t cpus_common_features(void);
/* The blocks that all harts agree on. */
struct cbo_blocks cpus_common_blocks(void);
const char *cpus_isa_string(void);
uint64_t cpus_timebase_hz(void);

/* timer.c */
enum err clocksource_init(void) MUST_CHECK;
void clocksource_cpu_init(void);
void clocksource_interrupt(void);

/* unaligned.c: once the clock is there, before other CPUs are. */
void unaligned_init(void);
bool unaligned_reads(void);

/* irq.c: the machine's interrupt controller. */
struct irq_controller {
    const char *name;
    enum err (*route)(unsigned irq, enum irq_trigger trigger, struct cpu *cpu);
    void (*mask)(unsigned irq);
    void (*unmask)(unsigned irq);
    /* As host_message_route(); NULL: it takes no messages. */
    enum err (*message)(struct cpu *cpu, unsigned *irq, struct host_message *m);
    void (*cpu_init)(struct cpu *cpu);
    void (*interrupt)(void);      /* external interrupt on this CPU */
    bool (*ipi)(struct cpu *cpu); /* NULL: by SBI */
    void (*report)(struct out *out);
};
enum err irq_controller_init(void) MUST_CHECK;
void irq_controller_cpu_init(struct cpu *cpu);
void irq_external(void);
void irq_software(void);
void irq_take_ipis(void);
/* How IPIs are sent, for people. */
const char *irq_ipi_name(void);
/* sswi.c: IPIs without the firmware. False: not every hart has a register there. */
bool sswi_probe(void);
void sswi_cpu_init(struct cpu *cpu);
void sswi_send(const struct cpu *cpu);
const struct irq_controller *plic_probe(void);
const struct irq_controller *imsic_probe(void);
/* Guest interrupt files that each hart's IMSIC has, behind the supervisor's own, and their highest
 * identity. */
unsigned imsic_guest_files(void);
unsigned imsic_guest_identities(void);
/* hext/files.c: a guest interrupt file of this CPU has news for a vCPU that is not in it. */
void irq_guest_external(void);
/* aplic.c: wired lines by way of the IMSIC. */
bool aplic_init(void);
enum err aplic_route(unsigned irq, enum irq_trigger trigger, unsigned identity,
                     const struct hart *hart);
void aplic_mask(unsigned irq, bool masked);
void aplic_resample(unsigned irq);
unsigned aplic_source_count(void);

/* firmware.c */
void firmware_services_init(const struct boot_info *info);
void firmware_tables_init(void);
/* A fault inside a firmware service: goes back to its caller, or returns when there was none. */
void firmware_fault(const struct host_trap_frame *frame);

#endif
