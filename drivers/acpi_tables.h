/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Layouts of the ACPI tables that the hosts and drivers read. Sections are those of ACPI 6.5; the
 * RISC-V structures of the MADT and the RHCT came with 6.6 (5.2.12.24 to 27, 5.2.37). All fields
 * are little endian and unaligned: structures are packed.
 */
#ifndef DRIVERS_ACPI_TABLES_H
#define DRIVERS_ACPI_TABLES_H

#include "kernel/types.h"

/* 5.2.6, the header of every table. */
struct acpi_header {
    char signature[4];
    uint32_t length; /* of the table, header included */
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    uint32_t creator_id;
    uint32_t creator_revision;
} PACKED;

/* 5.2.3.2, generic address. */
enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_PORT = 1 };
struct acpi_gas {
    uint8_t space;     /* enum acpi_space */
    uint8_t bit_width; /* of the register */
    uint8_t bit_offset;
    uint8_t access_size; /* 0: not said; 1 to 4: 8, 16, 32, 64 bits */
    uint64_t address;
} PACKED;

/* 5.2.5.3, root system description pointer. */
struct acpi_rsdp {
    char signature[8]; /* "RSD PTR " */
    uint8_t checksum;  /* over the first 20 bytes */
    char oem_id[6];
    uint8_t revision; /* 0: ACPI 1.0, nothing after rsdt */
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum; /* over `length` bytes */
    uint8_t reserved[3];
} PACKED;

/* The header of entries of the MADT, PPTT and SRAT. */
struct acpi_subtable {
    uint8_t type;
    uint8_t length; /* this header included */
} PACKED;

/* ---- 5.2.9, FADT ("FACP") ---- */

enum acpi_fadt_flags {
    ACPI_FADT_RESET_REGISTER = 1u << 10, /* RESET_REG_SUP */
    ACPI_FADT_HW_REDUCED = 1u << 20,     /* HW_REDUCED_ACPI: no PM1 blocks */
};
enum acpi_fadt_arm { /* 5.2.9.4 */
                     ACPI_FADT_ARM_PSCI = 1u << 0,
                     ACPI_FADT_ARM_PSCI_HVC = 1u << 1, /* the conduit is HVC, else SMC */
};
enum acpi_fadt_iapc { /* 5.2.9.3 */
                      ACPI_FADT_LEGACY_DEVICES = 1u << 0,
                      ACPI_FADT_8042 = 1u << 1,
                      ACPI_FADT_NO_VGA = 1u << 2,
};

struct acpi_fadt {
    struct acpi_header header;
    uint32_t firmware_ctrl;
    uint32_t dsdt;
    uint8_t reserved0;
    uint8_t preferred_pm_profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;
    uint8_t acpi_enable;
    uint8_t acpi_disable;
    uint8_t s4bios_request;
    uint8_t pstate_control;
    uint32_t pm1a_event, pm1b_event;     /* ports */
    uint32_t pm1a_control, pm1b_control; /* ports */
    uint32_t pm2_control;
    uint32_t pm_timer; /* port */
    uint32_t gpe0, gpe1;
    uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length;
    uint8_t gpe0_length, gpe1_length, gpe1_base;
    uint8_t cst_control;
    uint16_t p_level2_latency, p_level3_latency;
    uint16_t flush_size, flush_stride;
    uint8_t duty_offset, duty_width;
    uint8_t day_alarm, month_alarm, century;
    uint16_t iapc_boot_arch; /* enum acpi_fadt_iapc */
    uint8_t reserved1;
    uint32_t flags; /* enum acpi_fadt_flags */
    struct acpi_gas reset_register;
    uint8_t reset_value;
    uint16_t arm_boot_arch; /* enum acpi_fadt_arm */
    uint8_t minor_version;
    uint64_t x_firmware_ctrl, x_dsdt;
    struct acpi_gas x_pm1a_event, x_pm1b_event;
    struct acpi_gas x_pm1a_control, x_pm1b_control;
    struct acpi_gas x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
    struct acpi_gas sleep_control, sleep_status; /* hardware-reduced: 4.8.3.7 */
    uint64_t hypervisor_vendor;
} PACKED;
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT of ACPI 6.5");

/* ---- 5.2.12, MADT ("APIC") ---- */

struct acpi_madt {
    struct acpi_header header;
    uint32_t local_apic;
    uint32_t flags; /* ACPI_MADT_PCAT */
    /* entries: struct acpi_subtable */
} PACKED;
#define ACPI_MADT_PCAT (1u << 0) /* two 8259 are there and must be masked */

