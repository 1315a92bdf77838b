/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The loop of a vCPU's thread: requests, entry, exit dispatch. */
#include "kernel/vcpu.h"

#include <string.h>
#include "kernel/log.h"
#include "kernel/vm_crash.h"
#include "mm/heap.h"

#define STATE_ALIGNMENT 64

_Static_assert(sizeof(struct thread_cpus) == sizeof(struct config_cpus), "both count CPUs alike");

void vcpu_request(struct vcpu *v, uint32_t requests)
{
    struct cpu *cpu;

    __atomic_fetch_or(&v->requests, requests, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&v->mode, __ATOMIC_SEQ_CST) != VCPU_IN_GUEST) {
        /* An interrupt may come between the thread's last look and its sleep. */
        if (v->thread != thread_current() || this_cpu()->preempt_count)
            thread_wake(v->thread);
        return;
    }
    if (v->vm->engine->kick) {
        v->stats.kicks++;
        v->vm->engine->kick(v);
        return;
    }
    cpu = READ_ONCE(v->cpu);
    if (cpu && cpu != this_cpu()) {
        v->stats.kicks++;
        host_ipi_send(cpu, HOST_IPI_RESCHEDULE);
    }
}

/* Masked from the test on: a switch to another thread in between makes what the engine does not
 * keep valid and dirty, and the hardware another vCPU's. */
void vcpu_fetch(struct vcpu *v, uint64_t groups)
{
    uint64_t flags = host_irq_save(), missing = groups & ~v->reg_valid;

    if (missing) {
        v->vm->engine->fetch(v, missing);
        v->reg_valid |= missing;
    }
    host_irq_restore(flags);
}

void vcpu_start(struct vcpu *v)
{
    if (v->id)
        vm_goes_parallel(v->vm);
    __atomic_store_n(&v->running, true, __ATOMIC_RELEASE);
    vcpu_request(v, VCPU_REQUEST_START);
}

/* ---- Work that was put off ---- */

static void later_due(struct timer *t)
{
    vcpu_request(container_of(t, struct vcpu, later.timer), VCPU_REQUEST_LATER);
}

bool vcpu_do_later(struct vcpu *v, void (*run)(void *arg), void *arg, uint64_t delay_ns)
{
    if (v->later.run)
        return v->later.run == run && v->later.arg == arg;
    v->later.run = run;
    v->later.arg = arg;
    timer_set(&v->later.timer, clock_ns() + delay_ns);
    return true;
}

static void vcpu_run_later(struct vcpu *v)
{
    void (*run)(void *arg) = v->later.run;

    if (!run)
        return;
    timer_cancel(&v->later.timer);
    v->later.run = NULL;
    run(v->later.arg);
}

/* RAM of the guest is mapped on demand; everything else is a device or nothing. */
static enum exit_action handle_memory(struct vcpu *v, const struct vm_exit *exit)
{
    struct vm *vm = v->vm;
    enum err e;

    if (exit->memory.gpa.v >= guest_memory_limit(vm->memory))
        return vm->isa->mmio(v, exit);
    e = second_stage_fault(vm->stage2, exit->memory.gpa, exit->memory.access);
    if (e == ERR_OK) {
        v->stats.stage2_faults++;
        return ACTION_RESUME;
    }
    if (e == ERR_NO_MEMORY) {
        vm_fail(vm, "the host has no memory left for guest address 0x%llx",
                (unsigned long long)exit->memory.gpa.v);
        return ACTION_FAIL;
    }
    return vm->isa->mmio(v, exit);
}

#define EXITS_OF_THE_ISA \
    (BIT(EXIT_PORT) | BIT(EXIT_HYPERCALL) | BIT(EXIT_IDLE) | BIT(EXIT_REGISTER) | BIT(EXIT_ISA))

static NOINLINE enum exit_action handle_fatal(struct vcpu *v, const struct vm_exit *exit)
{
    vm_fail(v->vm, "%s (code 0x%llx)", exit->fatal.text, (unsigned long long)exit->fatal.code);
    return ACTION_FAIL;
}

