/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Bare-metal micro-guests: small programs that run as a guest, or straight on QEMU as the
 * independent truth. One image holds them all; the command line's first word chooses one, the
 * others are its options ("suite timer", "bench mmio").
 *
 * This is what the programs may use; tests/guests/<isa>/ implements the part below "Machine".
 * Programs are compiled for general registers only: the others belong to the tests.
 */
#ifndef TESTS_GUESTS_GUEST_H
#define TESTS_GUESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GUEST_MAX_CPUS 8
#define NS_PER_SEC     1000000000ULL
#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))

/* ---- Programs and their results ---- */

struct program {
    const char *name;
    void (*run)(void);
};
#define PROGRAM(id) \
    const struct program program_##id __attribute__((section("programs"), used)) = {#id, run_##id}

/* As printf, to the console; at most 255 bytes. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One line of the Test Anything Protocol; returns `ok`. `fmt`: what was tested, and after " # " in
 * a failure's text what was found. */
bool check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* check(actual == expected), the values being shown when they differ. */
bool check_equal(uint64_t actual, uint64_t expected, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A test that this machine cannot run. */
void skip(const char *name, const char *why);
/* Does `word` stand on the command line? */
bool option(const char *word);
/* The value of "name=value" (decimal, or 0x hexadecimal). */
uint64_t option_number(const char *name, uint64_t otherwise);

/* A generator of numbers (splitmix64) that gives the same everywhere. */
uint64_t random_next(uint64_t *state);

/* ---- Time, interrupts ---- */

static inline uint64_t ns_to_ticks(uint64_t ns);
static inline uint64_t ticks_to_ns(uint64_t ticks);

enum irq_kind { IRQ_TIMER, IRQ_IPI, IRQ_DEVICE, IRQ_OTHER };
/* Called for each interrupt, masked; `number` is the controller's (vector, INTID, source). It must
 * make a level-triggered source quiet; the end of interrupt is the caller's. */
extern void (*irq_hook)(enum irq_kind kind, unsigned number);

/* Waits, interrupts enabled meanwhile, until `done(arg)` or `ns` nanoseconds have passed. Expects
 * them masked and leaves them so. Returns what `done` said last. */
bool wait_until(bool (*done)(void *arg), void *arg, uint64_t ns);

/* ---- Exceptions ---- */

enum trap_kind {
    TRAP_NONE,
    TRAP_UNDEFINED,  /* undefined or illegal instruction, or register */
    TRAP_PROTECTION, /* general protection (x86) */
    TRAP_PAGE,       /* the guest's own tables forbid it */
    TRAP_BUS,        /* access fault, external abort */
    TRAP_ALIGNMENT,
    TRAP_OTHER,
};
struct trap {
    enum trap_kind kind;
    uint64_t cause;   /* the ISA's own number */
    uint64_t address; /* what was accessed, where the ISA says it */
    uint64_t pc;
};
/* Calls fn(arg). When it traps, it is left at that place, *t says why, and false is returned. One
 * at a time on a CPU; `fn` leaves masked interrupts masked. */
bool trap_try(void (*fn)(void *arg), void *arg, struct trap *t);
/* When set, it is asked about each trap first: true lets what trapped go on as *f says then
 * (machine.h: at least `pc` and `flags`). */
struct trap_frame;
extern bool (*trap_hook)(const struct trap *t, struct trap_frame *f);
/* From the ISA's vectors: the trap was not expected: prints it and ends the guest. */
void trap_unexpected(const struct trap *t) __attribute__((noreturn));

/* What the ISA keeps for each CPU; reached by this_cpu(). Offsets are known to entry.S. */
struct guest_cpu {
    uint64_t recover_sp; /* 0: traps are not expected */
    uint64_t id;
    struct trap *trap;
    void (*start)(void *arg);
    void *arg;
    struct guest_cpu *self; /* on x86, to find it */
};
extern struct guest_cpu guest_cpus[GUEST_MAX_CPUS];

/* ---- Machine: implemented for each ISA ---- */

#include <machine.h> /* tests/guests/<isa>/: inline functions and addresses */

/* Console, interrupt controller, clock; calls guest_main(). */
void machine_setup(void);
const char *machine_cmdline(void);
void console_put(char c);
/* Switches the machine off. */
void power_off(void) __attribute__((noreturn));
/* How many CPUs there are. */
unsigned cpu_count(void);
/* Runs fn(arg) on CPU `cpu`, once, interrupts masked; it idles afterwards. */
void cpu_start(unsigned cpu, void (*fn)(void *arg), void *arg);
/* Interrupts to a CPU by its number, which may be the own one. */
void ipi_send(unsigned cpu);
/* A one-shot timer of this CPU, in ticks(); IRQ_TIMER. */
void timer_set(uint64_t deadline);
void timer_stop(void);
/* Idles until then; with an irq_hook of its own (life.c). */
void sleep_until(uint64_t deadline);
/* The `count` smallest first; for percentiles (life.c). */
void sorted_insert(uint64_t *sorted, unsigned count, uint64_t value);
/* Interrupts of the serial port (transmitter empty), through the machine's controller to CPU `cpu`.
 * serial_irq_raise() makes it pending, serial_irq_quiet() ends it (for irq_hook). */
void serial_irq_setup(unsigned cpu);
void serial_irq_raise(void);
void serial_irq_quiet(void);

/* Those of PCI pins: INTA of `slot`, as a device of the serial port's kind to irq_hook. */
void pci_irq_setup(unsigned slot, unsigned cpu);

/* guest.c: what machine_setup() goes on with, and what other CPUs do. */
void guest_main(void) __attribute__((noreturn));
void guest_secondary(void) __attribute__((noreturn));

static inline uint64_t ns_to_ticks(uint64_t ns)
{
    return ns / NS_PER_SEC * ticks_hz + ns % NS_PER_SEC * ticks_hz / NS_PER_SEC;
}

static inline uint64_t ticks_to_ns(uint64_t ticks)
{
    return ticks / ticks_hz * NS_PER_SEC + ticks % ticks_hz * NS_PER_SEC / ticks_hz;
}

#endif
