/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Names, limits and CSRs of a riscv64 vCPU, for tests/guests/registers.c. */
#include "tests/guests/registers.h"

#include <stdio.h>

#define FCSR_FLAGS 0x1fULL
#define FCSR_ROUND 0x60ULL /* two of three bits: the modes 0 to 3 */

void registers_prepare(struct register_file *f)
{
    f->in[0] = f->out[0] = 0;
    f->in[10] = f->out[10] = 0; /* holds the file's address */
    f->in[64] &= FCSR_FLAGS | FCSR_ROUND;
}

void register_name(unsigned i, char *name, size_t size)
{
    if (i < 64)
        snprintf(name, size, "%c%u", i < 32 ? 'x' : 'f', i % 32);
    else
        snprintf(name, size, "fcsr");
}

/* stvec keeps its address: where to go is what its upper half would change. */
#define REGISTERS(REGISTER)                 \
    REGISTER(sscratch, ~0ULL)               \
    REGISTER(sepc, ~1ULL)                   \
    REGISTER(scause, 0x800000000000000fULL) \
    REGISTER(stval, ~0ULL)                  \
    REGISTER(scounteren, 7)

#define FUNCTIONS(id, mask)                \
    static uint64_t read_##id(void)        \
    {                                      \
        return READ_CSR(#id);              \
    }                                      \
    static void write_##id(uint64_t value) \
    {                                      \
        WRITE_CSR(#id, value);             \
    }
REGISTERS(FUNCTIONS)

#define ENTRY(id, mask) {#id, mask, read_##id, write_##id},
const struct system_register system_registers[] = {REGISTERS(ENTRY)};
const unsigned system_register_count = ARRAY_SIZE(system_registers);
