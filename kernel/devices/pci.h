/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * PCI Express for guests: one host bridge, bus 0 with fixed slots, configuration space by ECAM
 * (PCI Express Base 5.0, 7.2.2), interrupts by INTx on every machine and by MSI-X where the
 * machine's controller takes messages (irqchip_ops.msi).
 *
 * The machine says where things are (struct pci_host_layout) and describes the bridge to its guest
 * (ACPI or device tree); everybody else adds functions. Base address registers are assigned here
 * before the guest runs, and the guest may move them inside the windows.
 *
 * Accesses to BARs take no lock: they look the address up in a sorted table of what is decoded,
 * which a write to a BAR or a command register rebuilds. Configuration space is guarded by a lock
 * for each function (RANK_PCI), which pci_set_intx() takes too.
 */
#ifndef KERNEL_DEVICES_PCI_H
#define KERNEL_DEVICES_PCI_H

#include "kernel/bus.h"
#include "kernel/guest_irq.h"
#include "kernel/state.h"

#define PCI_SLOTS         32
#define PCI_BARS          6
#define PCI_CONFIG_SIZE   256 /* stored; the rest of a function's 4 KiB reads as zero: no list */
#define PCI_SLOT_ANY      (-1)
#define PCI_MSIX_MAX      64 /* vectors of one function */
#define PCI_MSIX_BAR_SIZE 0x1000
#define PCI_FUNCTION_ROOT 0 /* slot of the host bridge */

struct pci_window {
    uint64_t base, size; /* size 0: there is none */
};

/* Guest-physical addresses; windows lie outside RAM and do not overlap. */
struct pci_host_layout {
    uint64_t ecam; /* 1 MiB for each bus; only bus 0 has functions */
    unsigned buses;
    struct pci_window mmio32, mmio64;
    uint16_t bridge_vendor, bridge_device; /* of the host bridge at 00:00.0 */
    /* Interrupt pins of the machine's controller: INTA to INTD of slot s, pin p (0 to 3), arrive at
     * pins[(s + p) % 4]. Functions use INTA. */
    unsigned pins[4];
};

struct guest_pci_function;
struct pci_host;
struct vcpu;

struct guest_pci_function_ops {
    /* Accesses to a memory BAR, inside its size; sizes 1, 2, 4, 8, naturally aligned (others read
     * all ones and write nothing). No lock is held. The function's MSI-X table and pending bits are
     * served by the host bridge. */
    uint64_t (*bar_read)(struct guest_pci_function *f, struct vcpu *vcpu, unsigned bar,
                         uint64_t offset, unsigned size);
    void (*bar_write)(struct guest_pci_function *f, struct vcpu *vcpu, unsigned bar,
                      uint64_t offset, unsigned size, uint64_t value);
    /* After a write to the function's own part of configuration space (from 0x40 on, MSI-X
     * excepted), and before a read of it; no lock is held. NULL: plain bytes under
     * `config_writable`. */
    void (*config_write)(struct guest_pci_function *f, unsigned offset, unsigned size);
    void (*config_read)(struct guest_pci_function *f, unsigned offset, unsigned size);
};

/* Vectors of a function, as the guest set them. */
struct pci_msix {
    uint64_t address[PCI_MSIX_MAX];
    uint32_t data[PCI_MSIX_MAX];
    uint32_t control[PCI_MSIX_MAX]; /* bit 0: masked */
    uint64_t pending;               /* atomic, one bit a vector */
};

/* Embedded in the structure of the device, which also embeds a struct device for reset, state and
 * destruction: its reset calls guest_pci_function_reset(), its state table has the members that
 * PCI_FUNCTION_STATE names and calls guest_pci_function_loaded() after a load. */
