/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Saved state of whole machines: a guest that was used at random is saved, wiped and loaded, and a
 * fresh one loads the same; both must save the same records again and show the same registers on
 * every bus. What is saved is what each machine registered, and nothing can be registered without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/thread.h"
#include "machines.h"
#include "vm.h"
#include "virtio/device.h"

#define STEPS       20000
#define WINDOW_LOOK KIB(64) /* of large regions only this much is read */

static uint8_t saved[MACHINE_STATE_MAX];

static void (*body)(void);

static void main_thread(void *unused)
{
    (void)unused;
    body();
    hosted_child_exit();
}

/* Runs `test` as a thread: devices wake threads. */
static void machine(void (*test)(void))
{
    hosted_start_core(MIB(500));
    body = test;
    scheduler_start(main_thread);
}

static const struct machine_kind *kind;
static uint64_t seed;

static void use(struct vm *vm, uint64_t random)
{
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t words[2] = {hosted_random(&random), hosted_random(&random)};
        struct machine_step step;

        _Static_assert(sizeof(step) == sizeof(words), "all of it is random");
        memcpy(&step, words, sizeof(step));
        machine_step(vm, &step);
    }
}

static bool load(const struct state_table *table, unsigned instance, void *object,
                 const struct state_writer *w)
{
    struct state_reader r = {.data = w->data, .size = w->used};

    assert_true(w->used <= w->size);
    assert_int_equal(state_check(&r), ERR_OK);
    return state_load(&r, table, instance, object) == ERR_OK;
}

/* Gives one field of the object another value; false: the object may not have it. */
static bool change(const struct state_table *table, const struct state_field *f, unsigned instance,
                   void *object, uint64_t mask, uint64_t *random)
{
    static uint8_t before[KIB(64)], after[KIB(64)];
    struct state_writer old = {.data = before, .size = sizeof(before)};
    struct state_writer new = {.data = after, .size = sizeof(after)};

    state_save(&old, table, instance, object);
    for (uint32_t n = 0; n < f->count; n++) {
        char *at = (char *)object + f->offset + n * f->size;
        uint64_t value = f->truth ? !*(bool *)at : hosted_random(random) & mask;

        memcpy(at, &value, f->size);
    }
    state_save(&new, table, instance, object);
    if (load(table, instance, object, &new))
        return true;
    assert_true(load(table, instance, object, &old));
    return false;
}

/* Gives each field of the object a value that it may have: any, or else a small one. */
static void scramble(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    static const uint64_t masks[] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, ~1UL, 7, 3, 1, 1};

    for (unsigned i = 0; i < table->field_count; i++)
        for (unsigned try = 0; try < ARRAY_SIZE(masks); try++)
            if (change(table, &table->fields[i], instance, object, masks[try], arg))
                break;
}

/* ---- Comparing ---- */

static void check_registers(struct vm *a, struct vm *b, struct bus *bus, struct bus *other)
{
    for (unsigned i = 0; i < bus->count; i++) {
        const struct bus_region *r = &bus->regions[i];
        unsigned step = r->min_size > 4 ? r->min_size : MIN(4u, (unsigned)r->max_size);
        uint64_t end = MIN(r->size, WINDOW_LOOK);

        for (uint64_t offset = 0; offset + step <= end; offset += step) {
            uint64_t is = bus_read(bus, a->vcpus[i % 2], r->base + offset, step);
            uint64_t copy = bus_read(other, b->vcpus[i % 2], r->base + offset, step);
            if (is != copy)
                fail_msg("%s: %s at %#lx + %#lx reads %#lx, after loading %#lx", kind->name,
                         r->device->ops->name, (unsigned long)r->base, (unsigned long)offset,
                         (unsigned long)is, (unsigned long)copy);
        }
    }
}

static void right(const char *problem, const char *when)
{
    if (problem)
        fail_msg("%s, seed %lu, %s: %s", kind->name, (unsigned long)seed, when, problem);
}

/* A fresh machine that has loaded what `used` saves; `saved` has it, *size bytes. */
static struct vm *load_fresh(struct vm *used, size_t *size)
{
    struct vm *fresh = machine_create(kind);

    *size = machine_save(used, saved);
    struct state_reader r = {.data = saved, .size = *size};
    machine_pause(fresh);
    right(vm_state_load(fresh, &r) == ERR_OK ? NULL : r.problem, "loaded into a fresh one");
    return fresh;
}

