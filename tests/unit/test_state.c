/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Records of saved state: what is written is read back; what is damaged, strange or from the future
 * is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/state.h"

struct sample {
    uint8_t byte;
    bool truth, truths[3];
    uint16_t half;
    uint32_t words[5];
    uint64_t grid[2][3];
    struct {
        uint32_t inside;
    } part[2];
    unsigned saved, loaded;
};

static void before_save(void *object)
{
    ((struct sample *)object)->saved++;
}

static enum err after_load(void *object)
{
    ((struct sample *)object)->loaded++;
    return ((struct sample *)object)->half == 0xdead ? ERR_INVALID : ERR_OK;
}

#define FIELDS                                                                      \
    STATE_FIELD(struct sample, byte, 1), STATE_FIELD(struct sample, truth, 1),      \
        STATE_ARRAY(struct sample, truths, 1), STATE_FIELD(struct sample, half, 1), \
        STATE_ARRAY(struct sample, words, 1), STATE_ARRAY2(struct sample, grid, 1), \
        STATE_FIELD(struct sample, part[1].inside, 1)
STATE_TABLE_HOOKS(sample_state, "sample", 1, before_save, after_load, FIELDS);

static const struct sample example = {
    .byte = 0x12,
    .truth = true,
    .truths = {false, true, true},
    .half = 0x3456,
    .words = {1, 0x80000000, 3, 4, 0xffffffff},
    .grid = {{1, 2, 3}, {4, 0x123456789abcdef0, 6}},
    .part = {{7}, {8}},
};

static uint8_t data[1024];

static size_t save(const struct sample *from, unsigned instance, size_t at)
{
    struct state_writer w = {.data = data, .size = sizeof(data), .used = at};
    struct sample copy = *from;

    state_save(&w, &sample_state, instance, &copy);
    assert_int_equal(copy.saved, 1);
    assert_true(w.used <= sizeof(data));
    return w.used;
}

static enum err load(size_t size, unsigned instance, struct sample *to)
{
    struct state_reader r = {.data = data, .size = size};

    return state_check(&r) ? ERR_CORRUPT : state_load(&r, &sample_state, instance, to);
}

static void test_saved_is_loaded(void **state)
{
    struct state_writer measure = {0};
    struct sample to = {0}, from = example;

    (void)state;
    size_t size = save(&example, 3, 0);
    state_save(&measure, &sample_state, 3, &from);
    assert_int_equal(measure.used, size);
    assert_int_equal(load(size, 3, &to), ERR_OK);
    assert_int_equal(to.loaded, 1);
    to.loaded = 0;
    to.part[0] = example.part[0]; /* has no field */
    assert_memory_equal(&to, &example, sizeof(to));
}

/* The format is what is promised, byte for byte. */
static void test_bytes(void **state)
{
    static const struct state_field fields[] = {STATE_FIELD(struct sample, half, 1)};
    static const struct state_table table = {
        .name = "ab", .version = 7, .fields = fields, .field_count = 1};
    static const uint8_t expected[] = {20, 0,   0,   0,   2,   'a', 'b', 7, 0x01, 0x02, 0,    0,
                                       4,  'h', 'a', 'l', 'f', 2,   1,   0, 0,    0,    0x56, 0x34};
    struct state_writer w = {.data = data, .size = sizeof(data)};
    struct sample from = example;

    (void)state;
    state_save(&w, &table, 0x0201, &from);
    assert_int_equal(w.used, sizeof(expected));
    assert_memory_equal(data, expected, sizeof(expected));
}

static void test_objects_in_any_order(void **state)
{
    struct sample other = example, to = {0};

    (void)state;
    other.byte = 99;
    size_t size = save(&other, 1, save(&example, 0, 0));
    struct state_reader r = {.data = data, .size = size};
    assert_int_equal(state_check(&r), ERR_OK);
    assert_int_equal(state_count(&r), 2);
    assert_int_equal(state_load(&r, &sample_state, 1, &to), ERR_OK);
    assert_int_equal(to.byte, 99);
    assert_int_equal(state_load(&r, &sample_state, 0, &to), ERR_OK);
    assert_int_equal(to.byte, 0x12);
    assert_int_equal(state_load(&r, &sample_state, 2, &to), ERR_NOT_FOUND);
}

/* Every truncation, and every byte changed to a few others: refused, or a state that could be. */
static void test_damage(void **state)
{
    static uint8_t whole[sizeof(data)];
    struct sample to;

    (void)state;
    size_t size = save(&example, 0, 0);
    memcpy(whole, data, size);
    for (size_t cut = 1; cut < size; cut++)
        assert_int_equal(load(cut, 0, &to), ERR_CORRUPT);
    for (size_t i = 0; i < size; i++) {
        for (unsigned value = 0; value < 256; value += 15) {
            memcpy(data, whole, size);
            data[i] = (uint8_t)value;
            to = (struct sample){0};
            if (load(size, 0, &to) == ERR_OK)
                assert_true(*(uint8_t *)&to.truth <= 1 && *(uint8_t *)&to.truths[2] <= 1);
        }
    }
}

static void test_what_cannot_be(void **state)
{
    struct sample bad = example, to = {0};

    (void)state;
    bad.half = 0xdead;
    assert_int_equal(load(save(&bad, 0, 0), 0, &to), ERR_INVALID);

    /* A field twice in place of another. */
    static const struct state_field twice[] = {STATE_FIELD(struct sample, byte, 1),
                                               STATE_FIELD(struct sample, byte, 1)};
    static const struct state_field two[] = {STATE_FIELD(struct sample, byte, 1),
                                             STATE_FIELD(struct sample, half, 1)};
    static const struct state_table writes = {
        .name = "s", .version = 1, .fields = twice, .field_count = 2};
    static const struct state_table reads = {
        .name = "s", .version = 1, .fields = two, .field_count = 2};
    struct state_writer w = {.data = data, .size = sizeof(data)};
    state_save(&w, &writes, 0, &bad);
    struct state_reader r = {.data = data, .size = w.used};
    assert_int_equal(state_load(&r, &reads, 0, &to), ERR_INVALID);
    assert_string_equal(r.problem, "a field is there twice");
}

/* A newer table reads older records; an older one refuses newer ones. */
static void test_versions(void **state)
{
    static const struct state_field fields[] = {STATE_FIELD(struct sample, byte, 1),
                                                STATE_FIELD(struct sample, half, 2)};
    static const struct state_table old = {
        .name = "s", .version = 1, .fields = fields, .field_count = 1};
    static const struct state_table new = {
        .name = "s", .version = 2, .fields = fields, .field_count = 2};
    struct state_writer w = {.data = data, .size = sizeof(data)};
    struct sample from = example, to = {.half = 0x1111};

    (void)state;
    state_save(&w, &old, 0, &from);
    struct state_reader r = {.data = data, .size = w.used};
    assert_int_equal(state_load(&r, &new, 0, &to), ERR_OK);
    assert_int_equal(to.byte, 0x12);
    assert_int_equal(to.half, 0x1111); /* as reset */

    w.used = 0;
    state_save(&w, &new, 0, &from);
    r = (struct state_reader){.data = data, .size = w.used};
    assert_int_equal(state_load(&r, &old, 0, &to), ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saved_is_loaded),      cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_objects_in_any_order), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_what_cannot_be),       cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests_name("saved state", tests, NULL, NULL);
}
