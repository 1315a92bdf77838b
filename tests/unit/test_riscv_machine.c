/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The riscv64 guest machine against its specifications: PLIC 1.0.0, AIA 1.0 (APLIC and IMSIC), SBI
 * 2.0, the goldfish RTC, and the encodings of loads and stores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "arch/riscv64/guest/machine.h"
#include "hosted.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"
#include "vm.h"

#define HARTS 3

#define PLIC_PRIORITY(n)     (0x0c000000UL + 4 * (n))
#define PLIC_PENDING         0x0c001000UL
#define PLIC_ENABLE(hart)    (0x0c002000UL + 0x80 * (hart))
#define PLIC_THRESHOLD(hart) (0x0c200000UL + 0x1000 * (hart))
#define PLIC_CLAIM(hart)     (PLIC_THRESHOLD(hart) + 4)
#define APLIC(offset)        (0x0d000000UL + (offset))
#define APLIC_SOURCECFG(n)   APLIC(4UL * (n))
#define APLIC_TARGET(n)      APLIC(0x3000 + 4UL * (n))
#define APLIC_SETIPNUM       APLIC(0x1cdc)
#define APLIC_IN_CLRIP       APLIC(0x1d00)
#define APLIC_SETIENUM       APLIC(0x1edc)
#define APLIC_GENMSI         APLIC(0x3000)
#define IMSIC(hart)          (0x28000000UL + 0x1000 * (hart))
#define RTC(offset)          (0x00101000UL + (offset))

/* csrrw a0, csr, a1; csrrs a0, csr, zero */
#define CSRRW_A0_A1(csr) ((uint32_t)(csr) << 20 | 11u << 15 | 1u << 12 | 10u << 7 | 0x73u)
#define CSRR_A0(csr)     ((uint32_t)(csr) << 20 | 2u << 12 | 10u << 7 | 0x73u)
#define SISELECT         0x150
#define SIREG            0x151
#define STOPEI           0x15c
#define STOPI            0xdb0
#define EIDELIVERY       0x70
#define EITHRESHOLD      0x72
#define EIP0             0x80
#define EIE0             0xc0

static struct vm *vm;

static void start(uint64_t interrupts)
{
    static bool once;
    struct config_vm config = {.memory = MIB(16), .cpus = HARTS, .interrupts = interrupts};

    if (!once)
        hosted_start_core(MIB(200)); /* vCPUs are woken, though none runs */
    once = true;
    vm = hosted_vm_create("riscv64", &config);
}

static void stop(void)
{
    hosted_vm_destroy(vm);
}

static uint32_t get(uint64_t address)
{
    return (uint32_t)bus_read(&vm->mmio, vm->vcpus[0], address, 4);
}

static void set(uint64_t address, uint32_t value)
{
    bus_write(&vm->mmio, vm->vcpus[0], address, 4, value);
}

static struct riscv_state *hart(unsigned n)
{
    return riscv_state(vm->vcpus[n]);
}

static bool external(unsigned n)
{
    return riscv_pending(vm->vcpus[n]) & RISCV_SIP_SEIP;
}

/* ---- PLIC ---- */

static void test_plic_claims_the_highest_priority_then_the_lowest_number(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    set(PLIC_PRIORITY(40), 2);
    set(PLIC_PRIORITY(41), 2);
    set(PLIC_PRIORITY(50), 3);
    set(PLIC_ENABLE(1) + 4, 1u << 8 | 1u << 9 | 1u << 18);
    vm->irqchip->set_pin(vm, 41, true);
    vm->irqchip->set_pin(vm, 40, true);
    vm->irqchip->set_pin(vm, 50, true);
    assert_true(external(1));
    assert_false(external(0));
    assert_int_equal(get(PLIC_PENDING + 4), 1u << 8 | 1u << 9 | 1u << 18);
    assert_int_equal(get(PLIC_CLAIM(1)), 50);
    assert_int_equal(get(PLIC_CLAIM(1)), 40);
    assert_int_equal(get(PLIC_CLAIM(1)), 41);
    assert_int_equal(get(PLIC_CLAIM(1)), 0);
    assert_false(external(1));
    set(PLIC_CLAIM(1), 40); /* still up: pending again */
    assert_true(external(1));
    assert_int_equal(get(PLIC_CLAIM(1)), 40);
    stop();
}

