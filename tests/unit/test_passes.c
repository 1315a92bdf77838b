/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The passes of tier 1, in IR text: what goes in and what is left. Stands alone: includes what it
 * tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/ir.c"
#include "dbt/pass.c"
#include "dbt/text.c"
#include "dbt/verify.c"
#include "kernel/out.c"

void *heap_zalloc(size_t size)
{
    return calloc(1, size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static const struct dbt_slot slots[] = {{"a", IR_I64, 128}, {"b", IR_I64, 136}, {"c", IR_I64, 144}};
static const struct dbt_dialect dialect = {.name = "test", .slots = slots, .slot_count = 3};

/* Prints without the nops. */
static void print_rest(struct ir_unit *u, char *text, size_t size)
{
    static char all[8192];
    struct out_buffer out;
    char *line, *save = NULL;

    out_buffer_init(&out, all, sizeof(all));
    ir_print(u, &out.out);
    text[0] = '\0';
    for (line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, "nop") || strcmp(line, "block") == 0)
            continue;
        strncat(text, line + 2, size - strlen(text) - 1);
        strncat(text, "\n", size - strlen(text) - 1);
    }
}

/* The unit `before`, behind "block" and an insn, becomes `after`. */
static void expect(const char *before, const char *after)
{
    struct pass_scratch *s = pass_scratch_create();
    char text[2000] = "block\ninsn at=0x0 len=0x4\n", rest[2000], said[200] = "";
    struct out_buffer why;
    struct ir_unit u;

    out_buffer_init(&why, said, sizeof(said));
    strcat(text, before);
    assert_int_equal(ir_unit_create(&u, 100), ERR_OK);
    if (ir_parse(&u, &dialect, text, strlen(text), &why.out) != ERR_OK ||
        ir_verify(&u, &why.out) != ERR_OK)
        fail_msg("%s", said);
    pass_simplify(s, &u);
    pass_dead(s, &u);
    if (ir_verify(&u, &why.out) != ERR_OK)
        fail_msg("%s", said);
    print_rest(&u, rest, sizeof(rest));
    strcpy(text, "insn at=0x0 len=0x4\n");
    strcat(text, after);
    assert_string_equal(rest, text);
    ir_unit_destroy(&u);
    pass_scratch_destroy(s);
}

#define JUMP "jump to=0x4 hint=none\n"

static void test_constants_fold(void **state)
{
    (void)state;
    expect("%2 = const.i64 imm=0x1000\n%3 = const.i64 imm=-0x8\n%4 = add.i64 %2 %3\n"
           "set.i64 %4 slot=a\n" JUMP,
           "%4 = const.i64 imm=0xff8\nset.i64 %4 slot=a\n" JUMP);
    expect("%2 = const.i32 imm=-0x1\n%3 = sext.i64 %2 from=i32\nset.i64 %3 slot=a\n" JUMP,
           "%3 = const.i64 imm=-0x1\nset.i64 %3 slot=a\n" JUMP);
    expect("%2 = const.i64 imm=0x7\n%3 = const.i64 imm=0x0\n%4 = divs.i64 %2 %3 by-zero=ones\n"
           "set.i64 %4 slot=a\n" JUMP,
           "%4 = const.i64 imm=-0x1\nset.i64 %4 slot=a\n" JUMP);
}

static void test_slots_are_forwarded(void **state)
{
    (void)state;
    /* addi a, a, 1; add b, a, a */
    expect("%2 = get.i64 slot=a\n%3 = const.i64 imm=0x1\n%4 = add.i64 %2 %3\nset.i64 %4 slot=a\n"
           "insn at=0x4 len=0x4\n%6 = get.i64 slot=a\n%7 = get.i64 slot=a\n%8 = add.i64 %6 %7\n"
           "set.i64 %8 slot=b\n" JUMP,
           "%2 = get.i64 slot=a\n%3 = const.i64 imm=0x1\n%4 = add.i64 %2 %3\nset.i64 %4 slot=a\n"
           "insn at=0x4 len=0x4\n%9 = add.i64 %4 %4\nset.i64 %9 slot=b\n" JUMP);
    /* What the slot holds already is not set again. */
    expect("%2 = get.i64 slot=a\nset.i64 %2 slot=a\n" JUMP, JUMP);
}

