/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Runs under qemu-user: takes cases, runs each with exactly the given registers until it traps,
 * and gives back the registers of the signal frame. Stands on system calls alone; their numbers are
 * those of all younger architectures.
 *
 * A case begins and ends with a signal: breakpoint() traps, and its handler puts the case's
 * registers into the frame that it returns to; the trap at the end of the case comes to the same
 * handler, which takes the registers out and puts those of run() back. Linked without relaxation:
 * in the handler riscv64's gp is the case's.
 */
#include "tests/differential/case.h"

typedef unsigned long long u64;

/* The guest's: struct ucontext, call(), breakpoint(), registers_get(), registers_set(). */
#include "runner_arch.h"

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

struct siginfo {
    int number, error, code, pad;
    u64 address;
};

static struct case_in in;
static struct case_out out;
static int running;
static struct case_state own;
static unsigned char signal_stack[65536] __attribute__((aligned(16)));

static void handler(int number, struct siginfo *info, struct ucontext *uc)
{
    if (!running) {
        registers_get(uc, &own);
        own.pc += 4; /* behind the breakpoint */
        registers_set(uc, &in.state);
        running = 1;
        return;
    }
    registers_get(uc, &out.state);
    out.signal = (u64)number;
    out.address = info->address;
    registers_set(uc, &own);
    running = 0;
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

/* Gives the pages of data the case's rights, or, for the runner itself, all of them. */
static void protect(int for_case)
{
    for (unsigned i = 0; i < CASE_PAGES; i++)
        if (in.rights[i] != CASE_READ_WRITE)
            call(SYS_MPROTECT, CASE_DATA + i * CASE_PAGE_SIZE, CASE_PAGE_SIZE,
                 for_case ? (long)in.rights[i] : CASE_READ_WRITE, 0, 0, 0);
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
        unsigned long restorer_or_mask, mask; /* not all have a restorer */
    } action = {handler, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, 0, 0};

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
        protect(1);
        breakpoint();
        protect(0);
        copy((u64 *)out.data, (const u64 *)CASE_DATA, sizeof(out.data) / 8);
        transfer(SYS_WRITE, 1, &out, sizeof(out));
    }
}