static void test_plic_threshold_masks_priorities_up_to_it(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    set(PLIC_PRIORITY(10), 4);
    set(PLIC_ENABLE(0), 1u << 10);
    set(PLIC_THRESHOLD(0), 4);
    vm->irqchip->set_pin(vm, 10, true);
    assert_false(external(0));
    set(PLIC_THRESHOLD(0), 3);
    assert_true(external(0));
    set(PLIC_PRIORITY(10), 0); /* never interrupts */
    assert_false(external(0));
    stop();
}

static void test_plic_source_0_does_not_exist(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    set(PLIC_PRIORITY(0), 7);
    set(PLIC_ENABLE(0), 1);
    assert_int_equal(get(PLIC_PRIORITY(0)), 0);
    assert_int_equal(get(PLIC_ENABLE(0)), 0);
    stop();
}

/* ---- AIA ---- */

/* Executes the instruction as hart `n`, a1 = `operand`; a0 afterwards. */
static uint64_t execute(unsigned n, uint32_t instruction, uint64_t operand)
{
    uint64_t pc = hart(n)->pc;

    hart(n)->x[RISCV_A1] = operand;
    assert_true(riscv_aia_instruction(vm->vcpus[n], instruction));
    assert_int_equal(hart(n)->pc, pc + 4);
    return hart(n)->x[RISCV_A0];
}

static void indirect_set(unsigned n, unsigned reg, uint64_t value)
{
    execute(n, CSRRW_A0_A1(SISELECT), reg);
    execute(n, CSRRW_A0_A1(SIREG), value);
}

static uint64_t indirect_get(unsigned n, unsigned reg)
{
    execute(n, CSRRW_A0_A1(SISELECT), reg);
    return execute(n, CSRR_A0(SIREG), 0);
}

static void imsic_on(unsigned n)
{
    indirect_set(n, EIE0, ~0UL);
    indirect_set(n, EIDELIVERY, 1);
}

static void test_imsic_claims_the_lowest_identity(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    imsic_on(2);
    vm->irqchip->msi(vm, IMSIC(2), 40);
    vm->irqchip->msi(vm, IMSIC(2), 7);
    assert_true(external(2));
    assert_false(external(1));
    assert_int_equal(indirect_get(2, EIP0), 1UL << 40 | 1UL << 7);
    assert_int_equal(execute(2, CSRR_A0(STOPEI), 0), 7UL << 16 | 7);
    assert_int_equal(execute(2, CSRRW_A0_A1(STOPEI), 0), 7UL << 16 | 7);
    assert_int_equal(execute(2, CSRRW_A0_A1(STOPEI), 0), 40UL << 16 | 40);
    assert_int_equal(execute(2, CSRRW_A0_A1(STOPEI), 0), 0);
    assert_false(external(2));
    stop();
}

static void test_imsic_threshold_enable_and_delivery(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    vm->irqchip->msi(vm, IMSIC(0), 9);
    assert_false(external(0)); /* not enabled */
    indirect_set(0, EIE0, 1UL << 9);
    assert_false(external(0)); /* not delivered */
    indirect_set(0, EIDELIVERY, 1);
    assert_true(external(0));
    indirect_set(0, EITHRESHOLD, 9);
    assert_false(external(0)); /* identities below the threshold only */
    indirect_set(0, EITHRESHOLD, 10);
    assert_true(external(0));
    stop();
}

