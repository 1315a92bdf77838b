/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The host contract on Linux for the program: CPUs, interrupts, time, contexts, power. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "drivers/acpi.h"
#include "drivers/drivers.h"
#include "drivers/fdt.h"
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/thread.h"
#include "kernel/timer.h"
#include "program.h"

#define INTERRUPT    SIGUSR1
#define SIGNAL_STACK 65536

unsigned program_cpu_count = 1;
__thread struct cpu *hosted_cpu;
__thread volatile bool hosted_irq_enabled;

/* ---- Interrupts ---- */

/* Behind each interrupt; it comes at any instruction, so it only leaves a note. */
static void on_interrupt(int signal)
{
    struct cpu *cpu = hosted_cpu;

    (void)signal;
    if (!cpu)
        return;
    __atomic_store_n(&cpu->host.news, 1, __ATOMIC_RELEASE);
    if (cpu->poll_word)
        __atomic_store_n(cpu->poll_word, 1, __ATOMIC_RELAXED);
}

/* Each CPU's signals have a stack: translated code has none that could take them. */
static void signals_init(struct cpu *cpu)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_ONSTACK};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = INTERRUPT};
    stack_t stack = {.ss_size = SIGNAL_STACK, .ss_sp = malloc(SIGNAL_STACK)};

    cpu->host.thread = event._sigev_un._tid = (int)syscall(SYS_gettid);
    if (!stack.ss_sp || sigaltstack(&stack, NULL) || sigaction(INTERRUPT, &action, NULL) ||
        timer_create(CLOCK_MONOTONIC, &event, &cpu->host.timer))
        program_fail("cannot make a timer: %s", strerror(errno));
}

static void dispatch(struct cpu *cpu)
{
    uint32_t pending = __atomic_exchange_n(&cpu->host.ipi_pending, 0, __ATOMIC_ACQ_REL);
    uint64_t deadline = __atomic_load_n(&cpu->host.timer_deadline, __ATOMIC_RELAXED);

    for (unsigned kind = 0; kind < HOST_IPI_COUNT; kind++)
        if (pending & BIT(kind))
            ipi_dispatch(kind);
    if (deadline && host_counter() >= deadline) {
        cpu->host.timer_deadline = 0;
        timer_interrupt();
    }
    if (cpu->id == 0) {
        program_console_interrupt();
        program_gdb_interrupt();
    }
}

/* A thread that is preempted here may go on on another CPU. */
void hosted_irq_deliver(void)
{
    struct cpu *cpu;

    while ((cpu = hosted_cpu) && __atomic_exchange_n(&cpu->host.news, 0, __ATOMIC_ACQ_REL)) {
        hosted_irq_enabled = false;
        cpu->preempt_count++;
        cpu_note_interrupt(cpu);
        unsigned locks = lock_interrupt_enter();
        dispatch(cpu);
        lock_interrupt_leave(locks);
        cpu->preempt_count--;
        if (!cpu->preempt_count && cpu->need_resched)
            thread_preempt();
        hosted_irq_enabled = true;
    }
}

static void interrupt(struct cpu *cpu)
{
    __atomic_store_n(&cpu->host.news, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&cpu->host.waiting, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &cpu->host.news, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    else if (cpu != hosted_cpu)
        syscall(SYS_tgkill, getpid(), cpu->host.thread, INTERRUPT);
}

void host_ipi_send(struct cpu *cpu, enum host_ipi kind)
{
    __atomic_fetch_or(&cpu->host.ipi_pending, (uint32_t)BIT(kind), __ATOMIC_RELEASE);
    interrupt(cpu);
}

void program_interrupt(void)
{
    interrupt(cpu_boot());
}

void host_wait(void)
{
    struct host_cpu *host = &hosted_cpu->host;

    if (program_count.on && host->timer_deadline && !host->news) {
        program_count_sleep(host->timer_deadline);
        host->news = 1;
    }
    __atomic_store_n(&host->waiting, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&host->news, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &host->news, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    __atomic_store_n(&host->waiting, 0, __ATOMIC_SEQ_CST);
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
    return "signals";
}

/* ---- CPUs ---- */

void host_early_init(const struct boot_info *info, struct cpu *boot)
{
    (void)info;
    hosted_cpu = boot;
    signals_init(boot);
}

enum err host_init(void)
{
    return ERR_OK;
}

void host_cpu_init(struct cpu *cpu)
{
    (void)cpu;
}

void host_cpu_enumerate(void (*found)(uint64_t hw_id, void *arg), void *arg)
{
    for (unsigned id = 0; id < program_cpu_count; id++)
        found(id, arg);
}

static void *cpu_first_code(void *arg)
{
    hosted_cpu = arg;
    signals_init(arg);
    cpu_secondary_main(arg);
}

enum err host_cpu_start(struct cpu *cpu)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, cpu_first_code, cpu) ? ERR_NO_MEMORY : ERR_OK;
}

