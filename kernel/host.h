/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Contract 1, the host: what the neutral core needs from the machine. Documented here once.
 *
 * <host/arch.h> (arch/$(ARCH)/host/arch.h, or tests/hosted/host/arch.h for the hosted build) brings
 * the types and the inline functions listed under "Inline"; everything else is a plain function
 * that each host defines and the linker binds.
 */
#ifndef KERNEL_HOST_H
#define KERNEL_HOST_H

#include "kernel/types.h"

struct boot_info;
struct cpu;
struct out;
struct page_table;
struct pt_format;
struct thread;

#include <host/arch.h>

/*
 * Inline, from <host/arch.h>:
 *
 *   #define HOST_ISA "x86_64"               the name that configuration and texts use
 *   struct host_context;                     what a thread switch saves: held in struct thread
 *   struct host_trap_frame;                  registers at a trap
 *   struct host_cpu;                         per-CPU data of the host: held in struct cpu as
 * `.host` uint64_t host_irq_save(void);            masks interrupts, returns what
 * host_irq_restore() takes void host_irq_restore(uint64_t flags); void host_irq_enable(void),
 * host_irq_disable(void); bool host_irq_enabled(void); void host_cpu_relax(void);               in
 * a busy wait void host_wait(void);                    called masked: sleeps until an interrupt is
 * pending, which is taken (unmasked for a moment) before it returns masked; no wake-up is lost
 *   struct cpu *host_this_cpu(void);         the running CPU's area (GS base, TPIDR_EL2, tp)
 *   void host_set_this_cpu(struct cpu *);
 *   uint64_t host_counter(void);             the free-running counter (TSC, CNTPCT_EL0, time),
 * ordered after earlier loads
 *   uint64_t host_counter_fast(void);        the same counter without the order: for statistics
 *   void host_memory_zero(void *at, size_t size);  the quickest way to zero pages; a multiple of
 * 64 bytes, aligned so
 *   void host_barrier_full(void), host_barrier_read(void),
 * host_barrier_write(void);  also against devices uint8_t..uint64_t mmio_read8/16/32/64(const
 * volatile void *); void mmio_write8/16/32/64(volatile void *, value); HOST_DMA_NEEDS_PROPERTY 0|1:
 * devices of a device tree are coherent only where it says so; HOST_HAS_PORTS 0|1; if 1:
 * host_port_read8/16/32(uint16_t), host_port_write8/16/32(uint16_t, value) (if 0 the same names
 * exist and return all ones / do nothing)
 */

/* ---- Start, in this order, on the boot CPU, interrupts masked ---- */

/* Trap vectors, the boot CPU's area (struct cpu *boot), early CPU features. No memory allocator
 * yet. */
void host_early_init(const struct boot_info *info, struct cpu *boot);

/* The kernel's own tables: the format of host page tables on this CPU. Constant after
 * host_early_init(). */
const struct pt_format *host_pt_format(void);

/* Virtual ranges that mm/kernel_map uses. Bases are variables: they depend on VHE, Sv39 and so on.
 */
struct host_layout {
    uint64_t direct_map_base, direct_map_size; /* as in boot_info */
    uint64_t vmap_base, vmap_size; /* for stacks, device mappings and other page-wise mappings */
};
const struct host_layout *host_layout(void);

/* Loads `root` as this CPU's kernel page tables, drops everything cached of older ones. Every CPU
 * calls it once. */
void host_kernel_tables_load(hpa_t root);

/* Drops [va, va + size) of the kernel's tables from the TLBs of all online CPUs; returns when done.
 * Any context but NMI. */
void host_tlb_flush_kernel(uint64_t va, uint64_t size);

/* Makes `size` bytes of freshly written code or guest image at `va` visible to instruction fetch
 * and to readers with the MMU off (Arm: clean to PoC, invalidate I-cache; RISC-V: fence.i; x86:
 * nothing). */
void host_code_sync(const void *va, size_t size);

/* Memory for code that is made while the host runs: written at one address, executed at another;
 * and ordinary memory within 2 GiB behind the latter. Whole pages. */
struct host_code_memory {
    void *write;
    const void *exec;
    void *data;
    size_t size, data_size; /* bytes of code, of data */
    /* Before bytes of code, or of data, are used: memory comes then, zeroed. False: there is none
     * now. NULL: all of it is there. */
    bool (*prepare)(const struct host_code_memory *m, bool data, size_t offset, size_t size);
};
/* ERR_UNSUPPORTED: this host has none. */
enum err host_code_memory_create(struct host_code_memory *m, size_t size,
                                 size_t data_size) MUST_CHECK;
void host_code_memory_destroy(struct host_code_memory *m);

/* Interrupt controller, timer, clock, power: after mm, ACPI/FDT and the log work. ERR_UNSUPPORTED
 * with a log line when the machine lacks something indispensable. */
