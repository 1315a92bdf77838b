/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The table config_keys.def as data, and values read and written by it: used by the parser and by
 * what prints the configuration. */
#ifndef KERNEL_CONFIG_KEYS_H
#define KERNEL_CONFIG_KEYS_H

#include "kernel/config.h"

enum config_section { CONFIG_host, CONFIG_vm, CONFIG_disk, CONFIG_network, CONFIG_SECTIONS };
enum config_type {
    CONFIG_NUMBER,
    CONFIG_SIZE,
    CONFIG_BOOL,
    CONFIG_CHOICE,
    CONFIG_TEXT,
    CONFIG_FILE,
    CONFIG_CPUS,
    CONFIG_LIST,
};

struct config_key {
    enum config_section section;
    const char *name;
    enum config_type type;
    const char *fallback; /* as it would be written; "" for none */
    const char *limit;
    const char *help;
    size_t offset; /* in struct config, config_vm, config_disk or config_network */
};
extern const struct config_key config_keys[];
extern const unsigned config_key_count;
/* The empty text, which is never freed. */
extern const char config_empty_text[];

/* Reads `text` into the field of `base`; texts are copied to the heap; a value of a list is added
 * to it. ERR_INVALID: not a value of this key; ERR_RANGE: the list is full; ERR_NO_MEMORY. */
enum err config_value_read(const struct config_key *key, void *base, const char *text) MUST_CHECK;
/* What the key expects, such as "expected a size between 16M and 1T, such as 256M". */
void config_value_expected(const struct config_key *key, struct out *out);
/* How many values there are: 0 or 1; more for a list. */
unsigned config_value_count(const struct config_key *key, const void *base);
/* Prints value `index` as it would be written. */
void config_value_print(const struct config_key *key, const void *base, unsigned index,
                        struct out *out);
/* Frees what config_value_read() allocated. */
void config_value_free(const struct config_key *key, void *base);

#endif
