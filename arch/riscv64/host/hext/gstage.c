/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * G-stage page tables (21.5): Sv39x4 and Sv48x4 entries, VMIDs, and fences. hfence instructions by
 * .insn: compilers may not know them.
 */
#include "arch/riscv64/host/host_internal.h"
#include "arch/riscv64/host/sbi.h"
#include "hext.h"
#include "kernel/lock.h"
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
#define VMID_MAX        1024

static uint64_t modes; /* bits: hgatp mode numbers that the hart has */
static unsigned vmid_bits;
static uint64_t vmids[VMID_MAX / 64];
LOCK_CLASS(vmid_class, "VMIDs", RANK_SECOND_STAGE);
static struct spinlock vmid_lock = SPINLOCK_INIT(&vmid_class);

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

/* Invalid entries that were cached are fenced when the access faults again (hext.c). */
static void gpte_publish(struct page_table *pt, uint64_t gpa, uint64_t size)
{
    (void)pt;
    (void)gpa;
    (void)size;
    host_barrier_write();
}

#define GSTAGE_FORMAT(name_, levels_, bits_)                                                  \
    {                                                                                         \
        .name = (name_), .levels = (levels_), .root_order = 2, .address_bits = (bits_),       \
        .max_leaf_1g = true, .leaf = gpte_leaf, .table = gpte_table, .present = gpte_present, \
        .is_leaf = gpte_is_leaf, .address = gpte_address, .attrs = gpte_attrs,                \
        .flush = gpte_flush, .publish = gpte_publish,                                         \
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

enum err gstage_vmid_get(unsigned *vmid)
{
    unsigned count = MIN(1u << vmid_bits, (unsigned)VMID_MAX);
    enum err e = ERR_BUSY;

    *vmid = 0;
    if (count == 1)
        return ERR_OK;
    spin_lock(&vmid_lock);
    for (unsigned i = 1; i < count && e != ERR_OK; i++) {
        if (vmids[i / 64] & BIT(i % 64))
            continue;
        vmids[i / 64] |= BIT(i % 64);
        *vmid = i;
        e = ERR_OK;
    }
    spin_unlock(&vmid_lock);
    return e;
}

static void fence_all(void *unused)
{
    (void)unused;
    gstage_fence_vmid(0);
}

/* A VMID is used again only after every CPU has dropped what it cached under it. */
void gstage_vmid_put(unsigned vmid)
{
    fence_all(NULL);
    cpu_call_others(fence_all, NULL, true);
    spin_lock(&vmid_lock);
    vmids[vmid / 64] &= ~BIT(vmid % 64);
    spin_unlock(&vmid_lock);
}

/* hfence.gvma x0, vmid (21.3.2): VMID 0 stands for all here. Fencing the G-stage for a VMID drops
 * what was derived through it. */
void gstage_fence_vmid(unsigned vmid)
{
    if (vmid)
        __asm__ volatile(".insn r 0x73, 0, 0x31, x0, x0, %0" ::"r"((uint64_t)vmid) : "memory");
    else
        __asm__ volatile(".insn r 0x73, 0, 0x31, x0, x0, x0" ::: "memory");
}

/* hfence.vvma x0, x0: the VS-stage entries of the VMID in hgatp. */
void gstage_fence_vs(void)
{
    __asm__ volatile(".insn r 0x73, 0, 0x11, x0, x0, x0" ::: "memory");
}

/* hfence.gvma takes the address shifted right by two. */
void gstage_fence_gpa(gpa_t gpa)
{
    __asm__ volatile(".insn r 0x73, 0, 0x31, x0, %0, x0" ::"r"(gpa.v >> 2) : "memory");
}
