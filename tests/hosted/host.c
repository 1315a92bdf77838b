/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The host contract on Linux: CPUs, interrupts, time, contexts, power. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hosted.h"
#include "kernel/console.h"
#include "kernel/thread.h"
#include "kernel/timer.h"

#define HZ NS_PER_SEC /* of the counter: it counts nanoseconds */

__thread struct cpu *hosted_cpu;
__thread bool hosted_irq_enabled;
uint64_t hosted_counter = 1;

/* ---- Start ---- */

void host_early_init(const struct boot_info *info, struct cpu *boot)
{
    (void)info;
    hosted_cpu = boot;
}

enum err host_init(void)
{
    return ERR_OK;
}

void host_cpu_init(struct cpu *cpu)
{
    (void)cpu;
}

/* ---- CPUs that take turns ---- */

#define CPU_STACK_SIZE 65536

unsigned hosted_cpu_total = 1;
uint64_t hosted_round_ns = 50 * NS_PER_US;
static struct cpu *ring[HOSTED_CPUS_MAX];
static unsigned ring_count;

void host_cpu_enumerate(void (*found)(uint64_t hw_id, void *arg), void *arg)
{
    for (unsigned id = 0; id < hosted_cpu_total; id++)
        found(id, arg);
}

static void cpu_first_code(unsigned high, unsigned low)
{
    hosted_irq_enabled = false;
    cpu_secondary_main((struct cpu *)((uintptr_t)high << 32 | low));
}

/* makecontext() passes integers only. */
enum err host_cpu_start(struct cpu *cpu)
{
    uintptr_t self = (uintptr_t)cpu;

    if (!ring_count)
        ring[ring_count++] = hosted_cpu;
    getcontext(&cpu->host.resume);
    cpu->host.resume.uc_stack.ss_sp = malloc(CPU_STACK_SIZE);
    cpu->host.resume.uc_stack.ss_size = CPU_STACK_SIZE;
    cpu->host.resume.uc_link = NULL;
    makecontext(&cpu->host.resume, (void (*)(void))cpu_first_code, 2, (unsigned)(self >> 32),
                (unsigned)self);
    ring[ring_count++] = cpu;
    return ERR_OK;
}

static unsigned ring_place(const struct cpu *cpu)
{
    unsigned at = 0;

    while (ring[at] != cpu)
        at++;
    return at;
}

/* The running thread may go on on another CPU: nothing of this one is used after the switch. */
void hosted_cpu_next(void)
{
    if (ring_count < 2)
        return;
    struct cpu *from = hosted_cpu, *to = ring[(ring_place(from) + 1) % ring_count];
    if (to == ring[0])
        hosted_counter += hosted_round_ns;
    from->host.irq_enabled = hosted_irq_enabled;
    hosted_cpu = to;
    hosted_irq_enabled = to->host.irq_enabled;
    swapcontext(&from->host.resume, &to->host.resume);
}

static bool cpu_has_news(const struct host_cpu *host)
{
    return host->ipi_pending || (host->timer_deadline && hosted_counter >= host->timer_deadline);
}

/* When all CPUs wait, time goes on to the first timer. */
static void skip_idle_time(void)
{
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < ring_count; i++) {
        const struct host_cpu *host = &ring[i]->host;
        if (!host->waiting || cpu_has_news(host))
            return;
        if (host->timer_deadline)
            first = MIN(first, host->timer_deadline);
    }
    if (first != UINT64_MAX)
        hosted_counter = first;
}

static void wait_in_turn(void)
{
    struct host_cpu *host = &hosted_cpu->host;

    host->waiting = true;
    while (!cpu_has_news(host)) {
        skip_idle_time();
        hosted_cpu_next();
    }
    host->waiting = false;
}

void host_cpu_report(struct out *out)
{
    out_printf(out, "a thread of the test\n");
}

void host_report(struct out *out)
{
    out_printf(out, "a process of the test\n");
}

void hosted_cpu_set(struct cpu *cpu)
{
    hosted_cpu = cpu;
}

/* ---- Interrupts ---- */

static void deliver_timer(struct host_cpu *host)
{
    if (host->timer_deadline && host_counter() >= host->timer_deadline) {
        host->timer_deadline = 0;
        timer_interrupt();
    }
}

/* Simulated interrupts come here only, so that programs without timers need not link them. */
void hosted_irq_deliver(void)
{
    struct host_cpu *host = hosted_cpu ? &hosted_cpu->host : NULL;

    if (!host || (!host->ipi_pending && !host->timer_deadline))
        return;
    hosted_irq_enabled = false;
    uint32_t pending = __atomic_exchange_n(&host->ipi_pending, 0, __ATOMIC_ACQUIRE);
    for (unsigned kind = 0; kind < HOST_IPI_COUNT; kind++) {
        if (!(pending & BIT(kind)))
            continue;
        host->ipi_received++;
        ipi_dispatch(kind);
    }
    deliver_timer(host);
    hosted_irq_enabled = true;
}

void host_ipi_send(struct cpu *cpu, enum host_ipi kind)
{
    __atomic_fetch_or(&cpu->host.ipi_pending, (uint32_t)BIT(kind), __ATOMIC_RELEASE);
}

/* Nothing else runs while the only CPU waits: time goes on to the next timer. */
void host_wait(void)
{
    struct host_cpu *host = &hosted_cpu->host;

    if (ring_count > 1)
        wait_in_turn();
    else if (!host->ipi_pending && host->timer_deadline > hosted_counter)
        hosted_counter = host->timer_deadline;
    host_irq_enable();
    host_irq_disable();
}

