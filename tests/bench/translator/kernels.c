/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What translators are measured by: small programs that stand on nothing, one per -DKERNEL. Run
 * natively, as a riscv64 Linux program, and (-DBARE) on QEMU's riscv64 board without an operating
 * system. Each prints a checksum, which must be the same everywhere.
 */
#include <stdint.h>

#define NOINLINE __attribute__((noinline))

static uint64_t seed = 88172645463325252u;

__attribute__((unused)) static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

#define ALU      1
#define BRANCH   2
#define SORT     3
#define CHASE    4
#define CRC      5
#define CALL     6
#define INDIRECT 7
#define COPY     8
#define CHAIN    9
#define MATRIX   10
#define NBODY    11

#if KERNEL == ALU
static uint64_t run(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 100000000; i++)
        sum = sum * 31 + (next_random() >> 7);
    return sum;
}
#elif KERNEL == BRANCH
static uint64_t run(void)
{
    uint64_t steps = 0;

    for (uint64_t i = 1; i < 1000000; i++)
        for (uint64_t n = i; n != 1; steps++)
            n = n & 1 ? 3 * n + 1 : n >> 1;
    return steps;
}
#elif KERNEL == SORT
static int32_t data[1 << 20];

static NOINLINE void sort(int32_t *a, long low, long high)
{
    while (low < high) {
        int32_t pivot = a[(low + high) / 2];
        long i = low, j = high;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                int32_t t = a[i];

                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort(a, low, j);
        low = i;
    }
}

static uint64_t run(void)
{
    uint64_t sum = 0;

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 1 << 20; i++)
            data[i] = (int32_t)next_random();
        sort(data, 0, (1 << 20) - 1);
        for (unsigned i = 0; i < 1 << 20; i += 1000)
            sum = sum * 31 + (uint32_t)data[i];
    }
    return sum;
}
#elif KERNEL == CHASE
static uint32_t next[1 << 16];

static uint64_t run(void)
{
    uint32_t at = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < 1 << 16; i++)
        next[i] = i;
    for (unsigned i = (1 << 16) - 1; i > 0; i--) {
        unsigned j = next_random() % i;
        uint32_t t = next[i];

        next[i] = next[j];
        next[j] = t;
    }
    for (unsigned i = 0; i < 100000000; i++) {
        at = next[at];
        sum += at;
    }
    return sum;
}
#elif KERNEL == CRC
static uint32_t table[256];
static uint8_t bytes[1 << 16];

