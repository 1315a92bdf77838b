/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Reads ennead.ini: see kernel/config.h. inih splits lines into sections, names and values; the
 * reader below hands it one line at a time and keeps from it what it would cut short or give up on
 * (overlong lines, lines that are no "name = value").
 */
#include "kernel/config.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/config_keys.h"
#include "kernel/nearest.h"
#include "mm/heap.h"

#define LINE_MAX_LENGTH (INI_MAX_LINE - 2)
#define SECTION_MAX     48 /* inih cuts longer names */
#define KEYS_MAX        64
#define SHOWN_MAX       40 /* characters of a bad value in a message */
#define BLANK_LINE      "\n"
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors put it first */

#define DEFAULTS                                                                             \
    {                                                                                        \
        .config = 1, .log = LOG_INFO, .runtime_services = true, .console = config_empty_text \
    }
static const struct config defaults = DEFAULTS;
static struct config current = DEFAULTS;

enum section { SECTION_NONE, SECTION_ENNEAD, SECTION_VM, SECTION_IGNORED };

struct parser {
    struct config *config;
    unsigned vm_room;
    const char *path;
    const char *at, *end; /* what was not read yet */
    unsigned line;        /* of the last line read */
    enum section section;
    struct config_vm *vm;    /* of SECTION_VM */
    unsigned seen[KEYS_MAX]; /* line where each key of this section stood first */
};

const struct config *config_get(void)
{
    return &current;
}

/* ---- Mistakes ---- */

static void mistake(struct parser *p, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void mistake(struct parser *p, unsigned line, const char *fmt, ...)
{
    char text[sizeof(p->vm->reason) - 16]; /* less "line N: " */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_warn("%s, line %u: %s", p->path, line, text);
    p->config->error_count++;
    if (p->section != SECTION_VM || p->vm->disabled)
        return;
    p->vm->disabled = true;
    snprintf(p->vm->reason, sizeof(p->vm->reason), "line %u: %s", line, text);
}

/* ---- Sections ---- */

static bool name_valid(const char *name)
{
    static const char extra[] = "-_.";
    size_t length = strlen(name);
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr(extra, *c)))
            return false;
    return length > 0 && length < CONFIG_NAME_SIZE;
}

static const struct config_vm *find_vm(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->vm_count; i++)
        if (strcmp(c->vms[i].name, name) == 0)
            return &c->vms[i];
    return NULL;
}

static void set_defaults(enum config_section section, void *base)
{
    for (unsigned i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        if (k->section == section && (k->fallback[0] || k->type == CONFIG_TEXT) &&
            config_value_read(k, base, k->fallback))
            log_warn("configuration: no memory for the defaults");
    }
}

static void begin_vm(struct parser *p, const char *name, unsigned line)
{
    const struct config_vm *same = find_vm(p->config, name);
    p->section = SECTION_IGNORED;
    if (!name_valid(name)) {
        mistake(p, line, "[vm %s]: expected a name of 1 to %d letters, digits, '-', '_' or '.'",
                name, CONFIG_NAME_SIZE - 1);
    } else if (same) {
        mistake(p, line, "[vm %s]: there is one on line %u already; this one is ignored", name,
                same->line);
    } else if (p->config->vm_count >= p->vm_room) {
        mistake(p, line, "[vm %s]: only %d guests can be configured", name, CONFIG_VM_MAX);
    } else {
        p->section = SECTION_VM;
        p->vm = &p->config->vms[p->config->vm_count++];
        snprintf(p->vm->name, sizeof(p->vm->name), "%s", name);
        p->vm->line = line;
        set_defaults(CONFIG_vm, p->vm);
    }
}

/* What can be said of a section once all its keys are read. */
static void end_section(struct parser *p)
{
    if (p->section == SECTION_VM && !p->vm->disabled && !p->vm->kernel)
        mistake(p, p->vm->line, "[vm %s] has no kernel: add a line such as kernel = guests/vmlinuz",
                p->vm->name);
}

