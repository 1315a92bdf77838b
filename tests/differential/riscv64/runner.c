/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Runs under qemu-riscv64: takes cases, runs each with exactly the given registers until it traps,
 * and gives back the registers of the signal frame. Stands on system calls alone.
 *
 * A case begins and ends with a signal: run() executes EBREAK, whose handler puts the case's
 * registers into the frame that it returns to; the trap at the end of the case comes to the same
 * handler, which takes the registers out and puts those of run() back. Linked without relaxation:
 * in the handler gp is the case's.
 */
#include "tests/differential/case.h"

#define SYS_READ        63
#define SYS_WRITE       64
#define SYS_EXIT        93
#define SYS_SIGACTION   134
#define SYS_SIGALTSTACK 132
#define SYS_MMAP        222
#define SYS_MPROTECT    226

#define SIGILL  4
#define SIGTRAP 5
#define SIGBUS  7
#define SIGSEGV 11

#define SA_SIGINFO 4ul
#define SA_ONSTACK 0x08000000ul
#define SA_NODEFER 0x40000000ul

typedef unsigned long long u64;

/* arch/riscv's signal frame, as the kernel's uapi headers describe it. */
struct ucontext {
    u64 flags;
    void *link;
    struct {
        void *sp;
        int flags;
        u64 size;
    } stack;
    u64 sigmask[16];
    u64 gregs[32] __attribute__((aligned(16))); /* [0]: pc */
    u64 fregs[32];
    unsigned fcsr;
};

struct siginfo {
    int number, error, code, pad;
    u64 address;
};

static struct case_in in;
static struct case_out out;
static int running;
static u64 own[32];
static unsigned char signal_stack[65536] __attribute__((aligned(16)));

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return a0;
}

static void copy(u64 *to, const u64 *from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        to[i] = from[i];
}

static void handler(int number, struct siginfo *info, struct ucontext *uc)
{
    if (!running) {
        copy(own, uc->gregs, 32);
        own[0] += 4; /* behind the EBREAK */
        copy(uc->gregs, in.state.x, 32);
        copy(uc->fregs, in.state.f, 32);
        uc->fcsr = (unsigned)in.state.fcsr;
        running = 1;
        return;
    }
    copy(out.state.x, uc->gregs, 32);
    copy(out.state.f, uc->fregs, 32);
    out.state.fcsr = uc->fcsr;
    out.signal = (u64)number;
    out.address = info->address;
    copy(uc->gregs, own, 32);
    running = 0;
}

__attribute__((noinline)) static void run(void)
{
    static unsigned dummy;

    /* A store-conditional ends the reservation that the case before may have left. */
    __asm__ volatile("sc.w zero, zero, (%0)" ::"r"(&dummy) : "memory");
    __asm__ volatile("fence.i\n\t.option push\n\t.option norvc\n\tebreak\n\t.option pop" ::
                         : "memory");
}

static void transfer(long number, int fd, void *data, unsigned long size)
{
    for (unsigned long done = 0; done < size;) {
        long n = call(number, fd, (long)data + (long)done, (long)(size - done), 0, 0, 0);

        if (n <= 0)
            call(SYS_EXIT, n < 0, 0, 0, 0, 0, 0);
        done += (unsigned long)n;
    }
}

static void map(u64 address, unsigned long size)
{
    const long prot = 7, fixed_private_anonymous = 0x32;

    if (call(SYS_MMAP, (long)address, (long)size, prot, fixed_private_anonymous, -1, 0) < 0)
        call(SYS_EXIT, 2, 0, 0, 0, 0, 0);
}

/* Code that changes itself without FENCE.I is not what the cases are about. */
static void load_code(void)
{
    const long read_write = 3, read_execute = 5;

    call(SYS_MPROTECT, CASE_CODE, 4096, read_write, 0, 0, 0);
    copy((u64 *)CASE_CODE, (const u64 *)in.code, sizeof(in.code) / 8);
    call(SYS_MPROTECT, CASE_CODE, 4096, read_execute, 0, 0, 0);
}

static void set_up(void)
{
    static const int signals[] = {SIGILL, SIGTRAP, SIGBUS, SIGSEGV};
    struct {
        void *sp;
        int flags;
        unsigned long size;
    } stack = {signal_stack, 0, sizeof(signal_stack)};
    struct {
        void *handler;
        unsigned long flags;
        unsigned long mask;
    } action = {handler, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, 0};

    map(CASE_CODE, 4096);
    map(CASE_DATA, CASE_DATA_SIZE);
    call(SYS_SIGALTSTACK, (long)&stack, 0, 0, 0, 0, 0);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        call(SYS_SIGACTION, signals[i], (long)&action, 0, sizeof(action.mask), 0, 0);
}

__attribute__((noreturn)) void _start(void)
{
    set_up();
    for (;;) {
        transfer(SYS_READ, 0, &in, sizeof(in));
        load_code();
        copy((u64 *)CASE_DATA, (const u64 *)in.data, sizeof(in.data) / 8);
        run();
        copy((u64 *)out.data, (const u64 *)CASE_DATA, sizeof(out.data) / 8);
        transfer(SYS_WRITE, 1, &out, sizeof(out));
    }
}
