/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The loop of a vCPU's thread: requests, entry, exit dispatch. */
#include "kernel/vcpu.h"

#include "kernel/log.h"
#include "mm/heap.h"

#define STATE_ALIGNMENT 64

void vcpu_request(struct vcpu *v, uint32_t requests)
{
    struct cpu *cpu;

    __atomic_fetch_or(&v->requests, requests, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&v->mode, __ATOMIC_SEQ_CST) != VCPU_IN_GUEST) {
        if (v->thread != thread_current())
            thread_wake(v->thread);
        return;
    }
    cpu = READ_ONCE(v->cpu);
    if (cpu && cpu != this_cpu()) {
        v->stats.kicks++;
        host_ipi_send(cpu, HOST_IPI_RESCHEDULE);
    }
}

void vcpu_start(struct vcpu *v)
{
    __atomic_store_n(&v->running, true, __ATOMIC_RELEASE);
    vcpu_request(v, VCPU_REQUEST_START);
}

/* RAM of the guest is mapped on demand; everything else is a device or nothing. */
static enum exit_action handle_memory(struct vcpu *v, const struct vm_exit *exit)
{
    struct vm *vm = v->vm;
    enum err e = second_stage_fault(vm->stage2, exit->memory.gpa, exit->memory.access);

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

static enum exit_action handle_exit(struct vcpu *v, const struct vm_exit *exit)
{
    switch (exit->kind) {
    case EXIT_INTERRUPT:
    case EXIT_IRQ_WINDOW:
        return ACTION_RESUME;
    case EXIT_MEMORY:
        return handle_memory(v, exit);
    case EXIT_FATAL:
    case EXIT_ENTRY_FAILED:
        vm_fail(v->vm, "%s (code 0x%llx)", exit->fatal.text, (unsigned long long)exit->fatal.code);
        return ACTION_FAIL;
    default:
        return v->vm->isa->handle_exit(v, exit);
    }
}

/* Sleeps until an interrupt, a request or the guest's own timer. */
static void vcpu_idle(struct vcpu *v)
{
    const struct guest_isa *isa = v->vm->isa;

    while (!__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) && !isa->has_work(v)) {
        uint64_t deadline = isa->idle_deadline ? isa->idle_deadline(v) : UINT64_MAX;

        if (!thread_sleep_until(deadline))
            return;
    }
}

/* One entry and its exit. Returns false when a request came in between and nothing was run. */
static bool vcpu_run_once(struct vcpu *v, struct vm_exit *exit)
{
    struct vm *vm = v->vm;
    uint64_t flags = host_irq_save();
    bool ran = false;

    __atomic_store_n(&v->mode, VCPU_IN_GUEST, __ATOMIC_SEQ_CST);
    __atomic_and_fetch(&v->requests, ~(uint32_t)(VCPU_REQUEST_IRQ | VCPU_REQUEST_START),
                       __ATOMIC_SEQ_CST);
    if (likely(!__atomic_load_n(&v->requests, __ATOMIC_RELAXED) && !this_cpu()->need_resched)) {
        vm->isa->before_run(v);
        vm->engine->run(v, exit);
        if (vm->isa->after_run)
            vm->isa->after_run(v);
        ran = true;
    }
    __atomic_store_n(&v->mode, VCPU_OUTSIDE, __ATOMIC_RELEASE);
    host_irq_restore(flags);
    return ran;
}

/* True when the vCPU may run on. */
static bool vcpu_requests(struct vcpu *v)
{
    uint32_t requests = __atomic_load_n(&v->requests, __ATOMIC_SEQ_CST);

    if (requests & VCPU_REQUEST_STOP)
        return false;
    if (requests & VCPU_REQUEST_FLUSH) {
        uint64_t flags = host_irq_save();

        __atomic_and_fetch(&v->requests, ~(uint32_t)VCPU_REQUEST_FLUSH, __ATOMIC_SEQ_CST);
        v->vm->engine->flush(v);
        host_irq_restore(flags);
    }
    if (requests & VCPU_REQUEST_STARTUP) {
        __atomic_and_fetch(&v->requests, ~(uint32_t)VCPU_REQUEST_STARTUP, __ATOMIC_SEQ_CST);
        v->vm->isa->startup(v);
    }
    return true;
}

/* False when the VM is to end. */
static bool vcpu_act(struct vcpu *v, enum exit_action action)
{
    switch (action) {
    case ACTION_RESUME:
        return true;
    case ACTION_IDLE:
        vcpu_idle(v);
        return true;
    case ACTION_POWEROFF:
        vm_poweroff(v->vm);
        return false;
    case ACTION_RESET:
        vm_reset(v->vm);
        return false;
    case ACTION_FAIL:
        vm_poweroff(v->vm);
        return false;
    }
    return false;
}

static void vcpu_loop(struct vcpu *v)
{
    struct vm_exit exit;

    while (vcpu_requests(v)) {
        if (unlikely(!__atomic_load_n(&v->running, __ATOMIC_ACQUIRE))) {
            thread_sleep_until(UINT64_MAX);
            continue;
        }
        if (unlikely(!vcpu_run_once(v, &exit))) {
            thread_resched();
            continue;
        }
        v->stats.exits[exit.kind]++;
        v->stats.last_exit = exit.kind;
        if (!vcpu_act(v, handle_exit(v, &exit)))
            return;
    }
}

static void vcpu_main(void *arg)
{
    struct vcpu *v = arg;

    thread_bind_vcpu(v);
    vcpu_loop(v);
    v->stats.last_pc = v->vm->isa->pc(v);
    thread_bind_vcpu(NULL);
    vm_vcpu_left(v);
}

/* Called by the scheduler, masked, when the thread of `v` comes to this CPU or leaves it. */
void vcpu_switch_in(struct vcpu *v)
{
    v->vm->engine->load(v);
    __atomic_store_n(&v->cpu, this_cpu(), __ATOMIC_RELAXED);
}

void vcpu_switch_out(struct vcpu *v)
{
    v->vm->engine->put(v);
    v->reg_valid = UINT64_MAX;
    v->reg_dirty = UINT64_MAX;
    __atomic_store_n(&v->cpu, NULL, __ATOMIC_RELAXED);
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
        vcpu_switch_out(t->vcpu);
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

enum err vcpu_create(struct vm *vm, unsigned id)
{
    struct vcpu *v = heap_zalloc(sizeof(*v));
    char name[THREAD_NAME_SIZE];
    struct out_buffer text;
    enum err e;

    if (!v)
        return ERR_NO_MEMORY;
    v->vm = vm;
    v->id = id;
    e = vcpu_build(v);
    if (e == ERR_OK) {
        out_buffer_init(&text, name, sizeof(name));
        out_printf(&text.out, "%.20s/%u", vm->name, id);
        vm->vcpus[id] = v;
        __atomic_fetch_add(&vm->live_vcpus, 1, __ATOMIC_SEQ_CST);
        e = thread_create(&v->thread, name, vcpu_main, v, THREAD_WEIGHT, -1);
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
    if (v->engine_data)
        v->vm->engine->vcpu_destroy(v);
    if (v->isa_data)
        v->vm->isa->vcpu_destroy(v);
    heap_free(v->state);
    heap_free(v);
}
