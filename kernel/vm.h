/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Virtual machines: one object for each [vm NAME] section, built when it starts and taken apart
 * when it stops. */
#ifndef KERNEL_VM_H
#define KERNEL_VM_H

#include "kernel/bus.h"
#include "kernel/config.h"
#include "kernel/guest_clock.h"
#include "kernel/guest_irq.h"
#include "mm/guest_memory.h"
#include "mm/second_stage.h"

struct engine;
struct guest_console;
struct guest_isa;
struct json;
struct pci_host;
struct vcpu;
struct virtio_device;
struct vm_crash;

enum vm_state {
    VM_STOPPED, /* nothing is allocated but this object and its console's ring */
    VM_STARTING,
    VM_RUNNING,
    VM_PAUSED,   /* its vCPUs are outside, their state is canonical; its clock stands */
    VM_STOPPING, /* its vCPUs are leaving, or have left and the manager takes it apart */
};

#define VM_REASON_SIZE    160
#define VM_REGISTERS_SIZE 2048
#define VM_STATS_SIZE     4096

/* The general registers of a vCPU, by the names that its ISA has for debuggers. */
#define VM_REGISTER_VALUES 40u
struct debug_isa;
struct vm_registers {
    const struct debug_isa *isa; /* NULL: there are none */
    uint64_t values[VM_REGISTER_VALUES];
};

/* How the guest looked when it stopped last: the vCPU that ended it, or vCPU 0. */
struct vm_last {
    bool valid;
    unsigned vcpu;
    unsigned exit; /* enum exit_kind: why it left the guest for the last time */
    uint64_t pc;
    char registers[VM_REGISTERS_SIZE];
    struct vm_registers values;
    char stats[VM_STATS_SIZE];
    char json[VM_STATS_SIZE]; /* the same for programs: whole lines */
};

struct vm {
    char name[CONFIG_NAME_SIZE];
    unsigned id;
    enum vm_state state;
    bool restart;                /* the manager starts it again after the stop (guest reset) */
    uint32_t failed;             /* atomic, 0 or 1: it stopped by a fault: `reason` says which */
    char reason[VM_REASON_SIZE]; /* why it stopped, for `vm list` */
    const struct config_vm *config;
    const struct guest_isa *isa;
    const struct engine *engine;
    struct guest_clock clock;
    struct mutex lock;         /* life cycle */
    struct wait_queue changed; /* state changes */

    struct guest_memory *memory;
    struct second_stage *stage2;
    struct bus mmio, ports;
    struct device *devices; /* list, for reset and destroy */
    const struct irqchip_ops *irqchip;
    uint16_t *pin_sources; /* per pin: how many sources are high */
    struct spinlock pin_lock;
    struct guest_irq *irqs;       /* list of all sources */
    struct pci_host *pci;         /* kernel/devices/pci.h; NULL: the machine has no PCI */
    struct virtio_device *virtio; /* list, in the order of creation: virtio/device.h */
    struct {
        uint64_t base,
            stride; /* guest-physical address of the first slot; bytes from one to the next */
        unsigned pin, count; /* of the first slot; slots: without PCI, set by the machine */
        unsigned used;
    } virtio_mmio;
    void *machine; /* the ISA's own */
    void *engine_data;
    struct guest_console *console, *virtio_console; /* live as long as the VM object */
    unsigned vcpu_count;
    struct vcpu **vcpus;
    uint32_t live_vcpus;    /* atomic: threads still in their loop */
    uint32_t pause_wanted;  /* atomic, 0 or 1 */
    uint32_t parked_vcpus;  /* atomic: threads that wait for the end of the pause */
    uint32_t paused_by;     /* bits of enum vm_pauser, under `lock` */
    struct vm_debug *debug; /* kernel/debug.h; NULL: no debugger has come yet */
    int ended_by;           /* the vCPU that ended the VM, -1: none of its own */
    struct vm_last *last;   /* lives as long as the VM object */
    struct vm_crash *crash; /* kernel/vm_crash.h; NULL: it did not crash */
    uint64_t started_ns;
    uint64_t start_ticks; /* host_counter() when its start began; then, until its first entry */
    uint64_t bulk_ticks;  /* of these: copying and zeroing its memory */
    bool silence_told;    /* the manager has looked whether it says something */
    bool parallel;        /* a second vCPU was asked to start: vm_goes_parallel() */
    uint64_t cpu_ns, cpu_since_ns; /* for `vm list`: CPU time, and when that was */
    uint64_t
        log_window_ns; /* log_guest(): start of the current second, lines in it, lines dropped */
    uint32_t log_lines, log_dropped;
    struct vm *next;
};