static void test_imsic_drops_what_means_nothing(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    imsic_on(0);
    vm->irqchip->msi(vm, IMSIC(0), 0);
    vm->irqchip->msi(vm, IMSIC(0), 256);
    vm->irqchip->msi(vm, IMSIC(0) + 8, 5);
    vm->irqchip->msi(vm, IMSIC(HARTS), 5);
    vm->irqchip->msi(vm, IMSIC(0) - 4, 5);
    assert_false(external(0));
    set(IMSIC(0) + 4, 5u << 24); /* big endian */
    assert_true(external(0));
    indirect_set(0, EIE0, ~0UL);
    assert_int_equal(indirect_get(0, EIE0), ~1UL); /* there is no identity 0 */
    stop();
}

/* What a message does to a file of the hardware's is a store; here it is seen in a variable. */
static void test_imsic_gives_its_contents_to_a_file_and_takes_them_back(void **state)
{
    struct riscv_imsic_regs regs;
    volatile uint32_t file = 0;

    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    imsic_on(1);
    indirect_set(1, EITHRESHOLD, 50);
    vm->irqchip->msi(vm, IMSIC(1), 40);
    riscv_imsic_attach(vm->vcpus[1], &file, &regs);
    assert_false(external(1));
    assert_int_equal(regs.pending[0], 1UL << 40);
    assert_int_equal(regs.enabled[0], ~1UL);
    assert_int_equal(regs.delivery, 1);
    assert_int_equal(regs.threshold, 50);
    vm->irqchip->msi(vm, IMSIC(1), 33);
    assert_int_equal(file, 33);
    assert_false(external(1));
    assert_false(riscv_aia_instruction(vm->vcpus[1], CSRR_A0(STOPEI))); /* the hardware's */
    riscv_imsic_detach(vm->vcpus[1]);
    vm->irqchip->msi(vm, IMSIC(1), 7); /* before the contents are back */
    assert_int_equal(file, 33);
    assert_false(external(1));
    riscv_imsic_merge(vm->vcpus[1], &regs);
    assert_true(external(1));
    assert_int_equal(indirect_get(1, EIP0), 1UL << 40 | 1UL << 7);
    assert_int_equal(indirect_get(1, EITHRESHOLD), 50);
    stop();
}

static void test_indirect_registers_with_odd_numbers_do_not_exist(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    execute(0, CSRRW_A0_A1(SISELECT), EIE0 + 1);
    assert_false(riscv_aia_instruction(vm->vcpus[0], CSRR_A0(SIREG)));
    execute(0, CSRRW_A0_A1(SISELECT), 0x71);
    assert_false(riscv_aia_instruction(vm->vcpus[0], CSRR_A0(SIREG)));
    hart(0)->prv = RISCV_PRV_U;
    assert_false(riscv_aia_instruction(vm->vcpus[0], CSRR_A0(STOPEI)));
    stop();
}

static void test_stopi_names_the_first_by_default_priority(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    hart(0)->sie = RISCV_SIP_SSIP | RISCV_SIP_SEIP;
    assert_int_equal(execute(0, CSRR_A0(STOPI), 0), 0);
    hart(0)->sip = RISCV_SIP_SSIP;
    assert_int_equal(execute(0, CSRR_A0(STOPI), 0) >> 16, 1);
    imsic_on(0);
    vm->irqchip->msi(vm, IMSIC(0), 3);
    assert_int_equal(execute(0, CSRR_A0(STOPI), 0) >> 16, 9);
    assert_false(riscv_aia_instruction(vm->vcpus[0], CSRRW_A0_A1(STOPI))); /* read-only */
    stop();
}

static void test_aplic_sends_a_message_for_each_edge_and_for_a_level_that_lasts(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    imsic_on(1);
    set(APLIC(0), 0x100);
    assert_int_equal(get(APLIC(0)), 0x80000104);
    set(APLIC_SOURCECFG(10), 6); /* level, high */
    set(APLIC_TARGET(10), 1u << 18 | 33);
    set(APLIC_SETIENUM, 10);
    vm->irqchip->set_pin(vm, 10, true);
    assert_int_equal(execute(1, CSRRW_A0_A1(STOPEI), 0) >> 16, 33);
    assert_false(external(1)); /* sent once */
    assert_int_equal(get(APLIC_IN_CLRIP), 1u << 10);
    set(APLIC_SETIPNUM, 10); /* end of interrupt: still up */
    assert_int_equal(execute(1, CSRRW_A0_A1(STOPEI), 0) >> 16, 33);
    vm->irqchip->set_pin(vm, 10, false);
    set(APLIC_SETIPNUM, 10);
    assert_false(external(1));

    set(APLIC_SOURCECFG(11), 5); /* falling edge */
    set(APLIC_TARGET(11), 1u << 18 | 34);
    set(APLIC_SETIENUM, 11);
    vm->irqchip->set_pin(vm, 11, true);
    assert_false(external(1));
    vm->irqchip->set_pin(vm, 11, false);
    assert_int_equal(execute(1, CSRRW_A0_A1(STOPEI), 0) >> 16, 34);
    stop();
}

