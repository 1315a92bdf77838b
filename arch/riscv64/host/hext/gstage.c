/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * G-stage page tables (21.5): Sv39x4 and Sv48x4 entries, VMIDs, and fences. hfence instructions by
 * .insn: compilers may not know them.
 */
#include "arch/riscv64/host/host_internal.h"
#include "arch/riscv64/host/sbi.h"
#include "hext.h"
#include "mm/page.h"
#include "mm/page_table.h"

/* Entries are like those of the first stage (12.3.1), and every leaf is a user page (21.5.1). */
#define GPTE_V         0x01UL
#define GPTE_R         0x02UL
#define GPTE_W         0x04UL
#define GPTE_X         0x08UL
#define GPTE_U         0x10UL
#define GPTE_A         0x40UL
#define GPTE_D         0x80UL
#define GPTE_SOFT_LOG  0x100UL
#define GPTE_PPN_SHIFT 10
#define GPTE_PPN_MASK  0xfffffffffffUL

#define SBI_RFENCE_GVMA 4 /* SBI 2.0, 8.5 */

/* A CPU's supply of VMIDs; 0 is never handed out. */
struct vmid_space {
    uint64_t generation;
    uint64_t next;     /* 0: a generation begins with the first */
    const void *owner; /* without VMIDs: whose entries the TLB may hold */
};

PER_CPU(static struct vmid_space, vmid_space);
static uint64_t modes; /* bits: hgatp mode numbers that the hart has */
static unsigned vmid_bits;

static uint64_t gpte_leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    (void)level;
    return GPTE_V | GPTE_U | GPTE_A | (attrs & PT_READ ? GPTE_R : 0) |
           (attrs & PT_WRITE ? GPTE_W | GPTE_D : 0) | (attrs & PT_EXEC ? GPTE_X : 0) |
           (attrs & PT_DIRTY_LOG ? GPTE_SOFT_LOG : 0) | pa.v >> PAGE_SHIFT << GPTE_PPN_SHIFT;
}

static uint64_t gpte_table(hpa_t table)
{
    return GPTE_V | table.v >> PAGE_SHIFT << GPTE_PPN_SHIFT;
}

static bool gpte_present(uint64_t pte)
{
    return pte & GPTE_V;
}

static bool gpte_is_leaf(uint64_t pte, unsigned level)
{
    (void)level;
    return pte & (GPTE_R | GPTE_W | GPTE_X);
}

static hpa_t gpte_address(uint64_t pte, unsigned level)
{
    (void)level;
    return HPA((pte >> GPTE_PPN_SHIFT & GPTE_PPN_MASK) << PAGE_SHIFT);
}

static unsigned gpte_attrs(uint64_t pte, unsigned level)
{
    (void)level;
    return (pte & GPTE_R ? PT_READ : 0u) | (pte & GPTE_W ? PT_WRITE : 0u) |
           (pte & GPTE_X ? PT_EXEC : 0u) | (pte & GPTE_SOFT_LOG ? PT_DIRTY_LOG : 0u);
}

/* Entries changed or went: every hart may hold them. The firmware waits for all. */
static void gpte_flush(struct page_table *pt, uint64_t gpa, uint64_t size)
{
    (void)pt;
    /* hfence.gvma zero, zero */
    __asm__ volatile(".insn r 0x73, 0, 0x31, x0, x0, x0" ::: "memory");
    if (cpu_count() > 1)
        sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_GVMA, 0, SBI_ALL_HARTS, gpa, size);
}

/* The hart whose guest faulted may have cached the invalid entry (12.2.1): it is told here, others
 * when they fault in turn. */
static void gpte_publish(struct page_table *pt, uint64_t gpa, uint64_t size)
{
    (void)pt;
    (void)size;
    host_barrier_write();
    gstage_fence_gpa(GPA(gpa));
}

/* Fetches are ordered after stores by FENCE.I alone, on each hart by itself (Unprivileged,
 * Zifencei): no hart goes on with instructions of whoever had this memory before. */
static void gpte_sync(hpa_t pa, uint64_t size)
{
    host_code_sync(phys_to_virt(pa), size);
}

#define GSTAGE_FORMAT(name_, levels_, bits_)                                                  \
    {                                                                                         \
        .name = (name_), .levels = (levels_), .root_order = 2, .address_bits = (bits_),       \
        .max_leaf_1g = true, .leaf = gpte_leaf, .table = gpte_table, .present = gpte_present, \
        .is_leaf = gpte_is_leaf, .address = gpte_address, .attrs = gpte_attrs,                \
        .flush = gpte_flush, .publish = gpte_publish, .sync = gpte_sync,                      \
    }
