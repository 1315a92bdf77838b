/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The kernel's translation regime: VMSAv8-64, 48-bit addresses, 4 KiB granule (Arm ARM D8), in the
 * three modes of mode.h. The kernel lives in the half with bit 47 set: TTBR1 with VHE and at EL1,
 * the upper half of TTBR0_EL2 without.
 */
#include "arch/aarch64/host/host.h"
#include "kernel/panic.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

/* Descriptors, D8.3 */
#define PTE_VALID       BIT(0)
#define PTE_TABLE       BIT(1) /* levels 0 to 2: a table; level 3: a page */
#define PTE_ATTR_SHIFT  2
#define PTE_AP_EL0      BIT(6) /* RES1 where the regime has one privilege level */
#define PTE_AP_READONLY BIT(7)
#define PTE_SH_INNER    (3ULL << 8)
#define PTE_AF          BIT(10)
#define PTE_NG          BIT(11)
#define PTE_PXN         BIT(53) /* RES0 where the regime has one privilege level */
#define PTE_UXN         BIT(54) /* XN there */
#define PTE_ADDRESS     BITS(47, 12)

#define VA_BIT_47 BIT(47)
/* Where the virtual ranges lie in the kernel's half, beside the direct map (0x8000...) and the
 * image (at the end). */
#define VMAP_OFFSET 0xe00000000000ULL
#define VMAP_SIZE   TIB(4)

struct arm_boot arm_boot;
static struct host_layout layout;

static uint64_t leaf_memory_type(unsigned attrs)
{
    if (attrs & PT_DEVICE)
        return MAIR_INDEX_DEVICE << PTE_ATTR_SHIFT;
    if (attrs & PT_WRITE_COMBINE)
        return MAIR_INDEX_NC << PTE_ATTR_SHIFT;
    return MAIR_INDEX_WB << PTE_ATTR_SHIFT | PTE_SH_INNER;
}

static uint64_t leaf_common(hpa_t pa, unsigned level, unsigned attrs)
{
    return pa.v | PTE_VALID | (level == 0 ? PTE_TABLE : 0) | PTE_AF | leaf_memory_type(attrs) |
           (attrs & PT_WRITE ? 0 : PTE_AP_READONLY);
}

/* Two privilege levels: EL2&0 with VHE, EL1&0. */
static uint64_t leaf_two_levels(hpa_t pa, unsigned level, unsigned attrs)
{
    uint64_t pte = leaf_common(pa, level, attrs);
    bool exec = attrs & PT_EXEC;

    if (attrs & PT_USER)
        return pte | PTE_AP_EL0 | PTE_NG | PTE_PXN | (exec ? 0 : PTE_UXN);
    return pte | PTE_UXN | (exec ? 0 : PTE_PXN);
}

/* One: EL2 without VHE. */
static uint64_t leaf_one_level(hpa_t pa, unsigned level, unsigned attrs)
{
    return leaf_common(pa, level, attrs) | PTE_AP_EL0 | (attrs & PT_EXEC ? 0 : PTE_UXN);
}

static uint64_t pte_table(hpa_t table)
{
    return table.v | PTE_VALID | PTE_TABLE;
}

static bool pte_present(uint64_t pte)
{
    return pte & PTE_VALID;
}

static bool pte_is_leaf(uint64_t pte, unsigned level)
{
    return level == 0 || !(pte & PTE_TABLE);
}

static hpa_t pte_address(uint64_t pte, unsigned level)
{
    (void)level;
    return HPA(pte & PTE_ADDRESS);
}

static unsigned attrs_common(uint64_t pte)
{
    uint64_t type = pte >> PTE_ATTR_SHIFT & 7;

    return PT_READ | (pte & PTE_AP_READONLY ? 0 : PT_WRITE) |
           (type == MAIR_INDEX_DEVICE ? PT_DEVICE : 0) |
           (type == MAIR_INDEX_NC ? PT_WRITE_COMBINE : 0);
}

static unsigned attrs_two_levels(uint64_t pte, unsigned level)
{
    (void)level;
    if (pte & PTE_AP_EL0)
        return attrs_common(pte) | PT_USER | (pte & PTE_UXN ? 0 : PT_EXEC);
    return attrs_common(pte) | (pte & PTE_PXN ? 0 : PT_EXEC);
}