void host_cpu_report(struct out *out)
{
    out_printf(out, "a thread of Linux\n");
}

void host_report(struct out *out)
{
    out_printf(out, "a process of Linux: guests are translated\n");
}

/* ---- Time ---- */

uint64_t host_counter(void)
{
    struct timespec now;

    if (program_count.on)
        return program_count_now();
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t host_counter_hz(void)
{
    return NS_PER_SEC;
}

const char *host_clock_name(void)
{
    return "CLOCK_MONOTONIC";
}

/* A deadline that has passed makes the timer fire at once. */
void host_timer_arm(uint64_t deadline)
{
    struct host_cpu *host = &hosted_cpu->host;
    struct itimerspec when = {{0, 0}, {0, 0}};

    if (deadline != UINT64_MAX)
        when.it_value = (struct timespec){(time_t)(deadline / NS_PER_SEC),
                                          (long)(MAX(deadline, 1UL) % NS_PER_SEC)};
    host->timer_deadline = deadline == UINT64_MAX ? 0 : MAX(deadline, 1UL);
    if (program_count.on) {
        program_count_timer();
        return;
    }
    timer_settime(host->timer, TIMER_ABSTIME, &when, NULL);
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
    __builtin___clear_cache((char *)(uintptr_t)va, (char *)(uintptr_t)va + size);
}

/* Many pages at once: a page fault for each would cost a quarter of the time of translation. */
static bool code_memory_prepare(const struct host_code_memory *m, bool data, size_t offset,
                                size_t size)
{
    uint64_t begin = ALIGN_DOWN(offset, 4096UL), end = ALIGN_UP(offset + size, 4096UL);

    if (data) {
        madvise((char *)m->data + begin, end - begin, MADV_POPULATE_WRITE);
        return true;
    }
    madvise((char *)m->write + begin, end - begin, MADV_POPULATE_WRITE);
    madvise((char *)(uintptr_t)m->exec + begin, end - begin, MADV_POPULATE_READ);
    return true;
}

/* One file mapped twice, and its data behind what is executed. */
enum err host_code_memory_create(struct host_code_memory *m, size_t size, size_t data_size)
{
    int fd = memfd_create("code", MFD_CLOEXEC);
    char *exec, *write;

    data_size = ALIGN_UP(data_size, 4096UL);
    *m = (struct host_code_memory){
        .size = size, .data_size = data_size, .prepare = code_memory_prepare};
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
        return ERR_UNSUPPORTED;
    exec = mmap(NULL, size + data_size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    write = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (exec == MAP_FAILED || write == MAP_FAILED ||
        mmap(exec, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0) != exec) {
        close(fd);
        return ERR_UNSUPPORTED;
    }
    close(fd);
    m->exec = exec;
    m->write = write;
    m->data = exec + size;
    return ERR_OK;
}

void host_code_memory_destroy(struct host_code_memory *m)
{
    munmap(m->write, m->size);
    munmap((char *)m->data - m->size, m->size + m->data_size);
}

/* A panic ends here. */
void host_halt(void)
{
    abort();
}

void host_poweroff(void)
{
    exit(0);
}

void host_reset(void)
{
    exit(0);
}

bool host_random(uint64_t *value)
{
    static uint64_t counted;

    if (program_count.on) { /* two runs are alike */
        *value = ++counted * 0x9e3779b97f4a7c15ULL;
        return true;
    }
    return getrandom(value, sizeof(*value), 0) == sizeof(*value);
}

/* ---- What a process has not ---- */

void acpi_init(hpa_t rsdp)
{
    (void)rsdp;
}

void fdt_init(hpa_t pa)
{
    (void)pa;
}

void serial_init(const struct boot_info *info)
{
    (void)info;
}

void screen_init(const struct boot_info *info)
{
    (void)info;
}

void serial_input_init(void)
{
    program_console_start();
}
