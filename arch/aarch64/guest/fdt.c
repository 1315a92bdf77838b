/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The machine's device tree, written with libfdt. Bindings: Devicetree Specification 0.4 and
 * Linux's Documentation/devicetree/bindings. */
#include <libfdt.h>
#include <string.h>

#include "arch/aarch64/guest/machine.h"
#include "kernel/log.h"
#include "kernel/random.h"

#define PHANDLE_GIC   1
#define PHANDLE_CLOCK 2
#define PHANDLE_V2M   3
#define UART_CLOCK_HZ 24000000
#define SEED_SIZE     64

/* Interrupt specifiers of the GIC: type, number, trigger */
#define GIC_SPI          0
#define GIC_PPI          1
#define GIC_LEVEL        4
#define PPI_SECURE_TIMER 13
#define PPI_HYP_TIMER    10

/* libfdt's first error sticks. */
struct writer {
    void *fdt;
    int error;
};

static void note(struct writer *w, int error)
{
    if (!w->error)
        w->error = error;
}

static void begin(struct writer *w, const char *format, uint64_t number)
{
    struct out_buffer b;
    char name[40];

    out_buffer_init(&b, name, sizeof(name));
    out_printf(&b.out, "%s", format);
    if (number != UINT64_MAX)
        out_printf(&b.out, "@%llx", (unsigned long long)number);
    note(w, fdt_begin_node(w->fdt, name));
}

static void end(struct writer *w)
{
    note(w, fdt_end_node(w->fdt));
}

static void text(struct writer *w, const char *name, const char *value)
{
    note(w, fdt_property_string(w->fdt, name, value));
}

static void flag(struct writer *w, const char *name)
{
    note(w, fdt_property(w->fdt, name, NULL, 0));
}

static void bytes(struct writer *w, const char *name, const char *value, size_t size)
{
    note(w, fdt_property(w->fdt, name, value, (int)size));
}

static void cells(struct writer *w, const char *name, const uint32_t *values, unsigned count)
{
    void *place;
    int error = fdt_property_placeholder(w->fdt, name, (int)(count * 4), &place);

    note(w, error);
    for (unsigned i = 0; i < count && !error; i++)
        fdt32_st((uint32_t *)place + i, values[i]);
}

#define CELLS(w, name, ...) \
    cells(w, name, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)
#define CELLS64(x) (uint32_t)((uint64_t)(x) >> 32), (uint32_t)(x)

static void write_chosen(struct writer *w, struct vm *vm, uint64_t initrd, uint64_t initrd_size)
{
    uint8_t seed[SEED_SIZE];

    begin(w, "chosen", UINT64_MAX);
    text(w, "bootargs", vm->config->cmdline);
    text(w, "stdout-path", "/pl011@9000000");
    random_bytes(seed, sizeof(seed));
    note(w, fdt_property(w->fdt, "rng-seed", seed, sizeof(seed)));
    if (initrd_size) {
        CELLS(w, "linux,initrd-start", CELLS64(initrd));
        CELLS(w, "linux,initrd-end", CELLS64(initrd + initrd_size));
    }
    end(w);
}

static void write_cpus(struct writer *w, struct vm *vm)
{
    begin(w, "cpus", UINT64_MAX);
    CELLS(w, "#address-cells", 1);
    CELLS(w, "#size-cells", 0);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        begin(w, "cpu", arm_affinity(i));
        text(w, "device_type", "cpu");
        text(w, "compatible", "arm,armv8");
        text(w, "enable-method", "psci");
        CELLS(w, "reg", (uint32_t)arm_affinity(i));
        end(w);
    }
    end(w);
}

static void write_firmware_and_timer(struct writer *w)
{
    static const char psci[] = "arm,psci-1.0\0arm,psci-0.2";

    begin(w, "psci", UINT64_MAX);
    bytes(w, "compatible", psci, sizeof(psci));
    text(w, "method", "hvc");
    end(w);

    begin(w, "timer", UINT64_MAX);
    text(w, "compatible", "arm,armv8-timer");
    flag(w, "always-on");
    CELLS(w, "interrupts", GIC_PPI, PPI_SECURE_TIMER, GIC_LEVEL, GIC_PPI, PPI_PHYSICAL_TIMER - 16,
          GIC_LEVEL, GIC_PPI, PPI_VIRTUAL_TIMER - 16, GIC_LEVEL, GIC_PPI, PPI_HYP_TIMER, GIC_LEVEL);
    end(w);
}

