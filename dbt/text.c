/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The IR as text, for tests and traces:
 *
 *     block
 *       insn at=0x10 len=4
 *       %2 = get.i64 slot=x10
 *       %3 = const.i64 imm=0x1
 *       %4 = add.i64 %2 %3
 *       set.i64 %4 slot=x10
 *       jump to=0x14
 *
 * One operation a line; a name "%N" stands for a value; '#' begins a comment. The same table says
 * what each attribute is called when printed and when parsed.
 */
#include "dbt/ir.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LINE 200

static const char *const cc_names[] = {"eq",  "ne",  "ltu", "geu", "leu", "gtu", "lts",
                                       "ges", "les", "gts", "mi",  "pl",  "vs",  "vc",
                                       "cs",  "cc",  "pe",  "po",  "as",  "ac",  NULL};
static const char *const div_names[] = {"zero", "ones", NULL};
static const char *const carry_names[] = {"borrow", "carry", NULL};
static const char *const order_names[] = {"relaxed", "acquire", "acquire-pc",
                                          "release", "seq-cst", NULL};
static const char *const rmw_names[] = {"swap", "add",  "and",  "or",   "xor",
                                        "mins", "maxs", "minu", "maxu", NULL};
static const char *const round_names[] = {"nearest", "zero", "down", "up", "away", NULL};
static const char *const fmin_names[] = {"number", "nan", "second", NULL};
static const char *const fcc_names[] = {"eq", "lt", "le", "un", NULL};
static const char *const hint_names[] = {"none", "call", "return", NULL};
static const char *const leave_names[] = {"interpret", "illegal", "fetch", NULL};
static const char *const type_names[] = {"void",  "i8",  "i16",  "i32",  "i64",  "f32", "f64",
                                         "flags", "v64", "v128", "v256", "v512", "f16", NULL};

/* Where in an operation a named attribute lives. */
enum place { ATTR, ATTR_LOW, ATTR_HIGH, ATTR2, ATTR2_LOW, ATTR2_HIGH, IMM, IMM_LOW, IMM_HIGH };

struct key {
    uint8_t attribute; /* enum ir_attribute */
    const char *name;
    uint8_t place;            /* enum place */
    const char *const *words; /* NULL: a number */
};

