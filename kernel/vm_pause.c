/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Pause and resume: every vCPU's thread waits outside of the guest with its state canonical,
 * devices are at rest, and the guest's clock stands. */
#include "kernel/vcpu.h"

static bool flag(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static enum vm_state state_of(const struct vm *vm)
{
    return __atomic_load_n(&vm->state, __ATOMIC_SEQ_CST);
}

void vm_vcpu_park(struct vcpu *v)
{
    struct vm *vm = v->vm;

    thread_bind_vcpu(NULL);
    __atomic_fetch_add(&vm->parked_vcpus, 1, __ATOMIC_SEQ_CST);
    wake_all(&vm->changed);
    while ((flag(&vm->pause_wanted) || READ_ONCE(v->debug.hold)) &&
           !(__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & VCPU_REQUEST_STOP))
        thread_sleep_until(UINT64_MAX);
    __atomic_fetch_sub(&vm->parked_vcpus, 1, __ATOMIC_SEQ_CST);
    thread_bind_vcpu(v);
}

static void unpark(struct vm *vm)
{
    __atomic_store_n(&vm->pause_wanted, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        thread_wake(vm->vcpus[i]->thread);
}

static void devices_rest(struct vm *vm, bool rest)
{
    for (struct device *d = vm->devices; d; d = d->next) {
        if (rest && d->ops->quiesce)
            d->ops->quiesce(d);
        if (!rest && d->ops->resume)
            d->ops->resume(d);
    }
}

/* Under vm->lock, so that the VM is not taken apart meanwhile. */
static enum err pause_running(struct vm *vm)
{
    enum vm_state expected = VM_RUNNING;

    __atomic_store_n(&vm->pause_wanted, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], VCPU_REQUEST_PAUSE);
    wait_event(&vm->changed,
               __atomic_load_n(&vm->parked_vcpus, __ATOMIC_SEQ_CST) == vm->vcpu_count ||
                   state_of(vm) != VM_RUNNING);
    if (state_of(vm) == VM_RUNNING) {
        devices_rest(vm, true);
        guest_clock_pause(&vm->clock);
    }
    if (__atomic_compare_exchange_n(&vm->state, &expected, VM_PAUSED, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        wake_all(&vm->changed);
        return ERR_OK;
    }
    unpark(vm); /* it is being stopped: what waits here leaves */
    return ERR_STATE;
}

enum err vm_pause_by(struct vm *vm, enum vm_pauser who)
{
    enum err e = ERR_STATE;

    mutex_lock(&vm->lock);
    if (state_of(vm) == VM_RUNNING)
        e = pause_running(vm);
    else if (state_of(vm) == VM_PAUSED && !(vm->paused_by & who))
        e = ERR_OK;
    if (e == ERR_OK)
        vm->paused_by |= who;
    mutex_unlock(&vm->lock);
    return e;
}

/* Under vm->lock. */
static enum err resume_paused(struct vm *vm, enum guest_time mode)
{
    enum vm_state expected = VM_PAUSED;
    bool done;

    guest_clock_resume(&vm->clock, mode);
    devices_rest(vm, false);
    done = __atomic_compare_exchange_n(&vm->state, &expected, VM_RUNNING, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
    unpark(vm);
    wake_all(&vm->changed);
    return done ? ERR_OK : ERR_STATE;
}

enum err vm_resume_by(struct vm *vm, enum vm_pauser who, enum guest_time mode)
{
    enum err e = ERR_STATE;

    mutex_lock(&vm->lock);
    if (state_of(vm) == VM_PAUSED && (vm->paused_by & who)) {
        vm->paused_by &= ~(uint32_t)who;
        e = vm->paused_by ? ERR_OK : resume_paused(vm, mode);
    }
    mutex_unlock(&vm->lock);
    return e;
}

enum err vm_pause(struct vm *vm)
{
    return vm_pause_by(vm, VM_PAUSE_USER);
}

enum err vm_resume(struct vm *vm, enum guest_time mode)
{
    return vm_resume_by(vm, VM_PAUSE_USER, mode);
}
