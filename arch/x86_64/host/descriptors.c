/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * GDT and TSS per CPU, one IDT for all. NMI, double fault and machine check come on stacks of their
 * own (IST), so that they are reported whatever the state of the running stack is.
 */
#include "arch/x86_64/host/descriptors.h"
#include "arch/x86_64/host/msr.h"
#include "mm/page.h"

/* One block a CPU: the double fault's stack prints a whole panic, the others little. */
#define EMERGENCY_ORDER   3
#define EMERGENCY_SIZE    (PAGE_SIZE << EMERGENCY_ORDER)
#define NMI_STACK_TOP     (2 * PAGE_SIZE)
#define MACHINE_CHECK_TOP (4 * PAGE_SIZE)
#define DOUBLE_FAULT_TOP  EMERGENCY_SIZE

/* Descriptors: SDM 3, 3.4.5 and 3.5. */
#define DESCRIPTOR_CODE64   0x00af9b000000ffffULL
#define DESCRIPTOR_DATA     0x00cf93000000ffffULL
#define DESCRIPTOR_CODE64_3 0x00affb000000ffffULL /* the same two for level 3 */
#define DESCRIPTOR_DATA_3   0x00cff3000000ffffULL
#define DESCRIPTOR_TSS      (0x89ULL << 40) /* present, available 64-bit TSS */
#define DESCRIPTOR_TSS_BUSY (0x2ULL << 40)
#define GDT_TSS             (SELECTOR_TSS / 8)
#define GATE_INTERRUPT      0x8e /* present, DPL 0, 64-bit interrupt gate */
#define GATE_DPL_3          0x60
#define VECTORS             256
#define TRAP_STUB_SIZE      16

/* 64-bit gate: SDM 3, 6.14.1. */
struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
} PACKED;

struct table_pointer {
    uint16_t limit;
    const void *base;
} PACKED;

extern const char x86_trap_stubs[];
void x86_load_segments(const struct table_pointer *gdt);

/* Whole pages: all of this is in every cage, and nothing else may be in the same pages. */
static struct gate idt[VECTORS] __attribute__((aligned(PAGE_SIZE)));
static char boot_emergency_stacks[EMERGENCY_SIZE] __attribute__((aligned(PAGE_SIZE)));
static union {
    struct x86_gates gates;
    char page[PAGE_SIZE];
} boot_gates __attribute__((aligned(PAGE_SIZE)));
_Static_assert(sizeof(idt) == PAGE_SIZE, "a whole page");

static const unsigned stack_tops[] = {[IST_NMI] = NMI_STACK_TOP,
                                      [IST_DOUBLE_FAULT] = DOUBLE_FAULT_TOP,
                                      [IST_MACHINE_CHECK] = MACHINE_CHECK_TOP};

static void idt_init(void)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        uint64_t stub = (uint64_t)(uintptr_t)(x86_trap_stubs + TRAP_STUB_SIZE * i);

        idt[i] = (struct gate){.offset_low = (uint16_t)stub,
                               .selector = SELECTOR_CODE,
                               .type = GATE_INTERRUPT,
                               .offset_middle = (uint16_t)(stub >> 16),
                               .offset_high = (uint32_t)(stub >> 32)};
    }
    idt[EXCEPTION_NMI].ist = IST_NMI;
    idt[EXCEPTION_DF].ist = IST_DOUBLE_FAULT;
    idt[EXCEPTION_MC].ist = IST_MACHINE_CHECK;
    idt[VECTOR_GATE].type |= GATE_DPL_3;
}

static struct x86_home *home_of(const struct cpu *cpu, unsigned ist)
{
    return (struct x86_home *)(void *)(cpu->host.emergency_stacks + stack_tops[ist]) - 1;
}

static void tables_fill(struct cpu *cpu, struct x86_gates *gates, char *stacks)
{
    uint64_t tss = (uint64_t)(uintptr_t)&gates->tss;

    cpu->host.gates = gates;
    cpu->host.emergency_stacks = stacks;
    gates->tss = (struct x86_tss){.io_map_base = sizeof(struct x86_tss)};
    for (unsigned ist = IST_NMI; ist <= IST_MACHINE_CHECK; ist++) {
        *home_of(cpu, ist) = (struct x86_home){.cpu = cpu};
        gates->tss.ist[ist - 1] = (uint64_t)(uintptr_t)home_of(cpu, ist);
    }
    gates->gdt[0] = 0;
    gates->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE64;
    gates->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    gates->gdt[GDT_TSS] = DESCRIPTOR_TSS | (sizeof(struct x86_tss) - 1) | (tss & 0xffffff) << 16 |
                          (tss >> 24 & 0xff) << 56;
    gates->gdt[GDT_TSS + 1] = tss >> 32;
    gates->gdt[SELECTOR_CAGE_DATA / 8] = DESCRIPTOR_DATA_3;
    gates->gdt[SELECTOR_CAGE_CODE / 8] = DESCRIPTOR_CODE64_3;
}

void descriptors_set_tables(struct cpu *cpu, uint64_t tables)
{
    for (unsigned ist = IST_NMI; ist <= IST_MACHINE_CHECK; ist++)
        home_of(cpu, ist)->tables = tables;
}

void descriptors_pages(const struct cpu *cpu, void (*page)(void *arg, const void *at, size_t size),
                       void *arg)
{
    page(arg, cpu->host.gates, PAGE_SIZE);
    page(arg, cpu->host.emergency_stacks, EMERGENCY_SIZE);
}

void descriptors_boot_init(struct cpu *cpu)
{
    idt_init();
    tables_fill(cpu, &boot_gates.gates, boot_emergency_stacks);
}

enum err descriptors_prepare(struct cpu *cpu)
{
    hpa_t stacks = page_alloc(EMERGENCY_ORDER, PAGE_ZERO), gates = page_alloc(0, PAGE_ZERO);

    if (stacks.v && gates.v) {
        tables_fill(cpu, phys_to_virt(gates), phys_to_virt(stacks));
        return ERR_OK;
    }
    if (stacks.v)
        page_free(stacks, EMERGENCY_ORDER);
    if (gates.v)
        page_free(gates, 0);
    return ERR_NO_MEMORY;
}

void descriptors_reload_tss(struct cpu *cpu)
{
    cpu->host.gates->gdt[GDT_TSS] &= ~DESCRIPTOR_TSS_BUSY;
    __asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS) : "memory");
}

void descriptors_reload_limits(const struct cpu *cpu)
{
    struct table_pointer gdt_pointer = {sizeof(cpu->host.gates->gdt) - 1, cpu->host.gates->gdt};
    struct table_pointer idt_pointer = {sizeof(idt) - 1, idt};

    __asm__ volatile("lgdt %0; lidt %1" ::"m"(gdt_pointer), "m"(idt_pointer));
}

uint64_t descriptors_idt(void)
{
    return (uint64_t)(uintptr_t)idt;
}

void descriptors_load(struct cpu *cpu)
{
    struct table_pointer gdt_pointer = {sizeof(cpu->host.gates->gdt) - 1, cpu->host.gates->gdt};
    struct table_pointer idt_pointer = {sizeof(idt) - 1, idt};

    x86_load_segments(&gdt_pointer);
    descriptors_reload_tss(cpu);
    __asm__ volatile("lidt %0; lldt %w1" ::"m"(idt_pointer), "r"(0));
    host_set_this_cpu(cpu);
}

void host_set_this_cpu(struct cpu *cpu)
{
    cpu->self = cpu;
    msr_write(MSR_GS_BASE, (uint64_t)(uintptr_t)cpu);
}
