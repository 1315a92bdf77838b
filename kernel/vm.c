/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Life cycle of virtual machines. vm_start() builds everything, the manager thread takes everything
 * apart once the last vCPU has left, so that a guest that switches itself off and one that is
 * stopped go the same way.
 */
#include "kernel/vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "boot/boot_info.h"
#include "kernel/guest_console.h"
#include "kernel/init.h"
#include "kernel/start.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"
#include "mm/page.h"
#include "virtio/device.h"

#define SILENCE_NS        (30 * NS_PER_SEC)
#define VM_DIAGNOSIS_SIZE 400
#define KHZ               1000ULL

LOCK_CLASS(vm_lock_class, "VM", RANK_VM);
LOCK_CLASS(pin_lock_class, "guest interrupt pins", RANK_GUEST_PIN);

static struct vm *vms; /* built at start-up, never changed afterwards */
static struct thread *manager;

struct vm *vm_find(const char *name)
{
    for (struct vm *vm = vms; vm; vm = vm->next)
        if (strcmp(vm->name, name) == 0)
            return vm;
    return NULL;
}

void vm_for_each(void (*fn)(struct vm *vm, void *arg), void *arg)
{
    for (struct vm *vm = vms; vm; vm = vm->next)
        fn(vm, arg);
}

static void vm_set_state(struct vm *vm, enum vm_state state)
{
    __atomic_store_n(&vm->state, state, __ATOMIC_SEQ_CST);
    wake_all(&vm->changed);
}

void vm_fail(struct vm *vm, const char *fmt, ...)
{
    va_list args;

    if (__atomic_exchange_n(&vm->failed, 1, __ATOMIC_SEQ_CST))
        return;
    va_start(args, fmt);
    vsnprintf(vm->reason, sizeof(vm->reason), fmt, args);
    va_end(args);
    log_guest(vm, LOG_WARN, "stopped: %s", vm->reason);
}

bool vm_file(struct vm *vm, const char *what, const char *path, const void **data, size_t *size)
{
    const struct boot_info *info = boot_info_get();
    const struct boot_file *files = phys_to_virt(HPA(info->files));

    for (uint32_t i = 0; i < info->file_count; i++) {
        if (strncmp(files[i].path, path, sizeof(files[i].path)) != 0 || files[i].status != 0)
            continue;
        *data = phys_to_virt(HPA(files[i].base));
        *size = files[i].size;
        return true;
    }
    vm_fail(vm, "its %s %s was not found on the boot disk: check the path in ennead.ini", what,
            path);
    return false;
}

/* ---- Building and taking apart; both under vm->lock or on a VM that nobody runs ---- */

static void vm_free_vcpus(struct vm *vm)
{
    for (unsigned i = 0; vm->vcpus && i < vm->vcpu_count; i++)
        if (vm->vcpus[i])
            vcpu_destroy(vm->vcpus[i]);
    heap_free(vm->vcpus);
    vm->vcpus = NULL;
}

static void vm_free_devices(struct vm *vm)
{
    guest_console_connect(vm->console, NULL);
    guest_console_connect(vm->virtio_console, NULL);
    while (vm->devices) {
        struct device *d = vm->devices;

        vm->devices = d->next;
        d->ops->destroy(d);
    }
    bus_destroy(&vm->mmio);
    bus_destroy(&vm->ports);
    heap_free(vm->pin_sources);
    vm->pin_sources = NULL;
    vm->irqs = NULL;
}

static void vm_teardown(struct vm *vm)
{
    virtio_vm_pause(vm); /* other guests send to it until then */
    vm_free_devices(vm); /* first: until then their timers send interrupts to vCPUs */
    vm_free_vcpus(vm);
    if (vm->engine_data)
        vm->engine->vm_destroy(vm);
    if (vm->machine)
        vm->isa->machine_destroy(vm);
    if (vm->stage2)
        second_stage_destroy(vm->stage2);
    if (vm->memory)
        guest_memory_destroy(vm->memory);
    vm->stage2 = NULL;
    vm->memory = NULL;
    vm->machine = vm->engine_data = NULL;
}

static enum err vm_choose(struct vm *vm, struct out *reason)
{
    if (vm->config->disabled) {
        out_printf(reason, "its section in ennead.ini has a mistake: %s", vm->config->reason);
        return ERR_INVALID;
    }
    if (vm->config->foreign) {
        out_printf(reason, "%s", vm->config->reason);
        return ERR_UNSUPPORTED;
    }
    if (!vm->config->kernel) {
        out_printf(reason, "it has no kernel: add a line \"kernel = PATH\" to [vm %s]", vm->name);
        return ERR_INVALID;
    }
    vm->isa = guest_isa_find(config_isa_name(vm->config));
    if (!vm->isa) {
        out_printf(reason, "guests of %s are not built in", config_isa_name(vm->config));
        return ERR_UNSUPPORTED;
    }
    vm->engine = engine_find(vm->isa->name, (enum config_engine)vm->config->engine, reason);
    return vm->engine ? ERR_OK : ERR_UNSUPPORTED;
}

