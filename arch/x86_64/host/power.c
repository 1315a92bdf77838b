/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Switching off and starting anew, by whatever the machine offers. */
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/efi_runtime.h"
#include "drivers/acpi.h"
#include "mm/kernel_map.h"

#define PORT_RESET     0xcf9 /* reset control register of PCI chipsets */
#define RESET_FULL     0x02
#define RESET_FULL_GO  0x06
#define PORT_KEYBOARD  0x64
#define KEYBOARD_BUSY  0x02
#define KEYBOARD_RESET 0xfe
#define KEYBOARD_TRIES 100000

static void acpi_reset(void)
{
    const struct acpi_fadt *fadt = (const struct acpi_fadt *)acpi_find("FACP", 0);
    uint64_t address;

    if (!fadt || !ACPI_HAS(fadt, fadt->header.length, reset_value) ||
        !(fadt->flags & ACPI_FADT_RESET_REGISTER))
        return;
    address = fadt->reset_register.address;
    if (fadt->reset_register.space == ACPI_SPACE_PORT && address <= UINT16_MAX) {
        host_port_write8((uint16_t)address, fadt->reset_value);
    } else if (fadt->reset_register.space == ACPI_SPACE_MEMORY) {
        uint8_t *reg = kernel_map_device(HPA(address), 1, PT_READ | PT_WRITE | PT_DEVICE);

        if (reg)
            mmio_write8(reg, fadt->reset_value);
    }
}

static void keyboard_reset(void)
{
    for (unsigned i = 0; i < KEYBOARD_TRIES && (host_port_read8(PORT_KEYBOARD) & KEYBOARD_BUSY);
         i++)
        host_cpu_relax();
    host_port_write8(PORT_KEYBOARD, KEYBOARD_RESET);
}

void host_poweroff(void)
{
    efi_runtime_reset(EFI_RESET_SHUTDOWN);
}

void host_reset(void)
{
    efi_runtime_reset(EFI_RESET_COLD);
    acpi_reset();
    host_port_write8(PORT_RESET, RESET_FULL);
    host_port_write8(PORT_RESET, RESET_FULL_GO);
    keyboard_reset();
}