static void test_aplic_holds_back_while_off_and_forgets_inactive_sources(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_AIA);
    imsic_on(0);
    set(APLIC_SOURCECFG(5), 4);
    set(APLIC_TARGET(5), 21);
    set(APLIC_SETIENUM, 5);
    vm->irqchip->set_pin(vm, 5, true);
    assert_false(external(0));
    set(APLIC(0), 0x100);
    assert_true(external(0));
    set(APLIC_SOURCECFG(5), 0x400); /* no domain to delegate to */
    assert_int_equal(get(APLIC_SOURCECFG(5)), 0);
    assert_int_equal(get(APLIC_TARGET(5)), 0);
    set(APLIC_GENMSI, 2u << 18 | 50);
    imsic_on(2);
    assert_int_equal(execute(2, CSRRW_A0_A1(STOPEI), 0) >> 16, 50);
    stop();
}

/* ---- SBI ---- */

static long call(unsigned n, uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1,
                 uint64_t a2)
{
    struct riscv_state *s = hart(n);

    s->x[RISCV_A7] = extension;
    s->x[RISCV_A6] = function;
    s->x[RISCV_A0] = a0;
    s->x[RISCV_A1] = a1;
    s->x[RISCV_A2] = a2;
    (void)riscv_sbi_call(vm->vcpus[n]);
    return (long)s->x[RISCV_A0];
}

static void test_sbi_base(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    assert_int_equal(call(0, 0x10, 0, 0, 0, 0), 0);
    assert_int_equal(hart(0)->x[RISCV_A1], 0x02000000);
    for (unsigned i = 0; i < 7; i++) {
        static const uint64_t there[] = {0x10,     0x54494d45, 0x735049,  0x52464e43,
                                         0x48534d, 0x53525354, 0x4442434e};
        assert_int_equal(call(0, 0x10, 3, there[i], 0, 0), 0);
        assert_int_equal(hart(0)->x[RISCV_A1], 1);
    }
    assert_int_equal(call(0, 0x10, 3, 0x504d55, 0, 0), 0);
    assert_int_equal(hart(0)->x[RISCV_A1], 0);
    assert_int_equal(call(0, 0, 0, 0, 0, 0), -2);
    assert_int_equal(call(0, 1, 0, 0, 0, 0), -2);
    assert_int_equal(call(0, 0x10, 7, 0, 0, 0), -2);
    stop();
}

static void test_sbi_ipis_reach_the_harts_of_the_mask(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    assert_int_equal(call(0, 0x735049, 0, 2, 1, 0), 0); /* hart 2 */
    assert_false(riscv_pending(vm->vcpus[1]) & RISCV_SIP_SSIP);
    assert_true(riscv_pending(vm->vcpus[2]) & RISCV_SIP_SSIP);
    assert_int_equal(call(0, 0x735049, 0, 8, 0, 0), -3); /* hart 3 does not exist */
    assert_int_equal(call(0, 0x735049, 0, 1, 3, 0), -3);
    assert_int_equal(call(0, 0x735049, 0, 0, 1000, 0), 0); /* nobody */
    assert_int_equal(call(0, 0x735049, 0, 0, ~0UL, 0), 0); /* everybody */
    assert_true(riscv_pending(vm->vcpus[1]) & RISCV_SIP_SSIP);
    stop();
}