enum err host_init(void) MUST_CHECK;

/* ---- CPUs ---- */

/* Calls `found(hw_id, arg)` once for each usable CPU of ACPI or the device tree, the boot CPU
 * first. hw_id: APIC id, MPIDR affinity, hart id. */
void host_cpu_enumerate(void (*found)(uint64_t hw_id, void *arg), void *arg);

/* Starts `cpu` (area, idle thread and stack are ready): it calls cpu_secondary_main(cpu) with
 * interrupts masked on the kernel's tables. Returns once the request is sent; the core waits for
 * `online` with a timeout. */
enum err host_cpu_start(struct cpu *cpu) MUST_CHECK;

/* The part of host_init() that each secondary CPU runs itself (traps, interrupt controller, timer,
 * features). */
void host_cpu_init(struct cpu *cpu);

/* One line each about features and virtualization of the running CPU, for `cpus` and `host`. */
void host_cpu_report(struct out *out);
/* What this host is and what it cannot do and why: interrupt controller, timer, virtualization,
 * power. */
void host_report(struct out *out);

/* ---- Interrupts ---- */

enum host_ipi { HOST_IPI_RESCHEDULE, HOST_IPI_CALL, HOST_IPI_HALT, HOST_IPI_COUNT };

/* Sends `kind` to `cpu`; the core's ipi_dispatch(kind) runs there. Any context. HOST_IPI_HALT gets
 * through to masked CPUs where the machine has a way (NMI on x86). */
void host_ipi_send(struct cpu *cpu, enum host_ipi kind);

/* Unmasks or masks interrupt line `irq` (x86: GSI; Arm: INTID; RISC-V: PLIC/APLIC source) and
 * routes it to `cpu`. Handlers are registered with kernel/irq.h, which calls this; traps come back
 * through irq_dispatch(irq). */
enum irq_trigger { IRQ_EDGE, IRQ_LEVEL_HIGH, IRQ_LEVEL_LOW };
enum err host_irq_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu) MUST_CHECK;
void host_irq_mask(unsigned irq);
void host_irq_unmask(unsigned irq);
/* An interrupt that a device sends by writing `data` (32 bits) to physical `address`: a new one for
 * `cpu`; it comes back through irq_dispatch(*irq). Never freed. ERR_UNSUPPORTED: this machine has
 * none; ERR_NO_MEMORY: all are in use. Thread context. */
struct host_message {
    uint64_t address;
    uint32_t data;
};
enum err host_message_route(struct cpu *cpu, unsigned *irq, struct host_message *m) MUST_CHECK;
/* The controller's name, for reports: "I/O APIC", "GICv3", "PLIC", "IMSIC". */
const char *host_irq_name(void);

/* ---- Time ---- */

uint64_t host_counter_hz(void);
const char *host_clock_name(void); /* "TSC deadline, 2.4 GHz by CPUID 15h" and so on */
/* One-shot interrupt of this CPU when host_counter() reaches `deadline` (a past one fires at once);
 * the core's timer_interrupt() runs then. UINT64_MAX: none. */
void host_timer_arm(uint64_t deadline);

/* ---- Random numbers ---- */

/* 64 bits that nobody can guess, from the CPU; false when it has none. Any context. */
bool host_random(uint64_t *value) MUST_CHECK;

/* ---- Threads ---- */

/* Makes `ctx` start `entry(arg)` on the stack that ends at `stack_top` with interrupts masked. */
void host_context_init(struct host_context *ctx, void *stack_top, void (*entry)(void *), void *arg);
/* Saves the callee-saved state in `from`, continues `to`. Interrupts masked. */
void host_context_switch(struct host_context *from, struct host_context *to);

/* Kernel use of FP and SIMD registers (and EFI calls) only between these; saves a guest's live
 * state first. */
void host_fpu_begin(void);
void host_fpu_end(void);

/* ---- Faults and power ---- */

/* Prints the registers of `frame`. */
void host_trap_frame_print(const struct host_trap_frame *frame, struct out *out);
/* Program counter, frame pointer and stack pointer of `frame`, for the backtrace. */
void host_trap_frame_where(const struct host_trap_frame *frame, uint64_t *pc, uint64_t *fp,
                           uint64_t *sp);
/* Walks one frame record: from `fp` to its caller's; false at the end. Reads only inside [stack,
 * stack + size). */
bool host_frame_next(uint64_t *fp, uint64_t *pc, uint64_t stack, uint64_t size);

/* Stops this CPU for good, interrupts masked. */
NORETURN void host_halt(void);
/* Both return only when every way failed (EFI ResetSystem, PSCI, SBI, ACPI registers, keyboard
 * controller). */
void host_poweroff(void);
void host_reset(void);

#endif
