/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* CSRs of translated riscv64 guests, as the tables of the Privileged Architecture 1.13 say: who may
 * touch which, and what a write of all ones, and of nothing, leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "arch/riscv64/guest/execute.h"
#include "dbt/tlb.h"
#include "hosted.h"
#include "kernel/timer.h"
#include "mm/heap.h"
#include "vm.h"

#define CSRRW 1u
#define CSRRS 2u
#define CSRRC 3u
#define RD    5u
#define RS1   6u

/* Section 2.2's numbers. */
enum {
    FFLAGS = 1,
    FRM = 2,
    FCSR = 3,
    SSTATUS = 0x100,
    SIE = 0x104,
    STVEC = 0x105,
    SCOUNTEREN = 0x106,
    SENVCFG = 0x10a,
    SSCRATCH = 0x140,
    SEPC = 0x141,
    SCAUSE = 0x142,
    STVAL = 0x143,
    SIP = 0x144,
    STIMECMP = 0x14d,
    SATP = 0x180,
    CYCLE = 0xc00,
    TIME = 0xc01,
    INSTRET = 0xc02,
    HPMCOUNTER31 = 0xc1f
};

static struct dbt_vcpu *d;
static struct riscv_state *s;
static struct rv_frame *r;

static bool access_csr(unsigned number, unsigned operation, unsigned rd, unsigned rs1)
{
    return rv_csr_instruction(d, number << 20 | rs1 << 15 | operation << 12 | rd << 7 | 0x73);
}

static uint64_t get(unsigned number)
{
    assert_true(access_csr(number, CSRRS, RD, 0));
    return r->x[RD];
}

static void put(unsigned number, uint64_t value)
{
    r->x[RS1] = value;
    assert_true(access_csr(number, CSRRW, 0, RS1));
}

static int begin(void **state)
{
    static const struct config_vm config = {.memory = MIB(16), .cpus = 1, .sv57 = true};
    struct vm *vm;

    (void)state;
    hosted_start_size(MIB(256));
    clock_init(hosted_counter, NS_PER_SEC);
    vm = hosted_vm_create("riscv64", &config);
    d = heap_zalloc(sizeof(*d));
    d->frame = heap_zalloc(65536);
    d->frame->vcpu = d;
    d->vcpu = vm->vcpus[0];
    d->guest = &rv_guest;
    assert_int_equal(dbt_tlb_create(d), ERR_OK);
    s = vm->vcpus[0]->state;
    r = dbt_guest_part(d);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    riscv_hart_reset(d->vcpu, 0, 0);
    s->sstatus |= RISCV_SSTATUS_FS_INITIAL;
    return 0;
}

/* What reads back after all ones, and after zero, were written. */
static void writable_bits_are_those_of_the_specification(void **state)
{
    static const struct {
        unsigned number;
        uint64_t ones, zero;
    } table[] = {
        {SSCRATCH, UINT64_MAX, 0},
        {SEPC, UINT64_MAX - 1, 0}, /* 12.1.7: bit 0 is always zero */
        {STVAL, UINT64_MAX, 0},    /* 12.1.9 */
        {SIE, 0x222, 0},           /* 12.1.3: SSIE, STIE, SEIE */
        {SIP, 0x2, 0},             /* SSIP alone is written by software */
        {SCOUNTEREN, 7, 0},        /* 12.1.5: CY, TM, IR */
        {SENVCFG, 0xf1, 0},        /* 12.1.10: FIOM, CBIE, CBCFE, CBZE */
        {STIMECMP, UINT64_MAX, 0}, /* chapter 14 */
        {FCSR, 0xff, 0},
        {FFLAGS, 0x1f, 0},
        {FRM, 7, 0},
        /* SD FS MXR SUM SPP SPIE SIE, with UXL = 2; FS Off takes SD with it (12.1.1). */
        {SSTATUS, 0x80000002000c6122, 0x200000000},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        put(table[i].number, UINT64_MAX);
        assert_int_equal(get(table[i].number), table[i].ones);
        put(table[i].number, 0);
        assert_int_equal(get(table[i].number), table[i].zero);
    }
}

static void stvec_keeps_its_value_when_the_mode_is_reserved(void **state)
{
    (void)state;
    put(STVEC, 0x80001001);
    assert_int_equal(get(STVEC), 0x80001001);
    put(STVEC, 0x90000002);
    assert_int_equal(get(STVEC), 0x80001001);
    put(STVEC, 0x90000000);
    assert_int_equal(get(STVEC), 0x90000000);
}

