/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Windows (kernel/window.h) of the program on Linux: ranges of the process's address space, in
 * which the file that is RAM is mapped by pages. A fault there is a signal, which goes on where the
 * translator says.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "dbt/jit.h"
#include "kernel/window.h"
#include "program.h"

#define RANGES_MAX 160   /* of all vCPUs: 80 TiB of the 128 that a process has */
#define PAGES_MAX  20000 /* of all vCPUs: each adds up to two of the 65,530 mappings */
#define PAGE_NS    8000
#define ROOM_SIZE  (WINDOW_SIZE + 2 * WINDOW_GUARD)

static struct sigaction before[2]; /* what else such signals mean */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    const void *to = dbt_jit_otherwise((uint64_t)uc->uc_mcontext.gregs[REG_RIP]);

    (void)info;
    if (to) {
        uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)to;
        return;
    }
    sigaction(signal, &before[signal == SIGBUS], NULL); /* it comes again */
}

/* Addresses that are not canonical are SIGSEGV, too, and SIGBUS by a register of the stack. */
static void take_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    static bool done;

    if (__atomic_exchange_n(&done, true, __ATOMIC_SEQ_CST))
        return;
    if (sigaction(SIGSEGV, &action, &before[0]) || sigaction(SIGBUS, &action, &before[1]))
        program_fail("faults cannot be taken: %s", strerror(errno));
}

static bool limits(unsigned vcpus, unsigned *ranges, unsigned *pages, const char **reason)
{
    if (!program_memory_shared) {
        *reason = "give --mmu page-table when the program is started";
        return false;
    }
    take_faults();
    *ranges = RANGES_MAX / vcpus;
    *pages = PAGES_MAX / vcpus;
    return true;
}

static uint64_t range(struct cage *c, unsigned n, uintptr_t *room)
{
    void *at = mmap(NULL, ROOM_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)c, (void)n;
    if (at == MAP_FAILED)
        return 0;
    *room = (uintptr_t)at;
    return (uintptr_t)at + WINDOW_GUARD;
}

static void release(struct cage *c, uintptr_t room)
{
    (void)c;
    munmap((void *)room, ROOM_SIZE);
}

static bool map(struct cage *c, uint64_t at, const void *host, uint64_t size, bool write)
{
    int64_t place = program_memory_place(host);

    (void)c;
    return place >= 0 && mmap((void *)(uintptr_t)at, size, PROT_READ | (write ? PROT_WRITE : 0),
                              MAP_SHARED | MAP_FIXED, program_memory_file,
                              (off_t)ALIGN_DOWN((uint64_t)place, PAGE_SIZE)) != MAP_FAILED;
}

static void unmap(struct cage *c, uint64_t at, uint64_t size)
{
    (void)c;
    if (mmap((void *)(uintptr_t)at, size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        program_fail("memory cannot be taken back: %s", strerror(errno));
}

TABLE_ENTRY(window_hosts, struct window_host, linux_windows) = {.page_ns = PAGE_NS,
                                                                .limits = limits,
                                                                .range = range,
                                                                .release = release,
                                                                .map = map,
                                                                .unmap = unmap};
