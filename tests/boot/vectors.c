/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A program of a riscv64 Linux guest that uses vectors: loops as libraries and compilers write them
 * print sums, and processes that fill all vector registers see that they stay theirs, whoever else
 * runs and whatever signal comes.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define N     8192
#define FILLS 2000

static char text[N], copy[N];
static float x[N], y[N];
static int16_t a[N], b[N];

static void copy_bytes(void *to, const void *from, size_t n)
{
    __asm__ volatile("1: vsetvli t0, %2, e8, m8, ta, ma\n\tvle8.v v0, (%1)\n\tadd %1, %1, t0\n\t"
                     "sub %2, %2, t0\n\tvse8.v v0, (%0)\n\tadd %0, %0, t0\n\tbnez %2, 1b"
                     : "+r"(to), "+r"(from), "+r"(n)
                     :
                     : "t0", "memory");
}

static void multiply_add(size_t n, float k, const float *from, float *to)
{
    __asm__ volatile("1: vsetvli t0, %0, e32, m4, ta, ma\n\tvle32.v v0, (%1)\n\tsub %0, %0, t0\n\t"
                     "slli t1, t0, 2\n\tadd %1, %1, t1\n\tvle32.v v8, (%2)\n\t"
                     "vfmacc.vf v8, %3, v0\n\tvse32.v v8, (%2)\n\tadd %2, %2, t1\n\tbnez %0, 1b"
                     : "+r"(n), "+r"(from), "+r"(to)
                     : "f"(k)
                     : "t0", "t1", "memory");
}

/* vtype changes within the loop. */
static long product(size_t n, const int16_t *p, const int16_t *q)
{
    long sum;

    __asm__ volatile(
        "vsetvli t0, zero, e32, m4, ta, ma\n\tvmv.v.i v16, 0\n\t"
        "1: vsetvli t0, %1, e16, m2, tu, ma\n\tvle16.v v0, (%2)\n\tvle16.v v4, (%3)\n\t"
        "slli t1, t0, 1\n\tadd %2, %2, t1\n\tadd %3, %3, t1\n\tsub %1, %1, t0\n\t"
        "vwmul.vv v8, v0, v4\n\tvsetvli zero, zero, e32, m4, tu, ma\n\t"
        "vsra.vi v8, v8, 3\n\tvadd.vv v16, v16, v8\n\tbnez %1, 1b\n\t"
        "vsetvli t0, zero, e32, m4, ta, ma\n\tvmv.s.x v0, zero\n\t"
        "vredsum.vs v0, v16, v0\n\tvmv.x.s %0, v0"
        : "=&r"(sum), "+r"(n), "+r"(p), "+r"(q)
        :
        : "t0", "t1", "memory");
    return sum;
}

static long length(const char *s)
{
    const char *at = s;
    long first, step;

    do {
        __asm__ volatile("vsetvli zero, %3, e8, m8, ta, ma\n\tvle8ff.v v8, (%2)\n\tcsrr %1, vl\n\t"
                         "vmseq.vi v0, v8, 0\n\tvfirst.m %0, v0"
                         : "=&r"(first), "=&r"(step)
                         : "r"(at), "r"(-1L)
                         : "memory");
        at += first < 0 ? step : first;
    } while (first < 0);
    return at - s;
}

static void compute(void)
{
    for (int i = 0; i < N; i++) {
        text[i] = (char)('a' + i % 25);
        x[i] = (float)i / 4;
        y[i] = (float)(N - i);
        a[i] = (int16_t)(i * 7);
        b[i] = (int16_t)(i * 5);
    }
    text[N - 1] = 0;
    for (int i = 0; i < 40; i++) {
        copy_bytes(copy, text, (size_t)(N - i));
        multiply_add((size_t)(N - i), 0.5f, x, y);
        printf("%d %ld %ld %.9g\n", memcmp(text, copy, (size_t)(N - i)),
               product((size_t)(N - i), a, b), length(copy + i), y[N - 1 - i]);
    }
}

static volatile int ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
    __asm__ volatile("vsetvli t0, zero, e16, m8, ta, ma\n\tvmv.v.i v0, -1\n\tvmv.v.i v8, -1\n\t"
                     "vmv.v.i v16, -1\n\tvmv.v.i v24, -1\n\tcsrwi vxrm, 3" ::
                         : "t0");
}

static int fill(uint64_t seed)
{
    struct itimerval often = {{0, 1000}, {0, 1000}};
    uint64_t in[64], out[64], vl, vtype, vxrm;
    int lost = 0;

    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &often, NULL);
    for (uint64_t n = 0; n < FILLS || ticks < 50; n++) {
        for (unsigned i = 0; i < 64; i++)
            in[i] = (seed << 32) + n * 64 + i;
        __asm__ volatile("csrwi vxrm, 2\n\tvl8re64.v v0, (%0)\n\taddi t0, %0, 128\n\t"
                         "vl8re64.v v8, (t0)\n\taddi t0, t0, 128\n\tvl8re64.v v16, (t0)\n\t"
                         "addi t0, t0, 128\n\tvl8re64.v v24, (t0)\n\t"
                         "vsetivli zero, 3, e32, m1, tu, mu"
                         :
                         : "r"(in)
                         : "t0", "memory");
        for (volatile int i = 0; i < 300; i++)
            ;
        __asm__ volatile("csrr %0, vl\n\tcsrr %1, vtype\n\tcsrr %2, vxrm\n\tvs8r.v v0, (%3)\n\t"
                         "addi t0, %3, 128\n\tvs8r.v v8, (t0)\n\taddi t0, t0, 128\n\t"
                         "vs8r.v v16, (t0)\n\taddi t0, t0, 128\n\tvs8r.v v24, (t0)"
                         : "=&r"(vl), "=&r"(vtype), "=&r"(vxrm)
                         : "r"(out)
                         : "t0", "memory");
        lost += memcmp(in, out, sizeof(in)) || vl != 3 || vtype != 0x10 || vxrm != 2;
    }
    return lost;
}

int main(void)
{
    int status, lost = 0;

    compute();
    fflush(stdout);
    for (uint64_t seed = 1; seed <= 3; seed++)
        if (fork() == 0)
            _exit(fill(seed) != 0);
    while (wait(&status) > 0)
        lost |= status;
    puts(lost ? "vectors lost" : "vectors kept");
    return lost != 0;
}