static void satp_ignores_modes_that_are_not_there(void **state)
{
    const uint64_t sv39 = 8ULL << 60 | 0xabcdULL << 44 | 0x80123, sv57 = 10ULL << 60 | 1,
                   sv64 = 11ULL << 60 | 1;

    (void)state;
    put(SATP, sv39);
    assert_int_equal(get(SATP), sv39);
    put(SATP, sv64);
    assert_int_equal(get(SATP), sv39);
    put(SATP, sv57);
    assert_int_equal(get(SATP), sv57);
    put(SATP, 0);
    assert_int_equal(get(SATP), 0);
}

static void user_mode_has_what_scounteren_gives(void **state)
{
    static const unsigned supervisor[] = {SSTATUS, SIE, STVEC, SSCRATCH, SEPC, SCAUSE, SIP, SATP};

    (void)state;
    s->prv = RISCV_PRV_U;
    for (unsigned i = 0; i < ARRAY_SIZE(supervisor); i++)
        assert_false(access_csr(supervisor[i], CSRRS, RD, 0));
    for (unsigned counter = 0; counter < 3; counter++) {
        s->scounteren = 1u << counter;
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(access_csr(CYCLE + i, CSRRS, RD, 0), i == counter);
    }
}

static void read_only_ones_refuse_writes_and_only_those(void **state)
{
    (void)state;
    assert_true(access_csr(TIME, CSRRS, RD, 0));
    assert_true(access_csr(TIME, CSRRC, RD, 0));
    assert_false(access_csr(TIME, CSRRS, RD, RS1));
    assert_false(access_csr(TIME, CSRRW, RD, 0));
    assert_false(access_csr(INSTRET, CSRRW, 0, RS1));
}

static void the_others_do_not_exist(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 4096; number++) {
        bool known = (number >= FFLAGS && number <= FCSR) || number == SSTATUS ||
                     (number >= SIE && number <= SCOUNTEREN) || number == SENVCFG ||
                     (number >= SSCRATCH && number <= SIP) || number == STIMECMP ||
                     number == SATP || (number >= CYCLE && number <= HPMCOUNTER31);
        assert_int_equal(access_csr(number, CSRRS, RD, 0), known);
    }
}

static void floating_point_needs_fs_and_makes_it_dirty(void **state)
{
    (void)state;
    put(FFLAGS, 0x11);
    assert_int_equal(get(SSTATUS) & 0x6000, 0x6000);
    put(SSTATUS, 0);
    for (unsigned number = FFLAGS; number <= FCSR; number++) {
        assert_false(access_csr(number, CSRRS, RD, 0));
        assert_false(access_csr(number, CSRRW, 0, RS1));
    }
    put(SSTATUS, 0x2000);
    assert_int_equal(get(FCSR), 0x11);
    assert_int_equal(get(SSTATUS) & 0x6000, 0x2000); /* reading leaves it as it was */
}

static void set_and_clear_change_what_the_operand_names(void **state)
{
    (void)state;
    put(SSCRATCH, 0xff00);
    r->x[RS1] = 0x0ff0;
    assert_true(access_csr(SSCRATCH, CSRRS, RD, RS1));
    assert_int_equal(r->x[RD], 0xff00);
    assert_int_equal(get(SSCRATCH), 0xfff0);
    assert_true(access_csr(SSCRATCH, CSRRC, RD, RS1));
    assert_int_equal(get(SSCRATCH), 0xf000);
    assert_true(access_csr(SSCRATCH, CSRRW | 4, RD, 0x1f)); /* csrrwi */
    assert_int_equal(get(SSCRATCH), 0x1f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writable_bits_are_those_of_the_specification, fresh),
        cmocka_unit_test_setup(stvec_keeps_its_value_when_the_mode_is_reserved, fresh),
        cmocka_unit_test_setup(satp_ignores_modes_that_are_not_there, fresh),
        cmocka_unit_test_setup(user_mode_has_what_scounteren_gives, fresh),
        cmocka_unit_test_setup(read_only_ones_refuse_writes_and_only_those, fresh),
        cmocka_unit_test_setup(the_others_do_not_exist, fresh),
        cmocka_unit_test_setup(floating_point_needs_fs_and_makes_it_dirty, fresh),
        cmocka_unit_test_setup(set_and_clear_change_what_the_operand_names, fresh),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