static void test_sbi_remote_fences_carry_their_range(void **state)
{
    struct riscv_fence_range ranges[RISCV_FENCE_RANGES];
    unsigned count;

    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    hart(0)->x[RISCV_A3] = 0x2000;
    hart(0)->x[RISCV_A4] = 5;
    assert_int_equal(call(0, 0x52464e43, 2, 2, 0, 0x12345678), 0);
    assert_int_equal(riscv_fences_take(riscv_hart(vm->vcpus[1]), ranges, &count),
                     RISCV_FENCE_PAGES);
    assert_int_equal(count, 1);
    assert_int_equal(ranges[0].start, 0x12345000);
    assert_int_equal(ranges[0].size, 0x3000);
    assert_int_equal(ranges[0].asid, 5);
    hart(0)->x[RISCV_A3] = ~0UL;
    assert_int_equal(call(0, 0x52464e43, 1, 2, 0, 0), 0);
    assert_int_equal(riscv_fences_take(riscv_hart(vm->vcpus[1]), ranges, &count), RISCV_FENCE_VMA);
    assert_int_equal(call(0, 0x52464e43, 2, 2, 0, 0), 0); /* all of one address space only */
    assert_int_equal(riscv_fences_take(riscv_hart(vm->vcpus[1]), ranges, &count),
                     RISCV_FENCE_PAGES);
    assert_int_equal(count, 1);
    assert_int_equal(ranges[0].size, 0);
    assert_int_equal(ranges[0].asid, 5);
    hart(0)->x[RISCV_A3] = 0x1000; /* more ranges than there is room for: the same */
    for (unsigned i = 0; i <= RISCV_FENCE_RANGES; i++)
        assert_int_equal(call(0, 0x52464e43, 2, 2, 0, i * 0x10000), 0);
    assert_int_equal(riscv_fences_take(riscv_hart(vm->vcpus[1]), ranges, &count),
                     RISCV_FENCE_PAGES);
    assert_int_equal(count, RISCV_FENCE_RANGES);
    assert_int_equal(ranges[0].size, 0);
    assert_int_equal(ranges[0].asid, 5);
    for (unsigned i = 0; i <= RISCV_FENCE_RANGES; i++)
        assert_int_equal(call(0, 0x52464e43, 1, 2, 0, i * 0x10000), 0); /* of all of them */
    assert_int_equal(riscv_fences_take(riscv_hart(vm->vcpus[1]), ranges, &count) & RISCV_FENCE_VMA,
                     RISCV_FENCE_VMA);
    assert_int_equal(riscv_fences_take(riscv_hart(vm->vcpus[1]), ranges, &count), 0);
    stop();
}

static void test_sbi_starts_harts_once(void **state)
{
    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    assert_int_equal(call(0, 0x48534d, 2, 1, 0, 0), 0);
    assert_int_equal(hart(0)->x[RISCV_A1], 1);                /* stopped */
    assert_int_equal(call(0, 0x48534d, 0, 1, 0x1000, 0), -5); /* no RAM there */
    assert_int_equal(call(0, 0x48534d, 0, 9, RISCV_RAM_BASE, 0), -3);
    assert_int_equal(call(0, 0x48534d, 0, 1, RISCV_RAM_BASE + 0x100, 77), 0);
    assert_int_equal(hart(1)->pc, RISCV_RAM_BASE + 0x100);
    assert_int_equal(hart(1)->x[RISCV_A0], 1);
    assert_int_equal(hart(1)->x[RISCV_A1], 77);
    assert_int_equal(call(0, 0x48534d, 0, 1, RISCV_RAM_BASE, 0), -6);
    assert_int_equal(call(0, 0x48534d, 3, 1, 0, 0), -3); /* reserved kind of suspension */
    stop();
}

/* ---- RTC and decoder ---- */

