/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The helpers of class U of aarch64 units: pure functions of their operands. */
#include "arch/aarch64/guest/lift.h"

static uint64_t help_nzcv(struct dbt_frame *f, uint64_t op, uint64_t a, uint64_t b)
{
    (void)f;
    return a64_nzcv(op, a, b);
}

/* The reflected polynomials of CRC32 (C6.2.69) and CRC32C (C6.2.70). */
#define POLYNOMIAL_CRC32  0xedb88320u
#define POLYNOMIAL_CRC32C 0x82f63b78u

static uint64_t crc(uint32_t polynomial, uint64_t crc, uint64_t value, uint64_t bytes)
{
    uint32_t r = (uint32_t)crc;

    for (; bytes; bytes--, value >>= 8) {
        r ^= (uint8_t)value;
        for (unsigned i = 0; i < 8; i++)
            r = r >> 1 ^ (polynomial & (0 - (r & 1)));
    }
    return r;
}

static uint64_t help_crc32(struct dbt_frame *f, uint64_t a, uint64_t value, uint64_t bytes)
{
    (void)f;
    return crc(POLYNOMIAL_CRC32, a, value, bytes);
}

static uint64_t help_crc32c(struct dbt_frame *f, uint64_t a, uint64_t value, uint64_t bytes)
{
    (void)f;
    return crc(POLYNOMIAL_CRC32C, a, value, bytes);
}

const dbt_helper_fn a64_helpers[A64_HELPER_COUNT] = {
    [A64_HELPER_NZCV] = help_nzcv,
    [A64_HELPER_CRC32] = help_crc32,
    [A64_HELPER_CRC32C] = help_crc32c,
};
