/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The IR: text goes in and comes out the same; each rule of a well-formed unit has a unit that
 * breaks it. Stands alone: includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/ir.c"
#include "dbt/text.c"
#include "dbt/verify.c"
#include "kernel/out.c"

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static const struct dbt_slot slots[] = {{"a", IR_I64, 0},
                                        {"b", IR_I64, 8},
                                        {"f", IR_F64, 16},
                                        {"nzcv", IR_FLAGS, 24},
                                        {"v", IR_V128, 32}};
static const struct dbt_dialect dialect = {
    .name = "test", .slots = slots, .slot_count = ARRAY_SIZE(slots), .helper_count = 2};

static char said[256];

/* What parsing or verifying `text` says; "" when it is well-formed. */
static const char *judge(const char *text)
{
    struct out_buffer why;
    struct ir_unit u;
    enum err e;

    out_buffer_init(&why, said, sizeof(said));
    assert_int_equal(ir_unit_create(&u, 100), ERR_OK);
    e = ir_parse(&u, &dialect, text, strlen(text), &why.out);
    if (e == ERR_OK)
        e = ir_verify(&u, &why.out);
    assert_int_equal(e == ERR_OK, said[0] == '\0');
    ir_unit_destroy(&u);
    return said;
}

static void expect_round_trip(const char *text)
{
    static char printed[8192];
    struct out_buffer out, why;
    struct ir_unit u;

    out_buffer_init(&why, said, sizeof(said));
    out_buffer_init(&out, printed, sizeof(printed));
    assert_int_equal(ir_unit_create(&u, 200), ERR_OK);
    assert_int_equal(ir_parse(&u, &dialect, text, strlen(text), &why.out), ERR_OK);
    ir_print(&u, &out.out);
    assert_string_equal(printed, text);
    ir_unit_destroy(&u);
}

#define BEGIN "block\n  insn at=0x10 len=0x4\n"
#define END   "  jump to=0x14 hint=none\n"

static void test_text_comes_back(void **state)
{
    (void)state;
    expect_round_trip(BEGIN
                      "  %2 = get.i64 slot=a\n"
                      "  %3 = const.i64 imm=-0x8000000000000000\n"
                      "  %4 = add.i64 %2 %3\n"
                      "  %5 = load.i64 %4 mem=i32 flags=0x1 order=acquire disp=-0x8\n"
                      "  %6 = trunc.i32 %5 from=i64\n"
                      "  %7 = extract.i32 %6 pos=0x3 len=0x5 signed=0x1\n"
                      "  %8 = sext.i64 %7 from=i32\n"
                      "  %9 = flags_sub.i64 %8 %5 carry=carry\n"
                      "  %10 = rmw.i64 %4 %8 op=maxu mem=i32 flags=0x1 order=seq-cst disp=0x0\n"
                      "  set.i64 %10 slot=b\n"
                      "  set.flags %9 slot=nzcv\n"
                      "  exit_cond %9 cc=mi to=0x40\n"
                      "  jump_reg %8 hint=return\n");
    assert_string_equal(said, "");
}

static void test_good_units(void **state)
{
    (void)state;
    assert_string_equal(judge(BEGIN END), "");
    assert_string_equal(judge(BEGIN "%1 = get.i64 slot=a\n%2 = get.i64 slot=b # both\n"
                                    "exit_if.i64 %1 %2 cc=ltu to=-0x20\n" END),
                        "");
    /* A loop with a parameter. */
    assert_string_equal(judge(BEGIN "%1 = get.i64 slot=a\npass.i64 %1\ngoto block=1\n"
                                    "block\n%2 = param.i64 imm=0\n%3 = neg.i64 %2\n"
                                    "pass.i64 %3\ngoto block=1\n"),
                        "");
    /* Two loads, then what they change. */
    assert_string_equal(judge(BEGIN "%1 = get.i64 slot=a\n%2 = load.i64 %1 mem=i64\n"
                                    "%3 = load.i64 %1 mem=i8 disp=8\nset.i64 %2 slot=a\n"
                                    "set.i64 %3 slot=b\n" END),
                        "");
}

