/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * CPUs: finding and starting them, and calls between them.
 *
 * A call is a descriptor of the sender (one a CPU) and a bit in the inbox of each target; the
 * targets run it in the IPI and count it down. Nothing is allocated and nothing shared but the
 * target's inbox.
 */
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

#define START_TIMEOUT_NS (30 * NS_PER_SEC) /* since the last CPU that came up */

extern char __percpu_start[], __percpu_end[];

struct call {
    void (*fn)(void *);
    void *arg;
    uint32_t pending; /* targets that have not finished; 0: free */
};
static PER_CPU(struct call, call_out);

static struct thread boot_thread = {
    .name = "boot", .state = THREAD_RUNNING, .weight = THREAD_WEIGHT, .affinity = -1};
static uint64_t boot_inbox;
static struct cpu boot_cpu;
static struct cpu *boot_table[1] = {&boot_cpu};

static struct cpu **cpus = boot_table; /* by id; an entry may be offline */
static unsigned count = 1;
static unsigned inbox_words = 1;
static unsigned online = 1;
static struct wait_queue online_wait; /* a secondary CPU came up */

struct cpu *cpu_boot(void)
{
    boot_cpu.self = &boot_cpu;
    if (!boot_cpu.current) {
        boot_thread.cpu = &boot_cpu;
        boot_cpu.current = &boot_thread;
        boot_cpu.call_inbox = &boot_inbox;
        boot_cpu.online = true;
    }
    return &boot_cpu;
}

unsigned cpu_count(void)
{
    return READ_ONCE(count);
}

unsigned cpu_online_count(void)
{
    return __atomic_load_n(&online, __ATOMIC_RELAXED);
}

struct cpu *cpu_get(unsigned id)
{
    if (id >= READ_ONCE(count))
        return NULL;
    struct cpu *cpu = cpus[id];
    return __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) ? cpu : NULL;
}

/* ---- Calls ---- */

static void call_run(unsigned sender)
{
    struct call *c = cpu_ptr(cpus[sender], call_out);
    c->fn(c->arg);
    __atomic_fetch_sub(&c->pending, 1, __ATOMIC_RELEASE);
}

/* Runs what other CPUs asked of this one. Masked. */
static void call_serve(void)
{
    uint64_t *inbox = this_cpu()->call_inbox;
    for (unsigned i = 0; i < inbox_words; i++) {
        if (!__atomic_load_n(&inbox[i], __ATOMIC_RELAXED))
            continue;
        uint64_t senders = __atomic_exchange_n(&inbox[i], 0, __ATOMIC_ACQUIRE);
        for (; senders; senders &= senders - 1)
            call_run(i * 64 + (unsigned)__builtin_ctzll(senders));
    }
}

/* Waits until this CPU's last call is done; serves others meanwhile, who may be waiting for us the
 * same way. */
static void call_wait(struct call *c)
{
    while (__atomic_load_n(&c->pending, __ATOMIC_ACQUIRE)) {
        uint64_t flags = host_irq_save();
        unsigned state = lock_interrupt_enter();
        call_serve();
        lock_interrupt_leave(state);
        host_irq_restore(flags);
        host_cpu_relax();
    }
}

static void call_post(struct cpu *target)
{
    unsigned id = this_cpu()->id;
    __atomic_fetch_or(&target->call_inbox[id / 64], BIT(id % 64), __ATOMIC_RELEASE);
    host_ipi_send(target, HOST_IPI_CALL);
}

/* Masked, with the descriptor free. The masking keeps an interrupt handler from using the
 * descriptor before it is complete. */
static struct call *call_begin(void (*fn)(void *), void *arg, unsigned targets, uint64_t *flags)
{
    struct call *c = this_cpu_ptr(call_out);
    for (;;) {
        call_wait(c);
        *flags = host_irq_save();
        if (!__atomic_load_n(&c->pending, __ATOMIC_ACQUIRE))
            break;
        host_irq_restore(*flags);
    }
    c->fn = fn;
    c->arg = arg;
    __atomic_store_n(&c->pending, targets, __ATOMIC_RELEASE);
    return c;
}

void cpu_call(struct cpu *cpu, void (*fn)(void *), void *arg, bool wait)
{
    uint64_t flags;
    preempt_disable();
    if (cpu == this_cpu()) {
        flags = host_irq_save();
        fn(arg);
        host_irq_restore(flags);
    } else {
        struct call *c = call_begin(fn, arg, 1, &flags);
        call_post(cpu);
        host_irq_restore(flags);
        if (wait)
            call_wait(c);
    }
    preempt_enable();
}

void cpu_call_others(void (*fn)(void *), void *arg, bool wait)
{
    if (cpu_online_count() == 1)
        return;
    uint64_t flags;
    preempt_disable();
    /* One pending more than targets known, so that it cannot reach 0 while CPUs are still being
     * counted. */
    struct call *c = call_begin(fn, arg, 1, &flags);
    for (unsigned id = 0; id < cpu_count(); id++) {
        struct cpu *cpu = cpu_get(id);
        if (!cpu || cpu == this_cpu())
            continue;
        __atomic_fetch_add(&c->pending, 1, __ATOMIC_RELAXED);
        call_post(cpu);
    }
    __atomic_fetch_sub(&c->pending, 1, __ATOMIC_RELEASE);
    host_irq_restore(flags);
    if (wait)
        call_wait(c);
    preempt_enable();
}

