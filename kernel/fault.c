/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Debug builds only: the monitor command `fault` breaks the hypervisor on purpose, one way each, so
 * that tests see how it is reported. */
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/monitor.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/heap.h"
#include "mm/page.h"

#if DEBUG

#include <string.h>

#define FAULT __attribute__((noinline)) static void

FAULT fault_null(void)
{
    volatile uint32_t *volatile nowhere = (uint32_t *)16;
    *nowhere = 1;
}

static void (*volatile again_deeper)(void);

FAULT fault_stack(void)
{
    volatile char block[512];
    block[0] = 1;
    again_deeper = fault_stack;
    again_deeper();
    block[1] = block[0];
}

FAULT fault_write_code(void)
{
    volatile char *volatile code = (char *)(uint64_t)fault_null;
    *code = 0;
}

FAULT fault_execute_data(void)
{
    static uint64_t data[8];
    void (*volatile code)(void) = (void (*)(void))(uint64_t)data;
    code();
}

FAULT fault_double_free(void)
{
    void *block = heap_alloc(64);
    void *volatile again = block;
    heap_free(block);
    heap_free(again);
}

FAULT fault_page_double_free(void)
{
    hpa_t page = page_alloc(0, 0);
    page_free(page, 0);
    page_free(page, 0);
}

FAULT fault_heap_overrun(void)
{
    char *volatile block = heap_alloc(40);
    if (!block)
        return;
    memset(block, 0, 41);
    heap_free(block);
}

LOCK_CLASS(outer_class, "outer test lock", RANK_VM);
LOCK_CLASS(inner_class, "inner test lock", RANK_LOG);

FAULT fault_lock_order(void)
{
    static struct spinlock outer = SPINLOCK_INIT(&outer_class), inner = SPINLOCK_INIT(&inner_class);
    spin_lock(&inner);
    spin_lock(&outer);
}

FAULT fault_lock_twice(void)
{
    static struct spinlock lock = SPINLOCK_INIT(&outer_class);
    spin_lock(&lock);
    spin_lock(&lock);
}

FAULT fault_sleep_under_lock(void)
{
    static struct spinlock lock = SPINLOCK_INIT(&outer_class);
    spin_lock(&lock);
    thread_sleep_ns(NS_PER_MS);
}

FAULT fault_assertion(void)
{
    ASSERT(thread_current() == NULL);
}

FAULT fault_undefined(void)
{
    __builtin_trap();
}

static const struct {
    const char *name, *what;
    void (*run)(void);
} faults[] = {
    {"null", "writes through a null pointer", fault_null},
    {"stack", "overflows the stack of its thread", fault_stack},
    {"write-code", "writes into the hypervisor's code", fault_write_code},
    {"execute-data", "executes data", fault_execute_data},
    {"double-free", "frees a heap block twice", fault_double_free},
    {"page-double-free", "frees a page twice", fault_page_double_free},
    {"heap-overrun", "writes behind a heap block", fault_heap_overrun},
    {"lock-order", "takes two locks in the wrong order", fault_lock_order},
    {"lock-twice", "takes a lock that it holds", fault_lock_twice},
    {"sleep-locked", "sleeps while it holds a spinlock", fault_sleep_under_lock},
    {"assertion", "fails an assertion", fault_assertion},
    {"undefined", "executes an undefined instruction", fault_undefined},
};

static void list_faults(struct out *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
        out_printf(out, "  fault %-18s %s\n", faults[i].name, faults[i].what);
}

static void run_fault(struct out *out, int argc, char **argv)
{
    for (unsigned i = 0; argc == 1 && i < ARRAY_SIZE(faults); i++) {
        if (strcmp(argv[0], faults[i].name))
            continue;
        faults[i].run();
        out_printf(out, "the fault went unnoticed\n");
        return;
    }
    out_printf(out, "each of these ends the hypervisor:\n");
    list_faults(out);
}

static void complete_fault(int index, void (*found)(const char *word, void *arg), void *arg)
{
    for (unsigned i = 0; index == 0 && i < ARRAY_SIZE(faults); i++)
        found(faults[i].name, arg);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_fault) = {
    .name = "fault",
    .usage = "[KIND]",
    .summary = "Breaks the hypervisor on purpose, to see the report (debug builds)",
    .run = run_fault,
    .complete = complete_fault,
};

#endif