static const struct key keys[] = {
    {IR_ATTR_IMM, "imm", IMM, NULL},
    {IR_ATTR_DIV, "by-zero", ATTR, div_names},
    {IR_ATTR_CC, "cc", ATTR, cc_names},
    {IR_ATTR_FROM, "from", ATTR, type_names},
    {IR_ATTR_FIELD, "pos", IMM_LOW, NULL},
    {IR_ATTR_FIELD, "len", IMM_HIGH, NULL},
    {IR_ATTR_FIELD, "signed", ATTR2, NULL},
    {IR_ATTR_CARRY, "carry", ATTR, carry_names},
    {IR_ATTR_MEMORY, "mem", ATTR, type_names},
    {IR_ATTR_MEMORY, "flags", ATTR2_LOW, NULL},
    {IR_ATTR_MEMORY, "order", ATTR2_HIGH, order_names},
    {IR_ATTR_MEMORY, "disp", IMM, NULL},
    {IR_ATTR_PROBE, "len", ATTR, NULL},
    {IR_ATTR_PROBE, "write", ATTR2, NULL},
    {IR_ATTR_PROBE, "disp", IMM, NULL},
    {IR_ATTR_RMW, "op", ATTR_LOW, rmw_names},
    {IR_ATTR_RMW, "mem", ATTR_HIGH, type_names},
    {IR_ATTR_RMW, "flags", ATTR2_LOW, NULL},
    {IR_ATTR_RMW, "order", ATTR2_HIGH, order_names},
    {IR_ATTR_RMW, "disp", IMM, NULL},
    {IR_ATTR_FENCE, "mask", ATTR, NULL},
    {IR_ATTR_ROUND, "round", ATTR, round_names},
    {IR_ATTR_ROUND, "exact", ATTR2, NULL},
    {IR_ATTR_FMA, "round", ATTR, round_names},
    {IR_ATTR_FMA, "negate", ATTR2, NULL},
    {IR_ATTR_FMIN, "nan", ATTR, fmin_names},
    {IR_ATTR_FCMP, "cc", ATTR, fcc_names},
    {IR_ATTR_FCMP, "from", ATTR2, type_names},
    {IR_ATTR_FCMP, "signaling", IMM, NULL},
    {IR_ATTR_FROUND, "round", ATTR, round_names},
    {IR_ATTR_FROUND, "from", ATTR2, type_names},
    {IR_ATTR_FTOI, "round", ATTR, round_names},
    {IR_ATTR_FTOI, "from", ATTR2, type_names},
    {IR_ATTR_FTOI, "unsigned", IMM, NULL},
    {IR_ATTR_HELPER, "fn", IMM, NULL},
    {IR_ATTR_INSN, "at", IMM, NULL},
    {IR_ATTR_INSN, "len", ATTR, NULL},
    {IR_ATTR_LINK, "to", IMM, NULL},
    {IR_ATTR_LINK, "hint", ATTR, hint_names},
    {IR_ATTR_LINKCC, "cc", ATTR, cc_names},
    {IR_ATTR_LINKCC, "to", IMM, NULL},
    {IR_ATTR_BLOCK, "block", IMM, NULL},
    {IR_ATTR_BLOCK2, "then", IMM, NULL},
    {IR_ATTR_HINT, "hint", ATTR, hint_names},
    {IR_ATTR_LEAVE, "why", ATTR, leave_names},
    {IR_ATTR_LEAVE, "imm", IMM, NULL},
    {IR_ATTR_VECTOR, "of", ATTR, type_names},
    {IR_ATTR_VECTOR, "how", ATTR2, NULL},
    {IR_ATTR_VECTOR, "imm", IMM, NULL},
    {IR_ATTR_VFP, "of", ATTR, type_names},
    {IR_ATTR_VFP, "how", ATTR2, NULL},
    {IR_ATTR_VFP, "imm", IMM, NULL},
};

static int64_t place_get(const struct ir_op *op, enum place place)
{
    switch (place) {
    case ATTR:
        return op->attr;
    case ATTR_LOW:
        return op->attr & 15;
    case ATTR_HIGH:
        return op->attr >> 4;
    case ATTR2:
        return op->attr2;
    case ATTR2_LOW:
        return op->attr2 & 15;
    case ATTR2_HIGH:
        return op->attr2 >> 4;
    case IMM:
        return op->imm;
    case IMM_LOW:
        return op->imm & 0xff;
    case IMM_HIGH:
        return (uint64_t)op->imm >> 8;
    }
    return 0;
}

/* False: the value does not fit there. */
static bool place_set(struct ir_op *op, enum place place, int64_t value)
{
    bool nibble = value >= 0 && value < 16, byte = value >= 0 && value < 256;

    switch (place) {
    case ATTR:
        op->attr = (uint8_t)value;
        return byte;
    case ATTR_LOW:
        op->attr |= (uint8_t)(value & 15);
        return nibble;
    case ATTR_HIGH:
        op->attr |= (uint8_t)((value & 15) << 4);
        return nibble;
    case ATTR2:
        op->attr2 = (uint8_t)value;
        return byte;
    case ATTR2_LOW:
        op->attr2 |= (uint8_t)(value & 15);
        return nibble;
    case ATTR2_HIGH:
        op->attr2 |= (uint8_t)((value & 15) << 4);
        return nibble;
    case IMM:
        op->imm = value;
        return true;
    case IMM_LOW:
        op->imm |= value & 0xff;
        return byte;
    case IMM_HIGH:
        op->imm |= (int64_t)((uint64_t)(value & 0xff) << 8);
        return byte;
    }
    return false;
}

/* ---- Printing ---- */

static const char *word_of(const char *const *words, int64_t value)
{
    for (int64_t i = 0; words[i]; i++)
        if (i == value)
            return words[i];
    return NULL;
}