/* Nothing was left out: no object is as it is in a machine that was never used. */
static void check_all_changed(struct vm *used)
{
    static uint8_t other[MACHINE_STATE_MAX];
    struct vm *fresh = machine_create(kind);
    size_t size = machine_save(fresh, other);
    uint32_t length;

    assert_int_equal(machine_save(used, saved), size);
    for (size_t at = 0; at < size; at += length) {
        memcpy(&length, saved + at, sizeof(length));
        length += sizeof(length);
        if (memcmp(saved + at, other + at, length) == 0)
            fail_msg("%s: %.*s was not changed", kind->name, saved[at + 4], saved + at + 5);
    }
    hosted_vm_destroy(fresh);
}

static void check_fresh(struct vm *used)
{
    size_t size;
    struct vm *fresh;

    machine_wait(3 * NS_PER_SEC);
    fresh = load_fresh(used, &size);
    right(machine_differs(fresh, saved, size), "loaded into a fresh one");
    check_registers(used, fresh, &used->mmio, &fresh->mmio);
    check_registers(used, fresh, &used->ports, &fresh->ports);
    size = machine_save(used, saved);
    right(machine_differs(fresh, saved, size), "read");
    hosted_vm_destroy(fresh);
}

/* ---- Tests ---- */

static void moves(void)
{
    struct vm *used = machine_create(kind);

    use(used, seed);
    machine_pause(used);
    right(machine_round_trip(used), "used");
    check_fresh(used);
    hosted_vm_destroy(used);
}

/* Each object by itself has any values that it may have. Together they may not fit: a device raises
 * a pin that its controller has low. The first load makes one of them follow the other. */
static void any_values_move(void)
{
    uint64_t random = seed;
    struct vm *used = machine_create(kind), *settled;
    size_t size;

    use(used, seed);
    machine_pause(used);
    vm_state_each(used, scramble, &random);
    check_all_changed(used);
    settled = load_fresh(used, &size);
    hosted_vm_destroy(used);
    right(machine_round_trip(settled), "with any values");
    check_fresh(settled);
    hosted_vm_destroy(settled);
}

static void test_all_machines_move(void **state)
{
    (void)state;
    for (kind = machine_kinds; kind < machine_kinds + MACHINE_KINDS; kind++)
        for (seed = 1; seed <= 4; seed++)
            hosted_child_test(machine(moves));
}

static void test_all_machines_move_with_any_values(void **state)
{
    (void)state;
    for (kind = machine_kinds; kind < machine_kinds + MACHINE_KINDS; kind++)
        for (seed = 1; seed <= 4; seed++)
            hosted_child_test(machine(any_values_move));
}

static void resets(void)
{
    struct vm *used = machine_create(kind), *fresh = machine_create(kind);

    use(used, seed);
    machine_pause(used);
    right(machine_reset(used, fresh), "reset");
    hosted_vm_destroy(used);
    hosted_vm_destroy(fresh);
}

static void test_all_devices_reset(void **state)
{
    (void)state;
    for (kind = machine_kinds; kind < machine_kinds + MACHINE_KINDS; kind++)
        for (seed = 1; seed <= 2; seed++)
            hosted_child_test(machine(resets));
}

/* What forgot its state would be lost with a snapshot: it is refused when it is made. */
static void forgetful_device(void)
{
    static const struct device_ops ops = {.name = "forgetful"};
    struct vm vm = {0};
    struct device d = {0};

    device_init(&d, &ops, &vm);
}

static void forgetful_virtio_device(void)
{
    static const struct virtio_device_ops ops = {.name = "forgetful"};
    struct vm vm = {0};
    struct virtio_device d = {0};

    (void)!virtio_device_init(&d, &ops, &vm, 1, 16);
}

static void test_no_device_without_state(void **state)
{
    (void)state;
    assert_true(hosted_panics(forgetful_device()));
    assert_non_null(strstr(hosted_panic_text, "state"));
    assert_true(hosted_panics(forgetful_virtio_device()));
    assert_non_null(strstr(hosted_panic_text, "state"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_machines_move),
        cmocka_unit_test(test_all_machines_move_with_any_values),
        cmocka_unit_test(test_all_devices_reset),
        cmocka_unit_test(test_no_device_without_state),
    };
    return cmocka_run_group_tests_name("saved state of machines", tests, NULL, NULL);
}