static inline enum exit_action handle_exit(struct vcpu *v, const struct vm_exit *exit)
{
    if (likely(BIT(exit->kind) & EXITS_OF_THE_ISA))
        return v->vm->isa->handle_exit(v, exit);
    if (exit->kind == EXIT_INTERRUPT || exit->kind == EXIT_IRQ_WINDOW)
        return ACTION_RESUME;
    if (exit->kind == EXIT_MEMORY)
        return handle_memory(v, exit);
    if (exit->kind == EXIT_DEBUG) {
        debug_exit(v, exit);
        return ACTION_RESUME;
    }
    return handle_fatal(v, exit);
}

/* Some engines see an idle guest by a trapped instruction: it counts, and the sleep, as idle. */
static void book_as_idle(struct vcpu_stats *s)
{
    if (s->last_exit == EXIT_IDLE)
        return;
    s->exits[s->last_exit]--;
    s->exits[EXIT_IDLE]++;
    s->last_exit = EXIT_IDLE;
}

/* Sleeps until an interrupt, a request or the guest's own timer. Masked from the look to the sleep:
 * a host interrupt that brings work on this CPU does not wake its own thread. */
static void vcpu_idle(struct vcpu *v)
{
    const struct guest_isa *isa = v->vm->isa;
    uint64_t flags;

    vcpu_run_later(v);
    flags = host_irq_save();
    while (!__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) && !isa->has_work(v)) {
        uint64_t deadline = isa->idle_deadline ? isa->idle_deadline(v) : UINT64_MAX;

        if (!thread_sleep_until(deadline))
            break;
    }
    host_irq_restore(flags);
}

#define ATTEND_OUTSIDE \
    (VCPU_REQUEST_STOP | VCPU_REQUEST_STARTUP | VCPU_REQUEST_PAUSE | VCPU_REQUEST_LATER)

enum attention { ATTEND_ENTER, ATTEND_AGAIN, ATTEND_LEAVE };

/* Unmasks on the way out of the entry: what follows may sleep. */
static void entry_give_up(struct vcpu *v)
{
    __atomic_store_n(&v->mode, VCPU_OUTSIDE, __ATOMIC_RELEASE);
    host_irq_enable();
}

/* What was changed from outside meanwhile is looked at before the next entry. */
static void vcpu_park(struct vcpu *v)
{
    vm_vcpu_park(v);
    v->irq_news = true;
    v->stats.since = host_counter_fast();
}

/*
 * Somebody wants something of the vCPU, or of its CPU. Called masked, with `mode` VCPU_IN_GUEST;
 * ATTEND_ENTER leaves it so, the others unmask.
 */
static enum attention vcpu_attend(struct vcpu *v)
{
    uint32_t requests =
        __atomic_fetch_and(&v->requests, VCPU_REQUEST_STOP | VCPU_REQUEST_STEP, __ATOMIC_SEQ_CST);

    if (requests & (VCPU_REQUEST_IRQ | VCPU_REQUEST_START))
        v->irq_news = true;
    if ((requests & VCPU_REQUEST_START) && v->id == 0)
        vm_note_entry(v->vm);
    if (requests & VCPU_REQUEST_FLUSH)
        v->vm->engine->flush(v);
    if (unlikely(requests & VCPU_REQUEST_STEP) && debug_step_before_entry(v))
        requests |= VCPU_REQUEST_PAUSE;
    if (likely(!(requests & ATTEND_OUTSIDE) && !this_cpu()->need_resched &&
               __atomic_load_n(&v->running, __ATOMIC_ACQUIRE)))
        return ATTEND_ENTER;
    entry_give_up(v);
    if (requests & VCPU_REQUEST_STOP)
        return ATTEND_LEAVE;
    if (requests & VCPU_REQUEST_STARTUP)
        v->vm->isa->startup(v);
    if (requests & VCPU_REQUEST_LATER)
        vcpu_run_later(v);
    if (requests & VCPU_REQUEST_PAUSE)
        vcpu_park(v);
    else if (this_cpu()->need_resched)
        thread_resched();
    else if (!__atomic_load_n(&v->running, __ATOMIC_ACQUIRE))
        thread_sleep_until(UINT64_MAX);
    return ATTEND_AGAIN;
}

