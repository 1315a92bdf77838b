/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Guest memory by linear address: the page-table walk in all paging modes (Intel SDM vol. 3,
 * chapter 4). */
#include "arch/x86_64/guest/machine.h"

#define PTE_PRESENT           BIT(0)
#define PTE_WRITE             BIT(1)
#define PTE_LARGE             BIT(7)
#define CR4_PSE               BIT(4)
#define CR4_LA57              BIT(12)
#define PAE_ADDRESS           BITS(51, 12)
#define PAGE_32_LARGE_ADDRESS BITS(31, 22)

static bool read_entry(struct vcpu *v, uint64_t gpa, void *entry, size_t size)
{
    return guest_copy_from(v->vm->memory, GPA(gpa), entry, size) == ERR_OK;
}

static inline bool read_entry64(struct vcpu *v, uint64_t gpa, uint64_t *entry)
{
    return guest_read64(v->vm->memory, GPA(gpa), entry) == ERR_OK;
}

/* 32-bit paging (4.3). */
static bool walk_32(struct vcpu *v, uint64_t va, bool write, gpa_t *gpa)
{
    struct x86_state *s = x86_state(v);
    uint64_t table = s->cr3 & 0xfffff000;
    uint32_t entry;

    for (unsigned level = 2; level >= 1; level--) {
        unsigned shift = 12 + 10 * (level - 1);

        if (!read_entry(v, table + 4 * ((va >> shift) & 1023), &entry, sizeof(entry)) ||
            !(entry & PTE_PRESENT) || (write && !(entry & PTE_WRITE)))
            return false;
        if (level == 2 && (entry & PTE_LARGE) && (s->cr4 & CR4_PSE)) {
            *gpa = GPA((entry & PAGE_32_LARGE_ADDRESS) | ((uint64_t)(entry >> 13 & 0xff) << 32) |
                       (va & BITS(21, 0)));
            return true;
        }
        table = entry & 0xfffff000;
    }
    *gpa = GPA(table | (va & PAGE_MASK));
    return true;
}

/* PAE, 4-level and 5-level paging (4.4, 4.5): 512 entries of 8 bytes a table. */
static bool walk_64(struct vcpu *v, uint64_t va, bool write, gpa_t *gpa)
{
    const struct x86_state *s = x86_state(v);
    bool long_mode = s->efer & X86_EFER_LMA;
    uint64_t entry = long_mode ? s->cr3 & PAE_ADDRESS : s->cr3 & 0xffffffe0;
    uint64_t needed = write ? PTE_PRESENT | PTE_WRITE : PTE_PRESENT;
    unsigned shift = !long_mode ? 21 : s->cr4 & CR4_LA57 ? 48 : 39;

    /* The four entries of PAE's top table have no write bit and map no pages. */
    if (!long_mode &&
        (!read_entry64(v, entry + 8 * (va >> 30 & 3), &entry) || !(entry & PTE_PRESENT)))
        return false;
    for (;; shift -= 9) {
        if (!read_entry64(v, (entry & PAE_ADDRESS) + 8 * ((va >> shift) & 511), &entry) ||
            (entry & needed) != needed)
            return false;
        if (shift == 12 || ((entry & PTE_LARGE) && shift <= 30))
            break;
    }
    *gpa = GPA((entry & PAE_ADDRESS & ~(BIT(shift) - 1)) | (va & (BIT(shift) - 1)));
    return true;
}

bool x86_translate(struct vcpu *v, uint64_t va, bool write, gpa_t *gpa)
{
    struct x86_state *s = x86_state(v);

    vcpu_need(v, X86_CONTROL);
    if (!(s->cr0 & X86_CR0_PG)) {
        *gpa = GPA(va & 0xffffffff);
        return true;
    }
    return s->cr4 & X86_CR4_PAE ? walk_64(v, va, write, gpa) : walk_32(v, va, write, gpa);
}

enum err x86_read_linear(struct vcpu *v, gva_t gva, void *buffer, size_t length)
{
    uint8_t *to = buffer;

    while (length) {
        size_t part = MIN(length, PAGE_SIZE - (gva.v & PAGE_MASK));
        gpa_t gpa;

        if (!x86_translate(v, gva.v, false, &gpa) ||
            guest_copy_from(v->vm->memory, gpa, to, part) != ERR_OK)
            return ERR_NOT_FOUND;
        gva.v += part;
        to += part;
        length -= part;
    }
    return ERR_OK;
}

enum err x86_write_linear(struct vcpu *v, gva_t gva, const void *buffer, size_t length)
{
    const uint8_t *from = buffer;

    while (length) {
        size_t part = MIN(length, PAGE_SIZE - (gva.v & PAGE_MASK));
        gpa_t gpa;

        if (!x86_translate(v, gva.v, true, &gpa) ||
            guest_copy_to(v->vm->memory, gpa, from, part) != ERR_OK)
            return ERR_NOT_FOUND;
        gva.v += part;
        from += part;
        length -= part;
    }
    return ERR_OK;
}
