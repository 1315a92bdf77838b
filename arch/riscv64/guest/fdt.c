/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The device tree of the riscv64 guest machine: Devicetree Specification 0.4 and the bindings of
 * the nodes' compatible strings. */
#include <libfdt.h>
#include <string.h>

#include "arch/riscv64/guest/machine.h"
#include "kernel/devices/uart16550.h"

/* Phandles. */
#define PHANDLE_PLIC 1u
#define PHANDLE_INTC 16u /* + hart */

#define INTC_S_EXTERNAL 9u /* riscv,cpu-intc: the cause's number */
#define NODE_NAME_SIZE  32

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

static void chosen(struct builder *b, const struct vm *vm, const struct riscv_boot *boot)
{
    char path[NODE_NAME_SIZE + 8];

    begin(b, "chosen");
    text(b, "bootargs", vm->config->cmdline);
    name_at(path, sizeof(path), "/soc/serial", RISCV_UART_BASE);
    text(b, "stdout-path", path);
    if (boot->initrd_end) {
        keep(b, fdt_property_u64(b->fdt, "linux,initrd-start", boot->initrd_start));
        keep(b, fdt_property_u64(b->fdt, "linux,initrd-end", boot->initrd_end));
    }
    end(b);
}

static void cpu(struct builder *b, const struct riscv_machine *m, unsigned hart)
{
    begin_at(b, "cpu", hart);
    text(b, "device_type", "cpu");
    text(b, "compatible", "riscv");
    cell(b, "reg", hart);
    text(b, "status", "okay");
    text(b, "riscv,isa", m->isa);
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

static void plic(struct builder *b, const struct vm *vm)
{
    static const char compatible[] = "sifive,plic-1.0.0\0riscv,plic0";
    fdt32_t *cells;
    void *place;

    begin_at(b, "plic", RISCV_PLIC_BASE);
    keep(b, fdt_property(b->fdt, "compatible", compatible, sizeof(compatible)));
    reg(b, RISCV_PLIC_BASE, RISCV_PLIC_SIZE);
    cell(b, "#address-cells", 0);
    cell(b, "#interrupt-cells", 1);
    flag(b, "interrupt-controller");
    cell(b, "riscv,ndev", RISCV_PLIC_PINS - 1);
    keep(b, fdt_property_placeholder(b->fdt, "interrupts-extended",
                                     (int)(vm->vcpu_count * 2 * sizeof(*cells)), &place));
    for (unsigned i = 0; !b->error && i < vm->vcpu_count; i++) {
        cells = place;
        cells[2 * i] = cpu_to_fdt32(PHANDLE_INTC + i);
        cells[2 * i + 1] = cpu_to_fdt32(INTC_S_EXTERNAL);
    }
    cell(b, "phandle", PHANDLE_PLIC);
    end(b);
}

static void uart(struct builder *b)
{
    begin_at(b, "serial", RISCV_UART_BASE);
    text(b, "compatible", "ns16550a");
    reg(b, RISCV_UART_BASE, RISCV_UART_SIZE);
    cell(b, "clock-frequency", UART16550_CLOCK_HZ);
    cell(b, "interrupt-parent", PHANDLE_PLIC);
    cell(b, "interrupts", RISCV_UART_PIN);
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
    struct builder b = {.fdt = buffer};

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
    plic(&b, vm);
    uart(&b);
    end(&b);
    end(&b);
    keep(&b, fdt_finish(buffer));
    if (b.error)
        return b.error == -FDT_ERR_NOSPACE ? ERR_NO_MEMORY : ERR_INVALID;
    *used = fdt_totalsize(buffer);
    return ERR_OK;
}