enum err host_message_route(struct cpu *cpu, unsigned *irq, struct host_message *m)
{
    (void)cpu;
    (void)irq;
    (void)m;
    return ERR_UNSUPPORTED;
}

enum err host_irq_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu)
{
    (void)irq, (void)trigger, (void)cpu;
    return ERR_OK;
}

void host_irq_mask(unsigned irq)
{
    (void)irq;
}

void host_irq_unmask(unsigned irq)
{
    (void)irq;
}

const char *host_irq_name(void)
{
    return "simulated";
}

/* ---- Time ---- */

uint64_t host_counter_hz(void)
{
    return HZ;
}

const char *host_clock_name(void)
{
    return "the test's counter";
}

void host_timer_arm(uint64_t deadline)
{
    hosted_cpu->host.timer_deadline = deadline == UINT64_MAX ? 0 : MAX(deadline, 1UL);
}

/* ---- Threads ---- */

/* makecontext() passes integers only. */
static void context_start(unsigned high, unsigned low)
{
    struct host_context *ctx = (struct host_context *)((uintptr_t)high << 32 | low);

    hosted_irq_enabled = false;
    ctx->entry(ctx->arg);
    abort();
}

void host_context_init(struct host_context *ctx, void *stack_top, void (*entry)(void *), void *arg)
{
    uintptr_t self = (uintptr_t)ctx;

    getcontext(&ctx->context);
    ctx->entry = entry;
    ctx->arg = arg;
    ctx->context.uc_stack.ss_sp = (char *)stack_top - THREAD_STACK_SIZE;
    ctx->context.uc_stack.ss_size = THREAD_STACK_SIZE;
    ctx->context.uc_link = NULL;
    makecontext(&ctx->context, (void (*)(void))context_start, 2, (unsigned)(self >> 32),
                (unsigned)self);
}

void host_context_switch(struct host_context *from, struct host_context *to)
{
    swapcontext(&from->context, &to->context);
}

void host_fpu_begin(void)
{
}

void host_fpu_end(void)
{
}

/* ---- Faults and power ---- */

void host_trap_frame_print(const struct host_trap_frame *frame, struct out *out)
{
    out_printf(out, "pc %#lx sp %#lx\n", (unsigned long)frame->pc, (unsigned long)frame->sp);
}

void host_trap_frame_where(const struct host_trap_frame *frame, uint64_t *pc, uint64_t *fp,
                           uint64_t *sp)
{
    *pc = frame->pc;
    *fp = frame->fp;
    *sp = frame->sp;
}

bool host_frame_next(uint64_t *fp, uint64_t *pc, uint64_t stack, uint64_t size)
{
    (void)fp, (void)pc, (void)stack, (void)size;
    return false;
}

void host_code_sync(const void *va, size_t size)
{
    (void)va, (void)size;
}

/* Tests have none. */
enum err host_code_memory_create(struct host_code_memory *m, size_t size, size_t data_size)
{
    *m = (struct host_code_memory){.size = size, .data_size = data_size};
    return ERR_UNSUPPORTED;
}

void host_code_memory_destroy(struct host_code_memory *m)
{
    (void)m;
}

#define PANIC_STATUS 99

char hosted_panic_text[8192];
int hosted_child_status;
static int child_pid, child_pipe, console_fd = -1;

static void console_to_fd(struct console *c, const char *text, size_t length)
{
    (void)c;
    if (console_fd >= 0 && write(console_fd, text, length) < 0)
        abort();
}
static struct console hosted_console = {.name = "the test's", .write = console_to_fd};

bool hosted_fork(void)
{
    static bool added;
    int fds[2];

    if (!hosted_cpu)
        hosted_cpu = cpu_boot();
    if (!added)
        console_add(&hosted_console);
    added = true;
    if (pipe(fds) || (child_pid = fork()) < 0)
        abort();
    if (child_pid == 0) {
        console_fd = fds[1];
        setenv("CMOCKA_TEST_ABORT", "1",
               1); /* a failed assertion ends the child, and so does a fault */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
    } else {
        close(fds[1]);
    }
    child_pipe = fds[0];
    return child_pid == 0;
}

bool hosted_child_panicked(void)
{
    size_t used = 0;
    ssize_t got;
    int status;

    while ((got = read(child_pipe, hosted_panic_text + used,
                       sizeof(hosted_panic_text) - 1 - used)) > 0) {
        used += (size_t)got;
        if (used < sizeof(hosted_panic_text) - 1)
            continue;
        used /= 2; /* it talks much: the end is what counts */
        memmove(hosted_panic_text, hosted_panic_text + used, used);
    }
    hosted_panic_text[used] = 0;
    close(child_pipe);
    waitpid(child_pid, &status, 0);
    hosted_child_status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return hosted_child_status == PANIC_STATUS;
}

void hosted_child_exit(void)
{
    _exit(0);
}

/* A panic ends here. */
void host_halt(void)
{
    if (console_fd < 0)
        abort();
    _exit(PANIC_STATUS);
}

void host_poweroff(void)
{
    exit(0);
}

void host_reset(void)
{
    exit(1);
}

uint64_t hosted_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

bool host_random(uint64_t *value)
{
    static uint64_t state = 1;

    *value = hosted_random(&state);
    return true;
}
