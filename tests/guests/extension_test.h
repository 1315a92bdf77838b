/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the program "extensions" (tests/guests/<isa>/extensions.c) does on each ISA: instructions
 * are put into memory and called, each by itself. */
#ifndef TESTS_GUESTS_EXTENSION_TEST_H
#define TESTS_GUESTS_EXTENSION_TEST_H

#include "tests/guests/suite.h"

#define EXTENSION_WORDS 3

/* Instructions of an extension; the words end at the first 0. Their first register for arguments
 * holds the address of 64 bytes that they may use. */
struct extension_code {
    uint32_t before; /* goes before each of them; 0: nothing */
    uint32_t words[EXTENSION_WORDS];
};

/* Does this one end with no exception? Another exception than that of an undefined instruction is
 * a failure. */
static bool word_runs(uint32_t before, uint32_t word, const char *name)
{
    static uint32_t code[4] __attribute__((aligned(64)));
    static uint64_t memory[8] __attribute__((aligned(64)));
    unsigned n = 0;
    struct trap t;
    bool ran;

    if (before)
        code[n++] = before;
    code[n++] = word;
    memcpy(&code[n], return_code, sizeof(return_code));
    instructions_changed();
    ran = trap_try((void (*)(void *))(uintptr_t)code, memory, &t);
    if (!ran && t.kind != TRAP_UNDEFINED)
        check(false, "%s: %08x does not fault otherwise # kind %d, cause 0x%llx", name, word,
              (int)t.kind, (unsigned long long)t.cause);
    return ran;
}

/* All of them run where the extension is offered; elsewhere each is undefined. */
static void check_extension(const char *name, bool offered, const struct extension_code *c)
{
    unsigned ran = 0, count = 0;

    while (count < EXTENSION_WORDS && c->words[count])
        ran += word_runs(c->before, c->words[count++], name);
    check(ran == (offered ? count : 0), "%s is %s # %u of %u instructions ran", name,
          offered ? "offered, and its instructions run"
                  : "not offered, and its instructions are undefined",
          ran, count);
}

#endif
