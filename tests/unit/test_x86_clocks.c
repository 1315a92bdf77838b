/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* HPET and RTC of x86_64 guests against their specifications (IA-PC HPET 1.0a; MC146818A), and the
 * saved state of the whole machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/timer.h"
#include "x86_guest.h"

#define HPET(reg)   (0xfed00000ULL + (reg))
#define HPET_CONFIG 0x10
#define HPET_STATUS 0x20
#define HPET_MAIN   0xf0
#define TIMER(n)    (0x100 + 0x20 * (n))
#define COMPARE(n)  (0x108 + 0x20 * (n))

#define LEVEL    0x2u
#define ENABLE   0x4u
#define PERIODIC 0x8u
#define SETVAL   0x40u
#define MODE32   0x100u
#define ROUTE(p) ((p) << 9)

static struct vm *vm;

static void start(void)
{
    static bool once;

    if (!once) {
        hosted_start_size(MIB(128));
        clock_init(hosted_counter, NS_PER_SEC);
        /* 2026-02-28 23:59:50 UTC, a Saturday. */
        clock_wall_init(1772323190ULL * NS_PER_SEC, hosted_counter);
        if (!cpu_boot()->timers)
            timer_cpu_init(cpu_boot());
    }
    once = true;
    vm = x86_guest_create(2, MIB(16));
    x86_guest_write(vm, 0, 0xfee000f0, 4, 0x1ff);
}

static void stop(void)
{
    x86_guest_destroy(vm);
}

static uint64_t get(uint64_t reg, unsigned size)
{
    return x86_guest_read(vm, 0, HPET(reg), size);
}

static void set(uint64_t reg, unsigned size, uint64_t value)
{
    x86_guest_write(vm, 0, HPET(reg), size, value);
}

/* Pin `pin` sends `vector` to vCPU 0. */
static void route(unsigned pin, uint32_t vector)
{
    x86_guest_write(vm, 0, 0xfec00000, 4, 0x10 + 2 * pin);
    x86_guest_write(vm, 0, 0xfec00010, 4, vector);
}

static bool came(unsigned vector)
{
    struct lapic *l = x86_guest_lapic(vm, 0);
    bool set_in = l->irr[vector / 32] >> (vector % 32) & 1;

    l->irr[vector / 32] &= ~(1u << (vector % 32));
    return set_in;
}

/* ---- HPET ---- */

static void test_hpet_counts_while_it_is_enabled(void **state)
{
    (void)state;
    start();
    assert_int_equal(get(0, 8), 0x009896808086a201); /* 10 ns, 3 timers, 64 bits, legacy */
    assert_int_equal(get(0, 4), 0x8086a201);
    assert_int_equal(get(4, 4), 10000000);
    x86_guest_wait(NS_PER_MS);
    assert_int_equal(get(HPET_MAIN, 8), 0);
    set(HPET_MAIN, 8, 0xfffffffffff00000);
    set(HPET_CONFIG, 4, 1);
    x86_guest_wait(NS_PER_MS);
    assert_in_range(get(HPET_MAIN, 8), 0xfffffffffff00000 + 100000, 0xfffffffffff00000 + 100010);
    set(HPET_CONFIG, 4, 0);
    uint64_t stood = get(HPET_MAIN, 8);
    x86_guest_wait(NS_PER_MS);
    assert_int_equal(get(HPET_MAIN, 8), stood);
    assert_int_equal(get(HPET_MAIN + 4, 4), stood >> 32);
    stop();
}

static void test_hpet_one_shot_and_periodic(void **state)
{
    (void)state;
    start();
    route(20, 0x50);
    route(21, 0x51);
    set(TIMER(0), 4, ENABLE | ROUTE(20));
    set(TIMER(1), 4, ENABLE | PERIODIC | SETVAL | MODE32 | ROUTE(21));
    set(COMPARE(0), 8, 100000); /* 1 ms */
    set(COMPARE(1), 4, 200000); /* first at 2 ms */
    set(COMPARE(1), 4, 300000); /* then every 3 ms */
    set(HPET_CONFIG, 4, 1);
    for (unsigned ms = 1; ms <= 12; ms++) {
        x86_guest_wait(NS_PER_MS);
        assert_int_equal(came(0x50), ms == 1);
        assert_int_equal(came(0x51), ms >= 2 && (ms - 2) % 3 == 0);
    }
    assert_int_equal(get(COMPARE(0), 8), 100000);
    assert_int_equal(get(COMPARE(1), 4), 1400000); /* the next one */
    stop();
}

static void test_hpet_32_bit_timers_wrap(void **state)
{
    (void)state;
    start();
    route(20, 0x50);
    set(HPET_MAIN, 8, 0xffffff00);
    set(TIMER(0), 4, ENABLE | MODE32 | ROUTE(20));
    set(COMPARE(0), 4, 0x100);
    set(HPET_CONFIG, 4, 1);
    x86_guest_wait(0x1f0 * 10);
    assert_false(came(0x50));
    x86_guest_wait(0x20 * 10);
    assert_true(came(0x50));
    stop();
}

