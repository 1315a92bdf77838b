/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The program `ennead`: the whole core as one Linux process, with the terminal as its console.
 * Physical memory is one mapping; CPUs are POSIX threads.
 */
#ifndef HOSTED_PROGRAM_H
#define HOSTED_PROGRAM_H

#include "boot/boot_info.h"
#include "kernel/host.h"

#define EXIT_USAGE 2

/* Ends the process with status 2 after "ennead: MESSAGE". */
NORETURN void program_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* ---- memory.c ---- */

/* RAM is a file, so that it can be mapped again. Before the next. */
extern bool program_memory_shared;
/* Where what lies at `at` is in it; -1: that is no such RAM. */
int64_t program_memory_place(const void *at);
extern int program_memory_file;
/* Reserves physical memory: `bytes` of RAM and room for `files` bytes behind it. Fills `info`. */
void program_memory_create(struct boot_info *info, uint64_t bytes, uint64_t files);
/* Puts a file into physical memory as the loader does. `name` is the path by which the
 * configuration knows it; writes to a `shared` one go to the file on disk. */
void program_file_add(struct boot_info *info, const char *name, const char *path, bool shared);
/* The same with text. */
void program_text_add(struct boot_info *info, const char *name, const char *text);

/* ---- check.c ---- */

/* The command `check`; argv[0] is the word itself. Returns the exit status. */
int program_check(int argc, char **argv);

/* ---- cpus.c ---- */

extern unsigned program_cpu_count;

/* ---- count.c ---- */

extern struct program_count {
    bool on;
    uint64_t hash_every; /* instructions; 0: never */
} program_count;

void program_count_start(uint64_t hash_every);
/* The time, in nanoseconds. */
uint64_t program_count_now(void);
/* Nobody runs until then. */
void program_count_sleep(uint64_t until);
/* The running CPU's timer was set. */
void program_count_timer(void);

/* ---- console.c ---- */

/* Takes the terminal; gives it back at exit(). */
void program_console_start(void);
/* Called on CPU 0 at an interrupt: hands over what was typed. */
void program_console_interrupt(void);
/* Makes CPU 0 take one. Any POSIX thread. */
void program_interrupt(void);

/* ---- gdb.c ---- */

/* Listens on TCP port `port` of this machine (127.0.0.1) for a debugger; 0: not at all. */
extern unsigned program_gdb_port;
void program_gdb_start(void);
/* Called on CPU 0 at an interrupt: hands over what the debugger sent. */
void program_gdb_interrupt(void);

#endif