/* At start-up the module creates a VM object for each section of the configuration, probes the
 * engines, and starts the manager thread, which starts what is to start by itself. */
struct vm *vm_find(const char *name);
void vm_for_each(void (*fn)(struct vm *vm, void *arg), void *arg);
/* Why it has the engine that it has, while it is there. */
const char *vm_engine_reason(const struct vm *vm, char *text, size_t size);

/* Builds and starts. Errors are also said in `reason`, in plain words. */
enum err vm_start(struct vm *vm, struct out *reason) MUST_CHECK;
/* Cuts its power: all vCPUs leave; waits until the VM is stopped. ERR_STATE: it was not running. */
enum err vm_stop(struct vm *vm) MUST_CHECK;
/* Presses its power button and waits until it has stopped: at most until clock_ns() is `deadline`,
 * ERR_TIMEOUT then. ERR_UNSUPPORTED: there is no button, or the guest does not listen to it;
 * ERR_STATE: it does not run. */
enum err vm_shutdown(struct vm *vm, uint64_t deadline) MUST_CHECK;
/* As if its reset button was pressed; waits until it runs again. ERR_STATE: it is not running;
 * others as vm_start(). */
enum err vm_restart(struct vm *vm) MUST_CHECK;

/* Who holds a paused guest: it goes on when nobody does. */
enum vm_pauser { VM_PAUSE_USER = 1u << 0, VM_PAUSE_DEBUGGER = 1u << 1 };

/* kernel/vm_pause.c. All vCPUs leave the guest, devices come to rest, its clock stands. ERR_STATE:
 * it does not run, or ended meanwhile. */
enum err vm_pause(struct vm *vm) MUST_CHECK;
/* ERR_STATE: it is not paused. */
enum err vm_resume(struct vm *vm, enum guest_time mode) MUST_CHECK;
/* The same for one of them. */
enum err vm_pause_by(struct vm *vm, enum vm_pauser who) MUST_CHECK;
enum err vm_resume_by(struct vm *vm, enum vm_pauser who, enum guest_time mode) MUST_CHECK;
/* VCPU_REQUEST_PAUSE, on the vCPU's own thread: returns when the pause is over or the VM ends. */
void vm_vcpu_park(struct vcpu *v);

/* kernel/vm_state.c. Visits every object with saved state. The VM is paused. */
void vm_state_each(struct vm *vm, state_visit visit, void *arg);
/* Writes the records of all objects; the memory of the guest is not among them. */
void vm_state_save(struct vm *vm, struct state_writer *w);
/* Loads them into a VM that was built alike. What the records have and the VM has not, or the other
 * way round, is an error; `problem` of the reader says what was wrong and the VM can only be reset
 * or stopped then. */
enum err vm_state_load(struct vm *vm, struct state_reader *r) MUST_CHECK;
/* For tests: what the tables name becomes zero; returns how many objects there are. */
unsigned vm_state_wipe(struct vm *vm);

/* kernel/vm_json.c, kernel/vm_stats.c. Text of `vm stats`; vm->vcpus is there, and stays meanwhile.
 */
void vm_print_stats(struct vm *vm, struct out *out);
void vm_stats_json(struct vm *vm, struct json *j);
/* Ticks of host_counter(), as struct vcpu_stats has them. */
uint64_t vm_ticks_to_ns(uint64_t ticks);
/* kernel/vm_diagnose.c. Notes registers of the vCPU and the VM's statistics in vm->last; its state
 * is canonical. */
void vm_note_last(struct vcpu *v);
/* For a guest that printed nothing: a line that says what it does and what may be wrong. */
void vm_diagnose(struct vm *vm, struct out *out);

/* Before a vCPU beside the first is asked to start, by the only one that runs until then: what runs
 * from here on runs beside others, until the guest is built anew. */
static inline void vm_goes_parallel(struct vm *vm)
{
    WRITE_ONCE(vm->parallel, true);
}

/* vCPU 0 is about to run for the first time: notes how long that took. */
void vm_note_entry(struct vm *vm);
/* The last thing that a vCPU's thread says of its VM. */
void vm_vcpu_left(struct vcpu *v);
/* From a vCPU's thread: the VM ends; the manager does the rest. */
void vm_poweroff(struct vm *vm);
void vm_reset(struct vm *vm);
/* Notes why the guest cannot go on (the first reason stays); the caller returns ACTION_FAIL. */
void vm_fail(struct vm *vm, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A file that the loader read, and where it lies (direct map). False when there is none: vm_fail()
 * said so, calling it `what` ("kernel"). */
bool vm_file(struct vm *vm, const char *what, const char *path, const void **data, size_t *size);

#endif
