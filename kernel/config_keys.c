/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Values of configuration keys, by type: see kernel/config_keys.h. */
#include "kernel/config_keys.h"

#include <string.h>

#include "boot/boot_info.h"
#include "boot/path.h"
#include "mm/heap.h"

#define STRUCT_host    struct config
#define STRUCT_vm      struct config_vm
#define STRUCT_disk    struct config_disk
#define STRUCT_network struct config_network

const struct config_key config_keys[] = {
#define CONFIG_KEY(section, key, type, fallback, limit, help) \
    {CONFIG_##section, #key, CONFIG_##type, fallback, limit, help, offsetof(STRUCT_##section, key)},
#include "kernel/config_keys.def"
#undef CONFIG_KEY
};
const unsigned config_key_count = ARRAY_SIZE(config_keys);

const char config_empty_text[] = "";
static const char units[] = "KMGT";

/* Reads decimal digits and, when `unit` allows, one of K, M, G, T; ends at `end`. */
static bool read_number(const char *text, const char *end, bool unit, uint64_t *value)
{
    uint64_t v = 0;
    const char *p = text;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (unsigned)(*p - '0'), &v))
            return false;
    if (p == text)
        return false;
    if (unit && p < end) {
        char letter = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        const char *u = memchr(units, letter, sizeof(units) - 1);
        if (!u || __builtin_mul_overflow(v, 1ULL << (10 * (u - units + 1)), &v))
            return false;
        p++;
    }
    *value = v;
    return p == end;
}

bool config_read_size(const char *text, uint64_t *value)
{
    return read_number(text, text + strlen(text), true, value);
}

/* The two ends of a limit "least..most". */
static void read_limit(const struct config_key *key, uint64_t *least, uint64_t *most)
{
    const char *dots = strstr(key->limit, "..");
    *least = 0;
    *most = UINT64_MAX;
    if (!dots)
        return;
    (void)read_number(key->limit, dots, true, least);
    (void)read_number(dots + 2, dots + strlen(dots), true, most);
}

static enum err read_range(const struct config_key *key, uint64_t *field, const char *text)
{
    uint64_t value, least, most;
    read_limit(key, &least, &most);
    if (!read_number(text, text + strlen(text), key->type == CONFIG_SIZE, &value))
        return ERR_INVALID;
    if (value < least || value > most)
        return ERR_INVALID;
    *field = value;
    return ERR_OK;
}

static enum err read_bool(bool *field, const char *text)
{
    if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return ERR_INVALID;
    *field = text[0] == 'y';
    return ERR_OK;
}

static enum err read_choice(const struct config_key *key, uint64_t *field, const char *text)
{
    const char *choice = key->limit;
    size_t length = strlen(text);
    for (uint64_t i = 0;; i++) {
        size_t n = strcspn(choice, "|");
        if (n == length && memcmp(choice, text, n) == 0) {
            *field = i;
            return ERR_OK;
        }
        if (!choice[n])
            return ERR_INVALID;
        choice += n + 1;
    }
}

