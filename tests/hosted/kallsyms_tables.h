/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A Linux kernel's symbol tables, for tests: made in a piece of memory that stands for a guest's,
 * in the orders that kernels have. */
#ifndef TESTS_HOSTED_KALLSYMS_TABLES_H
#define TESTS_HOSTED_KALLSYMS_TABLES_H

#include <stdio.h>
#include <string.h>
#include "kernel/kallsyms.h"

#define TABLES  0x5a000u /* where they begin, from BASE */
#define BASE    0xffffffff81000000ULL
#define SYMBOLS 1500u
#define STEP    0x40u

static uint8_t memory[MIB(1)]; /* at BASE */

static bool read_memory(void *arg, uint64_t va, void *to, size_t size)
{
    (void)arg;
    if (va < BASE || va - BASE > sizeof(memory) || size > sizeof(memory) - (va - BASE))
        return false;
    memcpy(to, memory + (va - BASE), size);
    return true;
}

static size_t at;

static void align(void)
{
    while (at % 8)
        memory[at++] = 0;
}

static void put(const void *bytes, size_t size)
{
    memcpy(memory + at, bytes, size);
    at += size;
}

static void put_u32(uint32_t value)
{
    put(&value, sizeof(value));
}

/* Tokens: characters stand for themselves, 1 is "sys_", 2 is "function". */
static void put_tokens(void)
{
    uint16_t index[256];
    size_t start;

    align();
    start = at;
    for (unsigned t = 0; t < 256; t++) {
        char text[16];

        index[t] = (uint16_t)(at - start);
        snprintf(text, sizeof(text),
                 t == 1              ? "sys_"
                 : t == 2            ? "function"
                 : t > 32 && t < 127 ? "%c"
                                     : "t%u",
                 t);
        put(text, strlen(text) + 1);
    }
    align();
    put(index, sizeof(index));
}

/* Symbol i: "Tsys_function" and its number, at BASE + i * STEP; the first ten are per-CPU. */
static void put_names(void)
{
    uint32_t markers[SYMBOLS / 256 + 1];
    size_t start;

    align();
    put_u32(SYMBOLS);
    align();
    start = at;
    for (unsigned i = 0; i < SYMBOLS; i++) {
        char digits[160];
        unsigned length =
            3 + (unsigned)snprintf(digits, sizeof(digits), i == 777 ? "%0140u" : "%u", i);

        if (i % 256 == 0)
            markers[i / 256] = (uint32_t)(at - start);
        memory[at++] = (uint8_t)(length > 127 ? length | 0x80 : length);
        if (length > 127)
            memory[at++] = (uint8_t)(length >> 7);
        put("T\1\2", 3);
        put(digits, length - 3);
    }
    align();
    put(markers, sizeof(markers));
}

static void put_offsets(bool per_cpu)
{
    uint64_t base = BASE;

    align();
    for (unsigned i = 0; i < SYMBOLS; i++)
        put_u32(!per_cpu ? i * STEP : i < 10 ? i * 8 : (uint32_t)-1 - i * STEP);
    align();
    put(&base, sizeof(base));
}

static void make_tables(bool new_order, bool per_cpu)
{
    memset(memory, 0xcc, sizeof(memory));
    at = TABLES;
    if (!new_order)
        put_offsets(per_cpu);
    put_names();
    put_tokens();
    if (new_order)
        put_offsets(per_cpu);
}

#endif