/* What on-crash = says. False when the VM is to end. */
static NOINLINE bool vcpu_failed(struct vcpu *v)
{
    vm_crash_note(v);
    if (debug_crashed(v))
        return true;
    if (v->vm->config->on_crash == CONFIG_CRASH_RESTART)
        vm_reset(v->vm);
    else
        vm_poweroff(v->vm);
    return false;
}

/* False when the VM is to end. */
static inline bool vcpu_act(struct vcpu *v, enum exit_action action)
{
    if (likely(action == ACTION_RESUME))
        return true;
    switch (action) {
    case ACTION_RESUME:
        return true;
    case ACTION_IDLE:
        book_as_idle(&v->stats);
        vcpu_idle(v);
        return true;
    case ACTION_POWEROFF:
        vm_poweroff(v->vm);
        return false;
    case ACTION_RESET:
        vm_reset(v->vm);
        return false;
    case ACTION_FAIL:
        return vcpu_failed(v);
    }
    return false;
}

/* Books the exit, and the time since the last counter reading on the guest. */
static void stats_exit(struct vcpu_stats *s, enum exit_kind kind)
{
    uint64_t now = host_counter_fast();

    s->guest_ticks += now - s->since;
    s->since = now;
    s->exits[kind]++;
    s->last_exit = kind;
}

/* Books the time since the exit on its reason. */
static void stats_entry(struct vcpu_stats *s)
{
    uint64_t now = host_counter_fast();

    s->exit_ticks[s->last_exit] += now - s->since;
    s->since = now;
}

/* Masked from the store of `mode` to the exit; exits are handled unmasked. */
static void vcpu_loop(struct vcpu *v)
{
    const struct engine *engine = v->vm->engine;
    const struct guest_isa *isa = v->vm->isa;
    const struct cpu *cpu;
    struct vm_exit exit;

    v->stats.since = host_counter_fast();
    v->irq_news = true;
    for (;;) {
        host_irq_disable();
        WRITE_ONCE(v->mode, VCPU_IN_GUEST);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        cpu = this_cpu();
        /* Behind the fence, `running` is read anew without more ado. */
        if (unlikely(READ_ONCE(v->requests) || cpu->need_resched || !v->running)) {
            enum attention attention = vcpu_attend(v);

            if (attention == ATTEND_LEAVE)
                return;
            if (attention == ATTEND_AGAIN)
                continue;
        }
        if (unlikely(v->irq_news)) {
            v->irq_news = false;
            isa->before_run(v);
        }
        stats_entry(&v->stats);
        engine->run(v, &exit);
        stats_exit(&v->stats, exit.kind);
        if (trace_on(TRACE_EXIT))
            trace_exit(v, &exit);
        if (isa->after_run)
            isa->after_run(v);
        __atomic_store_n(&v->mode, VCPU_OUTSIDE, __ATOMIC_RELEASE);
        host_irq_enable();
        if (!vcpu_act(v, handle_exit(v, &exit)))
            return;
    }
}

static void vcpu_main(void *arg)
{
    struct vcpu *v = arg;

    thread_bind_vcpu(v);
    vcpu_loop(v);
    if (v->vm->restart && v->vm->ended_by == (int)v->id && !v->vm->failed)
        vm_crash_note_restart(v);
    thread_bind_vcpu(NULL);
    vm_vcpu_left(v);
}

/* Called by the scheduler, masked, when the thread of `v` comes to this CPU or leaves it. */
void vcpu_switch_in(struct vcpu *v)
{
    v->vm->engine->load(v);
    v->stats.since += host_counter_fast() - v->stats.switched_out;
    __atomic_store_n(&v->cpu, this_cpu(), __ATOMIC_RELAXED);
}