static unsigned attrs_one_level(uint64_t pte, unsigned level)
{
    (void)level;
    return attrs_common(pte) | (pte & PTE_UXN ? 0 : PT_EXEC);
}

static void format_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt;
    host_tlb_flush_kernel(va, size);
}

static void format_publish(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt;
    (void)va;
    (void)size;
    __asm__ volatile("dsb ishst\n isb" ::: "memory");
}

static const struct pt_format format_two_levels = {
    .name = "VMSAv8-64, EL2&0 or EL1&0",
    .levels = 4,
    .address_bits = 48,
    .max_leaf_1g = true,
    .break_before_make = true,
    .leaf = leaf_two_levels,
    .table = pte_table,
    .present = pte_present,
    .is_leaf = pte_is_leaf,
    .address = pte_address,
    .attrs = attrs_two_levels,
    .flush = format_flush,
    .publish = format_publish,
};

static const struct pt_format format_one_level = {
    .name = "VMSAv8-64, EL2",
    .levels = 4,
    .address_bits = 48,
    .max_leaf_1g = true,
    .break_before_make = true,
    .leaf = leaf_one_level,
    .table = pte_table,
    .present = pte_present,
    .is_leaf = pte_is_leaf,
    .address = pte_address,
    .attrs = attrs_one_level,
    .flush = format_flush,
    .publish = format_publish,
};

const struct pt_format *host_pt_format(void)
{
    return arm_mode == MODE_NVHE ? &format_one_level : &format_two_levels;
}

const struct host_layout *host_layout(void)
{
    return &layout;
}

void paging_init(const struct boot_info *info)
{
    arm_boot = (struct arm_boot){
        .kernel_phys = info->kernel_phys,
        .kernel_virt = info->kernel_virt,
        .efi_system_table = info->efi_system_table,
        .efi_memory_attributes = info->efi_memory_attributes,
        .efi_memory_map = info->efi_memory_map,
        .efi_memory_map_size = info->efi_memory_map_size,
        .efi_descriptor_size = info->efi_descriptor_size,
    };
    layout.direct_map_base = info->direct_map_base;
    layout.direct_map_size = info->direct_map_size;
    layout.vmap_base = (info->direct_map_base & ~BITS(47, 0)) | VMAP_OFFSET;
    layout.vmap_size = VMAP_SIZE;
}

uint64_t paging_tcr(void)
{
    uint64_t pa_range = id_field(sysreg_read(id_aa64mmfr0_el1), 0);
    uint64_t half0 = TCR_T0SZ_48 | TCR_IRGN0_WB | TCR_ORGN0_WB | TCR_SH0_INNER;

    pa_range = MIN(pa_range, 5u); /* 48 bits: the most that these descriptors hold */
    if (arm_mode == MODE_NVHE)
        return TCR_EL2_RES1 | half0 | pa_range << TCR_EL2_PS_SHIFT;
    return half0 | TCR_T1SZ_48 | TCR_IRGN1_WB | TCR_ORGN1_WB | TCR_SH1_INNER | TCR_TG1_4K |
           pa_range << TCR_IPS_SHIFT;
}

uint64_t paging_sctlr(void)
{
    uint64_t fixed = arm_mode == MODE_NVHE ? SCTLR_RES1_EL2 : SCTLR_RES1_EL1;

    return fixed | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA;
}

uint64_t cpu_hcr(void)
{
    return arm_mode == MODE_VHE ? HCR_HOST_VHE : HCR_HOST_NVHE;
}

void cpu_guest_controls_off(void)
{
    if (arm_mode == MODE_NVHE)
        sysreg_write(cptr_el2, CPTR_NVHE_HOST);
    else
        sysreg_write(cpacr_el1, CPACR_FPEN | CPACR_ZEN);
    if (arm_mode == MODE_EL1)
        return;
    sysreg_write(hcr_el2, cpu_hcr());
    sysreg_write(cntvoff_el2, 0);
    sysreg_write(cnthctl_el2, arm_mode == MODE_VHE ? CNTHCTL_EL1PCTEN_VHE | CNTHCTL_EL1PTEN_VHE
                                                   : CNTHCTL_EL1PCTEN_NVHE | CNTHCTL_EL1PCEN_NVHE);
}

