/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the translator's speed is measured with: small kernels of integers, floating point and calls
 * of the system. The same source runs in guests, as their first process, and natively.
 *
 *     kernels [SCALE] [NAME...]
 *
 * Prints "<NAME" before each and ">NAME CHECKSUM" after it; checksums of a scale are equal
 * everywhere. As the first process of a guest it takes its arguments from the kernel's command
 * line, and switches the machine off at the end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static uint64_t mix(uint64_t h, uint64_t v)
{
    return (h ^ v) * 0x9e3779b97f4a7c15u;
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* ---- Integers ---- */

static uint64_t alu(unsigned n)
{
    uint64_t s = 88172645463325252u, sum = 0;

    for (uint64_t i = 0; i < n * 1000000u; i++)
        sum += next_random(&s) * (i | 1) + (s >> 3);
    return sum;
}

static uint64_t branch(unsigned n)
{
    uint64_t steps = 0;

    for (uint64_t i = 1; i < n * 8000u; i++)
        for (uint64_t v = i; v != 1; steps++)
            v = v & 1 ? 3 * v + 1 : v / 2;
    return steps;
}

static void quicksort(uint32_t *a, long low, long high)
{
    while (low < high) {
        uint32_t pivot = a[(low + high) / 2];
        long i = low, j = high;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            quicksort(a, low, j);
            low = i;
        } else {
            quicksort(a, i, high);
            high = j;
        }
    }
}

#define SORT_SIZE 65536
static uint64_t sort(unsigned n)
{
    static uint32_t a[SORT_SIZE];
    uint64_t s = 1234567, sum = 0;

    while (n--) {
        for (unsigned i = 0; i < SORT_SIZE; i++)
            a[i] = (uint32_t)next_random(&s);
        quicksort(a, 0, SORT_SIZE - 1);
        sum = mix(sum, a[SORT_SIZE / 3]);
    }
    return sum;
}

#define CHASE_SIZE 4096 /* 32 KiB: the first-level cache */
static uint64_t chase(unsigned n)
{
    static uint64_t *cells[CHASE_SIZE];
    static uint32_t order[CHASE_SIZE];
    uint64_t s = 42, sum = 0, *at;

    for (uint32_t i = 0; i < CHASE_SIZE; i++)
        order[i] = i;
    for (uint32_t i = CHASE_SIZE - 1; i; i--) {
        uint32_t j = next_random(&s) % (i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < CHASE_SIZE; i++)
        cells[order[i]] = (uint64_t *)&cells[order[(i + 1) % CHASE_SIZE]];
    at = (uint64_t *)&cells[0];
    for (uint64_t i = 0; i < n * 1000000u; i++)
        at = (uint64_t *)(uintptr_t)*at;
    sum = (uint64_t)(at - (uint64_t *)&cells[0]);
    return sum;
}

static uint64_t crc(unsigned n)
{
    static uint32_t table[256];
    static uint8_t data[65536];
    uint64_t s = 99;
    uint32_t c = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = table[i] & 1 ? 0xedb88320u ^ table[i] >> 1 : table[i] >> 1;
    }
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)next_random(&s);
    for (unsigned round = 0; round < n * 8; round++)
        for (size_t i = 0; i < sizeof(data); i++)
            c = table[(c ^ data[i]) & 255] ^ c >> 8;
    return c;
}

