/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Records of saved state, little endian:
 *
 *   object  length (4 bytes, of what follows), name, version (1), instance (4), fields
 *   field   name, size of an element (1), count of elements (4), elements
 *   name    length (1, not 0), characters
 */
#include "kernel/state.h"

#include <string.h>

const struct state_table state_none = {.name = "none"};

/* ---- Writing ---- */

static void put_bytes(struct state_writer *w, const void *bytes, size_t size)
{
    if (w->used <= w->size && size <= w->size - w->used)
        memcpy(w->data + w->used, bytes, size);
    w->used += size;
}

static void put_number(struct state_writer *w, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    put_bytes(w, bytes, size);
}

static void put_name(struct state_writer *w, const char *name)
{
    size_t length = strlen(name);

    put_number(w, length, 1);
    put_bytes(w, name, length);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are copied from their low end");

static uint64_t element_get(const char *at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return value;
}

static void element_set(char *at, unsigned size, uint64_t value)
{
    memcpy(at, &value, size);
}

static void put_field(struct state_writer *w, const struct state_field *f, const char *object)
{
    put_name(w, f->name);
    put_number(w, f->size, 1);
    put_number(w, f->count, 4);
    for (uint32_t i = 0; i < f->count; i++)
        put_number(w, element_get(object + f->offset + (size_t)i * f->size, f->size), f->size);
}

void state_save(struct state_writer *w, const struct state_table *table, unsigned instance,
                void *object)
{
    size_t start = w->used;

    if (table->before_save)
        table->before_save(object);
    put_number(w, 0, 4);
    put_name(w, table->name);
    put_number(w, table->version, 1);
    put_number(w, instance, 4);
    for (unsigned i = 0; i < table->field_count; i++)
        put_field(w, &table->fields[i], object);
    struct state_writer length = {.data = w->data, .size = w->size, .used = start};
    put_number(&length, w->used - start - 4, 4);
}

/* ---- Reading: a cursor inside of one record ---- */

struct cursor {
    const uint8_t *at, *end;
};

static bool get_number(struct cursor *c, unsigned size, uint64_t *value)
{
    if ((size_t)(c->end - c->at) < size)
        return false;
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value |= (uint64_t)c->at[i] << (8 * i);
    c->at += size;
    return true;
}

struct name {
    const uint8_t *text;
    uint64_t length;
};

static bool get_name(struct cursor *c, struct name *n)
{
    if (!get_number(c, 1, &n->length) || !n->length || (uint64_t)(c->end - c->at) < n->length)
        return false;
    n->text = c->at;
    c->at += n->length;
    return true;
}

static bool name_is(const struct name *n, const char *text)
{
    return strlen(text) == n->length && memcmp(text, n->text, n->length) == 0;
}

/* The head of an object's record; `fields` is what follows in it. */
struct object_head {
    struct name name;
    uint64_t version, instance;
    struct cursor fields;
};

/* The record at `c`, which moves behind it. */
static bool get_object(struct cursor *c, struct object_head *head)
{
    uint64_t length;

    if (!get_number(c, 4, &length) || (uint64_t)(c->end - c->at) < length)
        return false;
    struct cursor inside = {c->at, c->at + length};
    c->at += length;
    if (!get_name(&inside, &head->name) || !get_number(&inside, 1, &head->version) ||
        !get_number(&inside, 4, &head->instance))
        return false;
    head->fields = inside;
    return true;
}

struct field_head {
    struct name name;
    uint64_t size, count;
    const uint8_t *elements;
};

static bool get_field(struct cursor *c, struct field_head *f)
{
    if (!get_name(c, &f->name) || !get_number(c, 1, &f->size) || !get_number(c, 4, &f->count))
        return false;
    if (f->size != 1 && f->size != 2 && f->size != 4 && f->size != 8)
        return false;
    if ((uint64_t)(c->end - c->at) / f->size < f->count)
        return false;
    f->elements = c->at;
    c->at += f->size * f->count;
    return true;
}

static enum err problem(struct state_reader *r, enum err e, const char *text)
{
    if (!r->problem)
        r->problem = text;
    return e;
}

enum err state_check(struct state_reader *r)
{
    struct cursor c = {r->data, r->data + r->size};
    struct object_head head;
    struct field_head f;

    while (c.at < c.end) {
        if (!get_object(&c, &head))
            return problem(r, ERR_INVALID, "a record is cut off");
        while (head.fields.at < head.fields.end)
            if (!get_field(&head.fields, &f))
                return problem(r, ERR_INVALID, "a field is cut off or of a size that cannot be");
    }
    return ERR_OK;
}

unsigned state_count(const struct state_reader *r)
{
    struct cursor c = {r->data, r->data + r->size};
    struct object_head head;
    unsigned count = 0;

    while (c.at < c.end && get_object(&c, &head))
        count++;
    return count;
}

/* Looks for the object's record in [from, to); objects are mostly loaded in the order in which they
 * were saved. */
static bool find_between(struct state_reader *r, size_t from, size_t to,
                         const struct state_table *table, unsigned instance,
                         struct object_head *head)
{
    struct cursor c = {r->data + from, r->data + to};

    while (c.at < c.end && get_object(&c, head)) {
        if (head->instance != instance || !name_is(&head->name, table->name))
            continue;
        r->next = (size_t)(c.at - r->data);
        return true;
    }
    return false;
}

/* `order` is the place of the last field taken, so that a search mostly takes one step. */
static const struct state_field *field_find(const struct state_table *table, const struct name *n,
                                            unsigned *order)
{
    for (unsigned i = 0; i < table->field_count; i++) {
        unsigned at = (*order + i) % table->field_count;

        if (name_is(n, table->fields[at].name)) {
            *order = at + 1;
            return &table->fields[at];
        }
    }
    return NULL;
}

static enum err field_load(struct state_reader *r, const struct state_field *f,
                           const struct field_head *head, char *object)
{
    struct cursor c = {head->elements, head->elements + head->size * head->count};
    uint64_t value = 0;

    if (head->size != f->size || head->count != f->count)
        return problem(r, ERR_INVALID, "a field has another size or count");
    for (uint32_t i = 0; i < f->count; i++) {
        if (!get_number(&c, f->size, &value) || (f->truth && value > 1))
            return problem(r, ERR_INVALID, "a truth value is neither 0 nor 1");
        element_set(object + f->offset + (size_t)i * f->size, f->size, value);
    }
    return ERR_OK;
}

/* Fields that the record must have, by its version. */
static unsigned fields_expected(const struct state_table *table, uint64_t version)
{
    unsigned count = 0;

    for (unsigned i = 0; i < table->field_count; i++)
        count += table->fields[i].since <= version;
    return count;
}

/* The same field twice in one record would hide a missing one. */
static bool field_repeated(const struct object_head *head, const struct field_head *field)
{
    struct cursor c = head->fields;
    struct field_head f;

    while (c.at < c.end && get_field(&c, &f) && f.elements != field->elements)
        if (f.name.length == field->name.length &&
            memcmp(f.name.text, field->name.text, f.name.length) == 0)
            return true;
    return false;
}

static enum err fields_load(struct state_reader *r, const struct state_table *table,
                            const struct object_head *head, void *object)
{
    unsigned found = 0, order = 0;
    struct cursor c = head->fields;
    struct field_head f;
    enum err e;

    while (c.at < c.end) {
        if (!get_field(&c, &f) || field_repeated(head, &f))
            return problem(r, ERR_INVALID, "a field is there twice");
        const struct state_field *field = field_find(table, &f.name, &order);
        if (!field || field->since > head->version)
            return problem(r, ERR_INVALID, "a field is not known");
        e = field_load(r, field, &f, object);
        if (e != ERR_OK)
            return e;
        found++;
    }
    if (found != fields_expected(table, head->version))
        return problem(r, ERR_INVALID, "a field is missing");
    return ERR_OK;
}

enum err state_load(struct state_reader *r, const struct state_table *table, unsigned instance,
                    void *object)
{
    struct object_head head;
    enum err e;

    if (!find_between(r, r->next, r->size, table, instance, &head) &&
        !find_between(r, 0, r->next, table, instance, &head))
        return problem(r, ERR_NOT_FOUND, "an object is missing");
    if (head.version > table->version)
        return problem(r, ERR_UNSUPPORTED, "an object was saved by a newer version of Ennead");
    e = fields_load(r, table, &head, object);
    if (e == ERR_OK && table->after_load)
        e = table->after_load(object);
    if (e != ERR_OK)
        return problem(r, e, "an object has values that cannot be");
    return ERR_OK;
}