enum acpi_madt_type {
    ACPI_MADT_LOCAL_APIC = 0x00,
    ACPI_MADT_IO_APIC = 0x01,
    ACPI_MADT_OVERRIDE = 0x02,
    ACPI_MADT_NMI_SOURCE = 0x03,
    ACPI_MADT_LOCAL_APIC_NMI = 0x04,
    ACPI_MADT_LOCAL_APIC_ADDRESS = 0x05,
    ACPI_MADT_X2APIC = 0x09,
    ACPI_MADT_X2APIC_NMI = 0x0a,
    ACPI_MADT_GICC = 0x0b,
    ACPI_MADT_GICD = 0x0c,
    ACPI_MADT_GIC_MSI_FRAME = 0x0d,
    ACPI_MADT_GICR = 0x0e,
    ACPI_MADT_GIC_ITS = 0x0f,
    ACPI_MADT_RINTC = 0x18,
    ACPI_MADT_IMSIC = 0x19,
    ACPI_MADT_APLIC = 0x1a,
    ACPI_MADT_PLIC = 0x1b,
};

/* Flags of local APIC, x2APIC, GICC and RINTC entries. */
enum acpi_madt_cpu_flags {
    ACPI_CPU_ENABLED = 1u << 0,
    ACPI_CPU_ONLINE_CAPABLE = 1u << 1, /* local APIC, x2APIC, RINTC */
    ACPI_GICC_ONLINE_CAPABLE = 1u << 3,
};
#define ACPI_GICC_PERFORMANCE_EDGE (1u << 1)
#define ACPI_GICC_MAINTENANCE_EDGE (1u << 2)

/* Interrupt flags of overrides and NMIs: MPS INTI flags, table 5.26. */
#define ACPI_INTI_POLARITY(flags) ((flags)&3u)        /* 0: as the bus says, 1: high, 3: low */
#define ACPI_INTI_TRIGGER(flags)  ((flags) >> 2 & 3u) /* 0: as the bus says, 1: edge, 3: level */

struct acpi_madt_local_apic {
    struct acpi_subtable subtable;
    uint8_t uid;
    uint8_t apic_id;
    uint32_t flags;
} PACKED;
struct acpi_madt_io_apic {
    struct acpi_subtable subtable;
    uint8_t id;
    uint8_t reserved;
    uint32_t address;
    uint32_t gsi_base;
} PACKED;
struct acpi_madt_override {
    struct acpi_subtable subtable;
    uint8_t bus;    /* 0: ISA */
    uint8_t source; /* ISA IRQ */
    uint32_t gsi;
    uint16_t flags;
} PACKED;
struct acpi_madt_nmi_source {
    struct acpi_subtable subtable;
    uint16_t flags;
    uint32_t gsi;
} PACKED;
struct acpi_madt_local_apic_nmi {
    struct acpi_subtable subtable;
    uint8_t uid; /* 0xff: all CPUs */
    uint16_t flags;
    uint8_t lint;
} PACKED;
struct acpi_madt_local_apic_address {
    struct acpi_subtable subtable;
    uint16_t reserved;
    uint64_t address;
} PACKED;
struct acpi_madt_x2apic {
    struct acpi_subtable subtable;
    uint16_t reserved;
    uint32_t x2apic_id;
    uint32_t flags;
    uint32_t uid;
} PACKED;
struct acpi_madt_x2apic_nmi {
    struct acpi_subtable subtable;
    uint16_t flags;
    uint32_t uid;
    uint8_t lint;
    uint8_t reserved[3];
} PACKED;

/* 76 bytes in ACPI 5.1, 80 in 6.0, 82 in 6.5: read the tail only behind ACPI_HAS(). */
struct acpi_madt_gicc {
    struct acpi_subtable subtable;
    uint16_t reserved0;
    uint32_t interface_number;
    uint32_t uid;
    uint32_t flags;
    uint32_t parking_version;
    uint32_t performance_gsiv;
    uint64_t parked_address;
    uint64_t gicc; /* GICv2 CPU interface */
    uint64_t gicv;
    uint64_t gich;
    uint32_t maintenance_gsiv;
    uint64_t gicr; /* 0: see the GICR entries */
    uint64_t mpidr;
    uint8_t power_efficiency_class;
    uint8_t reserved1;
    uint16_t spe_gsiv;
    uint16_t trbe_gsiv;
} PACKED;
#define ACPI_MADT_GICC_MIN 76
_Static_assert(sizeof(struct acpi_madt_gicc) == 82, "GICC of ACPI 6.5");
struct acpi_madt_gicd {
    struct acpi_subtable subtable;
    uint16_t reserved0;
    uint32_t id;
    uint64_t address;
    uint32_t vector_base;
    uint8_t version; /* 0: read it from the hardware; 1 to 4 */
    uint8_t reserved1[3];
} PACKED;
struct acpi_madt_gic_msi_frame {
    struct acpi_subtable subtable;
    uint16_t reserved;
    uint32_t id;
    uint64_t address;
    uint32_t flags; /* bit 0: the counts below override MSI_TYPER */
    uint16_t spi_count;
    uint16_t spi_base;
} PACKED;
struct acpi_madt_gicr {
    struct acpi_subtable subtable;
    uint16_t reserved;
    uint64_t address; /* of a range of redistributors */
    uint32_t length;
} PACKED;
struct acpi_madt_gic_its {
    struct acpi_subtable subtable;
    uint16_t reserved0;
    uint32_t id;
    uint64_t address;
    uint32_t reserved1;
} PACKED;