void ipi_dispatch(enum host_ipi kind)
{
    switch (kind) {
    case HOST_IPI_RESCHEDULE:
        scheduler_ipi();
        break;
    case HOST_IPI_CALL:
        call_serve();
        break;
    case HOST_IPI_HALT:
    case HOST_IPI_COUNT:
        panic_stop_this_cpu();
    }
}

/* ---- Start of the other CPUs ---- */

static void count_found(uint64_t hw_id, void *arg)
{
    (void)hw_id;
    unsigned *n = arg;
    *n += *n < CPU_MAX;
}

/* The area of a CPU: struct cpu, its copy of the per-CPU data, its inbox, in whole pages. */
static struct cpu *cpu_alloc(unsigned id, uint64_t hw_id)
{
    size_t data = ALIGN_UP(sizeof(struct cpu), 64UL);
    size_t inbox = data + ALIGN_UP((size_t)(__percpu_end - __percpu_start), 64UL);
    size_t size = inbox + inbox_words * sizeof(uint64_t);
    unsigned order = 0;
    while ((PAGE_SIZE << order) < size)
        order++;
    hpa_t page = page_alloc(order, PAGE_ZERO);
    if (page.v == 0)
        return NULL;
    char *area = phys_to_virt(page);
    struct cpu *cpu = (struct cpu *)area;
    cpu->self = cpu;
    cpu->id = id;
    cpu->hw_id = hw_id;
    cpu->percpu_offset = (uint64_t)(area + data) - (uint64_t)__percpu_start;
    cpu->call_inbox = (uint64_t *)(area + inbox);
    return cpu;
}

static void add_found(uint64_t hw_id, void *arg)
{
    unsigned *n = arg;
    if (*n == 0) {
        boot_cpu.hw_id = hw_id; /* the boot CPU comes first */
        *n = 1;
        return;
    }
    struct cpu *cpu = *n < CPU_MAX ? cpu_alloc(*n, hw_id) : NULL;
    if (!cpu)
        return;
    timer_cpu_init(cpu);
    if (!cpu->timers || scheduler_cpu_init(cpu) != ERR_OK) {
        log_warn("no memory for the CPU with hardware id %#llx: it stays off",
                 (unsigned long long)hw_id);
        return;
    }
    cpus[(*n)++] = cpu;
}

/* Fills the table of CPUs. */
static enum err enumerate(void)
{
    unsigned found = 0, added = 0;
    host_cpu_enumerate(count_found, &found);
    if (found <= 1) {
        host_cpu_enumerate(add_found, &added);
        return ERR_OK;
    }
    struct cpu **table = heap_zalloc_array(found, sizeof(struct cpu *));
    unsigned words = DIV_ROUND_UP(found, 64);
    uint64_t *inbox = heap_zalloc_array(words, sizeof(*inbox));
    if (!table || !inbox || scheduler_set_cpu_count(found) != ERR_OK)
        return ERR_NO_MEMORY;
    table[0] = &boot_cpu;
    inbox_words = words;
    boot_cpu.call_inbox = inbox;
    cpus = table;
    host_cpu_enumerate(add_found, &added);
    WRITE_ONCE(count, added);
    return ERR_OK;
}

static void wait_for_online(unsigned expected)
{
    unsigned seen = cpu_online_count();
    uint64_t deadline = clock_ns() + START_TIMEOUT_NS;
    wait_prepare(&online_wait);
    while (cpu_online_count() < expected && clock_ns() < deadline) {
        thread_sleep_until(deadline);
        if (cpu_online_count() != seen) {
            seen = cpu_online_count();
            deadline = clock_ns() + START_TIMEOUT_NS;
        }
    }
    wait_finish(&online_wait);
}

void cpu_start_all(void)
{
    wait_queue_init(&online_wait);
    if (enumerate() != ERR_OK) {
        log_error("no memory for other CPUs: one CPU is used");
        return;
    }
    unsigned expected = 1;
    for (unsigned id = 1; id < count; id++) {
        enum err e = host_cpu_start(cpus[id]);
        if (e == ERR_OK)
            expected++;
        else
            log_warn("CPU %u (hardware id %#llx) cannot be started: %s", id,
                     (unsigned long long)cpus[id]->hw_id, err_text(e));
    }
    if (expected > 1)
        wait_for_online(expected);
    for (unsigned id = 1; id < count; id++)
        if (!cpu_get(id))
            log_warn("CPU %u (hardware id %#llx) did not come up: it is not used", id,
                     /* Set below count: NOLINTNEXTLINE(clang-analyzer-core.*) */
                     (unsigned long long)cpus[id]->hw_id);
    log_info("%u CPU%s", cpu_online_count(), cpu_online_count() == 1 ? "" : "s");
}

void cpu_secondary_main(struct cpu *cpu)
{
    host_set_this_cpu(cpu);
    host_cpu_init(cpu);
    cpu->idle->switched_in = clock_ns();
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
    __atomic_fetch_add(&online, 1, __ATOMIC_SEQ_CST);
    wake_all(&online_wait);
    scheduler_idle();
}