static void begin_section(struct parser *p, const char *section, unsigned line)
{
    end_section(p);
    memset(p->seen, 0, sizeof(p->seen));
    p->section = SECTION_IGNORED;
    if (strcmp(section, "ennead") == 0)
        p->section = SECTION_ENNEAD;
    else if (strncmp(section, "vm ", 3) == 0)
        begin_vm(p, section + 3 + strspn(section + 3, " \t"), line);
    else
        mistake(p, line, "[%.*s]: expected [ennead] or [vm NAME]; this section is ignored",
                SHOWN_MAX, section);
}

/* ---- Keys ---- */

static void unknown_key(struct parser *p, enum config_section section, const char *name,
                        unsigned line)
{
    struct nearest n;
    nearest_begin(&n, name);
    for (unsigned i = 0; i < config_key_count; i++)
        if (config_keys[i].section == section)
            nearest_offer(&n, config_keys[i].name);
    if (n.best)
        mistake(p, line, "%s: no such key here, the nearest is %s", name, n.best);
    else
        mistake(p, line, "%s: no such key in [%s]", name,
                section == CONFIG_vm ? "vm NAME" : "ennead");
}

static void bad_value(struct parser *p, const struct config_key *key, const char *value,
                      unsigned line)
{
    char expected[128];
    struct out_buffer b;
    out_buffer_init(&b, expected, sizeof(expected));
    config_value_expected(key, &b.out);
    mistake(p, line, "%s = %.*s%s: %s", key->name, SHOWN_MAX, value,
            strlen(value) > SHOWN_MAX ? "..." : "", expected);
}

static void set_key(struct parser *p, unsigned index, const char *value, unsigned line)
{
    const struct config_key *key = &config_keys[index];
    void *base = key->section == CONFIG_vm ? (void *)p->vm : (void *)p->config;
    if (p->seen[index]) {
        mistake(p, line, "%s: set on line %u already", key->name, p->seen[index]);
        return;
    }
    p->seen[index] = line;
    switch (
        config_value_read(key, base, value)) { /* what it replaces is a default: nothing to free */
    case ERR_OK:
        return;
    case ERR_NO_MEMORY:
        mistake(p, line, "%s: no memory to keep its value", key->name);
        return;
    default:
        bad_value(p, key, value, line);
    }
}

static void read_key(struct parser *p, const char *name, const char *value, unsigned line)
{
    enum config_section section = p->section == SECTION_VM ? CONFIG_vm : CONFIG_ennead;
    if (p->section == SECTION_NONE)
        mistake(p, line, "%.*s: expected a section, [ennead] or [vm NAME], before it", SHOWN_MAX,
                name);
    if (p->section == SECTION_NONE || p->section == SECTION_IGNORED)
        return;
    for (unsigned i = 0; i < config_key_count; i++) {
        if (config_keys[i].section == section && strcmp(config_keys[i].name, name) == 0) {
            set_key(p, i, value, line);
            return;
        }
    }
    unknown_key(p, section, name, line);
}

/* inih's callback. Mistakes were said and noted: always "go on". */
static int on_entry(void *user, const char *section, const char *name, const char *value, int line)
{
    struct parser *p = user;
    if (!name)
        begin_section(p, section, (unsigned)line);
    else
        read_key(p, name, value ? value : "", (unsigned)line);
    return 1;
}

/* ---- Lines ---- */

/* What is wrong with the line [s, s + n) as such, or NULL. */
static const char *line_mistake(const char *s, size_t n)
{
    if (n > LINE_MAX_LENGTH)
        return "this line is longer than 4094 bytes";
    if (memchr(s, 0, n))
        return "this line holds a NUL byte: expected text";
    while (n && (*s == ' ' || *s == '\t' || *s == '\r')) {
        s++;
        n--;
    }
    if (!n || *s == ';' || *s == '#')
        return NULL;
    if (*s == '[') {
        const char *end = memchr(s, ']', n);
        if (!end)
            return "expected ] at the end of the section's name";
        return end - s > SECTION_MAX ? "the section's name is too long" : NULL;
    }
    if (!memchr(s, '=', n) && !memchr(s, ':', n))
        return "expected NAME = VALUE, [SECTION], or ; before a comment";
    return NULL;
}

