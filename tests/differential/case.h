/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What goes to the runner under qemu-user and what comes back: one case after the other on its
 * standard input and output, in the host's byte order. */
#ifndef TESTS_DIFFERENTIAL_CASE_H
#define TESTS_DIFFERENTIAL_CASE_H

#define CASE_CODE      0x10000000ULL /* one page, read and execute */
#define CASE_CODE_SIZE 1024
#define CASE_DATA      0x20000000ULL /* two pages, nothing behind them */
#define CASE_DATA_SIZE 8192
#define CASE_PAGES     2
#define CASE_PAGE_SIZE (CASE_DATA_SIZE / CASE_PAGES)

/* What the program may do with a page of its data, as mmap() has it. */
enum { CASE_NONE = 0, CASE_READ = 1, CASE_READ_WRITE = 3 };

struct case_state {
    unsigned long long pc;
    unsigned long long x[32]; /* aarch64: [31] is the stack pointer */
    unsigned long long v[64]; /* riscv64: 32 of 64 bits; aarch64: 32 of 128 */
    unsigned long long w[64]; /* riscv64: 32 vectors of 128 bits */
    unsigned long long
        control[5]; /* riscv64: fcsr, vtype, vl, vstart, vcsr; aarch64: NZCV, FPCR, FPSR */
};

struct case_in {
    struct case_state state;
    unsigned char code[CASE_CODE_SIZE];
    unsigned char data[CASE_DATA_SIZE];
    unsigned long long rights[CASE_PAGES];
};

struct case_out {
    struct case_state state;
    unsigned long long signal, address; /* that ended it */
    unsigned char data[CASE_DATA_SIZE];
};

#endif