static void test_dead_sets_go(void **state)
{
    (void)state;
    expect("%2 = get.i64 slot=b\nset.i64 %2 slot=a\ninsn at=0x4 len=0x4\n%4 = neg.i64 %2\n"
           "set.i64 %4 slot=a\n" JUMP,
           "%2 = get.i64 slot=b\ninsn at=0x4 len=0x4\n%5 = neg.i64 %2\nset.i64 %5 slot=a\n" JUMP);
    /* Not across what may fault: the first set must be there then. */
    expect("%2 = get.i64 slot=b\nset.i64 %2 slot=a\ninsn at=0x4 len=0x4\n"
           "%5 = load.i64 %2 mem=i64 flags=0x0 order=relaxed disp=0x0\nset.i64 %5 slot=a\n" JUMP,
           "%2 = get.i64 slot=b\nset.i64 %2 slot=a\ninsn at=0x4 len=0x4\n"
           "%5 = load.i64 %2 mem=i64 flags=0x0 order=relaxed disp=0x0\nset.i64 %5 slot=a\n" JUMP);
    /* A load stays although nobody wants its value: it may fault. */
    expect("%2 = get.i64 slot=b\n%3 = load.i64 %2 mem=i8 flags=0x0 order=relaxed disp=0x0\n" JUMP,
           "%2 = get.i64 slot=b\n%3 = load.i64 %2 mem=i8 flags=0x0 order=relaxed disp=0x0\n" JUMP);
}

static void test_addresses_fold(void **state)
{
    (void)state;
    expect("%2 = get.i64 slot=a\n%3 = const.i64 imm=0x10\n%4 = add.i64 %2 %3\n"
           "store.i64 %4 %2 mem=i64 flags=0x0 order=relaxed disp=-0x8\n" JUMP,
           "%2 = get.i64 slot=a\n"
           "store.i64 %2 %2 mem=i64 flags=0x0 order=relaxed disp=0x8\n" JUMP);
    /* What does not fit into the displacement stays. */
    expect("%2 = get.i64 slot=a\n%3 = const.i64 imm=0x7fffffff\n%4 = add.i64 %2 %3\n"
           "%5 = load.i64 %4 mem=i64 flags=0x0 order=relaxed disp=0x1\nset.i64 %5 slot=a\n" JUMP,
           "%2 = get.i64 slot=a\n%3 = const.i64 imm=0x7fffffff\n%4 = add.i64 %2 %3\n"
           "%5 = load.i64 %4 mem=i64 flags=0x0 order=relaxed disp=0x1\nset.i64 %5 slot=a\n" JUMP);
}

static void test_identities(void **state)
{
    static const char *const same[] = {
        "%3 = const.i64 imm=0x0\n%4 = add.i64 %2 %3\n",
        "%3 = const.i64 imm=0x0\n%4 = or.i64 %3 %2\n",
        "%3 = const.i64 imm=-0x1\n%4 = and.i64 %2 %3\n",
        "%3 = const.i64 imm=0x40\n%4 = shl.i64 %2 %3\n",
        "%3 = const.i64 imm=0x1\n%4 = mul.i64 %3 %2\n",
        "%4 = select.i64 %2 %2 %2\n",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(same); i++) {
        char text[300] = "%2 = get.i64 slot=a\n";

        strcat(text, same[i]);
        strcat(text, "set.i64 %4 slot=b\n" JUMP);
        expect(text, "%2 = get.i64 slot=a\nset.i64 %2 slot=b\n" JUMP);
    }
    expect("%2 = get.i64 slot=a\n%3 = trunc.i32 %2 from=i64\n%4 = sext.i64 %3 from=i32\n"
           "%5 = trunc.i32 %4 from=i64\n%6 = zext.i64 %5 from=i32\nset.i64 %6 slot=b\n" JUMP,
           "%2 = get.i64 slot=a\n%3 = trunc.i32 %2 from=i64\n%6 = zext.i64 %3 from=i32\n"
           "set.i64 %6 slot=b\n" JUMP);
}