static void write_gic(struct writer *w, struct vm *vm)
{
    begin(w, "intc", MACHINE_GICD_BASE);
    CELLS(w, "#interrupt-cells", 3);
    flag(w, "interrupt-controller");
    if (arm_machine(vm)->vgic->v2) {
        text(w, "compatible", "arm,cortex-a15-gic");
        CELLS(w, "reg", CELLS64(MACHINE_GICD_BASE), CELLS64(MACHINE_GICD_SIZE),
              CELLS64(MACHINE_GICC_BASE), CELLS64(MACHINE_GICC_SIZE));
    } else {
        text(w, "compatible", "arm,gic-v3");
        CELLS(w, "#redistributor-regions", 1);
        CELLS(w, "reg", CELLS64(MACHINE_GICD_BASE), CELLS64(MACHINE_GICD_SIZE),
              CELLS64(MACHINE_GICR_BASE), CELLS64(MACHINE_GICR_SIZE * vm->vcpu_count));
    }
    CELLS(w, "phandle", PHANDLE_GIC);
    CELLS(w, "#address-cells", 2);
    CELLS(w, "#size-cells", 2);
    flag(w, "ranges");
    begin(w, "v2m", MACHINE_V2M_BASE);
    text(w, "compatible", "arm,gic-v2m-frame");
    flag(w, "msi-controller");
    CELLS(w, "reg", CELLS64(MACHINE_V2M_BASE), CELLS64(MACHINE_V2M_SIZE));
    CELLS(w, "phandle", PHANDLE_V2M);
    end(w);
    end(w);
}

/* PCI Bus Binding to Open Firmware, 2.1: phys.hi of a range and of a device number. */
#define PCI_RANGE_MEMORY32 0x02000000u
#define PCI_RANGE_MEMORY64 0x03000000u
#define PCI_DEVICE(n)      ((n) << 11)
#define INTX_COUNT         4u

/* One row of the interrupt map: child address and pin, parent, its address (none), specifier. */
#define MAP_ROW 10

static void write_interrupt_map(struct writer *w)
{
    uint32_t map[INTX_COUNT * INTX_COUNT * MAP_ROW], *row = map;

    for (uint32_t slot = 0; slot < INTX_COUNT; slot++) {
        for (uint32_t pin = 0; pin < INTX_COUNT; pin++, row += MAP_ROW) {
            const uint32_t cell[MAP_ROW] = {PCI_DEVICE(slot),
                                            0,
                                            0,
                                            pin + 1,
                                            PHANDLE_GIC,
                                            0,
                                            0,
                                            GIC_SPI,
                                            MACHINE_INTX_PIN + (slot + pin) % INTX_COUNT,
                                            GIC_LEVEL};

            memcpy(row, cell, sizeof(cell));
        }
    }
    cells(w, "interrupt-map", map, ARRAY_SIZE(map));
    CELLS(w, "interrupt-map-mask", PCI_DEVICE(INTX_COUNT - 1), 0, 0, 7);
}

static void write_pci(struct writer *w)
{
    begin(w, "pcie", MACHINE_MMIO32_BASE);
    text(w, "compatible", "pci-host-ecam-generic");
    text(w, "device_type", "pci");
    CELLS(w, "#address-cells", 3);
    CELLS(w, "#size-cells", 2);
    CELLS(w, "#interrupt-cells", 1);
    CELLS(w, "linux,pci-domain", 0);
    CELLS(w, "bus-range", 0, MACHINE_PCI_BUSES - 1);
    flag(w, "dma-coherent");
    CELLS(w, "reg", CELLS64(MACHINE_ECAM_BASE), CELLS64(MIB(MACHINE_PCI_BUSES)));
    CELLS(w, "ranges", PCI_RANGE_MEMORY32, CELLS64(MACHINE_MMIO32_BASE),
          CELLS64(MACHINE_MMIO32_BASE), CELLS64(MACHINE_MMIO32_SIZE), PCI_RANGE_MEMORY64,
          CELLS64(MACHINE_MMIO64_BASE), CELLS64(MACHINE_MMIO64_BASE), CELLS64(MACHINE_MMIO64_SIZE));
    CELLS(w, "msi-map", 0, PHANDLE_V2M, 0, 0x10000);
    write_interrupt_map(w);
    end(w);
}