/* inih's reader, as fgets(): one line a call. */
static char *next_line(char *buffer, int size, void *stream)
{
    struct parser *p = stream;
    if (p->at >= p->end)
        return NULL;
    const char *start = p->at;
    const char *newline = memchr(start, '\n', (size_t)(p->end - start));
    size_t length = (size_t)((newline ? newline : p->end) - start);
    p->at = newline ? newline + 1 : p->end;
    p->line++;
    const char *wrong = line_mistake(start, length);
    if (wrong)
        mistake(p, p->line, "%s", wrong);
    if (wrong || (int)length + 2 > size) {
        memcpy(buffer, BLANK_LINE, sizeof(BLANK_LINE));
        return buffer;
    }
    memcpy(buffer, start, length);
    memcpy(buffer + length, BLANK_LINE, sizeof(BLANK_LINE));
    return buffer;
}

/* At least as many as there are [vm] sections: lines whose first character is '['. */
static unsigned count_sections(const char *text, size_t size)
{
    unsigned count = 0;
    bool blank = true; /* nothing but blanks on this line so far */
    for (size_t i = 0; i < size; i++) {
        count += blank && text[i] == '[';
        blank =
            text[i] == '\n' || (blank && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' ||
                                          (uint8_t)text[i] >= 0x80)); /* a byte-order mark */
    }
    return MIN(count, (unsigned)CONFIG_VM_MAX);
}

void config_reset(void)
{
    for (unsigned i = 0; i < config_key_count; i++) {
        if (config_keys[i].section == CONFIG_ennead)
            config_value_free(&config_keys[i], &current);
        for (unsigned v = 0; config_keys[i].section == CONFIG_vm && v < current.vm_count; v++)
            config_value_free(&config_keys[i], &current.vms[v]);
    }
    heap_free(current.vms);
    current = defaults;
}

enum err config_parse(const char *path, const char *text, size_t size)
{
    struct parser p = {.config = &current, .path = path, .at = text, .end = text + size};
    if (config_key_count > KEYS_MAX)
        return ERR_RANGE;
    config_reset();
    if (size >= strlen(BYTE_ORDER_MARK) &&
        memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        p.at += strlen(BYTE_ORDER_MARK);
    snprintf(current.path, sizeof(current.path), "%s", path);
    p.vm_room = count_sections(text, size);
    current.vms = p.vm_room ? heap_zalloc_array(p.vm_room, sizeof(*current.vms)) : NULL;
    if (p.vm_room && !current.vms)
        return ERR_NO_MEMORY;
    if (ini_parse_stream(next_line, &p, on_entry, &p) < 0)
        return ERR_NO_MEMORY;
    end_section(&p);
    current.panic_reboot = current.panic == 1;
    return current.error_count ? ERR_INVALID : ERR_OK;
}

/* ---- Printing ---- */

static void print_section(enum config_section section, const void *base, struct out *out)
{
    for (unsigned i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        char value[64];
        struct out_buffer b;
        if (k->section != section)
            continue;
        out_buffer_init(&b, value, sizeof(value));
        if (!config_value_print(k, base, &b.out))
            continue;
        out_printf(out, "%s = ", k->name);
        config_value_print(k, base, out);
        out_printf(out, "\n");
    }
}

void config_print(struct out *out)
{
    const struct config *c = &current;
    if (c->path[0])
        out_printf(out, "; from %s", c->path);
    else
        out_printf(out, "; no ennead/ennead.ini was found on the boot volume: defaults");
    out_printf(out, "; mistakes: %u%s\n[ennead]\n", c->error_count,
               c->error_count ? " (`log` shows them)" : "");
    print_section(CONFIG_ennead, c, out);
    for (unsigned i = 0; i < c->vm_count; i++) {
        out_printf(out, "\n[vm %s]\n", c->vms[i].name);
        if (c->vms[i].disabled)
            out_printf(out, "; disabled: %s\n", c->vms[i].reason);
        print_section(CONFIG_vm, &c->vms[i], out);
    }
}
