/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Groups of the suite: devices' registers by every width, the guest's own page tables, and what is
 * not allowed. */
#include "tests/guests/suite.h"

/* ---- Device registers ---- */

static void read_at(void *arg)
{
    mmio_read32((uint64_t)arg);
}

static void write_at(void *arg)
{
    mmio_write32((uint64_t)arg, 0x5a5a5a5a);
}

/* Reads of nothing: all ones, or a bus error. Both are what real machines do. */
static void nothing_there(void)
{
    struct trap t;
    bool ran = trap_try(read_at, (void *)MMIO_HOLE, &t);

    check(ran ? mmio_read32(MMIO_HOLE) == ~0u || mmio_read32(MMIO_HOLE) == 0 : t.kind == TRAP_BUS,
          "a read of nothing gives all ones, zero or a bus error");
    ran = trap_try(write_at, (void *)MMIO_HOLE, &t);
    check(ran || t.kind == TRAP_BUS, "a write to nothing is dropped or a bus error");
}

/* The identity of the PCI host bridge: the same bytes by every width. */
static void config_space_widths(void)
{
    uint32_t id = mmio_read32(ECAM_BASE), bad = 0;

    check_equal(id, HOST_BRIDGE_ID, "the PCI host bridge is there");
    for (unsigned i = 0; i < 16; i += 4) {
        uint32_t word = mmio_read32(ECAM_BASE + i);

        for (unsigned j = 0; j < 4; j++)
            bad += mmio_read8(ECAM_BASE + i + j) != (uint8_t)(word >> 8 * j);
        for (unsigned j = 0; j < 4; j += 2)
            bad += mmio_read16(ECAM_BASE + i + j) != (uint16_t)(word >> 8 * j);
    }
    check_equal(bad, 0, "configuration space reads the same in bytes, halves and words");
    mmio_write32(ECAM_BASE, 0);
    check_equal(mmio_read32(ECAM_BASE), id, "a write to a read-only register changes nothing");
    check_equal(mmio_read32(ECAM_BASE + (30 << 15)), ~0u, "an empty slot reads as all ones");
}

void test_mmio(void)
{
    config_space_widths();
    nothing_there();
    isa_test_mmio();
}

/* ---- Paging ---- */

#define TEST_VA 0x3800000000UL /* 224 GiB: its own entry of each root table */
#define TEST_PA (RAM_BASE + (32UL << 20))

static uint64_t tables[4][512] __attribute__((aligned(4096)));
static unsigned tables_used;

/* The entry that maps `va` at `shift`, tables being made on the way. */
static uint64_t *entry_of(uint64_t va, unsigned shift)
{
    uint64_t *table = page_root();
    unsigned at = PAGE_ROOT_SHIFT;

    for (;; at -= 9) {
        uint64_t *entry = &table[va >> at & 511];

        if (at == shift)
            return entry;
        if (at <= 30 && (!*entry || pte_address(*entry) < (uint64_t)tables ||
                         pte_address(*entry) >= (uint64_t)(tables + 4))) {
            memset(tables[tables_used], 0, sizeof(tables[0]));
            *entry = pte_table((uint64_t)tables[tables_used++]);
        }
        table = (uint64_t *)pte_address(*entry);
    }
}

static void map(uint64_t va, uint64_t pa, unsigned shift, unsigned flags)
{
    tables_used = 0;
    *entry_of(va, 30) = 0;
    tlb_flush();
    *entry_of(va, shift) = pte_leaf(pa, shift, flags);
    tlb_flush();
}

static void read_word(void *arg)
{
    (void)*(volatile uint64_t *)arg;
}

static void write_word(void *arg)
{
    *(volatile uint64_t *)arg = 0x1122334455667788ULL;
}

static void call_it(void *arg)
{
    ((void (*)(void))arg)();
}

static void page_size(unsigned shift, const char *name)
{
    uint64_t offset = TEST_PA & ((1UL << shift) - 1), bad = 0;
    volatile uint64_t *by_page = (uint64_t *)(TEST_VA + offset), *direct = (uint64_t *)TEST_PA;

    map(TEST_VA, TEST_PA - offset, shift, PAGE_WRITE);
    for (unsigned i = 0; i < 512; i += 7) {
        by_page[i] = i * 0x0101010101010101ULL + shift;
        bad += direct[i] != by_page[i];
        direct[i] = ~(uint64_t)i;
        bad += by_page[i] != ~(uint64_t)i;
    }
    check_equal(bad, 0, "a page of %s shows the memory that it maps", name);
}