/* What is extended is not extended again; what may not be is. */
static void test_extensions_of_words(void **state)
{
    static const struct {
        const char *mem, *flags, *op;
        bool goes;
    } cases[] = {{"i32", "0x1", "xor", true},  {"i32", "0x1", "or", true},
                 {"i32", "0x1", "and", true},  {"i32", "0x0", "xor", false},
                 {"i16", "0x0", "xor", true},  {"i64", "0x0", "xor", false},
                 {"i32", "0x1", "add", false}, {"i8", "0x0", "or", true}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        char before[600], after[600];

        snprintf(before, sizeof(before),
                 "%%2 = get.i64 slot=a\n%%3 = load.i64 %%2 mem=%s flags=%s order=relaxed disp=0x0\n"
                 "%%4 = load.i64 %%2 mem=i32 flags=0x1 order=relaxed disp=0x4\n"
                 "%%5 = %s.i64 %%3 %%4\n",
                 cases[i].mem, cases[i].flags, cases[i].op);
        strcpy(after, before);
        strcat(before, "%6 = trunc.i32 %5 from=i64\n%7 = sext.i64 %6 from=i32\n"
                       "set.i64 %7 slot=b\n" JUMP);
        strcat(after, cases[i].goes ? "set.i64 %5 slot=b\n" JUMP
                                    : "%6 = trunc.i32 %5 from=i64\n%7 = sext.i64 %6 from=i32\n"
                                      "set.i64 %7 slot=b\n" JUMP);
        expect(before, after);
    }
    /* A shift to the right leaves no sign; one by nothing does. */
    expect("%2 = get.i64 slot=a\n%3 = trunc.i32 %2 from=i64\n%4 = const.i32 imm=0x8\n"
           "%5 = shr.i32 %3 %4\n%6 = sext.i64 %5 from=i32\nset.i64 %6 slot=b\n" JUMP,
           "%2 = get.i64 slot=a\n%3 = trunc.i32 %2 from=i64\n%4 = const.i32 imm=0x8\n"
           "%5 = shr.i32 %3 %4\n%6 = zext.i64 %5 from=i32\nset.i64 %6 slot=b\n" JUMP);
    expect("%2 = get.i64 slot=a\n%3 = const.i64 imm=0x80000000\n%4 = and.i64 %2 %3\n"
           "%5 = trunc.i32 %4 from=i64\n%6 = sext.i64 %5 from=i32\nset.i64 %6 slot=b\n" JUMP,
           "%2 = get.i64 slot=a\n%3 = const.i64 imm=0x80000000\n%4 = and.i64 %2 %3\n"
           "%5 = trunc.i32 %4 from=i64\n%6 = sext.i64 %5 from=i32\nset.i64 %6 slot=b\n" JUMP);
    expect("%2 = get.i64 slot=a\n%3 = const.i64 imm=0x7fffffff\n%4 = and.i64 %2 %3\n"
           "%5 = trunc.i32 %4 from=i64\n%6 = sext.i64 %5 from=i32\nset.i64 %6 slot=b\n" JUMP,
           "%2 = get.i64 slot=a\n%3 = const.i64 imm=0x7fffffff\n%4 = and.i64 %2 %3\n"
           "set.i64 %4 slot=b\n" JUMP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extensions_of_words), cmocka_unit_test(test_constants_fold),
        cmocka_unit_test(test_slots_are_forwarded), cmocka_unit_test(test_dead_sets_go),
        cmocka_unit_test(test_addresses_fold),      cmocka_unit_test(test_identities)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