/* Those slots that hold a device. */
static void write_virtio_mmio(struct writer *w, const struct vm *vm)
{
    for (unsigned i = 0; i < vm->virtio_mmio.used; i++) {
        uint64_t base = vm->virtio_mmio.base + i * vm->virtio_mmio.stride;

        begin(w, "virtio_mmio", base);
        text(w, "compatible", "virtio,mmio");
        flag(w, "dma-coherent");
        CELLS(w, "reg", CELLS64(base), CELLS64(vm->virtio_mmio.stride));
        CELLS(w, "interrupts", GIC_SPI, vm->virtio_mmio.pin + i, GIC_LEVEL);
        end(w);
    }
}

static void write_uart(struct writer *w)
{
    static const char compatible[] = "arm,pl011\0arm,primecell";
    static const char clocks[] = "uartclk\0apb_pclk";

    begin(w, "apb-pclk", UINT64_MAX);
    text(w, "compatible", "fixed-clock");
    CELLS(w, "#clock-cells", 0);
    CELLS(w, "clock-frequency", UART_CLOCK_HZ);
    text(w, "clock-output-names", "clk24mhz");
    CELLS(w, "phandle", PHANDLE_CLOCK);
    end(w);

    begin(w, "pl011", MACHINE_UART_BASE);
    bytes(w, "compatible", compatible, sizeof(compatible));
    CELLS(w, "reg", CELLS64(MACHINE_UART_BASE), CELLS64(PAGE_SIZE));
    CELLS(w, "interrupts", GIC_SPI, MACHINE_UART_PIN, GIC_LEVEL);
    CELLS(w, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    bytes(w, "clock-names", clocks, sizeof(clocks));
    end(w);
}

static void write_rtc(struct writer *w)
{
    static const char compatible[] = "arm,pl031\0arm,primecell";

    begin(w, "pl031", MACHINE_RTC_BASE);
    bytes(w, "compatible", compatible, sizeof(compatible));
    CELLS(w, "reg", CELLS64(MACHINE_RTC_BASE), CELLS64(PAGE_SIZE));
    CELLS(w, "interrupts", GIC_SPI, MACHINE_RTC_PIN, GIC_LEVEL);
    CELLS(w, "clocks", PHANDLE_CLOCK);
    text(w, "clock-names", "apb_pclk");
    end(w);
}

enum err arm_fdt_build(struct vm *vm, void *buffer, size_t size, uint64_t initrd,
                       uint64_t initrd_size)
{
    struct writer w = {.fdt = buffer};

    note(&w, fdt_create(buffer, (int)size));
    note(&w, fdt_finish_reservemap(buffer));
    begin(&w, "", UINT64_MAX);
    text(&w, "compatible", "linux,dummy-virt");
    text(&w, "model", "Ennead virtual machine");
    CELLS(&w, "#address-cells", 2);
    CELLS(&w, "#size-cells", 2);
    CELLS(&w, "interrupt-parent", PHANDLE_GIC);
    write_chosen(&w, vm, initrd, initrd_size);
    begin(&w, "memory", MACHINE_RAM_BASE);
    text(&w, "device_type", "memory");
    CELLS(&w, "reg", CELLS64(MACHINE_RAM_BASE), CELLS64(vm->config->memory));
    end(&w);
    write_cpus(&w, vm);
    write_firmware_and_timer(&w);
    write_gic(&w, vm);
    write_uart(&w);
    write_rtc(&w);
    write_virtio_mmio(&w, vm);
    if (vm->pci)
        write_pci(&w);
    end(&w);
    note(&w, fdt_finish(buffer));
    return w.error ? ERR_RANGE : ERR_OK;
}