static void print_key(const struct ir_op *op, const struct key *key, struct out *out)
{
    int64_t value = place_get(op, key->place);
    const char *word = key->words ? word_of(key->words, value) : NULL;

    if (word)
        out_printf(out, " %s=%s", key->name, word);
    else if (value < 0)
        out_printf(out, " %s=-0x%llx", key->name, -(unsigned long long)value);
    else
        out_printf(out, " %s=0x%llx", key->name, (unsigned long long)value);
}

static void print_op(const struct ir_unit *u, unsigned i, struct out *out)
{
    const struct ir_op *op = &u->ops[i];
    const struct ir_info *info = &ir_info[op->code];

    out_printf(out, "  ");
    if (info->result != '-')
        out_printf(out, "%%%u = ", i);
    out_printf(out, "%s", info->name);
    if (op->type != IR_VOID)
        out_printf(out, ".%s", ir_type_name(op->type));
    for (unsigned a = 0; a < info->operand_count; a++)
        out_printf(out, " %%%u", op->arg[a]);
    if (info->attribute == IR_ATTR_SLOT && (uint64_t)op->imm < u->dialect->slot_count)
        out_printf(out, " slot=%s", u->dialect->slots[op->imm].name);
    for (unsigned k = 0; k < ARRAY_SIZE(keys); k++)
        if (keys[k].attribute == info->attribute)
            print_key(op, &keys[k], out);
    out_printf(out, "\n");
}

void ir_print(const struct ir_unit *u, struct out *out)
{
    for (unsigned b = 0; b < u->block_count; b++) {
        const struct ir_block *block = &u->blocks[b];

        out_printf(out, "block\n");
        for (unsigned i = block->first; i < block->first + block->count; i++)
            print_op(u, i, out);
    }
}

/* ---- Parsing ---- */

struct parser {
    struct ir_unit *u;
    struct out *why;
    unsigned line;
    char *rest;                 /* of the current line, NUL-terminated */
    ir_value names[IR_OPS_MAX]; /* "%N": the operation that it stands for */
};

static bool wrong(struct parser *p, const char *what, const char *word)
{
    out_printf(p->why, "line %u: %s%s%s%s", p->line, what, word ? " \"" : "", word ? word : "",
               word ? "\"" : "");
    return false;
}

/* The next word of the line, or NULL. */
static char *next_word(struct parser *p)
{
    char *word = p->rest + strspn(p->rest, " \t\r");
    size_t length = strcspn(word, " \t\r");

    if (*word == '\0' || *word == '#')
        return NULL;
    p->rest = word + length + (word[length] != '\0');
    word[length] = '\0';
    return word;
}

static bool parse_name(struct parser *p, const char *word, unsigned *name)
{
    char *end;
    unsigned long value;

    if (word[0] != '%' || word[1] < '0' || word[1] > '9')
        return wrong(p, "expected a value such as %3, found", word);
    value = strtoul(word + 1, &end, 10);
    if (*end || value == 0 || value >= IR_OPS_MAX)
        return wrong(p, "no such value:", word);
    *name = (unsigned)value;
    return true;
}

