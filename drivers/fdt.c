/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The firmware's device tree: see drivers/fdt.h. */
#include "drivers/fdt.h"

#include <libfdt.h>
#include <string.h>

#include "kernel/log.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

#define FDT_DEPTH_MAX 16 /* of buses between a device and the root */

static void *blob;

/* Bytes of the tree at `header` that hold something: firmware pads it with space to grow. 0 when
 * its header is not sensible. */
static uint64_t used_size(const void *header)
{
    if (fdt_check_header(header) != 0)
        return 0;
    uint64_t total = fdt_totalsize(header);
    uint64_t structs = (uint64_t)fdt_off_dt_struct(header) + fdt_size_dt_struct(header);
    uint64_t strings = (uint64_t)fdt_off_dt_strings(header) + fdt_size_dt_strings(header);
    uint64_t used = MAX(structs, strings);
    return used <= total && used >= sizeof(struct fdt_header) && used <= FDT_SIZE_MAX ? used : 0;
}

/* Copies `size` bytes that are a device tree; NULL with a warning when they are not. */
static void *copy_checked(const void *mapped, size_t size)
{
    void *copy = heap_alloc(size);
    if (!copy) {
        log_warn("device tree: no memory for a copy of %zu bytes: not used", size);
        return NULL;
    }
    memcpy(copy, mapped, size);
    fdt_set_totalsize(copy, (uint32_t)size);
    int error = fdt_check_full(copy, size);
    if (error == 0)
        return copy;
    log_warn("device tree: malformed (%s): not used", fdt_strerror(error));
    heap_free(copy);
    return NULL;
}

void fdt_init(hpa_t pa)
{
    if (!pa.v)
        return;
    void *header = kernel_map_device(pa, sizeof(struct fdt_header), PT_READ);
    if (!header)
        return;
    uint64_t size = used_size(header);
    kernel_unmap_device(header, sizeof(struct fdt_header));
    if (!size) {
        log_warn("device tree: no valid header at 0x%llx: not used", (unsigned long long)pa.v);
        return;
    }
    void *mapped = kernel_map_device(pa, size, PT_READ);
    if (!mapped)
        return;
    blob = copy_checked(mapped, size);
    kernel_unmap_device(mapped, size);
}

const void *fdt_blob(void)
{
    return blob;
}

/* ---- Nodes ---- */

bool fdt_is_compatible(int node, const char *compatible)
{
    return blob && fdt_node_check_compatible(blob, node, compatible) == 0;
}