static const struct pt_format sv39x4 = GSTAGE_FORMAT("Sv39x4", 3, 41);
static const struct pt_format sv48x4 = GSTAGE_FORMAT("Sv48x4", 4, 50);

void gstage_probe(void)
{
    uint64_t flags = host_irq_save(), old = csr_read(CSR_HGATP);

    for (uint64_t mode = ATP_MODE_SV39; mode <= ATP_MODE_SV57; mode++) {
        csr_write(CSR_HGATP, mode << ATP_MODE_SHIFT);
        if (csr_read(CSR_HGATP) >> ATP_MODE_SHIFT == mode)
            modes |= BIT(mode);
    }
    csr_write(CSR_HGATP, ATP_MODE_SV39 << ATP_MODE_SHIFT | HGATP_VMID_MASK << HGATP_VMID_SHIFT);
    vmid_bits =
        (unsigned)__builtin_popcountl(csr_read(CSR_HGATP) >> HGATP_VMID_SHIFT & HGATP_VMID_MASK);
    csr_write(CSR_HGATP, old);
    host_irq_restore(flags);
}

const struct pt_format *gstage_format(uint64_t limit)
{
    if (modes & BIT(ATP_MODE_SV39) && limit <= BIT(41))
        return &sv39x4;
    if (modes & BIT(ATP_MODE_SV48) && limit <= BIT(50))
        return &sv48x4;
    return NULL;
}

uint64_t gstage_mode(const struct pt_format *format)
{
    return format == &sv39x4 ? ATP_MODE_SV39 : ATP_MODE_SV48;
}

unsigned gstage_vmid_bits(void)
{
    return vmid_bits;
}

const char *gstage_names(void)
{
    bool small = modes & BIT(ATP_MODE_SV39), large = modes & BIT(ATP_MODE_SV48);

    return small && large ? "Sv39x4 and Sv48x4" : small ? "Sv39x4" : large ? "Sv48x4" : "none";
}

/*
 * VMIDs are a CPU's own: TLBs are, and fences work on one hart. A vCPU gets a new one when it comes
 * to a CPU other than where it ran last, or when the CPU has handed out all and begun a new
 * generation, with nothing left in its TLB. So no two vCPUs share one, and what a vCPU left behind
 * is never met.
 */
uint64_t gstage_vmid_assign(struct gstage_vmid *v, const void *owner)
{
    struct vmid_space *space = this_cpu_ptr(vmid_space);
    struct cpu *cpu = this_cpu();

    if (vmid_bits == 0) {
        if (v->cpu != cpu || space->owner != owner)
            gstage_fence_all();
        space->owner = owner;
    } else if (v->cpu != cpu || v->generation != space->generation) {
        if (space->next == 0 || space->next >> vmid_bits) {
            space->generation++;
            space->next = 1;
            gstage_fence_all();
        }
        v->vmid = space->next++;
        v->generation = space->generation;
    }
    v->cpu = cpu;
    return v->vmid << HGATP_VMID_SHIFT;
}

/* hfence.gvma x0, x0 and hfence.vvma x0, x0: everything of all guests. */
void gstage_fence_all(void)
{
    __asm__ volatile(".insn r 0x73, 0, 0x31, x0, x0, x0" ::: "memory");
    gstage_fence_vs();
}

/* hfence.vvma x0, x0: the VS-stage entries of the VMID in hgatp. */
void gstage_fence_vs(void)
{
    __asm__ volatile(".insn r 0x73, 0, 0x11, x0, x0, x0" ::: "memory");
}

/* hfence.vvma address, asid: of one page, in one address space or (RISCV_ASID_ALL) in all. */
void gstage_fence_vs_page(uint64_t va, uint64_t asid)
{
    if (asid == RISCV_ASID_ALL)
        __asm__ volatile(".insn r 0x73, 0, 0x11, x0, %0, x0" ::"r"(va) : "memory");
    else
        __asm__ volatile(".insn r 0x73, 0, 0x11, x0, %0, %1" ::"r"(va), "r"(asid) : "memory");
}

/* hfence.gvma takes the address shifted right by two. */
void gstage_fence_gpa(gpa_t gpa)
{
    __asm__ volatile(".insn r 0x73, 0, 0x31, x0, %0, x0" ::"r"(gpa.v >> 2) : "memory");
}
