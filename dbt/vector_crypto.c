/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* AES rounds (FIPS 197) and SHA-1 and SHA-256 steps (FIPS 180-4), cut as the Arm Architecture
 * Reference Manual cuts them into instructions. */
#include "dbt/vector.h"

#include <string.h>

/* ---- AES: byte 4 * column + row ---- */

static const uint8_t substitute[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

static uint8_t substitute_back(uint8_t v)
{
    unsigned i = 0;

    while (substitute[i] != v)
        i++;
    return (uint8_t)i;
}

/* Row r turns by r columns, and each byte is substituted. */
static void substitute_rows(uint8_t state[16], bool back)
{
    uint8_t old[16];

    memcpy(old, state, sizeof(old));
    for (unsigned column = 0; column < 4; column++)
        for (unsigned row = 0; row < 4; row++) {
            uint8_t v = old[4 * ((column + (back ? 4 - row : row)) % 4) + row];

            state[4 * column + row] = back ? substitute_back(v) : substitute[v];
        }
}

static uint8_t multiply(uint8_t a, uint8_t b)
{
    unsigned product = 0, x = a;

    for (; b; b >>= 1) {
        product ^= b & 1 ? x : 0;
        x = x << 1 ^ (x & 0x80 ? 0x11b : 0);
    }
    return (uint8_t)product;
}

static void mix_columns(uint8_t state[16], const uint8_t factor[4])
{
    uint8_t old[16];

    memcpy(old, state, sizeof(old));
    for (unsigned i = 0; i < 16; i++) {
        state[i] = 0;
        for (unsigned k = 0; k < 4; k++)
            state[i] ^= multiply(old[i / 4 * 4 + (i + k) % 4], factor[k]);
    }
}

void ir_vector_aes(enum ir_aes kind, uint8_t state[16])
{
    static const uint8_t mix[4] = {2, 3, 1, 1}, unmix[4] = {14, 11, 13, 9};

    if (kind == IR_AES_MC || kind == IR_AES_IMC)
        mix_columns(state, kind == IR_AES_MC ? mix : unmix);
    else
        substitute_rows(state, kind == IR_AES_D);
}

/* ---- SHA ---- */

static uint32_t ror(uint32_t v, unsigned count)
{
    return v >> count | v << (32 - count);
}

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | (~x & z);
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | (x & z) | (y & z);
}

/* Four rounds of SHA-1: x is a to d, y is e. */
static void sha1_rounds(enum ir_sha kind, uint32_t x[4], uint32_t y, const uint32_t w[4])
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t f = kind == IR_SHA1_C   ? choose(x[1], x[2], x[3])
                     : kind == IR_SHA1_P ? x[1] ^ x[2] ^ x[3]
                                         : majority(x[1], x[2], x[3]);
        uint32_t first = y + ror(x[0], 27) + f + w[i];

        y = x[3];
        x[3] = x[2];
        x[2] = ror(x[1], 2);
        x[1] = x[0];
        x[0] = first;
    }
}

/* Four rounds of SHA-256: x is a to d, y is e to h. */
static void sha256_rounds(uint32_t x[4], uint32_t y[4], const uint32_t w[4])
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t t =
            y[3] + (ror(y[0], 6) ^ ror(y[0], 11) ^ ror(y[0], 25)) + choose(y[0], y[1], y[2]) + w[i];
        uint32_t first =
            t + (ror(x[0], 2) ^ ror(x[0], 13) ^ ror(x[0], 22)) + majority(x[0], x[1], x[2]);

        t += x[3];
        memmove(y + 1, y, 12);
        memmove(x + 1, x, 12);
        y[0] = t;
        x[0] = first;
    }
}

static void sha256_update1(uint32_t dst[4], const uint32_t a[4], const uint32_t b[4],
                           const uint32_t c[4])
{
    const uint32_t shifted[4] = {b[1], b[2], b[3], c[0]};

    for (unsigned i = 0; i < 4; i++) {
        uint32_t e = i < 2 ? c[i + 2] : dst[i - 2];

        dst[i] = (ror(e, 17) ^ ror(e, 19) ^ e >> 10) + a[i] + shifted[i];
    }
}

void ir_vector_sha(enum ir_sha kind, uint32_t dst[4], const uint32_t a[4], const uint32_t b[4],
                   const uint32_t c[4])
{
    uint32_t x[4], y[4], next;

    memcpy(x, kind == IR_SHA256_H2 ? b : a, sizeof(x));
    memcpy(y, kind == IR_SHA256_H2 ? a : b, sizeof(y));
    memset(dst, 0, sizeof(x));
    switch (kind) {
    case IR_SHA1_C:
    case IR_SHA1_P:
    case IR_SHA1_M:
        sha1_rounds(kind, x, y[0], c);
        memcpy(dst, x, sizeof(x));
        break;
    case IR_SHA1_H:
        dst[0] = ror(a[0], 2);
        break;
    case IR_SHA1_SU0:
        for (unsigned i = 0; i < 4; i++)
            dst[i] = (i < 2 ? a[i + 2] : b[i - 2]) ^ a[i] ^ c[i];
        break;
    case IR_SHA1_SU1:
        for (unsigned i = 0; i < 4; i++)
            dst[i] = ror(a[i] ^ (i < 3 ? b[i + 1] : 0), 31);
        dst[3] ^= ror(a[0] ^ b[1], 30);
        break;
    case IR_SHA256_H:
    case IR_SHA256_H2:
        sha256_rounds(x, y, c);
        memcpy(dst, kind == IR_SHA256_H ? x : y, sizeof(x));
        break;
    case IR_SHA256_SU0:
        for (unsigned i = 0; i < 4; i++) {
            next = i < 3 ? a[i + 1] : b[0];
            dst[i] = (ror(next, 7) ^ ror(next, 18) ^ next >> 3) + a[i];
        }
        break;
    default:
        sha256_update1(dst, a, b, c);
        break;
    }
}