bool fdt_enabled(int node)
{
    const char *status = fdt_text(node, "status");
    return !status || strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

int fdt_next_compatible_any(int previous, const char *const *list, unsigned *which)
{
    if (!blob)
        return -FDT_ERR_NOTFOUND;
    for (int node = fdt_next_node(blob, previous, NULL); node >= 0;
         node = fdt_next_node(blob, node, NULL)) {
        for (unsigned i = 0; list[i]; i++) {
            if (!fdt_is_compatible(node, list[i]) || !fdt_enabled(node))
                continue;
            if (which)
                *which = i;
            return node;
        }
    }
    return -FDT_ERR_NOTFOUND;
}

int fdt_next_compatible(int previous, const char *compatible)
{
    const char *const list[] = {compatible, NULL};
    return fdt_next_compatible_any(previous, list, NULL);
}

/* ---- Properties ---- */

/* Property `name` of `node` as cells; their number goes to *count (0: none). */
static const fdt32_t *get_cells(int node, const char *name, unsigned *count)
{
    int length = 0;
    const fdt32_t *cells = blob && node >= 0 ? fdt_getprop(blob, node, name, &length) : NULL;
    *count = cells && length > 0 ? (unsigned)length / sizeof(*cells) : 0;
    return cells;
}

bool fdt_cell(int node, const char *property, unsigned index, uint32_t *value)
{
    unsigned count;
    const fdt32_t *cells = get_cells(node, property, &count);
    if (index >= count)
        return false;
    *value = fdt32_ld(cells + index);
    return true;
}

bool fdt_has(int node, const char *property)
{
    return fdt_blob() && fdt_getprop(fdt_blob(), node, property, NULL);
}

uint32_t fdt_u32(int node, const char *property, uint32_t fallback)
{
    uint32_t value;
    return fdt_cell(node, property, 0, &value) ? value : fallback;
}

uint64_t fdt_u64(int node, const char *property, uint64_t fallback)
{
    unsigned count;
    const fdt32_t *cells = get_cells(node, property, &count);
    if (count == 0)
        return fallback;
    uint64_t first = fdt32_ld(cells);
    return count == 1 ? first : first << 32 | fdt32_ld(cells + 1);
}

const char *fdt_text(int node, const char *property)
{
    int length = 0;
    const char *s = blob && node >= 0 ? fdt_getprop(blob, node, property, &length) : NULL;
    return s && length > 0 && memchr(s, 0, (size_t)length) ? s : NULL;
}

int fdt_phandle(int node, const char *property, unsigned index)
{
    uint32_t phandle;
    if (!fdt_cell(node, property, index, &phandle))
        return -FDT_ERR_NOTFOUND;
    return fdt_node_offset_by_phandle(blob, phandle);
}

/* ---- Addresses ---- */

/* `n` cells (0 to 2; of three, as PCI has them, the first one holds no address) as a number. */
static uint64_t number(const fdt32_t *cells, unsigned n)
{
    uint64_t value = 0;
    for (unsigned i = n > 2 ? n - 2 : 0; i < n; i++)
        value = value << 32 | fdt32_ld(cells + i);
    return value;
}

/* Cells of an address and of a size among the children of `node`; false when they are not sensible.
 */
static bool bus_cells(int node, unsigned *address, unsigned *size)
{
    *address = fdt_u32(node, "#address-cells", 2);
    *size = fdt_u32(node, "#size-cells", 1);
    return *address >= 1 && *address <= 3 && *size <= 2;
}

enum err fdt_reg_raw(int node, unsigned index, uint64_t *address, uint64_t *size)
{
    if (!blob || node < 0)
        return ERR_NOT_FOUND;
    int parent = fdt_parent_offset(blob, node);
    unsigned ac, sc, count;
    if (parent < 0 || !bus_cells(parent, &ac, &sc))
        return ERR_CORRUPT;
    const fdt32_t *cells = get_cells(node, "reg", &count);
    if (index >= count / (ac + sc))
        return ERR_NOT_FOUND;
    cells += (size_t)index * (ac + sc);
    *address = number(cells, ac);
    *size = number(cells + ac, sc);
    return ERR_OK;
}

/* Translates *address, seen by the children of `bus`, to what bus's parent sees. */
static enum err translate(int bus, int parent, uint64_t *address, uint64_t size)
{
    unsigned ac, sc, pac, psc, count;
    if (!bus_cells(bus, &ac, &sc) || !bus_cells(parent, &pac, &psc))
        return ERR_CORRUPT;
    const fdt32_t *cells = get_cells(bus, "ranges", &count);
    if (!cells)
        return ERR_RANGE; /* no ranges: children cannot be addressed from above */
    if (count == 0)
        return ERR_OK; /* empty ranges: the same addresses */
    unsigned width = ac + pac + sc;
    for (unsigned at = 0; at + width <= count; at += width) {
        uint64_t child = number(cells + at, ac);
        uint64_t up = number(cells + at + ac, pac);
        uint64_t length = number(cells + at + ac + pac, sc);
        if (*address < child || *address - child >= length || size > length - (*address - child))
            continue;
        return __builtin_add_overflow(up, *address - child, address) ? ERR_CORRUPT : ERR_OK;
    }
    return ERR_RANGE;
}

enum err fdt_reg(int node, unsigned index, hpa_t *base, uint64_t *size)
{
    uint64_t address;
    enum err e = fdt_reg_raw(node, index, &address, size);
    if (e)
        return e;
    int bus = fdt_parent_offset(blob, node);
    for (int depth = 0; bus > 0; depth++) {
        int parent = fdt_parent_offset(blob, bus);
        if (parent < 0 || depth == FDT_DEPTH_MAX)
            return ERR_CORRUPT;
        e = translate(bus, parent, &address, *size);
        if (e)
            return e;
        bus = parent;
    }
    if (address + *size < address)
        return ERR_CORRUPT;
    *base = HPA(address);
    return ERR_OK;
}

/* ---- Interrupts ---- */

static int interrupt_parent(int node)
{
    for (int depth = 0; node >= 0 && depth < FDT_DEPTH_MAX; depth++) {
        int parent = fdt_phandle(node, "interrupt-parent", 0);
        if (parent >= 0)
            return parent;
        node = fdt_parent_offset(blob, node);
    }
    return -FDT_ERR_NOTFOUND;
}

/* Fills `out` with the specifier at `cells`, of which `left` are there. */
static enum err read_specifier(int controller, const fdt32_t *cells, unsigned left,
                               struct fdt_interrupt *out)
{
    unsigned n = controller >= 0 ? fdt_u32(controller, "#interrupt-cells", 0) : 0;
    if (n == 0 || n > FDT_INTERRUPT_CELLS_MAX)
        return ERR_CORRUPT;
    if (left < n)
        return ERR_NOT_FOUND;
    out->controller = controller;
    out->count = n;
    for (unsigned i = 0; i < n; i++)
        out->cells[i] = fdt32_ld(cells + i);
    return ERR_OK;
}

static enum err extended_interrupt(const fdt32_t *cells, unsigned count, unsigned index,
                                   struct fdt_interrupt *out)
{
    for (unsigned at = 0; at < count; at += 1 + out->count) {
        int controller = fdt_node_offset_by_phandle(blob, fdt32_ld(cells + at));
        enum err e = read_specifier(controller, cells + at + 1, count - at - 1, out);
        if (e || index-- == 0)
            return e;
    }
    return ERR_NOT_FOUND;
}

enum err fdt_interrupt(int node, unsigned index, struct fdt_interrupt *out)
{
    unsigned count;
    if (!blob || node < 0)
        return ERR_NOT_FOUND;
    const fdt32_t *cells = get_cells(node, "interrupts-extended", &count);
    if (cells)
        return extended_interrupt(cells, count, index, out);
    cells = get_cells(node, "interrupts", &count);
    if (!count)
        return ERR_NOT_FOUND;
    int controller = interrupt_parent(node);
    enum err e = read_specifier(controller, cells, count, out);
    for (unsigned i = 0; e == ERR_OK && i < index; i++) {
        cells += out->count;
        count -= out->count;
        e = read_specifier(controller, cells, count, out);
    }
    return e;
}

/* Flags as the bindings of most controllers have them (interrupt-controller/interrupts.txt of the
 * Linux bindings). */
static enum irq_trigger trigger_from_flags(uint32_t flags)
{
    switch (flags & 15) {
    case 1:
    case 2:
    case 3:
        return IRQ_EDGE;
    case 8:
        return IRQ_LEVEL_LOW;
    default:
        return IRQ_LEVEL_HIGH;
    }
}

enum err fdt_irq(int node, unsigned index, unsigned *irq, enum irq_trigger *trigger)
{
    struct fdt_interrupt i;
    enum err e = fdt_interrupt(node, index, &i);
    if (e)
        return e;
    if (i.count >= 3) { /* arm,gic and arm,gic-v3: type (0 SPI, 1 PPI), number, flags */
        if (i.cells[0] > 1 || i.cells[1] > 1019)
            return ERR_UNSUPPORTED;
        *irq = i.cells[1] + (i.cells[0] ? 16 : 32);
        *trigger = trigger_from_flags(i.cells[2]);
    } else {
        *irq = i.cells[0];
        *trigger = i.count == 1 ? IRQ_LEVEL_HIGH : trigger_from_flags(i.cells[1]);
    }
    return ERR_OK;
}

/* ---- /chosen ---- */

int fdt_stdout(char *options, size_t size)
{
    if (size)
        options[0] = 0;
    if (!blob)
        return -FDT_ERR_NOTFOUND;
    int chosen = fdt_path_offset(blob, "/chosen");
    const char *path = fdt_text(chosen, "stdout-path");
    if (!path)
        path = fdt_text(chosen, "linux,stdout-path");
    if (!path)
        return -FDT_ERR_NOTFOUND;
    size_t length = strcspn(path, ":");
    if (path[length] && size) {
        strncpy(options, path + length + 1, size - 1);
        options[size - 1] = 0;
    }
    return fdt_path_offset_namelen(blob, path, (int)length); /* resolves aliases */
}

void fdt_report(struct out *out)
{
    if (!blob) {
        out_printf(out, "device tree: none\n");
        return;
    }
    const char *model = fdt_text(0, "model"), *compatible = fdt_text(0, "compatible");
    out_printf(out, "device tree: %u bytes, %s (%s)\n", (unsigned)fdt_totalsize(blob),
               model ? model : "no model", compatible ? compatible : "no compatible");
}
