/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * ennead.ini: parsed with inih by the table config_keys.def into the structures below. A mistake
 * names file, line, what was found and what is expected; a bad key disables its own section only
 * (vm sections: `disabled`), and the system comes up.
 */
#ifndef KERNEL_CONFIG_H
#define KERNEL_CONFIG_H

#include "kernel/log.h"

#define CONFIG_NAME_SIZE 32
#define CONFIG_VM_MAX    256

struct config_vm {
    char name[CONFIG_NAME_SIZE]; /* letters, digits, '-', '_', '.' */
    unsigned line;               /* of its section header */
    bool disabled; /* a mistake in its section: it is listed with the reason, not started */
    char reason[160];
    uint64_t memory; /* bytes */
    uint64_t cpus;
    const char *kernel, *initrd; /* paths on the ESP, or NULL */
    const char *cmdline;         /* never NULL */
    bool autostart;
    bool debug_exit; /* of x86_64 guests */
};

struct config {
    uint64_t config;   /* version of the file's format */
    uint64_t log;      /* enum log_level */
    uint64_t panic;    /* 0: halt, 1: reboot */
    bool panic_reboot; /* the same */
    bool runtime_services;
    const char *console; /* a guest's name; empty: the monitor */
    unsigned vm_count;
    struct config_vm *vms;
    unsigned error_count; /* mistakes found; each was logged */
    char path[64];        /* of the file that was read; empty: none */
};

/* The configuration in force; defaults before config_parse(). Never NULL. */
const struct config *config_get(void);
/* Parses `size` bytes of `text` (not NUL-terminated; hostile) named `path` in messages. Logs
 * mistakes at LOG_WARN. */
enum err config_parse(const char *path, const char *text, size_t size);
/* Forgets what was parsed: defaults are in force. For tests. */
void config_reset(void);
/* Prints what is in force, as an ini file, with each section's mistakes as comments. */
void config_print(struct out *out);

#endif