void cpu_controls_init(void)
{
    kernel_reg_write(vbar, host_vectors);
    cpu_guest_controls_off();
    kernel_reg_write(sctlr, paging_sctlr());
    isb();
}

/* With two halves only TTBR1 is the kernel's: TTBR0 then points nowhere. */
void host_kernel_tables_load(hpa_t root)
{
    if (arm_mode == MODE_NVHE) {
        sysreg_write(ttbr0_el2, root.v);
    } else {
        MODE_WRITE("ttbr1_el1", "ttbr0_el2", "ttbr1_el1", root.v);
        sysreg_write(tcr_el1, paging_tcr() | TCR_EPD0);
        sysreg_write(ttbr0_el1, 0);
    }
    isb();
    kernel_tlbi_all_local();
    __asm__ volatile("dsb nsh\n isb" ::: "memory");
}

#define ROOT_ENTRIES 512

void paging_share_kernel(struct page_table *pt)
{
    uint64_t *to = phys_to_virt(pt->root);
    const uint64_t *from = phys_to_virt(kernel_map_root());

    for (unsigned i = ROOT_ENTRIES / 2; arm_mode == MODE_NVHE && i < ROOT_ENTRIES; i++)
        to[i] = from[i];
    __asm__ volatile("dsb ishst" ::: "memory");
}

/* More pages than this cost more than refilling the TLBs. */
#define TLB_PAGES_MAX 512

/* Operand of TLBI VA: the page number in bits 43..0 (D8.14.5); ASID 0. */
#define TLBI_OPERAND(va) ((va) >> PAGE_SHIFT & BITS(43, 0))

void host_tlb_flush_kernel(uint64_t va, uint64_t size)
{
    __asm__ volatile("dsb ishst" ::: "memory");
    if (size / PAGE_SIZE > TLB_PAGES_MAX)
        kernel_tlbi_all();
    else
        for (uint64_t end = va + size; va != end; va += PAGE_SIZE)
            kernel_tlbi_page(TLBI_OPERAND(va));
    __asm__ volatile("dsb ish\n isb" ::: "memory");
}

/* CTR_EL0 (D19.2.33): log2 of words in the smallest line of all data caches; fetches see data
 * without cleaning (IDC), and without invalidating instruction caches (DIC). */
#define CTR_DATA_LINE(ctr) (4UL << ((ctr) >> 16 & 0xf))
#define CTR_IDC            (1ULL << 28)
#define CTR_DIC            (1ULL << 29)

/* `op` on each line of the data caches in [va, va + size). */
#define FOR_EACH_LINE(op, va, size)                                                           \
    do {                                                                                      \
        uint64_t line_ = CTR_DATA_LINE(sysreg_read(ctr_el0)), end_ = (uint64_t)(va) + (size); \
        for (uint64_t at_ = ALIGN_DOWN((uint64_t)(va), line_); at_ < end_; at_ += line_)      \
            __asm__ volatile(op ", %0" ::"r"(at_) : "memory");                                \
    } while (0)

void cache_clean(const void *va, size_t size)
{
    FOR_EACH_LINE("dc cvac", va, size);
    __asm__ volatile("dsb sy" ::: "memory");
}

void cache_clean_invalidate(const void *va, size_t size)
{
    FOR_EACH_LINE("dc civac", va, size);
    __asm__ volatile("dsb sy" ::: "memory");
}

void cache_sync_fetches(const void *va, size_t size, bool cleaned)
{
    uint64_t ctr = sysreg_read(ctr_el0);

    if (!cleaned && !(ctr & CTR_IDC))
        FOR_EACH_LINE("dc cvau", va, size);
    __asm__ volatile("dsb ish" ::: "memory");
    if (!(ctr & CTR_DIC))
        __asm__ volatile("ic ialluis\n dsb ish" ::: "memory");
    isb();
}

void host_code_sync(const void *va, size_t size)
{
    cache_clean(va, size);
    cache_sync_fetches(va, size, true);
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
