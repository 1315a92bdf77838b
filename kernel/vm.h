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
struct pci_host;
struct vcpu;
struct virtio_device;

enum vm_state {
    VM_STOPPED, /* nothing is allocated but this object and its console's ring */
    VM_STARTING,
    VM_RUNNING,
    VM_STOPPING, /* its vCPUs are leaving, or have left and the manager takes it apart */
};

#define VM_REASON_SIZE 160

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
    struct pci_host *pci;         /* kernel/devices/pci.h; NULL: the machine has no PCI */
    struct virtio_device *virtio; /* list, in the order of creation: virtio/device.h */
    struct {
        uint64_t base,
            stride; /* guest-physical address of the first slot; bytes from one to the next */
        unsigned pin, count; /* of the first slot; slots, set by the machine */
        unsigned used;
    } virtio_mmio;
    void *machine; /* the ISA's own */
    void *engine_data;
    struct guest_console *console, *virtio_console; /* live as long as the VM object */
    unsigned vcpu_count;
    struct vcpu **vcpus;
    uint32_t live_vcpus; /* atomic: threads still in their loop */
    uint64_t started_ns;
    uint64_t
        log_window_ns; /* log_guest(): start of the current second, lines in it, lines dropped */
    uint32_t log_lines, log_dropped;
    struct vm *next;
};

/* At start-up the module creates a VM object for each section of the configuration, probes the
 * engines, and starts the manager thread, which starts what is to start by itself. */
struct vm *vm_find(const char *name);
void vm_for_each(void (*fn)(struct vm *vm, void *arg), void *arg);

/* Builds and starts. Errors are also said in `reason`, in plain words. */
enum err vm_start(struct vm *vm, struct out *reason) MUST_CHECK;
/* Asks all vCPUs to leave and waits until the VM is stopped. */
enum err vm_stop(struct vm *vm) MUST_CHECK;

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