static NOINLINE uint64_t fibonacci(uint64_t n)
{
    __asm__ volatile("");
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t call(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += fibonacci(24);
    return sum;
}

static NOINLINE uint64_t op_add(uint64_t a, uint64_t b)
{
    return a + b;
}
static NOINLINE uint64_t op_xor(uint64_t a, uint64_t b)
{
    return a ^ b << 1;
}
static NOINLINE uint64_t op_mul(uint64_t a, uint64_t b)
{
    return a * (b | 1);
}
static NOINLINE uint64_t op_rot(uint64_t a, uint64_t b)
{
    return (a << 7 | a >> 57) - b;
}

static uint64_t indirect(unsigned n)
{
    static uint64_t (*const volatile ops[4])(uint64_t, uint64_t) = {op_add, op_xor, op_mul, op_rot};
    uint64_t v = 1, s = 7;

    for (uint64_t i = 0; i < n * 200000u; i++)
        v = ops[next_random(&s) >> 20 & 3](v, i);
    return v;
}

#define COPY_WORDS 4096
static uint64_t copy(unsigned n)
{
    static volatile uint64_t from[COPY_WORDS], to[COPY_WORDS];

    for (unsigned i = 0; i < COPY_WORDS; i++)
        from[i] = i * 3;
    for (unsigned round = 0; round < n * 200; round++)
        for (unsigned i = 0; i < COPY_WORDS; i++)
            to[i] = from[i];
    return mix(to[17], to[COPY_WORDS - 1]);
}

/* ---- Floating point ---- */

static uint64_t bits(double v)
{
    uint64_t b;

    memcpy(&b, &v, sizeof(b));
    return b;
}

static uint64_t fpchain(unsigned n)
{
    double x = 1.0, y = 0.5;

    for (uint64_t i = 0; i < n * 200000u; i++) {
        x = x * 1.0000001 + y;
        y = y / 1.0000002 + 0.25;
        x = x - y * 0.75;
    }
    return mix(bits(x), bits(y));
}

#define MATRIX 96
static uint64_t matmul(unsigned n)
{
    static double a[MATRIX][MATRIX], b[MATRIX][MATRIX], c[MATRIX][MATRIX];
    uint64_t sum = 0;

    for (int i = 0; i < MATRIX; i++)
        for (int j = 0; j < MATRIX; j++) {
            a[i][j] = i * 0.5 + j;
            b[i][j] = i - j * 0.25;
        }
    while (n--) {
        for (int i = 0; i < MATRIX; i++)
            for (int j = 0; j < MATRIX; j++) {
                double s = 0;
                for (int k = 0; k < MATRIX; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
            }
        a[3][5] += 0.125;
        sum = mix(sum, bits(c[n % MATRIX][7]));
    }
    return sum;
}

#define BODIES 5
static double root(double v)
{
    double r;

#if defined(__riscv)
    __asm__("fsqrt.d %0, %1" : "=f"(r) : "f"(v));
#elif defined(__aarch64__)
    __asm__("fsqrt %d0, %d1" : "=w"(r) : "w"(v));
#else
    __asm__("sqrtsd %1, %0" : "=x"(r) : "x"(v));
#endif
    return r;
}

static uint64_t nbody(unsigned n)
{
    double p[BODIES][3], v[BODIES][3], m[BODIES], sum = 0;

    for (int i = 0; i < BODIES; i++) {
        m[i] = 1.0 / (i + 1);
        for (int k = 0; k < 3; k++) {
            p[i][k] = i * 1.5 + k * 0.7 + 1;
            v[i][k] = 0.01 * (i - k);
        }
    }
    for (uint64_t step = 0; step < n * 5000u; step++) {
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++) {
                double d[3], square = 0.01;
                for (int k = 0; k < 3; k++) {
                    d[k] = p[i][k] - p[j][k];
                    square += d[k] * d[k];
                }
                double scale = 0.001 / (square * root(square));
                for (int k = 0; k < 3; k++) {
                    v[i][k] -= d[k] * m[j] * scale;
                    v[j][k] += d[k] * m[i] * scale;
                }
            }
        for (int i = 0; i < BODIES; i++)
            for (int k = 0; k < 3; k++)
                p[i][k] += 0.001 * v[i][k];
    }
    for (int i = 0; i < BODIES; i++)
        sum += p[i][0] + p[i][1] * v[i][2];
    return bits(sum);
}

/* ---- The system ---- */

static uint64_t os_syscall(unsigned n)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < n * 20000u; i++)
        sum += (uint64_t)(getppid() >= 0);
    return sum;
}