void vcpu_switch_out(struct vcpu *v)
{
    uint64_t kept = v->vm->engine->put(v);

    v->stats.switched_out = host_counter_fast();
    v->reg_valid |= ~kept;
    v->reg_dirty |= ~kept;
    __atomic_store_n(&v->cpu, NULL, __ATOMIC_RELAXED);
}

/* Masked. */
static void vcpu_give_back(struct vcpu *v)
{
    vcpu_need(v, UINT64_MAX);
    vcpu_switch_out(v);
    v->reg_valid = v->reg_dirty = UINT64_MAX;
}

static void thread_switch_in(struct thread *t)
{
    vcpu_switch_in(t->vcpu);
}

static void thread_switch_out(struct thread *t)
{
    vcpu_switch_out(t->vcpu);
}

void thread_bind_vcpu(struct vcpu *v)
{
    uint64_t flags = host_irq_save();
    struct thread *t = thread_current();

    if (t->vcpu)
        vcpu_give_back(t->vcpu);
    t->vcpu = v;
    t->switch_in = v ? thread_switch_in : NULL;
    t->switch_out = v ? thread_switch_out : NULL;
    if (v)
        vcpu_switch_in(v);
    host_irq_restore(flags);
}

static enum err vcpu_build(struct vcpu *v)
{
    const struct vm *vm = v->vm;
    enum err e;

    v->state = heap_zalloc(MAX(vm->isa->state_size, (size_t)STATE_ALIGNMENT));
    if (!v->state)
        return ERR_NO_MEMORY;
    v->reg_valid = v->reg_dirty = UINT64_MAX;
    e = vm->isa->vcpu_create(v);
    if (e != ERR_OK)
        return e;
    return vm->engine->vcpu_init(v);
}

/* Where a guest's threads may run: by its affinity, or all but the reserved CPUs. */
static void cpus_for(const struct config_vm *config, struct thread_cpus *cpus)
{
    const struct config_cpus *reserved = &config_get()->reserved_cpus;
    uint64_t named = 0, kept = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(cpus->bits); i++) {
        named |= config->affinity.bits[i];
        kept |= reserved->bits[i];
    }
    for (unsigned i = 0; i < ARRAY_SIZE(cpus->bits); i++)
        cpus->bits[i] = named ? config->affinity.bits[i] : kept ? ~reserved->bits[i] : 0;
}

enum err vcpu_create(struct vm *vm, unsigned id)
{
    struct vcpu *v = heap_zalloc(sizeof(*v));
    struct thread_cpus cpus;
    char name[THREAD_NAME_SIZE];
    struct out_buffer text;
    enum err e;

    if (!v)
        return ERR_NO_MEMORY;
    v->vm = vm;
    v->id = id;
    timer_setup(&v->later.timer, later_due);
    e = vcpu_build(v);
    if (e == ERR_OK) {
        out_buffer_init(&text, name, sizeof(name));
        out_printf(&text.out, "%.20s/%u", vm->name, id);
        vm->vcpus[id] = v;
        cpus_for(vm->config, &cpus);
        __atomic_fetch_add(&vm->live_vcpus, 1, __ATOMIC_SEQ_CST);
        e = thread_create_on(&v->thread, name, vcpu_main, v, (uint32_t)vm->config->weight, &cpus);
        if (e == ERR_OK)
            return ERR_OK;
        __atomic_fetch_sub(&vm->live_vcpus, 1, __ATOMIC_SEQ_CST);
        vm->vcpus[id] = NULL;
    }
    vcpu_destroy(v);
    return e;
}

void vcpu_destroy(struct vcpu *v)
{
    timer_cancel(&v->later.timer);
    if (v->engine_data)
        v->vm->engine->vcpu_destroy(v);
    if (v->isa_data)
        v->vm->isa->vcpu_destroy(v);
    if (v->thread) /* timers of the vCPU woke it until here, though it had ended */
        thread_release(v->thread);
    heap_free(v->state);
    heap_free(v);
}