static bool text_valid(const char *text)
{
    for (; *text; text++)
        if (((uint8_t)*text < ' ' && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static enum err read_text(const struct config_key *key, const char **field, const char *text)
{
    char path[BOOT_PATH_SIZE];

    if (!text_valid(text))
        return ERR_INVALID;
    if (key->type == CONFIG_FILE) { /* in the form under which the loader lists the file */
        if (boot_path_normalise(text, path, sizeof(path)))
            return ERR_INVALID;
        text = path;
    }
    size_t size = strlen(text) + 1;
    if (size == 1) {
        *field = config_empty_text;
        return ERR_OK;
    }
    char *copy = heap_alloc(size);
    if (!copy)
        return ERR_NO_MEMORY;
    memcpy(copy, text, size);
    *field = copy;
    return ERR_OK;
}

/* Decimal numbers and ranges of them, with commas between: 0-3,8. */
static enum err read_cpus(struct config_cpus *field, const char *text)
{
    struct config_cpus cpus = {{0}};

    for (;;) {
        const char *end = text + strcspn(text, ","),
                   *dash = memchr(text, '-', (size_t)(end - text));
        uint64_t first, last;

        if (!read_number(text, dash ? dash : end, false, &first) ||
            !read_number(dash ? dash + 1 : text, end, false, &last) || first > last ||
            last >= CONFIG_CPUS_MAX)
            return ERR_INVALID;
        for (uint64_t cpu = first; cpu <= last; cpu++)
            cpus.bits[cpu / 64] |= BIT(cpu % 64);
        if (!*end)
            break;
        text = end + 1 + strspn(end + 1, " \t");
    }
    *field = cpus;
    return ERR_OK;
}

static enum err read_list(const struct config_key *key, struct config_list *field, const char *text)
{
    if (field->count == CONFIG_LIST_MAX)
        return ERR_RANGE;
    enum err e = *text ? read_text(key, &field->value[field->count], text) : ERR_INVALID;
    field->count += e == ERR_OK;
    return e;
}

enum err config_value_read(const struct config_key *key, void *base, const char *text)
{
    void *field = (char *)base + key->offset;
    switch (key->type) {
    case CONFIG_NUMBER:
    case CONFIG_SIZE:
        return read_range(key, field, text);
    case CONFIG_BOOL:
        return read_bool(field, text);
    case CONFIG_CHOICE:
        return read_choice(key, field, text);
    case CONFIG_TEXT:
    case CONFIG_FILE:
        return read_text(key, field, text);
    case CONFIG_CPUS:
        return read_cpus(field, text);
    case CONFIG_LIST:
        return read_list(key, field, text);
    }
    return ERR_INVALID;
}

static void free_text(const char **text)
{
    if (*text != config_empty_text)
        heap_free((void *)(uintptr_t)*text);
    *text = NULL;
}

void config_value_free(const struct config_key *key, void *base)
{
    void *field = (char *)base + key->offset;
    if (key->type == CONFIG_TEXT || key->type == CONFIG_FILE)
        free_text(field);
    if (key->type != CONFIG_LIST)
        return;
    struct config_list *list = field;
    while (list->count)
        free_text(&list->value[--list->count]);
}

static void expect_range(const struct config_key *key, const char *what, struct out *out)
{
    const char *dots = strstr(key->limit, "..");
    int least = (int)(dots - key->limit);
    if (strlen(dots + 2) == (size_t)least && memcmp(key->limit, dots + 2, (size_t)least) == 0)
        out_printf(out, "expected %s", dots + 2);
    else
        out_printf(out, "expected %s between %.*s and %s%s%s", what, least, key->limit, dots + 2,
                   key->fallback[0] ? ", such as " : "", key->fallback);
}

static void expect_choice(const struct config_key *key, struct out *out)
{
    const char *choice = key->limit;
    out_printf(out, "expected one of");
    for (;;) {
        size_t n = strcspn(choice, "|");
        out_printf(out, " %.*s%s", (int)n, choice, choice[n] ? "," : "");
        if (!choice[n])
            return;
        choice += n + 1;
    }
}

void config_value_expected(const struct config_key *key, struct out *out)
{
    switch (key->type) {
    case CONFIG_NUMBER:
        expect_range(key, "a number", out);
        return;
    case CONFIG_SIZE:
        expect_range(key, "a size", out);
        return;
    case CONFIG_BOOL:
        out_printf(out, "expected yes or no");
        return;
    case CONFIG_CHOICE:
        expect_choice(key, out);
        return;
    case CONFIG_TEXT:
        out_printf(out, "expected text without control characters");
        return;
    case CONFIG_FILE:
        out_printf(out, "expected the path of a file on the boot volume, such as guests/%s",
                   key->name);
        return;
    case CONFIG_CPUS:
        out_printf(out, "expected CPUs between 0 and %d, such as 0-3,8", CONFIG_CPUS_MAX - 1);
        return;
    case CONFIG_LIST:
        out_printf(out, "expected %s", key->limit);
        return;
    }
}

static void print_size(uint64_t v, struct out *out)
{
    int unit = -1;
    while (v && v % 1024 == 0 && unit + 1 < (int)sizeof(units) - 1) {
        v /= 1024;
        unit++;
    }
    out_printf(out, "%llu", (unsigned long long)v);
    if (unit >= 0)
        out_write(out, units + unit, 1);
}

static void print_choice(const struct config_key *key, uint64_t v, struct out *out)
{
    const char *choice = key->limit;
    for (; v && choice[strcspn(choice, "|")]; v--)
        choice += strcspn(choice, "|") + 1;
    out_write(out, choice, strcspn(choice, "|"));
}

static bool cpu_is_set(const struct config_cpus *cpus, unsigned cpu)
{
    return cpu < CONFIG_CPUS_MAX && cpus->bits[cpu / 64] & BIT(cpu % 64);
}

static void print_cpus(const struct config_cpus *cpus, struct out *out)
{
    const char *comma = "";

    for (unsigned cpu = 0; cpu < CONFIG_CPUS_MAX; cpu++) {
        unsigned first = cpu;
        if (!cpu_is_set(cpus, cpu))
            continue;
        while (cpu_is_set(cpus, cpu + 1))
            cpu++;
        out_printf(out, "%s%u", comma, first);
        if (cpu > first)
            out_printf(out, "-%u", cpu);
        comma = ",";
    }
}

unsigned config_value_count(const struct config_key *key, const void *base)
{
    static const struct config_cpus none;
    const void *field = (const char *)base + key->offset;
    const char *text;
    switch (key->type) {
    case CONFIG_SIZE:
        return *(const uint64_t *)field != 0;
    case CONFIG_TEXT:
    case CONFIG_FILE:
        text = *(const char *const *)field;
        return text && *text;
    case CONFIG_CPUS:
        return memcmp(field, &none, sizeof(none)) != 0;
    case CONFIG_LIST:
        return ((const struct config_list *)field)->count;
    default:
        return 1;
    }
}

void config_value_print(const struct config_key *key, const void *base, unsigned index,
                        struct out *out)
{
    const void *field = (const char *)base + key->offset;
    switch (key->type) {
    case CONFIG_NUMBER:
        out_printf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
        return;
    case CONFIG_SIZE:
        print_size(*(const uint64_t *)field, out);
        return;
    case CONFIG_BOOL:
        out_printf(out, "%s", *(const bool *)field ? "yes" : "no");
        return;
    case CONFIG_CHOICE:
        print_choice(key, *(const uint64_t *)field, out);
        return;
    case CONFIG_TEXT:
    case CONFIG_FILE:
        out_printf(out, "%s", *(const char *const *)field);
        return;
    case CONFIG_CPUS:
        print_cpus(field, out);
        return;
    case CONFIG_LIST:
        out_printf(out, "%s", ((const struct config_list *)field)->value[index]);
        return;
    }
}
