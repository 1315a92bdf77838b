/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The x86_64 machine: what stock kernels need of a q35 PC without its legacy (docs/architecture.md,
 * "Machines"). Fixed addresses below; RAM from 0 up to X86_LOW_RAM_LIMIT, the rest from 4 GiB on.
 */
#ifndef ARCH_X86_64_GUEST_MACHINE_H
#define ARCH_X86_64_GUEST_MACHINE_H

#include "arch/x86_64/guest/state.h"
#include "kernel/vm.h"

#define IOAPIC_BASE 0xfec00000ULL
#define IOAPIC_PINS 24
#define IOAPIC_ID   0

#define HPET_BASE   0xfed00000ULL
#define HPET_SIZE   0x400
#define X86_HPET_ID 0x8086a201 /* the low half of its capabilities */

#define X86_RTC_CENTURY 0x32 /* where the RTC keeps the century: told by the FADT */

#define X86_LOW_RAM_LIMIT   0x80000000ULL /* RAM below 4 GiB ends here at most */
#define X86_HIGH_RAM        0x100000000ULL
#define X86_ECAM            0xb0000000ULL
#define X86_ECAM_BUSES      16
#define X86_PCI_WINDOW      0xc0000000ULL /* BARs below 4 GiB: up to the I/O APIC's page */
#define X86_PCI_WINDOW_SIZE 0x3ec00000ULL
#define X86_ACPI_TABLES     0xe0000ULL /* read-only by convention: reserved in the memory map */
#define X86_ACPI_VARIABLES  0xe0040ULL /* struct acpi_variables, as in dsdt.asl */
#define X86_ACPI_SIZE       0x4000ULL  /* room for them */

#define PORT_PIC_MASTER  0x20
#define PORT_PIC_SLAVE   0xa0
#define PORT_KEYBOARD    0x64
#define PORT_DELAY       0x80
#define PORT_RTC         0x70
#define PORT_COM1        0x3f8
#define PORT_PM_BASE     0x600 /* 128 ports: the LPC bridge's PMBASE */
#define PORT_PM1_EVENT   0x600
#define PORT_PM1_CONTROL 0x604
#define PORT_PM_TIMER    0x608
#define PORT_PCI_CONFIG  0xcf8
#define PORT_RESET       0xcf9
#define PIN_COM1         4
#define PIN_RTC          8
#define PIN_SCI          9
#define RESET_VALUE      0x06 /* written to PORT_RESET: full reset */
#define KEYBOARD_RESET   0xfe /* command to PORT_KEYBOARD: pulse the reset line */
#define SLEEP_TYPE_S5    5

struct chipset;
struct ioapic;
struct x86_code_cache;

struct x86_machine {
    struct ioapic *ioapic;
    struct chipset *chipset;
    uint64_t low_ram, high_ram;       /* bytes */
    uint64_t window64, window64_size; /* for 64-bit BARs */
    uint64_t tsc_hz;
    unsigned last_arbitrated; /* vCPU that took the last lowest-priority interrupt */
    bool hpet_legacy;         /* the HPET has the pins of the old timer and the RTC */
    struct x86_kvmclock {
        uint64_t system_time_msr;
        uint32_t version;
    } * kvmclock;                /* per vCPU */
    struct x86_code_cache *code; /* per vCPU: decode.h */
};

static inline struct x86_machine *x86_machine(struct vm *vm)
{
    return vm->machine;
}

/* Devices; each adds itself to the VM. */
enum err ioapic_create(struct vm *vm);
void ioapic_eoi(struct vm *vm, uint8_t vector);
enum err x86_chipset_create(struct vm *vm);
bool x86_power_button(struct vm *vm);
/* Host bridge, ports CF8h to CFFh, LPC bridge. After the interrupt controller. */
enum err x86_pci_create(struct vm *vm);
enum err x86_hpet_create(struct vm *vm);
enum err x86_rtc_create(struct vm *vm);
enum err x86_debug_exit_create(struct vm *vm);

/* Writes RSDP and tables at X86_ACPI_TABLES; returns the RSDP's address. */
enum err x86_acpi_write(struct vm *vm, gpa_t *rsdp);
/* Kernel, initrd, boot parameters, vCPU 0. */
enum err x86_load(struct vm *vm);

/* Power-on state (SDM vol. 3, table 10-1); RIP and CS at the reset vector. */
void x86_reset_state(struct vcpu *v);

/* vm->config->cpu */
enum x86_cpu { X86_CPU_HOST, X86_CPU_PORTABLE };
/* Has this host all that portable guests are shown? */
bool x86_cpuid_can_be_portable(void);

/* The canonical state as saved state. */
void x86_vcpu_state_visit(struct vcpu *v, state_visit visit, void *arg);

/* debug.c */
extern const struct debug_isa x86_debug;
void x86_debug_register_access(struct vcpu *v);

/* CPUID as the guest sees it. */
struct x86_cpuid {
    uint32_t eax, ebx, ecx, edx;
};
struct x86_cpuid x86_cpuid_read(struct vcpu *v, uint32_t leaf, uint32_t subleaf);
/* What the running CPU answers, set by the x86_64 host; NULL on other hosts: then a plain x86-64-v1
 * processor is shown. */
extern struct x86_cpuid (*x86_host_cpuid)(uint32_t leaf, uint32_t subleaf);
/* XCR0 bits that the guest may set. */
uint64_t x86_xcr0_allowed(void);
/* What an XSAVE of the host's may have put into a vCPU's area: PKRU, too, where the host has it. */
uint64_t x86_fpu_components(void);

/* False: #GP. */
bool x86_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool x86_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* Guest memory through its page tables; `length` bytes at linear address `gva` as the current state
 * maps them. ERR_NOT_FOUND: not mapped. */
bool x86_translate(struct vcpu *v, uint64_t address, bool write, gpa_t *gpa) MUST_CHECK;
enum err x86_read_linear(struct vcpu *v, gva_t gva, void *buffer, size_t length) MUST_CHECK;
enum err x86_write_linear(struct vcpu *v, gva_t gva, const void *buffer, size_t length) MUST_CHECK;
enum exit_action x86_mmio(struct vcpu *v, const struct vm_exit *exit);
enum exit_action x86_port(struct vcpu *v, const struct vm_exit *exit);

#endif
