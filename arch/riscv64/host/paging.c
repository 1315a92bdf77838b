/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The hypervisor's own page tables, Sv48 or Sv39 (RISC-V Privileged 1.13, 12.3 to 12.5), and remote
 * fences. Devices and frame buffers get their memory type by Svpbmt where it is there; elsewhere
 * the machine's physical memory attributes decide.
 */
#include "boot/boot_info.h"
#include "host_internal.h"
#include "isa.h"
#include "kernel/log.h"
#include "mm/kernel_map.h"
#include "mm/page_table.h"
#include "sbi.h"

#define PTE_V         0x01UL
#define PTE_R         0x02UL
#define PTE_W         0x04UL
#define PTE_X         0x08UL
#define PTE_U         0x10UL
#define PTE_G         0x20UL
#define PTE_A         0x40UL
#define PTE_D         0x80UL
#define PTE_SOFT_LOG  0x100UL /* RSW: PT_DIRTY_LOG */
#define PTE_PPN_SHIFT 10
#define PTE_PPN_MASK  0xfffffffffffUL
#define PTE_PBMT_NC   BIT(61) /* Svpbmt (13.3) */
#define PTE_PBMT_IO   BIT(62)
#define PTE_PBMT_MASK (PTE_PBMT_NC | PTE_PBMT_IO)

#define FENCE_ALL_SIZE KIB(256) /* a larger range is dropped by one fence of everything */

static struct host_layout layout;
static uint64_t satp_mode, kernel_root, image_delta; /* image_delta: virtual - physical */
static bool svpbmt, svvptc;

static uint64_t pte_leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    uint64_t pte = PTE_V | PTE_A | pa.v >> PAGE_SHIFT << PTE_PPN_SHIFT;

    (void)level;
    pte |= (attrs & PT_READ ? PTE_R : 0) | (attrs & PT_EXEC ? PTE_X : 0) |
           (attrs & PT_USER ? PTE_U : 0);
    pte |= (attrs & PT_WRITE ? PTE_R | PTE_W | PTE_D : 0) | (attrs & PT_GLOBAL ? PTE_G : 0);
    pte |= attrs & PT_DIRTY_LOG ? PTE_SOFT_LOG : 0;
    if (svpbmt)
        pte |= attrs & PT_DEVICE ? PTE_PBMT_IO : attrs & PT_WRITE_COMBINE ? PTE_PBMT_NC : 0;
    return pte;
}

static uint64_t pte_table(hpa_t table)
{
    return PTE_V | table.v >> PAGE_SHIFT << PTE_PPN_SHIFT;
}

static bool pte_present(uint64_t pte)
{
    return pte & PTE_V;
}

static bool pte_is_leaf(uint64_t pte, unsigned level)
{
    (void)level;
    return pte & (PTE_R | PTE_W | PTE_X);
}

static hpa_t pte_address(uint64_t pte, unsigned level)
{
    (void)level;
    return HPA((pte >> PTE_PPN_SHIFT & PTE_PPN_MASK) << PAGE_SHIFT);
}

static unsigned pte_attrs(uint64_t pte, unsigned level)
{
    unsigned attrs = 0;

    (void)level;
    attrs |=
        (pte & PTE_R ? PT_READ : 0) | (pte & PTE_W ? PT_WRITE : 0) | (pte & PTE_X ? PT_EXEC : 0);
    attrs |= (pte & PTE_U ? PT_USER : 0) | (pte & PTE_G ? PT_GLOBAL : 0);
    attrs |= pte & PTE_SOFT_LOG ? PT_DIRTY_LOG : 0;
    attrs |= (pte & PTE_PBMT_IO ? PT_DEVICE : 0) | (pte & PTE_PBMT_NC ? PT_WRITE_COMBINE : 0);
    return attrs;
}

/* Only tables that are loaded can be cached; the firmware's tables are fenced when they are
 * switched to and from. */
static void pt_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    if (kernel_root && pt->root.v == kernel_root)
        host_tlb_flush_kernel(va, size);
}

/* Invalid entries may be cached too (12.2.1) unless Svvptc says that they are not for long, and a
 * hart that faults on a new stack cannot even take the trap: so without it new entries are fenced
 * on all harts like changed ones. */
