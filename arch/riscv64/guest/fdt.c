/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The device tree of the riscv64 guest machine: Devicetree Specification 0.4 and the bindings of
 * the nodes' compatible strings. */
#include <libfdt.h>
#include <string.h>

#include "arch/riscv64/guest/machine.h"
#include "kernel/devices/uart16550.h"
#include "kernel/random.h"

/* Phandles. */
#define PHANDLE_WIRED 1u /* the controller of wired interrupts: PLIC or APLIC */
#define PHANDLE_IMSIC 2u
#define PHANDLE_INTC  16u /* + hart */

#define INTC_S_EXTERNAL 9u /* riscv,cpu-intc: the cause's number */
#define LEVEL_HIGH      4u /* interrupt specifiers of two cells */
#define NODE_NAME_SIZE  32
#define ISA_STRING_SIZE 512
#define SEED_SIZE       64

/* PCI Bus Binding to IEEE 1275, 2.2.1: first cell of an address. */
#define PCI_RANGE_MEMORY32 0x02000000u
#define PCI_RANGE_MEMORY64 0x03000000u
#define PCI_DEVICE(slot)   ((slot) << 11)
#define PCI_PIN_MASK       7u
#define INTX_COUNT         4u
#define REQUESTER_IDS      0x10000u

static void name_at(char *name, size_t size, const char *base, uint64_t address)
{
    struct out_buffer text;

    out_buffer_init(&text, name, size);
    out_printf(&text.out, "%s@%llx", base, (unsigned long long)address);
}

/* The builder remembers the first error, so that the tree below reads without an `if` a line. */
struct builder {
    void *fdt;
    int error;
    bool aia; /* wired interrupts have a trigger mode */
};

static void keep(struct builder *b, int result)
{
    if (!b->error)
        b->error = result;
}

static void begin(struct builder *b, const char *name)
{
    keep(b, fdt_begin_node(b->fdt, name));
}

static void begin_at(struct builder *b, const char *base, uint64_t address)
{
    char name[NODE_NAME_SIZE];

    name_at(name, sizeof(name), base, address);
    begin(b, name);
}

static void end(struct builder *b)
{
    keep(b, fdt_end_node(b->fdt));
}

static void text(struct builder *b, const char *name, const char *value)
{
    keep(b, fdt_property_string(b->fdt, name, value));
}

static void cell(struct builder *b, const char *name, uint32_t value)
{
    keep(b, fdt_property_u32(b->fdt, name, value));
}

static void put_cells(struct builder *b, const char *name, const uint32_t *values, unsigned count)
{
    void *place;

    keep(b, fdt_property_placeholder(b->fdt, name, (int)(count * sizeof(fdt32_t)), &place));
    for (unsigned i = 0; !b->error && i < count; i++)
        ((fdt32_t *)place)[i] = cpu_to_fdt32(values[i]);
}
#define CELLS(b, name, ...)                             \
    put_cells(b, name, (const uint32_t[]){__VA_ARGS__}, \
              (unsigned)(sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)))
#define CELLS64(value) (uint32_t)((value) >> 32), (uint32_t)(value)

static void flag(struct builder *b, const char *name)
{
    keep(b, fdt_property(b->fdt, name, NULL, 0));
}

static void reg(struct builder *b, uint64_t base, uint64_t size)
{
    fdt64_t cells[2] = {cpu_to_fdt64(base), cpu_to_fdt64(size)};

    keep(b, fdt_property(b->fdt, "reg", cells, sizeof(cells)));
}

static void cells_2_2(struct builder *b)
{
    cell(b, "#address-cells", 2);
    cell(b, "#size-cells", 2);
}

/* Without a seed Linux makes numbers anew at each system call until it has seen enough interrupts.
 */
static void chosen(struct builder *b, const struct vm *vm, const struct riscv_boot *boot)
{
    char path[NODE_NAME_SIZE + 8];
    uint8_t seed[SEED_SIZE];

    begin(b, "chosen");
    text(b, "bootargs", vm->config->cmdline);
    name_at(path, sizeof(path), "/soc/serial", RISCV_UART_BASE);
    text(b, "stdout-path", path);
    random_bytes(seed, sizeof(seed));
    keep(b, fdt_property(b->fdt, "rng-seed", seed, sizeof(seed)));
    if (boot->initrd_end) {
        keep(b, fdt_property_u64(b->fdt, "linux,initrd-start", boot->initrd_start));
        keep(b, fdt_property_u64(b->fdt, "linux,initrd-end", boot->initrd_end));
    }
    end(b);
}