const char *vm_engine_reason(const struct vm *vm, char *text, size_t size)
{
    struct out_buffer reason;

    out_buffer_init(&reason, text, size);
    engine_explain(vm->engine, vm->isa->name, (enum config_engine)vm->config->engine, &reason.out);
    return text;
}

static enum err vm_build_clock(struct vm *vm, struct out *reason)
{
    uint64_t khz = vm->config->counter_khz, host = host_counter_hz();
    uint64_t hz = khz && khz != host / KHZ ? khz * KHZ : host;

    if (hz != host && (!vm->engine->scales_counter || !vm->engine->scales_counter())) {
        out_printf(reason,
                   "counter_khz = %llu is not this host's rate, %llu kHz, and the CPU cannot scale "
                   "it: take the line out",
                   (unsigned long long)khz, (unsigned long long)(host / KHZ));
        return ERR_UNSUPPORTED;
    }
    guest_clock_init(&vm->clock, hz);
    return ERR_OK;
}

static enum err vm_build_memory(struct vm *vm, struct out *reason)
{
    const struct pt_format *format;
    enum err e = guest_memory_create(&vm->memory);

    if (e == ERR_OK)
        e = vm->isa->machine_create(vm);
    if (e == ERR_OK)
        e = virtio_vm_create(vm);
    if (e != ERR_OK) {
        out_printf(reason, "building its machine with %llu MiB of memory failed: %s",
                   (unsigned long long)(vm->config->memory >> 20), err_text(e));
        return e;
    }
    if (vm->config->memory_at_start && guest_memory_take_all(vm->memory) != ERR_OK) {
        out_printf(reason,
                   "the host has less memory left than its %llu MiB, which memory_at_start wants "
                   "all at once",
                   (unsigned long long)(vm->config->memory >> 20));
        return ERR_NO_MEMORY;
    }
    vm->pin_sources = heap_zalloc_array(vm->irqchip->pins, sizeof(*vm->pin_sources));
    if (!vm->pin_sources)
        return ERR_NO_MEMORY;
    format = vm->engine->stage2_format(guest_memory_limit(vm->memory));
    if (!format) {
        out_printf(reason, "its memory is larger than this CPU can map for guests");
        return ERR_UNSUPPORTED;
    }
    return second_stage_create(&vm->stage2, format, vm->memory, vm);
}

static enum err vm_build_vcpus(struct vm *vm, struct out *reason)
{
    enum err e = vm->engine->vm_init(vm);

    vm->vcpu_count = (unsigned)vm->config->cpus;
    if (e != ERR_OK)
        return e;
    vm->vcpus = heap_zalloc_array(vm->vcpu_count, sizeof(struct vcpu *));
    if (!vm->vcpus)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; e == ERR_OK && i < vm->vcpu_count; i++)
        e = vcpu_create(vm, i);
    if (e == ERR_INVALID)
        out_printf(reason,
                   "its affinity, or reserved_cpus, leaves it none of this machine's %u CPUs",
                   cpu_count());
    return e;
}

/* Asks the threads of a VM that did not get to run to leave, and waits for them. */
static void vm_abandon_vcpus(struct vm *vm)
{
    for (unsigned i = 0; vm->vcpus && i < vm->vcpu_count; i++)
        if (vm->vcpus[i])
            vcpu_request(vm->vcpus[i], VCPU_REQUEST_STOP);
    wait_event(&vm->changed, __atomic_load_n(&vm->live_vcpus, __ATOMIC_SEQ_CST) == 0);
}

static enum err vm_build_parts(struct vm *vm, struct out *reason)
{
    enum err e = vm_choose(vm, reason);

    if (e == ERR_OK)
        e = vm_build_clock(vm, reason);
    if (e == ERR_OK)
        e = vm_build_memory(vm, reason);
    if (e == ERR_OK)
        e = vm_build_vcpus(vm, reason);
    return e == ERR_OK ? vm->isa->load(vm) : e;
}

static enum err vm_build(struct vm *vm, struct out *reason)
{
    char text[VM_REASON_SIZE];
    struct out_buffer said;

    out_buffer_init(&said, text, sizeof(text));
    enum err e = vm_build_parts(vm, &said.out);
    if (e != ERR_OK) {
        out_printf(reason, "%s", vm->failed ? vm->reason : said.used ? text : err_text(e));
        vm_abandon_vcpus(vm);
    }
    return e;
}

