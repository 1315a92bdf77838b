/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Stage 2 translation (Arm ARM D8.2, D8.3): formats from the smallest input size that fits, VMIDs,
 * TLB maintenance. */
#include "arch/aarch64/host/el2/el2.h"
#include "kernel/config.h"
#include "kernel/lock.h"
#include "mm/page.h"
#include "mm/page_table.h"

/* Stage 2 descriptors, D8.3.2 */
#define S2_VALID       BIT(0)
#define S2_TABLE       BIT(1)
#define S2_MEMATTR_WB  (0xfULL << 2)
#define S2_MEMATTR_DEV (0x1ULL << 2)
#define S2_MEMATTR     (0xfULL << 2)
/* With HCR_EL2.FWB (D8.6.6): write-back whatever the guest's own attributes say, even where its MMU
 * or caches are off. Devices are the same. */
#define S2_MEMATTR_FWB (0x6ULL << 2)
#define S2_READ        BIT(6)
#define S2_WRITE       BIT(7)
#define S2_SH_INNER    (3ULL << 8)
#define S2_AF          BIT(10)
#define S2_XN          BIT(54)
#define S2_SOFT_LOG    BIT(55)
#define S2_ADDRESS     BITS(47, 12)

/* VTCR_EL2, D19.2.162 */
#define VTCR_RES1      BIT(31)
#define VTCR_IRGN0_WB  (1ULL << 8)
#define VTCR_ORGN0_WB  (1ULL << 10)
#define VTCR_SH0_INNER (3ULL << 12)
#define VTCR_PS_SHIFT  16
#define VTCR_VS        BIT(19)

/* A VM has its VMID on all CPUs, as TLB maintenance reaches them all, from its creation to its end:
 * of 16 bits they suffice for more VMs than the configuration allows, of 8 bits for 255. */
#define VMID_MAX (2u * CONFIG_NAMED_MAX)

static unsigned vmid_bits, address_bits;
static bool force_write_back; /* FEAT_S2FWB */
static uint64_t vmids[VMID_MAX / 64];
LOCK_CLASS(vmid_class, "VMIDs", RANK_SECOND_STAGE);
static struct spinlock vmid_lock = SPINLOCK_INIT(&vmid_class);

static uint64_t s2_leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    return pa.v | S2_VALID | (level == 0 ? S2_TABLE : 0) | S2_AF |
           (attrs & PT_DEVICE  ? S2_MEMATTR_DEV
            : force_write_back ? S2_MEMATTR_FWB | S2_SH_INNER
                               : S2_MEMATTR_WB | S2_SH_INNER) |
           (attrs & PT_READ ? S2_READ : 0) | (attrs & PT_WRITE ? S2_WRITE : 0) |
           (attrs & PT_EXEC ? 0 : S2_XN) | (attrs & PT_DIRTY_LOG ? S2_SOFT_LOG : 0);
}

static uint64_t s2_table(hpa_t table)
{
    return table.v | S2_VALID | S2_TABLE;
}

static bool s2_present(uint64_t pte)
{
    return pte & S2_VALID;
}

static bool s2_is_leaf(uint64_t pte, unsigned level)
{
    return level == 0 || !(pte & S2_TABLE);
}

static hpa_t s2_address(uint64_t pte, unsigned level)
{
    (void)level;
    return HPA(pte & S2_ADDRESS);
}

static unsigned s2_attrs(uint64_t pte, unsigned level)
{
    (void)level;
    return (pte & S2_READ ? PT_READ : 0u) | (pte & S2_WRITE ? PT_WRITE : 0u) |
           (pte & S2_XN ? 0u : PT_EXEC) | ((pte & S2_MEMATTR) == S2_MEMATTR_DEV ? PT_DEVICE : 0u) |
           (pte & S2_SOFT_LOG ? PT_DIRTY_LOG : 0u);
}

/* More pages than this cost more than refilling the TLBs. */
#define FLUSH_PAGES_MAX 512

/* Drops [gpa, gpa + size), and what combines both stages: that is not found by guest-physical
 * address (D8.14.7). */
static void flush_range(uint64_t gpa, uint64_t size)
{
    for (uint64_t end = gpa + size; gpa != end; gpa += PAGE_SIZE)
        __asm__ volatile("tlbi ipas2e1is, %0" ::"r"(gpa >> PAGE_SHIFT) : "memory");
    __asm__ volatile("dsb ish\n tlbi vmalle1is" ::: "memory");
}

/* Operations on EL1&0 name the VM by VTTBR_EL2, and mean the guest's regime with TGE = 0 only
 * (D8.14). */
static void flush(const struct el2_vm *e, uint64_t gpa, uint64_t size)
{
    uint64_t flags = host_irq_save();
    uint64_t hcr = sysreg_read(hcr_el2), vttbr = sysreg_read(vttbr_el2);

    __asm__ volatile("dsb ishst" ::: "memory");
    sysreg_update(vttbr_el2, e->vttbr);
    sysreg_update(hcr_el2, (hcr & ~HCR_TGE) | HCR_VM | stage2_hcr());
    isb();
    if (size / PAGE_SIZE <= FLUSH_PAGES_MAX)
        flush_range(gpa, size);
    else
        __asm__ volatile("tlbi vmalls12e1is" ::: "memory");
    __asm__ volatile("dsb ish" ::: "memory");
    sysreg_update(hcr_el2, hcr);
    sysreg_update(vttbr_el2, vttbr);
    isb();
    host_irq_restore(flags);
}

