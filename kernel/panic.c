/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The last words. Nothing here takes a lock, allocates or trusts the state that broke: consoles are
 * written to directly, memory is read only where it is mapped, and a second fault on the way ends
 * with the first one's report cut short. Format: docs/faults.md.
 */
#include "kernel/panic.h"
#include <stdarg.h>
#include <stdio.h>
#include "kernel/config.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/symbols.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"

#define TEXT_SIZE     256
#define FRAMES_MAX    32
#define LOG_LINES     20
#define STOP_WAIT_NS  (100 * NS_PER_MS)
#define REBOOT_WAIT_S 10

static uint32_t owner;   /* atomic: id of the CPU that reports, plus one */
static uint32_t depth;   /* faults of the reporting CPU */
static uint32_t stopped; /* atomic: CPUs that have stopped for the report */

static void sink_write(struct out *out, const char *text, size_t length)
{
    (void)out;
    console_panic_write(text, length);
}
static struct out sink = {.write = sink_write};

static void delay(uint64_t ns)
{
    uint64_t hz = host_counter_hz(), start = host_counter();
    uint64_t ticks = (hz ? hz : NS_PER_SEC) / 1000 * (ns / NS_PER_MS);
    while (host_counter() - start < ticks)
        host_cpu_relax();
}

void panic_stop_this_cpu(void)
{
    host_irq_disable();
    __atomic_fetch_add(&stopped, 1, __ATOMIC_SEQ_CST);
    host_halt();
}

/* Makes this CPU the one that reports; others that panic meanwhile stop. Returns how often this CPU
 * has been here. */
static uint32_t become_owner(void)
{
    uint32_t me = this_cpu()->id + 1, none = 0;
    host_irq_disable();
    if (!__atomic_compare_exchange_n(&owner, &none, me, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST) &&
        none != me)
        panic_stop_this_cpu();
    return ++depth;
}

static void stop_others(void)
{
    unsigned others = cpu_online_count() - 1;
    for (unsigned id = 0; id < cpu_count(); id++) {
        struct cpu *cpu = cpu_get(id);
        if (cpu && cpu != this_cpu())
            host_ipi_send(cpu, HOST_IPI_HALT);
    }
    for (uint64_t ns = 0; ns < STOP_WAIT_NS; ns += NS_PER_MS) {
        if (__atomic_load_n(&stopped, __ATOMIC_SEQ_CST) >= others)
            return;
        delay(NS_PER_MS);
    }
    out_printf(&sink,
               "%u of %u other CPUs did not stop: what follows may be mixed with their lines\n",
               others - MIN(others, __atomic_load_n(&stopped, __ATOMIC_SEQ_CST)), others);
}

static void print_frame(uint64_t pc)
{
    uint64_t offset;
    const char *name = symbol_find(pc, &offset);
    if (name)
        out_printf(&sink, "  0x%llx %s+0x%llx\n", (unsigned long long)pc, name,
                   (unsigned long long)offset);
    else
        out_printf(&sink, "  0x%llx ?\n", (unsigned long long)pc);
}

/* The stack around `fp`: the thread's, or what is mapped behind `fp` (boot and emergency stacks).
 * Returns its size. */
static uint64_t stack_around(uint64_t fp, uint64_t *base)
{
    const struct thread *t = thread_current();
    if (t && kernel_map_readable((uint64_t)t, sizeof(*t)) && fp >= t->stack_base &&
        fp < t->stack_base + THREAD_STACK_SIZE) {
        *base = t->stack_base;
        return THREAD_STACK_SIZE;
    }
    *base = ALIGN_DOWN(fp, PAGE_SIZE);
    uint64_t size = 0;
    while (size < THREAD_STACK_SIZE && kernel_map_readable(*base + size, PAGE_SIZE))
        size += PAGE_SIZE;
    return size;
}

static void print_backtrace(uint64_t pc, uint64_t fp)
{
    uint64_t base, size = stack_around(fp, &base);
    out_printf(&sink, "backtrace:\n");
    if (pc)
        print_frame(pc);
    for (int i = 0; i < FRAMES_MAX && host_frame_next(&fp, &pc, base, size); i++)
        print_frame(pc -
                    1); /* inside the call, also when that was the function's last instruction */
}

NORETURN static void finish(void)
{
    if (config_get()->panic_reboot) {
        out_printf(&sink, "The hypervisor has stopped. The machine restarts in %d seconds.\n",
                   REBOOT_WAIT_S);
        delay(REBOOT_WAIT_S * NS_PER_SEC);
        host_reset();
        out_printf(&sink, "The machine did not restart: turn it off and on.\n");
    } else {
        out_printf(&sink,
                   "The hypervisor has stopped. Keep the lines above for a report, then turn the "
                   "machine off and on; all guests are lost.\n");
    }
    host_halt();
}

NORETURN static void report(const struct host_trap_frame *frame, uint64_t pc, uint64_t fp,
                            const char *fmt, va_list args)
{
    char text[TEXT_SIZE];
    vsnprintf(text, sizeof(text), fmt, args);
    uint32_t times = become_owner();
    if (times > 2)
        host_halt();
    if (times == 2) {
        out_printf(&sink, "\nPANIC again, while reporting the first: %s\n", text);
        finish();
    }
    stop_others();
    const struct thread *t = thread_current();
    out_printf(&sink, "\nPANIC: %s\ncpu %u, thread %s\n", text, this_cpu()->id,
               t ? t->name : "none");
    if (frame)
        host_trap_frame_print(frame, &sink);
    print_backtrace(pc, fp);
    out_printf(&sink, "last log lines:\n");
    log_dump(&sink, LOG_LINES, LOG_DEBUG);
    finish();
}

void panic(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(NULL, 0, (uint64_t)__builtin_frame_address(0), fmt, args);
}

void panic_trap(const struct host_trap_frame *frame, const char *fmt, ...)
{
    uint64_t pc, fp, sp;
    host_trap_frame_where(frame, &pc, &fp, &sp);
    va_list args;
    va_start(args, fmt);
    report(frame, pc, fp, fmt, args);
}
