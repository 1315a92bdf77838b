/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Saved state of whole machines: a guest that was used at random is saved, a fresh one loads it,
 * and must then save the same records and show the same registers on every bus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"
#include "vm.h"

#define STATE_SIZE  MIB(1)
#define ACCESSES    20000
#define WINDOW_LOOK KIB(64) /* of large regions only this much is read */

static const struct config_vm config = {.memory = MIB(64), .cpus = 2};
static uint8_t first[STATE_SIZE], second[STATE_SIZE];

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

static void pass(uint64_t ns)
{
    hosted_counter += ns;
    host_irq_disable();
    host_irq_enable();
}

/* ---- Using it at random ---- */

static const uint8_t sizes[] = {1, 2, 4, 4, 4, 8};

static void access_bus(struct vm *vm, struct bus *bus, uint64_t *seed)
{
    if (!bus->count)
        return;
    const struct bus_region *r = &bus->regions[hosted_random(seed) % bus->count];
    struct vcpu *v = vm->vcpus[hosted_random(seed) % vm->vcpu_count];
    unsigned size = sizes[hosted_random(seed) % ARRAY_SIZE(sizes)];
    uint64_t room = r->size < WINDOW_LOOK ? r->size : WINDOW_LOOK;
    uint64_t offset = ALIGN_DOWN(hosted_random(seed) % room, (uint64_t)size);
    uint64_t value = hosted_random(seed);

    if (value % 2)
        value &= 0xff; /* many registers are small */
    if (offset + size > r->size)
        return;
    if (hosted_random(seed) % 4)
        bus_write(bus, v, r->base + offset, size, value);
    else
        (void)bus_read(bus, v, r->base + offset, size);
}

static void use(struct vm *vm, uint64_t random)
{
    for (unsigned i = 0; i < ACCESSES; i++) {
        access_bus(vm, &vm->mmio, &random);
        access_bus(vm, &vm->ports, &random);
        if (i % 100 == 0)
            pass(NS_PER_MS);
    }
}

/* Gives each field of the object a value that it may have. */
static void scramble(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    static uint8_t before[KIB(64)], after[KIB(64)];
    uint64_t *seed = arg;

    if (strstr(table->name, "vcpu") == NULL && strstr(table->name, "state") == NULL)
        return;
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct state_field *f = &table->fields[i];
        struct state_writer w = {.data = before, .size = sizeof(before)};

        state_save(&w, table, instance, object);
        assert_true(w.used <= sizeof(before));
        for (uint32_t n = 0; n < f->count; n++) {
            uint64_t value = f->truth ? hosted_random(seed) % 2 : hosted_random(seed);
            memcpy((char *)object + f->offset + n * f->size, &value, f->size);
        }
        struct state_writer changed = {.data = after, .size = sizeof(after)};
        state_save(&changed, table, instance, object);
        struct state_reader r = {.data = after, .size = changed.used};
        assert_int_equal(state_check(&r), ERR_OK);
        if (state_load(&r, table, instance, object) == ERR_OK)
            continue;
        r = (struct state_reader){.data = before, .size = w.used};
        assert_int_equal(state_load(&r, table, instance, object), ERR_OK);
    }
}

/* ---- Comparing ---- */

static size_t save(struct vm *vm, uint8_t *data)
{
    struct state_writer w = {.data = data, .size = STATE_SIZE};

    memset(data, 0, STATE_SIZE);
    vm_state_save(vm, &w);
    assert_true(w.used <= STATE_SIZE);
    return w.used;
}

/* Names the first object that differs. */
static void check_same(struct vm *a, struct vm *b, const char *when)
{
    size_t size = save(a, first), other = save(b, second);

    for (size_t at = 0; at < size;) {
        uint32_t length;
        memcpy(&length, first + at, sizeof(length));
        if (at + 4 + length > other || memcmp(first + at, second + at, 4 + length) != 0)
            fail_msg("%s, %s: object %.*s differs", a->name, when, first[at + 4],
                     (const char *)first + at + 5);
        at += 4 + length;
    }
    assert_int_equal(size, other);
}

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
                fail_msg("%s: %s at %#lx + %#lx reads %#lx, after loading %#lx", a->name,
                         r->device->ops->name, (unsigned long)r->base, (unsigned long)offset,
                         (unsigned long)is, (unsigned long)copy);
        }
    }
}

static const char *isa;
static uint64_t seed;

/* A device that forgot its state would be lost with a snapshot. */
static void check_every_device_has_state(const struct vm *vm)
{
    for (const struct device *d = vm->devices; d; d = d->next)
        if (!d->ops->state && !d->ops->state_each)
            fail_msg("%s: %s has no saved state", vm->name, d->ops->name);
}

static void moves(void)
{
    struct vm *used = hosted_vm_create(isa, &config);
    check_every_device_has_state(used);
    use(used, seed);
    guest_clock_pause(&used->clock);
    vm_state_each(used, scramble, &seed);
    size_t size = save(used, first);
    pass(3 * NS_PER_SEC);

    struct vm *fresh = hosted_vm_create(isa, &config);
    guest_clock_pause(&fresh->clock);
    struct state_reader r = {.data = first, .size = size};
    if (vm_state_load(fresh, &r) != ERR_OK)
        fail_msg("%s: %s", isa, r.problem);
    check_same(used, fresh, "loaded");
    check_registers(used, fresh, &used->mmio, &fresh->mmio);
    check_registers(used, fresh, &used->ports, &fresh->ports);
    check_same(used, fresh, "read");
    hosted_vm_destroy(fresh);
    hosted_vm_destroy(used);
}

static void all_moves(const char *name)
{
    isa = name;
    for (seed = 1; seed <= 8; seed++)
        hosted_child_test(machine(moves));
}

static void test_x86_64(void **state)
{
    (void)state;
    all_moves("x86_64");
}

static void test_aarch64(void **state)
{
    (void)state;
    all_moves("aarch64");
}

static void test_riscv64(void **state)
{
    (void)state;
    all_moves("riscv64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x86_64),
        cmocka_unit_test(test_aarch64),
        cmocka_unit_test(test_riscv64),
    };
    return cmocka_run_group_tests_name("saved state of machines", tests, NULL, NULL);
}