static void test_rtc_is_set_and_read_in_two_words(void **state)
{
    uint64_t time;

    (void)state;
    start(CONFIG_INTERRUPTS_PLIC);
    set(RTC(4), 0x18000000);
    set(RTC(0), 0x00001000);
    time = get(RTC(0));
    time |= (uint64_t)get(RTC(4)) << 32;
    assert_in_range(time, 0x1800000000001000UL, 0x1800000000001000UL + NS_PER_SEC);
    set(RTC(0xc), 0x17000000); /* an alarm that is past */
    set(RTC(8), 0);
    set(PLIC_PRIORITY(11), 1);
    set(PLIC_ENABLE(0), 1u << 11);
    assert_false(external(0));
    set(RTC(0x10), 1);
    assert_true(external(0));
    set(RTC(0x1c), 1);
    assert_false(external(0));
    stop();
}

static void test_loads_and_stores_decode(void **state)
{
    static const struct {
        uint32_t instruction;
        struct riscv_access access;
    } table[] = {
        {0x0005a503, {false, true, 4, 10, 4}}, /* lw a0, 0(a1) */
        {0x005a4283, {false, false, 1, 5, 4}}, /* lbu t0, 5(s4) */
        {0x00c6b423, {true, false, 8, 12, 4}}, /* sd a2, 8(a3) */
        {0x00b51023, {true, false, 2, 11, 4}}, /* sh a1, 0(a0) */
        {0x00004290, {false, true, 4, 12, 2}}, /* c.lw a2, 0(a3) */
        {0x00006502, {false, true, 8, 10, 2}}, /* c.ldsp a0, 0(sp) */
    };
    struct riscv_access a;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        assert_true(riscv_decode_access(table[i].instruction, &a));
        assert_int_equal(a.store, table[i].access.store);
        assert_int_equal(a.size, table[i].access.size);
        assert_int_equal(a.reg, table[i].access.reg);
        assert_int_equal(a.length, table[i].access.length);
        if (!a.store)
            assert_int_equal(a.sign_extend, table[i].access.sign_extend);
    }
    assert_false(riscv_decode_access(0x0005b507, &a)); /* fld fa0, 0(a1) */
    assert_false(riscv_decode_access(0x08b5252f, &a)); /* amoswap.w a0, a1, (a0) */
    assert_false(riscv_decode_access(0, &a));
    assert_true(riscv_decode_transformed(0x00002503, &a)); /* lw a0 */
    assert_int_equal(a.length, 4);
    assert_true(riscv_decode_transformed(0x00002501, &a)); /* c.lw a0 */
    assert_int_equal(a.length, 2);
    assert_int_equal(a.reg, 10);
    assert_false(riscv_decode_transformed(0x3000, &a)); /* a pseudoinstruction */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plic_claims_the_highest_priority_then_the_lowest_number),
        cmocka_unit_test(test_plic_threshold_masks_priorities_up_to_it),
        cmocka_unit_test(test_plic_source_0_does_not_exist),
        cmocka_unit_test(test_imsic_claims_the_lowest_identity),
        cmocka_unit_test(test_imsic_threshold_enable_and_delivery),
        cmocka_unit_test(test_imsic_drops_what_means_nothing),
        cmocka_unit_test(test_imsic_gives_its_contents_to_a_file_and_takes_them_back),
        cmocka_unit_test(test_indirect_registers_with_odd_numbers_do_not_exist),
        cmocka_unit_test(test_stopi_names_the_first_by_default_priority),
        cmocka_unit_test(test_aplic_sends_a_message_for_each_edge_and_for_a_level_that_lasts),
        cmocka_unit_test(test_aplic_holds_back_while_off_and_forgets_inactive_sources),
        cmocka_unit_test(test_sbi_base),
        cmocka_unit_test(test_sbi_ipis_reach_the_harts_of_the_mask),
        cmocka_unit_test(test_sbi_remote_fences_carry_their_range),
        cmocka_unit_test(test_sbi_starts_harts_once),
        cmocka_unit_test(test_rtc_is_set_and_read_in_two_words),
        cmocka_unit_test(test_loads_and_stores_decode),
    };
    return cmocka_run_group_tests_name("riscv64 machine", tests, NULL, NULL);
}
