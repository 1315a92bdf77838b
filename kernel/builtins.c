/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The helpers that compilers call where a host lacks an instruction: bit counts (riscv64 without
 * Zbb, aarch64 without vector registers) and 128-bit division. The compilers' own run-time
 * libraries are built for floating-point registers, which kernel code must not touch.
 */
#include <stdint.h>

typedef unsigned __int128 u128;

int __clzdi2(uint64_t value);
int __ctzdi2(uint64_t value);
int __ffsdi2(uint64_t value);
int __popcountdi2(uint64_t value);
int __paritydi2(uint64_t value);
uint32_t __bswapsi2(uint32_t value);
uint64_t __bswapdi2(uint64_t value);
u128 __udivmodti4(u128 dividend, u128 divisor, u128 *remainder);
u128 __udivti3(u128 dividend, u128 divisor);
u128 __umodti3(u128 dividend, u128 divisor);
__int128 __divti3(__int128 dividend, __int128 divisor);
__int128 __modti3(__int128 dividend, __int128 divisor);

int __clzdi2(uint64_t value)
{
    int count = 0;

    for (int step = 32; step > 0; step /= 2) {
        if ((value >> (64 - step)) == 0) {
            count += step;
            value <<= step;
        }
    }
    return value != 0 ? count : 64;
}

int __ctzdi2(uint64_t value)
{
    return value != 0 ? 63 - __clzdi2(value & -value) : 64;
}

int __ffsdi2(uint64_t value)
{
    return value != 0 ? __ctzdi2(value) + 1 : 0;
}

/* Sums of neighbouring bits, pairs, and so on; the multiplication adds up the bytes. */
int __popcountdi2(uint64_t value)
{
    value -= (value >> 1) & 0x5555555555555555;
    value = (value & 0x3333333333333333) + ((value >> 2) & 0x3333333333333333);
    value = (value + (value >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (int)((value * 0x0101010101010101) >> 56);
}

int __paritydi2(uint64_t value)
{
    return __popcountdi2(value) & 1;
}

uint32_t __bswapsi2(uint32_t value)
{
    value = ((value & 0x00ff00ff) << 8) | ((value >> 8) & 0x00ff00ff);
    return (value << 16) | (value >> 16);
}

uint64_t __bswapdi2(uint64_t value)
{
    return ((uint64_t)__bswapsi2((uint32_t)value) << 32) | __bswapsi2((uint32_t)(value >> 32));
}

static int leading_zeroes(u128 value)
{
    uint64_t high = (uint64_t)(value >> 64);

    return high != 0 ? __clzdi2(high) : 64 + __clzdi2((uint64_t)value);
}

/* Long division, one bit of the quotient at a time. */
u128 __udivmodti4(u128 dividend, u128 divisor, u128 *remainder)
{
    u128 quotient = 0;

    if (divisor == 0) {
        __builtin_trap();
    }
    if (divisor <= dividend) {
        int shift = leading_zeroes(divisor) - leading_zeroes(dividend);

        divisor <<= shift;
        for (; shift >= 0; shift--, divisor >>= 1) {
            quotient <<= 1;
            if (dividend >= divisor) {
                dividend -= divisor;
                quotient |= 1;
            }
        }
    }
    if (remainder != 0) {
        *remainder = dividend;
    }
    return quotient;
}

u128 __udivti3(u128 dividend, u128 divisor)
{
    return __udivmodti4(dividend, divisor, 0);
}

u128 __umodti3(u128 dividend, u128 divisor)
{
    u128 remainder;

    __udivmodti4(dividend, divisor, &remainder);
    return remainder;
}

static u128 magnitude(__int128 value)
{
    return value < 0 ? -(u128)value : (u128)value;
}

__int128 __divti3(__int128 dividend, __int128 divisor)
{
    u128 quotient = __udivti3(magnitude(dividend), magnitude(divisor));

    return (__int128)((dividend < 0) != (divisor < 0) ? -quotient : quotient);
}

__int128 __modti3(__int128 dividend, __int128 divisor)
{
    u128 remainder = __umodti3(magnitude(dividend), magnitude(divisor));

    return (__int128)(dividend < 0 ? -remainder : remainder);
}