static uint64_t run(void)
{
    uint32_t crc = ~0u;

    for (unsigned i = 0; i < 256; i++) {
        uint32_t c = i;

        for (unsigned k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)next_random();
    for (unsigned round = 0; round < 1500; round++)
        for (unsigned i = 0; i < sizeof(bytes); i++)
            crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}
#elif KERNEL == CALL
static NOINLINE uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t run(void)
{
    return fib(39);
}
#elif KERNEL == INDIRECT
static NOINLINE uint64_t f0(uint64_t x)
{
    return x + 1;
}
static NOINLINE uint64_t f1(uint64_t x)
{
    return x * 3;
}
static NOINLINE uint64_t f2(uint64_t x)
{
    return x ^ x >> 3;
}
static NOINLINE uint64_t f3(uint64_t x)
{
    return x - 7;
}
static uint64_t (*volatile functions[4])(uint64_t) = {f0, f1, f2, f3};

static uint64_t run(void)
{
    uint64_t x = 1;

    for (unsigned i = 0; i < 60000000; i++)
        x = functions[i & 3](x);
    return x;
}
#elif KERNEL == COPY
static uint64_t from[4096], to[4096];

static NOINLINE void copy(volatile uint64_t *d, const uint64_t *s, unsigned n)
{
    while (n--)
        *d++ = *s++;
}

static uint64_t run(void)
{
    for (unsigned i = 0; i < 4096; i++)
        from[i] = next_random();
    for (unsigned round = 0; round < 30000; round++) {
        copy(to, from, 4096);
        from[round & 4095] += to[(round * 7) & 4095];
    }
    return to[1] + to[4095];
}
#elif KERNEL == CHAIN
static uint64_t run(void)
{
    volatile double start = 1.0;
    double x = start, y = 0.5;
    union {
        double d;
        uint64_t u;
    } out;

    for (unsigned i = 0; i < 30000000; i++) {
        x = x * 1.0000001 + y;
        y = y / (x + 1.5) + 0.25;
        x = x - y * 0.75;
    }
    out.d = x + y;
    return out.u;
}
#elif KERNEL == MATRIX
#define N 200
static double a[N][N], b[N][N], c[N][N];

static uint64_t run(void)
{
    union {
        double d;
        uint64_t u;
    } out;

    for (unsigned i = 0; i < N; i++)
        for (unsigned j = 0; j < N; j++) {
            a[i][j] = (double)(i * j % 17) + 0.5;
            b[i][j] = (double)(i + j) / 3.0;
        }
    for (unsigned round = 0; round < 10; round++)
        for (unsigned i = 0; i < N; i++)
            for (unsigned j = 0; j < N; j++) {
                double sum = c[i][j];

                for (unsigned k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
    out.d = c[3][5] + c[N - 1][N - 1];
    return out.u;
}
#elif KERNEL == NBODY
#define BODIES 5
static double p[BODIES][3], v[BODIES][3], m[BODIES];

static double root(double x)
{
    double r;

#ifdef __riscv
    __asm__("fsqrt.d %0, %1" : "=f"(r) : "f"(x));
#else
    __asm__("sqrtsd %1, %0" : "=x"(r) : "x"(x));
#endif
    return r;
}

static uint64_t run(void)
{
    union {
        double d;
        uint64_t u;
    } out;

    for (unsigned i = 0; i < BODIES; i++) {
        m[i] = 1.0 / (double)(i + 1);
        for (unsigned k = 0; k < 3; k++) {
            p[i][k] = (double)((i * 7 + k * 3) % 11);
            v[i][k] = (double)((i + k) % 3) * 0.01;
        }
    }
    for (unsigned step = 0; step < 1000000; step++) {
        for (unsigned i = 0; i < BODIES; i++)
            for (unsigned j = i + 1; j < BODIES; j++) {
                double d[3], square = 0.01, distance;

                for (unsigned k = 0; k < 3; k++) {
                    d[k] = p[i][k] - p[j][k];
                    square += d[k] * d[k];
                }
                distance = 0.001 / (square * root(square));
                for (unsigned k = 0; k < 3; k++) {
                    v[i][k] -= d[k] * m[j] * distance;
                    v[j][k] += d[k] * m[i] * distance;
                }
            }
        for (unsigned i = 0; i < BODIES; i++)
            for (unsigned k = 0; k < 3; k++)
                p[i][k] += 0.001 * v[i][k];
    }
    out.d = p[0][0] + p[1][1] + v[2][2];
    return out.u;
}
#endif

#if defined(BARE)
#define UART  ((volatile uint8_t *)0x10000000)
#define POWER ((volatile uint32_t *)0x100000)

static void print(const char *text, unsigned length)
{
    while (length--)
        *UART = (uint8_t)*text++;
}

static void finish(void)
{
    *POWER = 0x5555;
    for (;;)
        ;
}
#elif defined(__riscv)
static long call(long number, long a, long b, long c)
{
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

static void print(const char *text, unsigned length)
{
    call(64, 1, (long)text, length);
}

static void finish(void)
{
    call(93, 0, 0, 0);
}
#else
static void print(const char *text, unsigned length)
{
    long number = 1;

    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(1L), "S"(text), "d"((long)length)
                     : "rcx", "r11", "memory");
}

static void finish(void)
{
    __asm__ volatile("syscall" ::"a"(60L), "D"(0L));
}
#endif

__attribute__((used)) void start(void)
{
    uint64_t result = run();
    char text[17];

    for (unsigned i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[result >> (60 - 4 * i) & 15];
    text[16] = '\n';
    print(text, sizeof(text));
    finish();
}

__attribute__((used, aligned(16))) uint8_t stack[1 << 20];
#ifdef __riscv
__asm__(".section .text.unlikely,\"ax\"\n.globl _start\n_start:\n"
        "lla sp, stack\nlui t0, 0x100\nadd sp, sp, t0\n"
#ifdef BARE
        "li t0, 0x6000\ncsrs mstatus, t0\n"
#endif
        "call start\n");
#else
__asm__(".section .text.unlikely,\"ax\"\n.globl _start\n_start:\n"
        "lea stack + (1 << 20)(%rip), %rsp\ncall start\n");
#endif