static uint64_t os_fork(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n * 20; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            _exit(i & 63);
        waitpid(child, &status, 0);
        sum += (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

static uint64_t os_exec(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n * 10; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            execl("/proc/self/exe", "kernels", "exit", NULL);
            execl("/init", "kernels", "exit", NULL);
            _exit(1);
        }
        waitpid(child, &status, 0);
        sum += (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

static uint64_t os_fault(unsigned n)
{
    uint64_t sum = 0;
    size_t size = 4 << 20;

    for (unsigned i = 0; i < n; i++) {
        volatile char *p =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t at = 0; at < size; at += 4096)
            p[at] = (char)at;
        sum += (uint64_t)p[8192];
        munmap((void *)(uintptr_t)p, size);
    }
    return sum;
}

#define RING 8
static uint64_t os_switch(unsigned n)
{
    int pipes[RING][2];
    uint64_t token = 0;

    for (int i = 0; i < RING; i++)
        if (pipe(pipes[i]))
            return 0;
    for (int i = 1; i < RING; i++)
        if (fork() == 0) {
            while (read(pipes[i - 1][0], &token, sizeof(token)) == sizeof(token) &&
                   token != ~0ull) {
                token += (uint64_t)i;
                if (write(pipes[i][1], &token, sizeof(token)) < 0)
                    _exit(1);
            }
            if (write(pipes[i][1], &token, sizeof(token)) < 0)
                _exit(1);
            _exit(0);
        }
    for (unsigned i = 0; i < n * 200; i++)
        if (write(pipes[0][1], &token, sizeof(token)) < 0 ||
            read(pipes[RING - 1][0], &token, sizeof(token)) < 0)
            return 0;
    uint64_t end = ~0ull, got;
    if (write(pipes[0][1], &end, sizeof(end)) < 0 ||
        read(pipes[RING - 1][0], &got, sizeof(got)) < 0)
        return 0;
    while (wait(NULL) > 0)
        ;
    for (int i = 0; i < RING; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    return token;
}

static volatile uint64_t signals;
static void on_signal(int number)
{
    (void)number;
    signals++;
}

static uint64_t os_signal(unsigned n)
{
    signal(SIGUSR1, on_signal);
    signals = 0;
    for (unsigned i = 0; i < n * 2000; i++)
        raise(SIGUSR1);
    return signals;
}

static uint64_t os_pipe(unsigned n)
{
    static char buffer[4096];
    uint64_t sum = 0;
    int fds[2];

    if (pipe(fds))
        return 0;
    for (unsigned i = 0; i < n * 2000; i++) {
        ssize_t in = write(fds[1], buffer, sizeof(buffer)),
                out = read(fds[0], buffer, sizeof(buffer));
        sum += (uint64_t)(in + out);
    }
    close(fds[0]);
    close(fds[1]);
    return sum;
}

/* ---- Two CPUs ---- */

static uint64_t partial[2];
static unsigned parallel_scale;

static void *half(void *arg)
{
    uint64_t *sum = arg, s = 88172645463325252u;

    for (uint64_t i = 0; i < parallel_scale * 500000u; i++)
        *sum += next_random(&s) * (i | 1);
    return NULL;
}

static uint64_t parallel(unsigned n)
{
    pthread_t threads[2];

    parallel_scale = n;
    for (int i = 0; i < 2; i++) {
        partial[i] = 0;
        if (pthread_create(&threads[i], NULL, half, &partial[i]))
            return 0;
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return partial[0] + partial[1];
}

/* ---- */

static const struct {
    const char *name;
    uint64_t (*run)(unsigned scale);
    unsigned weight;
} kernels[] = {
    {"alu", alu, 60},
    {"branch", branch, 40},
    {"sort", sort, 20},
    {"chase", chase, 50},
    {"crc", crc, 50},
    {"call", call, 200},
    {"indirect", indirect, 50},
    {"copy", copy, 60},
    {"fpchain", fpchain, 50},
    {"matmul", matmul, 40},
    {"nbody", nbody, 40},
    {"os_syscall", os_syscall, 20},
    {"os_fork", os_fork, 20},
    {"os_exec", os_exec, 10},
    {"os_fault", os_fault, 20},
    {"os_switch", os_switch, 4},
    {"os_signal", os_signal, 20},
    {"os_pipe", os_pipe, 20},
    {"parallel", parallel, 60},
};

static int wanted(const char *name, int argc, char **argv)
{
    if (argc == 0)
        return 1;
    for (int i = 0; i < argc; i++)
        if (strncmp(name, argv[i], strlen(argv[i])) == 0)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    unsigned percent = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100;

    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        return 7;
    printf("kernels: ready\n");
    if (getpid() == 1)
        sleep(2); /* what the guest's kernel still does in the background is not the first one's */
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        unsigned scale = kernels[i].weight * percent / 100;

        if (!wanted(kernels[i].name, argc > 2 ? argc - 2 : 0, argv + 2))
            continue;
        printf("<%s\n", kernels[i].name);
        fflush(stdout);
        uint64_t sum = kernels[i].run(scale ? scale : 1);
        printf(">%s %016llx\n", kernels[i].name, (unsigned long long)sum);
        fflush(stdout);
    }
    if (getpid() == 1) {
        sync();
        reboot(RB_POWER_OFF);
    }
    return 0;
}