struct acpi_madt_rintc {
    struct acpi_subtable subtable;
    uint8_t version;
    uint8_t reserved;
    uint32_t flags; /* enum acpi_madt_cpu_flags */
    uint64_t hart_id;
    uint32_t uid;
    uint32_t controller_id; /* bits 31..24: PLIC or APLIC id; 15..0: its context or IDC */
    uint64_t imsic_address; /* of this hart's S-mode file; 0: none */
    uint32_t imsic_size;    /* bytes, guest files included */
} PACKED;
#define ACPI_RINTC_CONTROLLER(id) ((id) >> 24)
#define ACPI_RINTC_CONTEXT(id)    ((id)&0xffffu)
#define ACPI_MADT_RINTC_MIN       20 /* up to uid: older firmware ends there */
struct acpi_madt_imsic {
    struct acpi_subtable subtable;
    uint8_t version;
    uint8_t reserved;
    uint32_t flags;
    uint16_t id_count;       /* interrupt identities of the S-mode files */
    uint16_t guest_id_count; /* of the guest files */
    uint8_t guest_index_bits;
    uint8_t hart_index_bits;
    uint8_t group_index_bits;
    uint8_t group_index_shift;
} PACKED;
struct acpi_madt_aplic {
    struct acpi_subtable subtable;
    uint8_t version;
    uint8_t id;
    uint32_t flags;
    char hardware_id[8];
    uint16_t idc_count; /* 0: MSI delivery to the IMSICs */
    uint16_t source_count;
    uint32_t gsi_base;
    uint64_t address;
    uint32_t size;
} PACKED;
struct acpi_madt_plic {
    struct acpi_subtable subtable;
    uint8_t version;
    uint8_t id;
    char hardware_id[8];
    uint16_t source_count;
    uint16_t max_priority;
    uint32_t flags;
    uint32_t size;
    uint64_t address;
    uint32_t gsi_base;
} PACKED;
_Static_assert(sizeof(struct acpi_madt_rintc) == 36, "RINTC");
_Static_assert(sizeof(struct acpi_madt_imsic) == 16, "IMSIC");
_Static_assert(sizeof(struct acpi_madt_aplic) == 36, "APLIC");
_Static_assert(sizeof(struct acpi_madt_plic) == 36, "PLIC");

/* ---- 5.2.25, GTDT ---- */

enum acpi_gtdt_flags {
    ACPI_GTDT_EDGE = 1u << 0,
    ACPI_GTDT_ACTIVE_LOW = 1u << 1,
    ACPI_GTDT_ALWAYS_ON = 1u << 2,
};
struct acpi_gtdt {
    struct acpi_header header;
    uint64_t counter_control;
    uint32_t reserved;
    uint32_t secure_el1_gsiv, secure_el1_flags;
    uint32_t el1_gsiv, el1_flags;         /* non-secure EL1 physical timer */
    uint32_t virtual_gsiv, virtual_flags; /* EL1 virtual timer */
    uint32_t el2_gsiv, el2_flags;         /* non-secure EL2 physical timer */
    uint64_t counter_read;
    uint32_t platform_timer_count;
    uint32_t platform_timer_offset;
    uint32_t virtual_el2_gsiv, virtual_el2_flags; /* revision 3; behind ACPI_HAS() */
} PACKED;
#define ACPI_GTDT_MIN 96
_Static_assert(sizeof(struct acpi_gtdt) == 104, "GTDT of ACPI 6.5");

/* ---- 5.2.37 of ACPI 6.6, RHCT ---- */