static void test_hpet_level_interrupts_last_until_they_are_cleared(void **state)
{
    (void)state;
    start();
    route(22, 0x8052); /* level */
    set(TIMER(2), 4, ENABLE | LEVEL | ROUTE(22));
    set(COMPARE(2), 8, 1000);
    set(HPET_CONFIG, 4, 1);
    x86_guest_wait(20000);
    assert_int_equal(get(HPET_STATUS, 4), 4);
    assert_int_equal(lapic_highest(x86_guest_lapic(vm, 0)), 0x52);
    lapic_accept(x86_guest_lapic(vm, 0), 0x52);
    x86_guest_write(vm, 0, 0xfee000b0, 4, 0);
    assert_int_equal(lapic_highest(x86_guest_lapic(vm, 0)), 0x52); /* still high */
    lapic_accept(x86_guest_lapic(vm, 0), 0x52);
    set(HPET_STATUS, 4, 3); /* others' bits change nothing */
    assert_int_equal(get(HPET_STATUS, 4), 4);
    set(HPET_STATUS, 4, 4);
    x86_guest_write(vm, 0, 0xfee000b0, 4, 0);
    assert_int_equal(lapic_highest(x86_guest_lapic(vm, 0)), -1);
    stop();
}

static void test_hpet_takes_the_place_of_the_old_timer(void **state)
{
    (void)state;
    start();
    route(2, 0x60);
    set(TIMER(0), 4, ENABLE | ROUTE(20));
    set(COMPARE(0), 8, 1000);
    set(HPET_CONFIG, 4, 3);
    x86_guest_wait(20000);
    assert_true(came(0x60));
    stop();
}

/* ---- RTC ---- */

static uint8_t cmos(uint8_t index)
{
    x86_guest_out(vm, 0x70, 1, index);
    return (uint8_t)x86_guest_in(vm, 0x71, 1);
}

static void cmos_set(uint8_t index, uint8_t value)
{
    x86_guest_out(vm, 0x70, 1, index);
    x86_guest_out(vm, 0x71, 1, value);
}

static void check_time(time_t t)
{
    struct tm c;
    char want[32], have[32];

    gmtime_r(&t, &c);
    strftime(want, sizeof(want), "%Y-%m-%d %H:%M:%S", &c);
    snprintf(have, sizeof(have), "%02x%02x-%02x-%02x %02x:%02x:%02x", cmos(0x32), cmos(9), cmos(8),
             cmos(7), cmos(4), cmos(2), cmos(0));
    assert_string_equal(have, want); /* BCD reads like decimal */
    assert_int_equal(cmos(6), c.tm_wday + 1);
}

static time_t host_time(void)
{
    return (time_t)(clock_wall_ns() / NS_PER_SEC);
}

static void test_rtc_shows_the_hosts_time(void **state)
{
    (void)state;
    start();
    assert_int_equal(cmos(0xd), 0x80);
    for (unsigned i = 0; i < 15; i++) { /* over the end of a month */
        check_time(host_time());
        x86_guest_wait(NS_PER_SEC);
    }
    stop();
}

static void test_rtc_in_binary_and_12_hours(void **state)
{
    struct tm c;
    time_t t;

    (void)state;
    start();
    cmos_set(0xb, 0x04); /* binary, 12 hours */
    for (unsigned i = 0; i < 26; i++) {
        t = host_time();
        gmtime_r(&t, &c);
        assert_int_equal(cmos(4) & 0x7f, c.tm_hour % 12 ? c.tm_hour % 12 : 12);
        assert_int_equal(cmos(4) >> 7, c.tm_hour >= 12);
        assert_int_equal(cmos(2), c.tm_min);
        x86_guest_wait(3600 * NS_PER_SEC);
    }
    stop();
}

static void test_rtc_can_be_set(void **state)
{
    static const uint8_t time_of[][2] = {{0, 0x58}, {2, 0x59}, {4, 0x23},   {7, 0x31},
                                         {8, 0x12}, {9, 0x99}, {0x32, 0x19}};

    (void)state;
    start();
    cmos_set(0xb, 0x82); /* SET */
    for (unsigned i = 0; i < ARRAY_SIZE(time_of); i++)
        cmos_set(time_of[i][0], time_of[i][1]);
    x86_guest_wait(5 * NS_PER_SEC); /* it stands meanwhile */
    assert_int_equal(cmos(0), 0x58);
    cmos_set(0xb, 0x02);
    check_time(946684798); /* 1999-12-31 23:59:58 */
    x86_guest_wait(3 * NS_PER_SEC);
    check_time(946684801);
    assert_int_equal(cmos(0x32), 0x20);
    stop();
}