static void pt_publish(struct page_table *pt, uint64_t va, uint64_t size)
{
    if (!svvptc)
        pt_flush(pt, va, size);
    else
        host_barrier_full();
}

static const struct pt_format sv48 = {
    .name = "Sv48",
    .levels = 4,
    .address_bits = 48,
    .max_leaf_1g = true,
    .leaf = pte_leaf,
    .table = pte_table,
    .present = pte_present,
    .is_leaf = pte_is_leaf,
    .address = pte_address,
    .attrs = pte_attrs,
    .flush = pt_flush,
    .publish = pt_publish,
};

static const struct pt_format sv39 = {
    .name = "Sv39",
    .levels = 3,
    .address_bits = 39,
    .max_leaf_1g = true,
    .leaf = pte_leaf,
    .table = pte_table,
    .present = pte_present,
    .is_leaf = pte_is_leaf,
    .address = pte_address,
    .attrs = pte_attrs,
    .flush = pt_flush,
    .publish = pt_publish,
};

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a - b < b_size || b - a < a_size;
}

/* The vmap area: the highest naturally aligned place in the upper half that neither the direct map
 * nor the image uses. */
static void layout_init(const struct boot_info *info)
{
    uint64_t size = satp_mode == ATP_MODE_SV48 ? GIB(512) : GIB(32);
    uint64_t base = 0 - size;

    while (overlaps(base, size, info->direct_map_base, info->direct_map_size) ||
           overlaps(base, size, info->kernel_virt, info->kernel_size))
        base -= size;
    layout = (struct host_layout){.direct_map_base = info->direct_map_base,
                                  .direct_map_size = info->direct_map_size,
                                  .vmap_base = base,
                                  .vmap_size = size};
}

void paging_early_init(const struct boot_info *info)
{
    satp_mode = csr_read(satp) >> ATP_MODE_SHIFT;
    image_delta = info->kernel_virt - info->kernel_phys;
    layout_init(info);
}

void paging_set_features(uint64_t features)
{
    svpbmt = features & BIT(ISA_SVPBMT);
    svvptc = features & BIT(ISA_SVVPTC);
}

const struct pt_format *host_pt_format(void)
{
    return satp_mode == ATP_MODE_SV48 ? &sv48 : &sv39;
}

const struct host_layout *host_layout(void)
{
    return &layout;
}

hpa_t paging_image_phys(const void *p)
{
    return HPA((uint64_t)p - image_delta);
}

uint64_t paging_satp(void)
{
    return satp_mode << ATP_MODE_SHIFT | kernel_root >> PAGE_SHIFT;
}

void host_kernel_tables_load(hpa_t root)
{
    kernel_root = root.v;
    csr_write(satp, paging_satp());
    __asm__ volatile("sfence.vma" ::: "memory");
}

static void fence_local(uint64_t va, uint64_t size)
{
    if (size > FENCE_ALL_SIZE) {
        __asm__ volatile("sfence.vma" ::: "memory");
        return;
    }
    for (uint64_t end = va + size; va != end; va += PAGE_SIZE)
        __asm__ volatile("sfence.vma %0, zero" ::"r"(va) : "memory");
}

void host_tlb_flush_kernel(uint64_t va, uint64_t size)
{
    va = ALIGN_DOWN(va, PAGE_SIZE);
    size = ALIGN_UP(size, PAGE_SIZE);
    fence_local(va, size);
    if (cpu_count() > 1)
        sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_VMA, 0, SBI_ALL_HARTS, va, size);
}

static void fence_i(void)
{
    __asm__ volatile("fence.i" ::: "memory");
}

void host_code_sync(const void *va, size_t size)
{
    (void)va;
    (void)size;
    host_barrier_full();
    fence_i();
    if (cpu_count() > 1)
        sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_I, 0, SBI_ALL_HARTS, 0, 0);
}

/* Translated code of guests does not run here yet: it would do so with the hypervisor's rights. */
enum err host_code_memory_create(struct host_code_memory *m, size_t size, size_t data_size)
{
    *m = (struct host_code_memory){.size = size, .data_size = data_size};
    return ERR_UNSUPPORTED;
}

void host_code_memory_destroy(struct host_code_memory *m)
{
    (void)m;
}