struct acpi_rhct {
    struct acpi_header header;
    uint32_t flags; /* bit 0: the timer cannot wake a hart from deep idle */
    uint64_t timebase_hz;
    uint32_t node_count;
    uint32_t node_offset; /* from the table's start */
} PACKED;
struct acpi_node {
    uint16_t type;
    uint16_t length; /* this header included */
} PACKED;
enum acpi_rhct_type {
    ACPI_RHCT_ISA = 0,
    ACPI_RHCT_CMO = 1,
    ACPI_RHCT_MMU = 2,
    ACPI_RHCT_HART = 0xffff,
};
struct acpi_rhct_isa {
    struct acpi_node node;
    uint16_t revision;
    uint16_t isa_length; /* with the final NUL */
    char isa[];          /* "rv64imafdch_zba_..." */
} PACKED;
struct acpi_rhct_cmo {
    struct acpi_node node;
    uint16_t revision;
    uint8_t reserved;
    uint8_t cbom_shift, cbop_shift, cboz_shift; /* block sizes, powers of two */
} PACKED;
struct acpi_rhct_mmu {
    struct acpi_node node;
    uint16_t revision;
    uint8_t reserved;
    uint8_t mmu; /* 0: Sv39, 1: Sv48, 2: Sv57 */
} PACKED;
struct acpi_rhct_hart {
    struct acpi_node node;
    uint16_t revision;
    uint16_t offset_count;
    uint32_t uid;       /* of the RINTC entry */
    uint32_t offsets[]; /* of this hart's nodes, from the table's start */
} PACKED;

/* ---- Tables that ACPI only points to ---- */

/* PCI Firmware Specification 3.3, 4.1.2. */
struct acpi_mcfg_entry {
    uint64_t address; /* of bus 0, also when first_bus is not 0 */
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved;
} PACKED;
struct acpi_mcfg {
    struct acpi_header header;
    uint64_t reserved;
    struct acpi_mcfg_entry entries[];
} PACKED;

/* IA-PC HPET 1.0a, 3.2.4. */
struct acpi_hpet {
    struct acpi_header header;
    uint32_t block_id;
    struct acpi_gas address;
    uint8_t number;
    uint16_t minimum_tick;
    uint8_t page_protection;
} PACKED;

/* Serial Port Console Redirection, revision 2 to 4; and the subtypes of DBG2 serial ports, which
 * are the same numbers. */
enum acpi_uart {
    ACPI_UART_16550 = 0x00,
    ACPI_UART_16450 = 0x01,
    ACPI_UART_PL011 = 0x03,
    ACPI_UART_SBSA_32 = 0x0d, /* SBSA generic UART, 32-bit accesses only */
    ACPI_UART_SBSA = 0x0e,
    ACPI_UART_DCC = 0x0f,
    ACPI_UART_16550_MMIO32 = 0x10, /* 16550 subset by GAS in DBG2 older than 6.0 */
    ACPI_UART_16550_GAS = 0x12,    /* 16550 with the GAS's access size and stride */
    ACPI_UART_SBI = 0x15,          /* RISC-V SBI debug console */
};
enum acpi_spcr_interrupt {
    ACPI_SPCR_PC_IRQ = 1u << 0,  /* `pc_irq` is valid */
    ACPI_SPCR_IO_APIC = 1u << 1, /* the others: `gsi` is valid */
    ACPI_SPCR_IO_SAPIC = 1u << 2,
    ACPI_SPCR_GIC = 1u << 3,
    ACPI_SPCR_PLIC = 1u << 4,
};
struct acpi_spcr {
    struct acpi_header header;
    uint8_t interface; /* enum acpi_uart; revision 1: only 0 and 1 */
    uint8_t reserved0[3];
    struct acpi_gas address; /* address 0: console redirection is off */
    uint8_t interrupt;       /* enum acpi_spcr_interrupt */
    uint8_t pc_irq;
    uint32_t gsi;
    uint8_t baud_rate; /* 0: as it is set; 3: 9600; 4: 19200; 6: 57600; 7: 115200 */
    uint8_t parity, stop_bits, flow_control, terminal, language;
    uint16_t pci_device, pci_vendor;
    uint8_t pci_bus, pci_slot, pci_function;
    uint32_t pci_flags;
    uint8_t pci_segment;
    uint32_t clock_hz; /* revision 3 */
} PACKED;
_Static_assert(sizeof(struct acpi_spcr) == 80, "SPCR");

struct acpi_dbg2 {
    struct acpi_header header;
    uint32_t device_offset;
    uint32_t device_count;
} PACKED;
#define ACPI_DBG2_SERIAL 0x8000 /* port_type */
struct acpi_dbg2_device {
    uint8_t revision;
    uint16_t length;
    uint8_t address_count;
    uint16_t name_length, name_offset;
    uint16_t oem_length, oem_offset;
    uint16_t port_type;
    uint16_t port_subtype; /* serial: enum acpi_uart */
    uint16_t reserved;
    uint16_t address_offset; /* of struct acpi_gas[address_count], from the device's start */
    uint16_t address_size_offset;
} PACKED;

#endif