/* Ssaia: the harts' side of the IMSIC. The string may be longer than what out_printf() takes. */
static void isa(struct builder *b, const struct riscv_machine *m)
{
    char string[ISA_STRING_SIZE];
    struct out_buffer out;

    out_buffer_init(&out, string, sizeof(string));
    out_write(&out.out, m->isa, strlen(m->isa));
    out_printf(&out.out, "%s", b->aia ? "_ssaia" : "");
    text(b, "riscv,isa", string);
}

static void cpu(struct builder *b, const struct riscv_machine *m, unsigned hart)
{
    begin_at(b, "cpu", hart);
    text(b, "device_type", "cpu");
    text(b, "compatible", "riscv");
    cell(b, "reg", hart);
    text(b, "status", "okay");
    isa(b, m);
    text(b, "mmu-type", m->mmu);
    if (m->cbom_block)
        cell(b, "riscv,cbom-block-size", m->cbom_block);
    if (m->cboz_block)
        cell(b, "riscv,cboz-block-size", m->cboz_block);
    begin(b, "interrupt-controller");
    text(b, "compatible", "riscv,cpu-intc");
    cell(b, "#interrupt-cells", 1);
    flag(b, "interrupt-controller");
    cell(b, "phandle", PHANDLE_INTC + hart);
    end(b);
    end(b);
}

static void cpus(struct builder *b, const struct vm *vm)
{
    const struct riscv_machine *m = riscv_machine(vm);

    begin(b, "cpus");
    cell(b, "#address-cells", 1);
    cell(b, "#size-cells", 0);
    cell(b, "timebase-frequency", (uint32_t)m->timebase_hz);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        cpu(b, m, i);
    end(b);
}

static void interrupt(struct builder *b, unsigned source)
{
    cell(b, "interrupt-parent", PHANDLE_WIRED);
    if (b->aia)
        CELLS(b, "interrupts", source, LEVEL_HIGH);
    else
        CELLS(b, "interrupts", source);
}

/* The harts' external interrupts. */
static void to_harts(struct builder *b, const struct vm *vm)
{
    fdt32_t *cells;
    void *place;

    keep(b, fdt_property_placeholder(b->fdt, "interrupts-extended",
                                     (int)(vm->vcpu_count * 2 * sizeof(*cells)), &place));
    for (unsigned i = 0; !b->error && i < vm->vcpu_count; i++) {
        cells = place;
        cells[2 * i] = cpu_to_fdt32(PHANDLE_INTC + i);
        cells[2 * i + 1] = cpu_to_fdt32(INTC_S_EXTERNAL);
    }
}

static void plic(struct builder *b, const struct vm *vm)
{
    static const char compatible[] = "sifive,plic-1.0.0\0riscv,plic0";

    begin_at(b, "plic", RISCV_PLIC_BASE);
    keep(b, fdt_property(b->fdt, "compatible", compatible, sizeof(compatible)));
    reg(b, RISCV_PLIC_BASE, RISCV_PLIC_SIZE);
    cell(b, "#address-cells", 0);
    cell(b, "#interrupt-cells", 1);
    flag(b, "interrupt-controller");
    cell(b, "riscv,ndev", RISCV_PINS - 1);
    to_harts(b, vm);
    cell(b, "phandle", PHANDLE_WIRED);
    end(b);
}

static void imsic(struct builder *b, const struct vm *vm)
{
    begin_at(b, "imsics", RISCV_IMSIC_BASE);
    text(b, "compatible", "riscv,imsics");
    reg(b, RISCV_IMSIC_BASE, vm->vcpu_count * PAGE_SIZE);
    cell(b, "#interrupt-cells", 0);
    cell(b, "#msi-cells", 0);
    flag(b, "interrupt-controller");
    flag(b, "msi-controller");
    to_harts(b, vm);
    cell(b, "riscv,num-ids", RISCV_IMSIC_IDS);
    cell(b, "phandle", PHANDLE_IMSIC);
    end(b);
}

static void aplic(struct builder *b)
{
    begin_at(b, "aplic", RISCV_APLIC_BASE);
    text(b, "compatible", "riscv,aplic");
    reg(b, RISCV_APLIC_BASE, RISCV_APLIC_SIZE);
    cell(b, "#address-cells", 0);
    cell(b, "#interrupt-cells", 2);
    flag(b, "interrupt-controller");
    cell(b, "riscv,num-sources", RISCV_PINS - 1);
    cell(b, "msi-parent", PHANDLE_IMSIC);
    cell(b, "phandle", PHANDLE_WIRED);
    end(b);
}

/* Rows: child's address and pin, parent, specifier. INTA of slot 0 is the first pin, and each slot
 * begins one pin further. */