static void page_faults(void)
{
    struct trap t;

    map(TEST_VA, TEST_PA, 12, 0);
    check_runs(read_word, (void *)TEST_VA, "a read-only page can be read");
    check(!trap_try(write_word, (void *)TEST_VA, &t) && t.kind == TRAP_PAGE && t.address == TEST_VA,
          "a write to it is a page fault at its address");
    check(!trap_try(read_word, (void *)(TEST_VA + 0x1008), &t) && t.kind == TRAP_PAGE &&
              t.address == TEST_VA + 0x1008,
          "an access to no page is a page fault at its address");
    *entry_of(TEST_VA, 30) = 0;
    tlb_flush();
    check_traps(read_word, (void *)TEST_VA, TRAP_PAGE, "a page that was unmapped");
}

/* Accessed and dirty bits: set by the CPU, or asked for by a fault. */
static void accessed_bit(void)
{
    struct trap t;
    bool ran;

    map(TEST_VA, TEST_PA, 12, PAGE_WRITE | PAGE_OLD);
    ran = trap_try(read_word, (void *)TEST_VA, &t);
    check(ran ? (*entry_of(TEST_VA, 12) & PTE_ACCESSED) != 0 : t.kind == TRAP_PAGE,
          "the first access sets the accessed bit or faults");
}

/* A return instruction on a page that must not, and may, be executed. */
static void execution(void)
{
    memcpy((void *)TEST_PA, return_code, sizeof(return_code));
    instructions_changed();
    map(TEST_VA, TEST_PA, 12, PAGE_EXEC);
    check_runs(call_it, (void *)TEST_VA, "code on an executable page runs");
    if (!page_exec_works()) {
        skip("a page that must not be executed", "this CPU has no such permission");
        return;
    }
    map(TEST_VA, TEST_PA, 12, PAGE_WRITE);
    check_traps(call_it, (void *)TEST_VA, TRAP_PAGE, "a page that must not be executed");
}

/* Pages that a less privileged level reaches are not the kernel's to touch without leave. */
static void user_pages(void)
{
    map(TEST_VA, TEST_PA, 12, PAGE_WRITE | PAGE_USER);
    *entry_of(TEST_VA + 0x1000, 12) = pte_leaf(TEST_PA + 0x1000, 12, PAGE_WRITE);
    *entry_of(TEST_VA + 0x2000, 12) = pte_leaf(TEST_PA + 0x2000, 12, PAGE_USER);
    tlb_flush();
    isa_test_user_pages(TEST_VA, TEST_PA);
}

void test_paging(void)
{
    page_size(12, "4 KiB");
    page_size(21, "2 MiB");
    if (page_gigabytes())
        page_size(30, "1 GiB");
    else
        skip("a page of 1 GiB", "this CPU has none");
    page_faults();
    accessed_bit();
    execution();
    user_pages();
    tables_used = 0;
    *entry_of(TEST_VA, 30) = 0;
    tlb_flush();
}

/* ---- What is not allowed ---- */

void check_traps(void (*fn)(void *arg), void *arg, enum trap_kind kind, const char *what)
{
    struct trap t;
    bool ran = trap_try(fn, arg, &t);

    check(!ran && t.kind == kind, "%s traps%s # kind %d, cause 0x%llx", what,
          ran ? ", but did not" : "", (int)t.kind, (unsigned long long)t.cause);
}

void check_runs(void (*fn)(void *arg), void *arg, const char *what)
{
    struct trap t;
    bool ran = trap_try(fn, arg, &t);

    check(ran, "%s # kind %d, cause 0x%llx", what, (int)t.kind, (unsigned long long)t.cause);
}

static void undefined(void *arg)
{
    (void)arg;
    undefined_instruction();
}

void test_illegal(void)
{
    check_traps(undefined, NULL, TRAP_UNDEFINED, "an undefined instruction");
    isa_test_illegal();
}
