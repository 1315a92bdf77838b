/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Contract 1d, windows: where the host's own page tables translate a guest's addresses for emitted
 * code. A vCPU has a number of ranges of address space, 512 GiB each, with unmapped space around
 * each; pages of the guest's memory are mapped there and taken back one by one. An access to what
 * is not mapped ends at dbt_jit_otherwise() of where it was.
 *
 * A host with windows has one constant table.
 */
#ifndef KERNEL_WINDOW_H
#define KERNEL_WINDOW_H

#include "kernel/cage.h"
#include "kernel/table.h"

#define WINDOW_SIZE  GIB(512)
#define WINDOW_GUARD GIB(80) /* unmapped before and behind each, at least */
/* How far from an address in a window another one may be and be taken to lie in it. */
#define WINDOW_REACH GIB(36)

struct window_host {
    /* What a page costs that is mapped at an access and taken back later, in nanoseconds. */
    uint32_t page_ns;
    /* Most ranges, and pages in all of them, that each of `vcpus` vCPUs may have; false: none are
     * to be had, for the reason that is given. */
    bool (*limits)(unsigned vcpus, unsigned *ranges, unsigned *pages, const char **reason);
    /* Where range `n` of the vCPU with the cage begins for emitted code; 0: there is no room. The
     * host keeps what it needs for it at *room, 0 at first. */
    uint64_t (*range)(struct cage *c, unsigned n, uintptr_t *room);
    void (*release)(struct cage *c, uintptr_t room);
    /* Maps the page, or the aligned 2 MiB, of guest memory that the kernel has at `host`, or
     * changes its rights; false: it cannot be had. */
    bool (*map)(struct cage *c, uint64_t at, const void *host, uint64_t size, bool write);
    /* Nothing is mapped in [at, at + size) when it returns. */
    void (*unmap)(struct cage *c, uint64_t at, uint64_t size);
};
TABLE_DECLARE(window_hosts, struct window_host);

static inline const struct window_host *window_host(void)
{
    TABLE_FOR_EACH(window_hosts, struct window_host, h)
    return h;
    return NULL;
}

#endif