enum err vm_start(struct vm *vm, struct out *reason)
{
    enum err e;

    mutex_lock(&vm->lock);
    if (vm->state != VM_STOPPED) {
        mutex_unlock(&vm->lock);
        out_printf(reason, "it is running already");
        return ERR_STATE;
    }
    vm->start_ticks = host_counter();
    vm->bulk_ticks = UINT64_MAX;
    vm->failed = vm->restart = false;
    vm->reason[0] = '\0';
    vm->last->valid = vm->silence_told = vm->parallel = false;
    vm->pause_wanted = vm->paused_by = 0;
    vm->ended_by = -1;
    vm->cpu_ns = 0;
    vm_set_state(vm, VM_STARTING);
    e = vm_build(vm, reason);
    if (e == ERR_OK) {
        vm->started_ns = vm->cpu_since_ns = clock_ns();
        vm_set_state(vm, VM_RUNNING);
        if (vm->config->gdb == CONFIG_GDB_WAIT)
            debug_wait_for(vm);
        vcpu_start(vm->vcpus[0]);
        thread_wake(manager); /* it watches whether the guest says something */
    } else {
        vm_teardown(vm);
        vm_set_state(vm, VM_STOPPED);
    }
    mutex_unlock(&vm->lock);
    return e;
}

void vm_note_entry(struct vm *vm)
{
    if (vm->bulk_ticks != UINT64_MAX)
        return;
    vm->start_ticks = host_counter() - vm->start_ticks;
    vm->bulk_ticks = guest_memory_bulk_ticks(vm->memory);
}

/* ---- Stopping ---- */

