/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A guest without vCPUs for tests of its devices: memory, buses, an interrupt controller that only
 * writes down, PCI; and the driver's side of VirtIO, written from the specification alone.
 */
#ifndef TESTS_TEST_VM_H
#define TESTS_TEST_VM_H

#include "kernel/devices/pci.h"
#include "kernel/vm.h"

#define TEST_RAM_SIZE   MIB(16) /* from address 0 */
#define TEST_ECAM       GIB(1)
#define TEST_MMIO32     0x50000000UL
#define TEST_MMIO_SLOTS 0x60000000UL
#define TEST_PIN_FIRST  32 /* INTA of slot 0; MMIO slots from TEST_PIN_MMIO on */
#define TEST_PIN_MMIO   8
#define TEST_PINS       64
#define TEST_MSI        0xfee00000UL

struct test_vm {
    struct vm vm;
    struct config_vm config;
    bool pin[TEST_PINS];
    unsigned message_count; /* in all */
    uint32_t last_message;  /* data of the last one */
    unsigned messages[64];  /* by data */
};

/* The machine under the guests: before the first one. Threads cannot wait. */
void test_vm_machine(void);
/* Without MSI when `pins_only`; without PCI when `mmio`: VirtIO over MMIO then. */
void test_vm_start(struct test_vm *t, const char *name, bool pins_only, bool mmio);
void test_vm_stop(struct test_vm *t);

uint64_t test_read(struct test_vm *t, uint64_t address, unsigned size);
void test_write(struct test_vm *t, uint64_t address, unsigned size, uint64_t value);
uint32_t test_config_read(struct test_vm *t, unsigned slot, unsigned at, unsigned size);
void test_config_write(struct test_vm *t, unsigned slot, unsigned at, unsigned size,
                       uint32_t value);

/* ---- The driver's side ---- */

#define DRIVER_QUEUE_MAX 256

struct driver_buffer {
    uint64_t gpa;
    uint32_t length;
    bool write;
};

/* A queue as its driver has it; memory from `base` on is the ring's. */
struct driver_queue {
    struct test_vm *t;
    unsigned index, size;
    bool packed, event_index;
    uint64_t desc, avail, used, tables, notify;
    uint16_t avail_index, used_index; /* packed: positions */
    bool avail_wrap, used_wrap;
    unsigned free; /* descriptors */
    uint16_t next_free;
    uint16_t slots[DRIVER_QUEUE_MAX]; /* descriptors of each chain, by id */
};

/* A device behind PCI or MMIO, initialised up to DRIVER_OK. */
struct driver {
    struct test_vm *t;
    bool mmio;
    uint64_t common, isr, device, notify; /* MMIO: `common` is the register block */
    uint32_t multiplier;
    uint64_t features; /* accepted */
};

/* Finds the structures of the function in `slot` (or the MMIO slot) and resets the device. */
void driver_find(struct driver *d, struct test_vm *t, unsigned slot, bool mmio);
/* Status up to FEATURES_OK with those of `wanted` that are offered; false: refused. */
bool driver_negotiate(struct driver *d, uint64_t wanted);
void driver_queue_set_up(struct driver *d, struct driver_queue *q, unsigned index, unsigned size,
                         uint64_t base);
void driver_ok(struct driver *d);
uint8_t driver_status(struct driver *d);
void driver_set_status(struct driver *d, uint8_t status);
/* Turns MSI-X on: vector i sends the data i. */
void driver_use_msix(struct driver *d, unsigned slot, unsigned vectors);
void driver_set_vector(struct driver *d, unsigned queue, uint16_t vector);

/* Makes a chain available; returns its id, -1: no room. */
int driver_add(struct driver_queue *q, const struct driver_buffer *buffers, unsigned count,
               bool indirect);
/* Tells the device, if it wants to be told. */
void driver_kick(struct driver_queue *q);
/* The next used chain: its id and the bytes written; -1: none. */
int driver_take(struct driver_queue *q, uint32_t *written);
/* Asks for an interrupt after the next used chain (on), or for none. */
void driver_interrupts(struct driver_queue *q, bool on);

#endif
