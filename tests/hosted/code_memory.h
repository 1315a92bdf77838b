/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Memory for emitted code in a Linux process: mapped twice, to write and to execute, with a page of
 * links behind what is executed. */
#ifndef TESTS_HOSTED_CODE_MEMORY_H
#define TESTS_HOSTED_CODE_MEMORY_H

#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dbt/emitter.h"

/* False: the host has no memory that can be executed. */
static inline bool code_memory_create(struct dbt_cache *c, size_t size, unsigned links)
{
    size_t data = ALIGN_UP(links * sizeof(struct dbt_link), PAGE_SIZE);
    int fd = memfd_create("code", MFD_CLOEXEC);
    char *exec, *write;

    if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
        return false;
    exec = mmap(NULL, size + data, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    write = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (exec == MAP_FAILED || write == MAP_FAILED ||
        mmap(exec, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
        mprotect(exec + size, data, PROT_READ | PROT_WRITE) != 0)
        return false;
    close(fd);
    dbt_cache_init(c, write, exec, size, (struct dbt_link *)(exec + size), links);
    return true;
}

/* A vCPU's return stack; NULL: no memory. */
static inline void *return_stack_create(void)
{
    char *p = mmap(NULL, 2 * DBT_RETURN_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);

    return p == MAP_FAILED ? NULL : (void *)ALIGN_UP((uintptr_t)p, DBT_RETURN_STACK);
}

#endif
