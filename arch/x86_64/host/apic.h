/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The local APIC of each CPU, as x2APIC or memory-mapped: interrupts between CPUs, the timer, end
 * of interrupt. */
#ifndef X86_HOST_APIC_H
#define X86_HOST_APIC_H

#include "kernel/cpu.h"

#define XAPIC_ID_MAX 254 /* 255 means all CPUs; higher ids need x2APIC mode */

/* Finds and maps it on the boot CPU. ERR_UNSUPPORTED when there is none. */
enum err apic_init(void) MUST_CHECK;
/* Turns the running CPU's on. */
void apic_cpu_init(struct cpu *cpu);
const char *apic_mode_name(void);
uint32_t apic_id_read(void);

void apic_eoi(void);
void apic_send(const struct cpu *cpu, unsigned vector);
void apic_send_nmi(const struct cpu *cpu);
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, unsigned page);
void apic_error_interrupt(void);

/* The timer: counting down freely for calibration, then by deadlines. */
void apic_timer_count_start(void);
uint32_t apic_timer_counted(void);
/* Ticks per second of the undivided counter, measured by time.c; 0: TSC deadline mode is used. */
void apic_timer_set_hz(uint64_t hz);
void apic_timer_interrupt(void);
/* While `lent`, on this CPU: somebody else calls x86_timer_due() at cpu->host.timer_deadline, as
 * long as a guest runs; the interrupt is for the time between. TSC deadlines only. Masked. */
void apic_timer_lend(bool lent);
/* What the timer's interrupt does, without one (traps.c). Masked. */
void x86_timer_due(void);

#endif
