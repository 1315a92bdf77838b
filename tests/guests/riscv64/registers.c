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

/* No trap is taken while stvec holds a pattern. Of senvcfg FIOM, CBIE, CBCFE and CBZE; of satp the
 * ASID, under which the same tables hold; of sie what is not pending: the timer ends the wait. */
#define REGISTERS(REGISTER)                 \
    REGISTER(sscratch, ~0ULL)               \
    REGISTER(sepc, ~1ULL)                   \
    REGISTER(scause, 0x800000000000000fULL) \
    REGISTER(stval, ~0ULL)                  \
    REGISTER(scounteren, 0xffffffffULL)     \
    REGISTER(sie, 0x202)                    \
    REGISTER(stvec, ~3ULL)                  \
    REGISTER(senvcfg, 0xf1)                 \
    REGISTER(satp, 0x0ffff00000000000ULL)

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

/* SUM, MXR, SPP and SPIE; FS and VS follow what the guest does. */
#define SSTATUS_MASK 0xc0120ULL

static uint64_t read_sstatus(void)
{
    return READ_CSR("sstatus") & SSTATUS_MASK;
}

static void write_sstatus(uint64_t value)
{
    CLEAR_CSR("sstatus", SSTATUS_MASK);
    SET_CSR("sstatus", value & SSTATUS_MASK);
}

/* Sstc's is the guest's own; else it is the firmware's. */
uint64_t registers_deadline(void)
{
    return isa_has("sstc") ? READ_CSR("0x14d") : 0;
}

/* ---- Where the hart has them and they answer: offered or not, they are the guest's own ---- */

#define OPTIONAL_REGISTERS(REGISTER)    \
    REGISTER(sstateen0, "0x10c", ~0ULL) \
    REGISTER(scontext, "0x5a8", ~0ULL)  \
    REGISTER(ssp, "0x011", ~7ULL)       \
    REGISTER(jvt, "0x017", ~0ULL)       \
    REGISTER(srmcfg, "0x181", ~0ULL)    \
    REGISTER(sctrctl, "0x14e", 0)       \
    REGISTER(sctrstatus, "0x14f", 0)    \
    REGISTER(scountinhibit, "0x120", 0)

#define OPTIONAL_FUNCTIONS(id, number, mask) OPTIONAL_REGISTER(id, number, READ_CSR, WRITE_CSR)
OPTIONAL_REGISTERS(OPTIONAL_FUNCTIONS)

/* ---- AIA: only where the machine has it ---- */

static uint64_t read_siselect(void)
{
    return isa_has("ssaia") ? READ_CSR("0x150") : 0;
}

static void write_siselect(uint64_t value)
{
    if (isa_has("ssaia"))
        WRITE_CSR("0x150", value);
}

/* ---- Vectors, where the harts have them: every byte of each register ---- */

#define VECTOR_BYTES 64 /* guests get none with more */
#define VECTOR(text) ".option push\n\t.option arch, +v\n\t" text "\n\t.option pop"

static uint64_t vector_buffer[VECTOR_BYTES / 8];

static bool has_vectors(void)
{
    return isa_has("v");
}

/* Doublewords of a register; the vector instructions below obey vstart, which stays as it is. */
static unsigned vector_words(void)
{
    return (unsigned)(READ_CSR("0xc22") / 8); /* vlenb */
}

/* A register's value stands for all of its doublewords: word i is value + i. */
#define VECTOR_REGISTER(n)                                                                     \
    static void write_v##n(uint64_t value)                                                     \
    {                                                                                          \
        uint64_t vstart;                                                                       \
                                                                                               \
        if (!has_vectors())                                                                    \
            return;                                                                            \
        for (unsigned i = 0; i < vector_words(); i++)                                          \
            vector_buffer[i] = value + i;                                                      \
        vstart = READ_CSR("0x008");                                                            \
        WRITE_CSR("0x008", 0);                                                                 \
        __asm__ volatile(VECTOR("vl1re64.v v" #n ", (%0)") : : "r"(vector_buffer) : "memory"); \
        WRITE_CSR("0x008", vstart);                                                            \
    }                                                                                          \
    static uint64_t read_v##n(void)                                                            \
    {                                                                                          \
        uint64_t vstart, bad = 0;                                                              \
                                                                                               \
        if (!has_vectors())                                                                    \
            return 0;                                                                          \
        vstart = READ_CSR("0x008");                                                            \
        WRITE_CSR("0x008", 0);                                                                 \
        __asm__ volatile(VECTOR("vs1r.v v" #n ", (%0)") : : "r"(vector_buffer) : "memory");    \
        WRITE_CSR("0x008", vstart);                                                            \
        for (unsigned i = 1; i < vector_words(); i++)                                          \
            bad |= vector_buffer[i] ^ (vector_buffer[0] + i);                                  \
        return vector_buffer[0] ^ bad;                                                         \
    }
/* clang-format off */
#define VECTOR_REGISTERS(X)               \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) \
    X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) \
    X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) \
    X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
/* clang-format on */
VECTOR_REGISTERS(VECTOR_REGISTER)

#define VECTOR_ADD(n) read_v##n,
bool vectors_are_zero(void)
{
    static uint64_t (*const read[])(void) = {VECTOR_REGISTERS(VECTOR_ADD)};
    uint64_t any = 0;

    for (unsigned n = 0; n < ARRAY_SIZE(read); n++) {
        read[n](); /* to vector_buffer */
        for (unsigned i = 0; has_vectors() && i < vector_words(); i++)
            any |= vector_buffer[i];
    }
    return !any;
}

#define VECTOR_CONTROL(id, number, limit)            \
    static uint64_t read_##id(void)                  \
    {                                                \
        return has_vectors() ? READ_CSR(number) : 0; \
    }                                                \
    static void write_##id(uint64_t value)           \
    {                                                \
        if (has_vectors())                           \
            WRITE_CSR(number, value &(limit));       \
    }
VECTOR_CONTROL(vcsr, "0x00f", 7)
VECTOR_CONTROL(vstart, "0x008", 7)

/* Any element width, groups of one register, tail and mask agnostic or not; up to seven elements of
 * at least two that there are. */
static uint64_t read_vtype(void)
{
    return has_vectors() ? READ_CSR("0xc21") << 8 | READ_CSR("0xc20") : 0;
}

static void write_vtype(uint64_t value)
{
    if (has_vectors())
        __asm__ volatile(VECTOR("vsetvl zero, %0, %1")
                         :
                         : "r"(value & 7), "r"(value >> 8 & 0xd8)
                         : "memory");
}

#define OWN(id, mask)              {#id, mask, read_##id, write_##id, false},
#define ENTRY(id, mask)            OWN(id, mask)
#define OPTIONAL(id, number, mask) OWN(id, mask)
#define VECTOR_ENTRY(n)            OWN(v##n, ~0ULL)
const struct system_register system_registers[] = {
    REGISTERS(ENTRY) OWN(sstatus, SSTATUS_MASK) OWN(siselect, 0xff) OPTIONAL_REGISTERS(OPTIONAL)
    /* vsetvl clears vstart. */
    OWN(vtype, ~0ULL) VECTOR_REGISTERS(VECTOR_ENTRY) OWN(vcsr, 7) OWN(vstart, 7)};
const unsigned system_register_count = ARRAY_SIZE(system_registers);