static void test_rtc_alarm_update_and_periodic(void **state)
{
    time_t now;
    struct tm c;

    (void)state;
    start();
    route(8, 0x68);
    now = host_time() + 90;
    gmtime_r(&now, &c);
    cmos_set(0xb, 0x06); /* binary, 24 hours */
    cmos_set(1, (uint8_t)c.tm_sec);
    cmos_set(3, (uint8_t)c.tm_min);
    cmos_set(5, 0xff); /* any hour */
    cmos(0xc);
    cmos_set(0xb, 0x26); /* alarm interrupt */
    while (host_time() < now - 1) {
        x86_guest_wait(NS_PER_SEC);
        assert_false(came(0x68));
    }
    x86_guest_wait(NS_PER_SEC);
    assert_true(came(0x68));
    assert_int_equal(cmos(0xc), 0xf0); /* all events have happened, one interrupts */
    assert_int_equal(cmos(0xc), 0x00);
    x86_guest_wait(NS_PER_SEC);
    assert_false(came(0x68));
    cmos_set(0xb, 0x16); /* update */
    cmos(0xc);
    for (unsigned i = 0; i < 3; i++) {
        x86_guest_wait(NS_PER_SEC);
        assert_true(came(0x68));
        assert_int_equal(cmos(0xc) & 0x90, 0x90);
    }
    cmos_set(0xa, 0x2c); /* 16 Hz */
    cmos_set(0xb, 0x46);
    cmos(0xc);
    came(0x68);
    for (unsigned i = 0; i < 16; i++) {
        x86_guest_wait(NS_PER_SEC / 16);
        assert_true(came(0x68));
        assert_int_equal(cmos(0xc) & 0xc0, 0xc0);
    }
    x86_guest_wait(NS_PER_SEC / 32);
    assert_false(came(0x68));
    stop();
}

/* ---- Saved state ---- */

struct pass {
    struct state_writer writer;
    struct state_reader reader;
    unsigned objects;
};

static void save_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    struct pass *p = arg;

    state_save(&p->writer, table, instance, object);
    p->objects++;
}

static void load_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    struct pass *p = arg;

    if (state_load(&p->reader, table, instance, object) != ERR_OK)
        fail_msg("%s %u: %s", table->name, instance, p->reader.problem);
}

static uint8_t *save_all(size_t *size)
{
    struct pass p = {0};
    uint8_t *data;

    vm_state_each(vm, save_one, &p);
    data = malloc(p.writer.used);
    *size = p.writer.used;
    p = (struct pass){.writer = {.data = data, .size = *size}};
    vm_state_each(vm, save_one, &p);
    assert_true(p.objects > 8);
    return data;
}

/* A machine in use, loaded into another that was never used, is the same to the last byte. */
static void test_state_of_the_machine_moves(void **state)
{
    uint8_t *before, *after;
    size_t size, size_after;
    struct vm *used;

    (void)state;
    start();
    route(8, 0x68);
    route(21, 0x8051);
    set(TIMER(1), 4, ENABLE | LEVEL | PERIODIC | SETVAL | ROUTE(21));
    set(COMPARE(1), 8, 100000);
    set(HPET_CONFIG, 4, 1);
    cmos_set(0xb, 0x56);
    cmos_set(0x40, 0x77);
    x86_guest_write(vm, 1, 0xfee000f0, 4, 0x1ff);
    x86_guest_write(vm, 1, 0xfee00320, 4, 0x20044);
    x86_guest_write(vm, 1, 0xfee00380, 4, 5000000);
    x86_guest_out(vm, 0x600, 2, 0xffff);
    x86_guest_out(vm, 0x602, 2, 0x0101);
    x86_guest_out(vm, 0xcf8, 4, 0x8000f860);
    x86_guest_wait(5 * NS_PER_MS);
    guest_clock_pause(&vm->clock);
    before = save_all(&size);
    used = vm;
    vm = x86_guest_create(2, MIB(16));
    guest_clock_pause(&vm->clock);
    struct pass p = {.reader = {.data = before, .size = size}};
    assert_int_equal(state_check(&p.reader), ERR_OK);
    vm_state_each(vm, load_one, &p);
    after = save_all(&size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    guest_clock_resume(&vm->clock, GUEST_TIME_CONTINUE);
    came(0x68);
    x86_guest_wait(2 * NS_PER_SEC);
    assert_int_not_equal(cmos(0xc) & 0x80, 0); /* its timers run */
    assert_int_equal(x86_guest_lapic(vm, 1)->irr[2] >> 4 & 1, 1);
    free(before);
    free(after);
    x86_guest_destroy(used);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hpet_counts_while_it_is_enabled),
        cmocka_unit_test(test_hpet_one_shot_and_periodic),
        cmocka_unit_test(test_hpet_32_bit_timers_wrap),
        cmocka_unit_test(test_hpet_level_interrupts_last_until_they_are_cleared),
        cmocka_unit_test(test_hpet_takes_the_place_of_the_old_timer),
        cmocka_unit_test(test_rtc_shows_the_hosts_time),
        cmocka_unit_test(test_rtc_in_binary_and_12_hours),
        cmocka_unit_test(test_rtc_can_be_set),
        cmocka_unit_test(test_rtc_alarm_update_and_periodic),
        cmocka_unit_test(test_state_of_the_machine_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