/* Running or paused to stopping, once. */
static bool vm_leave_running(struct vm *vm)
{
    enum vm_state expected = VM_RUNNING;

    if (__atomic_compare_exchange_n(&vm->state, &expected, VM_STOPPING, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return true;
    return expected == VM_PAUSED &&
           __atomic_compare_exchange_n(&vm->state, &expected, VM_STOPPING, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Then every vCPU leaves its loop. The caller is one of them, or holds vm->lock: the manager must
 * not take the VM apart meanwhile. */
static void vm_end(struct vm *vm, bool restart)
{
    const struct vcpu *self = vcpu_current();

    if (!vm_leave_running(vm))
        return;
    vm->restart = restart;
    vm->ended_by = self && self->vm == vm ? (int)self->id : -1;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], VCPU_REQUEST_STOP);
    debug_vm_ended(vm);
    wake_all(&vm->changed);
}

void vm_poweroff(struct vm *vm)
{
    vm_end(vm, false);
}

void vm_reset(struct vm *vm)
{
    vm_end(vm, true);
}

static enum vm_state vm_state(const struct vm *vm)
{
    return __atomic_load_n(&vm->state, __ATOMIC_SEQ_CST);
}

static enum err vm_end_from_outside(struct vm *vm, bool restart)
{
    mutex_lock(&vm->lock);
    enum err e = vm_state(vm) == VM_STOPPED ? ERR_STATE : ERR_OK;
    vm_end(vm, restart);
    mutex_unlock(&vm->lock);
    return e;
}

enum err vm_stop(struct vm *vm)
{
    if (vm_end_from_outside(vm, false) != ERR_OK)
        return ERR_STATE;
    wait_event(&vm->changed, vm_state(vm) == VM_STOPPED);
    return ERR_OK;
}

enum err vm_restart(struct vm *vm)
{
    if (vm_end_from_outside(vm, true) != ERR_OK)
        return ERR_STATE;
    wait_event(&vm->changed, !READ_ONCE(vm->restart) &&
                                 (vm_state(vm) == VM_RUNNING || vm_state(vm) == VM_STOPPED));
    return vm_state(vm) == VM_RUNNING ? ERR_OK : ERR_INVALID;
}

/* True when the guest got the event. */
static enum err press_power_button(struct vm *vm)
{
    enum err e = ERR_OK;

    mutex_lock(&vm->lock);
    if (vm_state(vm) != VM_RUNNING)
        e = ERR_STATE;
    else if (!vm->isa->power_button || !vm->isa->power_button(vm))
        e = ERR_UNSUPPORTED;
    mutex_unlock(&vm->lock);
    return e;
}

enum err vm_shutdown(struct vm *vm, uint64_t deadline)
{
    enum err e = press_power_button(vm);

    if (e != ERR_OK)
        return e;
    while (vm_state(vm) != VM_STOPPED && clock_ns() < deadline) {
        wait_prepare(&vm->changed);
        if (vm_state(vm) != VM_STOPPED)
            thread_sleep_until(deadline);
        wait_finish(&vm->changed);
    }
    return vm_state(vm) == VM_STOPPED ? ERR_OK : ERR_TIMEOUT;
}

void vm_vcpu_left(struct vcpu *v)
{
    struct vm *vm = v->vm;

    if ((int)v->id == MAX(vm->ended_by, 0))
        vm_note_last(v);
    if (__atomic_sub_fetch(&vm->live_vcpus, 1, __ATOMIC_SEQ_CST) == 0) {
        wake_all(&vm->changed);
        thread_wake(manager);
    }
}

static void vm_start_logged(struct vm *vm)
{
    char text[VM_REASON_SIZE], why[VM_REASON_SIZE];
    struct out_buffer reason;

    out_buffer_init(&reason, text, sizeof(text));
    if (vm_start(vm, &reason.out) == ERR_OK)
        log_info("%s: started on %s, %s; %u vCPU%s, %llu MiB", vm->name, vm->engine->name,
                 vm_engine_reason(vm, why, sizeof(why)), vm->vcpu_count,
                 vm->vcpu_count == 1 ? "" : "s", (unsigned long long)(vm->config->memory >> 20));
    else
        log_warn("%s: not started: %s", vm->name, text);
    if (vm->state == VM_STOPPED)
        memcpy(vm->reason, text, sizeof(vm->reason));
}

/* Takes apart what has stopped; starts anew what asked for a reset. */
static void vm_reap(struct vm *vm)
{
    bool restart;

    if (__atomic_load_n(&vm->state, __ATOMIC_SEQ_CST) != VM_STOPPING ||
        __atomic_load_n(&vm->live_vcpus, __ATOMIC_SEQ_CST) != 0)
        return;
    mutex_lock(&vm->lock);
    vm_teardown(vm);
    restart = vm->restart;
    mutex_unlock(&vm->lock);
    log_info("%s: %s", vm->name, vm->failed ? vm->reason : restart ? "restarting" : "stopped");
    vm_set_state(vm, VM_STOPPED);
    if (restart)
        vm_start_logged(vm);
}

/* A guest that says nothing for a while after its start gets a line about what it does. Returns
 * when to look again. */
static uint64_t vm_watch_silence(struct vm *vm)
{
    char text[VM_DIAGNOSIS_SIZE];
    struct out_buffer line;

    if (vm_state(vm) != VM_RUNNING || vm->silence_told)
        return UINT64_MAX;
    if (guest_console_written(vm->console) || guest_console_written(vm->virtio_console)) {
        vm->silence_told = true;
        return UINT64_MAX;
    }
    if (clock_ns() < vm->started_ns + SILENCE_NS)
        return vm->started_ns + SILENCE_NS;
    vm->silence_told = true;
    out_buffer_init(&line, text, sizeof(text));
    vm_diagnose(vm, &line.out);
    if (line.used)
        log_warn("%s: %s", vm->name, text);
    return UINT64_MAX;
}

static void manager_main(void *unused)
{
    (void)unused;
    for (struct vm *vm = vms; vm; vm = vm->next)
        if (vm->config->autostart)
            vm_start_logged(vm);
    for (;;) {
        uint64_t next = UINT64_MAX;

        for (struct vm *vm = vms; vm; vm = vm->next) {
            vm_reap(vm);
            next = MIN(next, vm_watch_silence(vm));
        }
        thread_sleep_until(next);
    }
}

static enum err vm_create(const struct config_vm *config, unsigned id, struct vm ***link)
{
    struct vm *vm = heap_zalloc(sizeof(*vm));

    if (!vm)
        return ERR_NO_MEMORY;
    vm->last = heap_zalloc(sizeof(*vm->last));
    if (!vm->last || guest_console_create(&vm->console) != ERR_OK ||
        guest_console_create(&vm->virtio_console) != ERR_OK) {
        heap_free(vm->last);
        heap_free(vm);
        return ERR_NO_MEMORY;
    }
    vm->config = config;
    vm->id = id;
    memcpy(vm->name, config->name, sizeof(vm->name));
    memcpy(vm->reason, config->reason, sizeof(vm->reason));
    mutex_init(&vm->lock, &vm_lock_class);
    wait_queue_init(&vm->changed);
    spin_init(&vm->pin_lock, &pin_lock_class);
    **link = vm;
    *link = &vm->next;
    return ERR_OK;
}

static void vm_init_all(void)
{
    const struct config *config = config_get();
    struct vm **link = &vms;

    engine_init_all();
    for (unsigned i = 0; i < config->vm_count; i++)
        if (vm_create(&config->vms[i], i, &link) != ERR_OK)
            log_error("no memory for guest %s", config->vms[i].name);
    if (thread_create(&manager, "vm manager", manager_main, NULL, THREAD_WEIGHT, -1) != ERR_OK)
        log_error("the thread that manages guests cannot be made: no guest will start");
}
INIT(INIT_LEVEL_VM, vm_init_all);
