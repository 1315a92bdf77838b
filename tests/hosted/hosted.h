/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The machine that tests stand on: physical memory of any size (sparse, so a terabyte costs
 * nothing), a boot map, CPUs, time, and panics that a test can expect.
 */
#ifndef TESTS_HOSTED_H
#define TESTS_HOSTED_H

#include "boot/boot_info.h"
#include "kernel/cpu.h"
#include "mm/page_table.h"

#define HOSTED_MEMORY_MAX TIB(2)
#define HOSTED_MEM_MAX    5000

/* Physical memory of HOSTED_MEMORY_MAX bytes, reading as zero; all that earlier tests wrote is
 * gone. Returns where address 0 stands. */
char *hosted_memory_reset(void);

/* A boot_info without memory; what it points to lies outside of the simulated memory. */
struct boot_info *hosted_boot_info(void);
void hosted_boot_mem(struct boot_info *info, uint64_t base, uint64_t size, enum boot_mem_type type);

/* The boot CPU with `info`'s memory: page allocator and heap are ready. Once a process. */
void hosted_start(const struct boot_info *info);
/* A machine of `size` bytes of memory with a hole below 4 GiB where that fits, as PCs have it. */
void hosted_start_size(uint64_t size);
/* The same with `bytes` of memory, and on to the kernel's own tables, the clock, timers and the
 * scheduler: threads can be made and woken; scheduler_start() runs them. Once a process. */
void hosted_start_core(uint64_t bytes);
/* A further CPU for allocator tests (no threads run on it); ids count from 1. */
struct cpu *hosted_cpu_add(void);
/* The calling POSIX thread is `cpu` from now on. */
void hosted_cpu_set(struct cpu *cpu);

/* How many CPUs cpu_start_all() finds (at most HOSTED_CPUS_MAX). They take turns on one POSIX
 * thread: a CPU runs until it calls hosted_cpu_next() or waits; then the next one does. Each round
 * takes hosted_round_ns. */
#define HOSTED_CPUS_MAX 16
extern unsigned hosted_cpu_total;
extern uint64_t hosted_round_ns;

/* Runs `code` in a child process, as a panic cannot be undone; true when it panicked. What it said
 * is in hosted_panic_text then. */
extern char hosted_panic_text[8192];
extern int hosted_child_status; /* its exit status, or minus the signal that ended it */
bool hosted_fork(void);
bool hosted_child_panicked(void);
NORETURN void hosted_child_exit(void);
#define hosted_panics(code)      \
    ({                           \
        if (hosted_fork()) {     \
            code;                \
            hosted_child_exit(); \
        }                        \
        hosted_child_panicked(); \
    })
/* Runs `code` in a child process, on a machine of its own: fails the calling test when it panicked,
 * or when an assertion of cmocka failed. */
#define hosted_child_test(code)                                                 \
    do {                                                                        \
        (void)hosted_panics(code);                                              \
        if (hosted_child_status)                                                \
            fail_msg("the child ended with status %d: %s", hosted_child_status, \
                     hosted_panic_text);                                        \
    } while (0)

/* A reproducible generator (xorshift64*). */
uint64_t hosted_random(uint64_t *state);

/* ---- Page tables: tests/hosted/page_table_checker.c ---- */

/* Broken rules since the last call; the first one's text, with its section, in hosted_pt_rule. */
unsigned hosted_pt_violations(void);
extern char hosted_pt_rule[256];
/* Makes the process's mappings of the vmap area those of the kernel's tables. */
void hosted_mirror(const struct page_table *pt, uint64_t va, uint64_t size);
/* Formats: simplified, but with each architecture's rules. */
extern const struct pt_format hosted_format_x86, hosted_format_arm, hosted_format_riscv,
    hosted_format_gstage, hosted_format_stage2;
/* Bytes that hosted_format_stage2 was asked to sync. */
extern uint64_t hosted_synced;

#endif
