/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the firmware's device tree: the input is the tree; every helper is asked about every node.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "drivers/fdt.c"

#define TREE 0x1000 /* its physical address */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *tree;
static size_t tree_size;

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)fmt;
    if (level < LOG_WARN)
        abort();
}

void *kernel_map_device(hpa_t pa, uint64_t size, unsigned attrs)
{
    (void)attrs;
    if (pa.v != TREE || size > tree_size)
        return NULL;
    void *copy = malloc(size);
    memcpy(copy, tree, size);
    return copy;
}

void kernel_unmap_device(void *va, uint64_t size)
{
    (void)size;
    free(va);
}

void *heap_alloc(size_t size)
{
    return malloc(size);
}

void heap_free(void *p)
{
    free(p);
}

static void swallow(struct out *out, const char *text, size_t length)
{
    (void)out;
    for (size_t i = 0; i < length; i++)
        if (!text[i])
            abort();
}

static void ask(int node)
{
    hpa_t base;
    uint64_t address, size;
    struct fdt_interrupt interrupt;
    unsigned irq;
    enum irq_trigger trigger;
    for (unsigned i = 0; i < 3; i++) {
        (void)!fdt_reg(node, i, &base, &size);
        (void)!fdt_reg_raw(node, i, &address, &size);
        (void)!fdt_interrupt(node, i, &interrupt);
        (void)!fdt_irq(node, i, &irq, &trigger);
    }
    (void)fdt_enabled(node);
    (void)fdt_text(node, "compatible");
    (void)fdt_u64(node, "reg", 0);
    (void)fdt_phandle(node, "interrupt-parent", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct out out = {swallow};
    char options[8];
    tree = data;
    tree_size = size;
    fdt_init(HPA(TREE));
    if (!blob)
        return 0;
    fdt_report(&out);
    (void)fdt_stdout(options, sizeof(options));
    (void)fdt_next_compatible(-1, "a");
    int asked = 0;
    for (int node = fdt_next_node(blob, -1, NULL); node >= 0 && asked < 64; asked++) {
        ask(node);
        node = fdt_next_node(blob, node, NULL);
    }
    heap_free(blob);
    blob = NULL;
    return 0;
}