static int find_word(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static bool parse_number(const char *text, int64_t *value)
{
    bool negative = text[0] == '-';
    char *end;
    uint64_t magnitude;

    text += negative;
    if (text[0] < '0' || text[0] > '9')
        return false;
    magnitude = strtoull(text, &end, 0);
    *value = (int64_t)(negative ? -magnitude : magnitude);
    return *end == '\0';
}

static bool parse_slot(struct parser *p, struct ir_op *op, const char *name)
{
    const struct dbt_dialect *d = p->u->dialect;

    for (unsigned s = 0; s < d->slot_count; s++)
        if (strcmp(d->slots[s].name, name) == 0) {
            op->imm = s;
            return true;
        }
    return wrong(p, "no such slot:", name);
}

static bool parse_key(struct parser *p, struct ir_op *op, char *word)
{
    char *equals = strchr(word, '=');
    unsigned attribute = ir_info[op->code].attribute;

    if (!equals)
        return wrong(p, "expected key=value, found", word);
    *equals = '\0';
    if (attribute == IR_ATTR_SLOT && strcmp(word, "slot") == 0)
        return parse_slot(p, op, equals + 1);
    for (unsigned k = 0; k < ARRAY_SIZE(keys); k++) {
        int64_t value;
        int found;

        if (keys[k].attribute != attribute || strcmp(keys[k].name, word) != 0)
            continue;
        found = keys[k].words ? find_word(keys[k].words, equals + 1) : -1;
        value = found;
        if (found < 0 && !parse_number(equals + 1, &value))
            return wrong(p, "no such value of this key:", equals + 1);
        if (!place_set(op, keys[k].place, value))
            return wrong(p, "out of range:", equals + 1);
        return true;
    }
    return wrong(p, "this operation has no key", word);
}

/* "add.i64" */
static bool parse_code(struct parser *p, struct ir_op *op, char *word)
{
    char *dot = strchr(word, '.');
    int type = IR_VOID;

    if (dot) {
        *dot = '\0';
        type = find_word(type_names, dot + 1);
        if (type < 0)
            return wrong(p, "no such type:", dot + 1);
    }
    for (unsigned c = 0; c < IR_CODE_COUNT; c++)
        if (strcmp(ir_info[c].name, word) == 0) {
            op->code = (uint8_t)c;
            op->type = (uint8_t)type;
            return true;
        }
    return wrong(p, "no such operation:", word);
}

static bool parse_operands(struct parser *p, struct ir_op *op)
{
    for (unsigned a = 0; a < ir_info[op->code].operand_count; a++) {
        char *word = next_word(p);
        unsigned name;

        if (!word)
            return wrong(p, "an operand is missing", NULL);
        if (!parse_name(p, word, &name))
            return false;
        if (!p->names[name])
            return wrong(p, "not made above:", word);
        op->arg[a] = p->names[name];
    }
    return true;
}

static bool parse_line(struct parser *p)
{
    struct ir_op op = {0};
    unsigned name = 0;
    ir_value value;
    char *word = next_word(p);

    if (!word)
        return true;
    if (strcmp(word, "block") == 0) {
        ir_block_begin(p->u);
        return true;
    }
    if (word[0] == '%') {
        char *equals;

        if (!parse_name(p, word, &name))
            return false;
        equals = next_word(p);
        word = next_word(p);
        if (!equals || strcmp(equals, "=") != 0 || !word)
            return wrong(p, "expected %N = OPERATION", NULL);
    }
    if (!parse_code(p, &op, word) || !parse_operands(p, &op))
        return false;
    while ((word = next_word(p)) != NULL)
        if (!parse_key(p, &op, word))
            return false;
    if ((ir_info[op.code].result != '-') != (name != 0))
        return wrong(p, name ? "this operation makes no value" : "this operation makes a value",
                     NULL);
    if (p->u->block_count == 0)
        return wrong(p, "the first line is \"block\"", NULL);
    value = ir_append(p->u, &op);
    if (name)
        p->names[name] = value;
    return true;
}

enum err ir_parse(struct ir_unit *u, const struct dbt_dialect *dialect, const char *text,
                  size_t size, struct out *why)
{
    struct parser p = {.u = u, .why = why, .line = 1};
    char line[MAX_LINE];

    ir_unit_reset(u, dialect, 0);
    for (size_t at = 0; at < size; p.line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - (text + at)) : size - at;

        if (length >= sizeof(line) || memchr(text + at, '\0', length)) {
            wrong(&p, "too long, or not text", NULL);
            return ERR_INVALID;
        }
        memcpy(line, text + at, length);
        line[length] = '\0';
        p.rest = line;
        if (!parse_line(&p))
            return ERR_INVALID;
        if (u->full) {
            wrong(&p, "the unit is full", NULL);
            return ERR_RANGE;
        }
        at += length + 1;
    }
    return ERR_OK;
}