void stage2_flush_all(const struct el2_vm *e)
{
    flush(e, 0, UINT64_MAX);
}

/* Before the VM's first entry there is nothing to drop. */
static void s2_flush(struct page_table *pt, uint64_t gpa, uint64_t size)
{
    const struct vm *vm = pt->owner;

    if (vm->engine_data)
        flush(vm->engine_data, gpa, size);
}

void stage2_flush_local(void)
{
    __asm__ volatile("tlbi vmalls12e1\n dsb nsh\n isb" ::: "memory");
}

static void s2_publish(struct page_table *pt, uint64_t gpa, uint64_t size)
{
    (void)pt;
    (void)gpa;
    (void)size;
    __asm__ volatile("dsb ishst" ::: "memory");
}

/*
 * A guest starts with MMU and caches off and then reads past the caches, in which the zeroes and
 * the image that the hypervisor wrote may still lie: they are cleaned, and lines go that would hide
 * from the hypervisor what the guest writes (B2.10, "Mismatched memory attributes"). With forced
 * write-back there is nothing that passes by, and fetches alone have to see what was written
 * (B2.4.4).
 */
static void s2_sync(hpa_t pa, uint64_t size)
{
    const void *memory = phys_to_virt(pa);

    if (!force_write_back)
        cache_clean_invalidate(memory, size);
    cache_sync_fetches(memory, size, !force_write_back);
}

/* `order`: concatenated root tables, so that one level less does (D8.2.9). */
#define S2_FORMAT(name_, levels_, bits_, order_)                                                \
    {                                                                                           \
        .name = (name_), .levels = (levels_), .root_order = (order_), .address_bits = (bits_),  \
        .max_leaf_1g = (levels_) > 2, .break_before_make = true, .leaf = s2_leaf,               \
        .table = s2_table, .present = s2_present, .is_leaf = s2_is_leaf, .address = s2_address, \
        .attrs = s2_attrs, .flush = s2_flush, .publish = s2_publish, .sync = s2_sync,           \
    }
static const struct pt_format formats[] = {
    S2_FORMAT("stage 2, 31 bits", 2, 31, 1), S2_FORMAT("stage 2, 32 bits", 2, 32, 2),
    S2_FORMAT("stage 2, 33 bits", 2, 33, 3), S2_FORMAT("stage 2, 34 bits", 2, 34, 4),
    S2_FORMAT("stage 2, 36 bits", 3, 36, 0), S2_FORMAT("stage 2, 39 bits", 3, 39, 0),
    S2_FORMAT("stage 2, 42 bits", 3, 42, 3), S2_FORMAT("stage 2, 44 bits", 4, 44, 0),
    S2_FORMAT("stage 2, 48 bits", 4, 48, 0),
};

void stage2_probe(void)
{
    static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48};
    unsigned range = id_field(sysreg_read(id_aa64mmfr0_el1), 0);

    address_bits = range < ARRAY_SIZE(sizes) ? sizes[range] : 48;
    force_write_back = id_field(sysreg_read(S3_0_C0_C7_2 /* ID_AA64MMFR2_EL1 */), 40);
    vmid_bits = id_field(sysreg_read(id_aa64mmfr1_el1), 4) == 2 ? 16 : 8;
}

const struct pt_format *stage2_format(uint64_t limit)
{
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (limit <= BIT(formats[i].address_bits) && formats[i].address_bits <= address_bits)
            return &formats[i];
    return NULL;
}

uint64_t stage2_vtcr(const struct pt_format *format)
{
    uint64_t range = MIN(id_field(sysreg_read(id_aa64mmfr0_el1), 0), 5u);
    uint64_t start = format->levels - 2u; /* SL0: 0 begins at level 2, 2 at level 0 */

    return VTCR_RES1 | (64u - format->address_bits) | start << VTCR_SL0_SHIFT | VTCR_IRGN0_WB |
           VTCR_ORGN0_WB | VTCR_SH0_INNER | range << VTCR_PS_SHIFT |
           (vmid_bits == 16 ? VTCR_VS : 0);
}

/* VMID 0 is nobody's. */
enum err stage2_vmid_get(uint64_t *vmid)
{
    enum err err = ERR_BUSY;

    spin_lock(&vmid_lock);
    for (unsigned i = 1; i < MIN(VMID_MAX, 1u << vmid_bits) && err != ERR_OK; i++) {
        if (vmids[i / 64] & BIT(i % 64))
            continue;
        vmids[i / 64] |= BIT(i % 64);
        *vmid = i;
        err = ERR_OK;
    }
    spin_unlock(&vmid_lock);
    return err;
}

void stage2_vmid_put(uint64_t vmid)
{
    spin_lock(&vmid_lock);
    vmids[vmid / 64] &= ~BIT(vmid % 64);
    spin_unlock(&vmid_lock);
}

uint64_t stage2_hcr(void)
{
    return force_write_back ? HCR_FWB : 0;
}

unsigned stage2_vmid_bits(void)
{
    return vmid_bits;
}

unsigned stage2_address_bits(void)
{
    return address_bits;
}