static void test_rules(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "the unit is empty"},
        {"block\n", "operation 1 (?): its block is empty or does not follow the one before it"},
        {BEGIN "%1 = get.i64 slot=a\n", "operation 2 (get): a block ends with its only jump"},
        {BEGIN END END, "operation 2 (jump): a block ends with its only jump"},
        {BEGIN "%1 = get.i32 slot=a\n" END, "operation 2 (get): an attribute is out of range"},
        {BEGIN "%1 = get.i64 slot=a\n%2 = fabs.f64 %1\n" END,
         "operation 3 (fabs): an operand has the wrong type"},
        {BEGIN "%1 = get.i64 slot=a\n%2 = fabs.i64 %1\n" END,
         "operation 3 (fabs): it is not made for that type"},
        {BEGIN "%1 = get.i64 slot=a\n%2 = sext.i32 %1 from=i64\n" END,
         "operation 3 (sext): an attribute is out of range"},
        {BEGIN "%1 = get.i64 slot=a\n%2 = extract.i64 %1 pos=60 len=5\n" END,
         "operation 3 (extract): an attribute is out of range"},
        {BEGIN "%1 = get.i64 slot=a\n%2 = cmp.i64 %1 %1 cc=mi\n" END,
         "operation 3 (cmp): an attribute is out of range"},
        {BEGIN "%1 = helper %1\n" END, "line 3: not made above: \"%1\""},
        {BEGIN "%1 = get.i64 slot=a\n%2 = helper %1 %1 %1 fn=2\n" END,
         "operation 3 (helper): an attribute is out of range"},
        {BEGIN "%1 = get.i64 slot=a\nset.i64 %1 slot=b\n%2 = load.i64 %1 mem=i64\n" END,
         "operation 4 (load): something was changed before it, and it may fault or stop here"},
        {BEGIN "%1 = get.i64 slot=a\nstore.i64 %1 %1 mem=i64\npoll\n" END,
         "operation 4 (poll): something was changed before it, and it may fault or stop here"},
        {"block\n%1 = get.i64 slot=a\nset.i64 %1 slot=b\n" END,
         "operation 2 (set): no guest instruction has begun"},
        {BEGIN "goto block=1\nblock\n%1 = param.i64 imm=0\n" END,
         "operation 2 (goto): the number of arguments is not that of the parameters"},
        {BEGIN "%1 = const.i32 imm=1\npass.i32 %1\ngoto block=1\nblock\n%2 = param.i64 imm=0\n" END,
         "operation 4 (goto): an argument has the wrong type"},
        {BEGIN "%1 = get.i64 slot=a\nbranch %1 then=0x200000001\nblock\n%2 = get.i64 slot=a\n"
               "goto block=2\nblock\nset.i64 %2 slot=b\n" END,
         "operation 6 (set): an operand is used before it is made"},
        {BEGIN "goto block=7\n", "operation 2 (goto): an attribute is out of range"},
        {"block\n%1 = param.i64 imm=0\n" END, "operation 1 (param): the first block has no "
                                              "parameters"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(judge(cases[i].text), cases[i].message);
}

static void test_bad_text(void **state)
{
    static const char *const cases[][2] = {
        {"insn at=1 len=4\n", "line 1: the first line is \"block\""},
        {"block\nfrob\n", "line 2: no such operation: \"frob\""},
        {"block\n%0 = get.i64 slot=a\n", "line 2: no such value: \"%0\""},
        {"block\n%5000 = get.i64 slot=a\n", "line 2: no such value: \"%5000\""},
        {"block\nget.i64 slot=a\n", "line 2: this operation makes a value"},
        {"block\n%1 = get.i64 slot=q\n", "line 2: no such slot: \"q\""},
        {"block\n%1 = get.u64 slot=a\n", "line 2: no such type: \"u64\""},
        {"block\ninsn at=1 len=400\n", "line 2: out of range: \"400\""},
        {"block\njump to=1 hint=perhaps\n", "line 2: no such value of this key: \"perhaps\""},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(judge(cases[i][0]), cases[i][1]);
}

static void test_full_unit(void **state)
{
    struct ir_unit u;

    (void)state;
    assert_int_equal(ir_unit_create(&u, 4), ERR_OK);
    ir_unit_reset(&u, &dialect, 0);
    ir_block_begin(&u);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ir_const(&u, IR_I64, i), i + 1);
    assert_int_equal(ir_const(&u, IR_I64, 3), 0);
    assert_true(u.full);
    ir_unit_destroy(&u);
}

static void test_vectors(void **state)
{
    (void)state;
    expect_round_trip(BEGIN "  %2 = get.v128 slot=v\n"
                            "  %3 = vqadd.v128 %2 %2 of=i16 how=0x1 imm=0x0\n"
                            "  %4 = vhalf.v64 %3 of=i64 how=0x10 imm=0x0\n"
                            "  %5 = vfwiden.v128 %4 of=f16 how=0x20 imm=0x0\n"
                            "  %6 = vlane %5 of=i8 how=0x1 imm=0xf\n"
                            "  set.i64 %6 slot=a\n" END);
    expect_round_trip(BEGIN "  %2 = get.v128 slot=v\n"
                            "  %3 = vmask %2 of=i16 how=0x0 imm=0x0\n"
                            "  %4 = vexpand.v128 %3 of=i16 how=0x0 imm=0x38\n"
                            "  set.v128 %4 slot=v\n" END);
    assert_string_equal(
        judge(BEGIN "%2 = get.i64 slot=a\n%3 = vexpand.v128 %2 of=i16 how=0x0 imm=0x39\n" END),
        "operation 3 (vexpand): an attribute is out of range");
    assert_string_equal(
        judge(BEGIN "%2 = get.v128 slot=v\n%3 = vlane %2 of=i64 how=0x0 imm=0x2\n" END),
        "operation 3 (vlane): an attribute is out of range");
    assert_string_equal(
        judge(BEGIN "%2 = get.v128 slot=v\n%3 = vfadd.v128 %2 %2 of=i32 how=0x0 imm=0x0\n" END),
        "operation 3 (vfadd): an attribute is out of range");
    assert_string_equal(judge(BEGIN "%2 = get.v128 slot=v\n%3 = vadd.i64 %2 %2 of=i8\n" END),
                        "operation 3 (vadd): it is not made for that type");
    assert_string_equal(
        judge(BEGIN "%2 = get.v128 slot=v\n%3 = vwiden.v128 %2 of=i8 how=0x0 imm=0x0\n" END),
        "operation 3 (vwiden): an operand has the wrong type");
    assert_string_equal(
        judge(BEGIN "%2 = get.v128 slot=v\n%3 = vshr.v128 %2 of=i8 how=0x0 imm=0x9\n" END),
        "operation 3 (vshr): an attribute is out of range");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_text_comes_back),
        cmocka_unit_test(test_good_units), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_bad_text),   cmocka_unit_test(test_full_unit)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