static void interrupt_map(struct builder *b)
{
    uint32_t map[INTX_COUNT * INTX_COUNT * 7], *at = map;

    for (uint32_t slot = 0; slot < INTX_COUNT; slot++)
        for (uint32_t pin = 0; pin < INTX_COUNT; pin++) {
            *at++ = PCI_DEVICE(slot);
            *at++ = 0;
            *at++ = 0;
            *at++ = pin + 1;
            *at++ = PHANDLE_WIRED;
            *at++ = RISCV_INTX_PIN + (slot + pin) % INTX_COUNT;
            if (b->aia)
                *at++ = LEVEL_HIGH;
        }
    put_cells(b, "interrupt-map", map, (unsigned)(at - map));
    CELLS(b, "interrupt-map-mask", PCI_DEVICE(INTX_COUNT - 1), 0, 0, PCI_PIN_MASK);
}

static void pci(struct builder *b, const struct vm *vm)
{
    uint64_t high = riscv_mmio64_base(vm);

    begin_at(b, "pci", RISCV_ECAM_BASE);
    text(b, "compatible", "pci-host-ecam-generic");
    text(b, "device_type", "pci");
    cell(b, "#address-cells", 3);
    cell(b, "#size-cells", 2);
    cell(b, "#interrupt-cells", 1);
    cell(b, "linux,pci-domain", 0);
    CELLS(b, "bus-range", 0, RISCV_PCI_BUSES - 1);
    flag(b, "dma-coherent");
    reg(b, RISCV_ECAM_BASE, MIB(RISCV_PCI_BUSES));
    CELLS(b, "ranges", PCI_RANGE_MEMORY32, CELLS64(RISCV_MMIO32_BASE), CELLS64(RISCV_MMIO32_BASE),
          CELLS64(RISCV_MMIO32_SIZE), PCI_RANGE_MEMORY64, CELLS64(high), CELLS64(high),
          CELLS64(RISCV_MMIO64_SIZE));
    if (b->aia)
        CELLS(b, "msi-map", 0, PHANDLE_IMSIC, 0, REQUESTER_IDS);
    interrupt_map(b);
    end(b);
}

/* Those slots that hold a device. */
static void virtio_mmio(struct builder *b, const struct vm *vm)
{
    for (unsigned i = 0; i < vm->virtio_mmio.used; i++) {
        uint64_t base = vm->virtio_mmio.base + i * vm->virtio_mmio.stride;

        begin_at(b, "virtio_mmio", base);
        text(b, "compatible", "virtio,mmio");
        reg(b, base, vm->virtio_mmio.stride);
        interrupt(b, vm->virtio_mmio.pin + i);
        end(b);
    }
}

static void rtc(struct builder *b)
{
    begin_at(b, "rtc", RISCV_RTC_BASE);
    text(b, "compatible", "google,goldfish-rtc");
    reg(b, RISCV_RTC_BASE, RISCV_RTC_SIZE);
    interrupt(b, RISCV_RTC_PIN);
    end(b);
}

static void uart(struct builder *b)
{
    begin_at(b, "serial", RISCV_UART_BASE);
    text(b, "compatible", "ns16550a");
    reg(b, RISCV_UART_BASE, RISCV_UART_SIZE);
    cell(b, "clock-frequency", UART16550_CLOCK_HZ);
    interrupt(b, RISCV_UART_PIN);
    end(b);
}

static void memory(struct builder *b, const struct vm *vm)
{
    begin_at(b, "memory", RISCV_RAM_BASE);
    text(b, "device_type", "memory");
    reg(b, RISCV_RAM_BASE, vm->config->memory);
    end(b);
}

enum err riscv_fdt_build(const struct vm *vm, const struct riscv_boot *boot, void *buffer,
                         size_t size, size_t *used)
{
    struct builder b = {.fdt = buffer, .aia = riscv_machine(vm)->aplic};

    keep(&b, fdt_create(buffer, (int)size));
    keep(&b, fdt_finish_reservemap(buffer));
    begin(&b, "");
    cells_2_2(&b);
    text(&b, "compatible", "riscv-virtio");
    text(&b, "model", "Ennead riscv64 machine");
    chosen(&b, vm, boot);
    memory(&b, vm);
    cpus(&b, vm);
    begin(&b, "soc");
    cells_2_2(&b);
    text(&b, "compatible", "simple-bus");
    flag(&b, "ranges");
    if (b.aia) {
        imsic(&b, vm);
        aplic(&b);
    } else {
        plic(&b, vm);
    }
    uart(&b);
    rtc(&b);
    virtio_mmio(&b, vm);
    if (vm->pci)
        pci(&b, vm);
    end(&b);
    end(&b);
    keep(&b, fdt_finish(buffer));
    if (b.error)
        return b.error == -FDT_ERR_NOSPACE ? ERR_NO_MEMORY : ERR_INVALID;
    *used = fdt_totalsize(buffer);
    return ERR_OK;
}