struct guest_pci_function {
    const struct guest_pci_function_ops *ops;
    struct pci_host *host;
    struct spinlock lock;
    uint8_t slot;
    uint8_t config[PCI_CONFIG_SIZE];          /* as the guest reads it, little endian */
    uint8_t config_writable[PCI_CONFIG_SIZE]; /* bits that the guest can change */
    uint8_t config_reset[PCI_CONFIG_SIZE];    /* what a reset makes of `config` */
    struct {
        uint64_t base, size; /* base: where it was assigned at first; size 0: none */
        bool is_64bit, prefetchable;
    } bars[PCI_BARS];
    unsigned capability_end;                /* where the next capability goes */
    unsigned msix_count, msix_bar, msix_at; /* vectors, 0: no MSI-X; BAR; capability */
    uint16_t msix_control;                  /* the capability's, read without the lock */
    bool level;                             /* what the device asks of INTx */
    struct pci_msix msix;
    struct guest_irq intx;
};

#define PCI_FUNCTION_STATE(type, member)                                                   \
    STATE_ARRAY(type, member.config, 1), STATE_FIELD(type, member.level, 1),               \
        STATE_ARRAY(type, member.msix.address, 1), STATE_ARRAY(type, member.msix.data, 1), \
        STATE_ARRAY(type, member.msix.control, 1), STATE_FIELD(type, member.msix.pending, 1)

/* Builds the bridge and its regions on vm->mmio; sets vm->pci. Called by machine_create(), after
 * vm->irqchip is set. ERR_EXISTS, ERR_NO_MEMORY. */
enum err pci_host_create(struct vm *vm, const struct pci_host_layout *layout) MUST_CHECK;

/* While the machine is built, in this order: identity, BARs, capabilities, MSI-X, then add. */
void guest_pci_function_init(struct guest_pci_function *f, const struct guest_pci_function_ops *ops,
                             uint16_t vendor, uint16_t device, uint32_t class_code,
                             uint8_t revision);
void pci_set_subsystem(struct guest_pci_function *f, uint16_t vendor, uint16_t device);
/* `size` is a power of two of at least 4096. A 64-bit one takes `bar` + 1 too. */
void pci_set_bar(struct guest_pci_function *f, unsigned bar, uint64_t size, bool is_64bit,
                 bool prefetchable);
/* Appends a capability of `size` bytes to the list; returns its offset in configuration space. */
unsigned pci_add_capability(struct guest_pci_function *f, uint8_t id, unsigned size);
/* Gives the function MSI-X with `vectors` vectors in BAR `bar` (set by this call), when the machine
 * has messages; returns how many vectors there are: 0 when not. */
unsigned pci_add_msix(struct guest_pci_function *f, struct vm *vm, unsigned bar, unsigned vectors);
/* Puts the function into `slot` (1 to 31), or into the next free one. ERR_EXISTS, ERR_NO_MEMORY (no
 * room in the windows), ERR_RANGE. */
enum err guest_pci_function_add(struct vm *vm, struct guest_pci_function *f, int slot) MUST_CHECK;
/* To power-on state: BARs where they were assigned at first, decoding off, interrupts off. */
void guest_pci_function_reset(struct guest_pci_function *f);
/* After its members were loaded from a saved state. */
void guest_pci_function_loaded(struct guest_pci_function *f);

/* Interrupts of a function; any context. INTx obeys the command register's disable bit, MSI-X the
 * function's and the vector's mask (masked ones become pending). */
void pci_set_intx(struct guest_pci_function *f, bool level);
void pci_msix_raise(struct guest_pci_function *f, unsigned vector);
/* Does the guest use MSI-X now? */
bool pci_msix_enabled(const struct guest_pci_function *f);

/* Configuration access by other means than ECAM (ports CF8h and CFCh on x86). Reads of what is not
 * there give all ones. `address`: bus << 20 | device << 15 | function << 12 | register; an access
 * that crosses a multiple of its size does nothing. */
uint64_t pci_config_read(struct vm *vm, uint32_t address, unsigned size);
void pci_config_write(struct vm *vm, uint32_t address, unsigned size, uint64_t value);

#endif
