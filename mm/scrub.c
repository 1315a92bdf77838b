/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Scrubbing. Two lists of blocks, linked through their first words: those that still hold what a
 * guest left, and zeroed ones (whose link is cleared when they are taken).
 */
#include "mm/scrub.h"

#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/page.h"

#define BLOCK_SIZE   (PAGE_SIZE << PAGE_ORDER_2M)
#define STEP_SIZE    KIB(256) /* zeroed between two chances for other threads */
#define SCRUB_WEIGHT 16       /* against THREAD_WEIGHT: runs when little else does */

struct block_list {
    uint64_t first; /* physical; 0: empty */
    uint64_t count;
};

LOCK_CLASS(scrub_class, "blocks to scrub", RANK_SCRUB);
static struct spinlock scrub_lock = SPINLOCK_INIT(&scrub_class);
static struct block_list dirty, clean; /* under the lock; counts are read without it as hints */
static uint64_t in_work;               /* blocks that the thread zeroes just now */
static struct thread *scrubber;

static uint64_t *link_of(uint64_t block)
{
    return phys_to_virt(HPA(block));
}

static void push(struct block_list *list, uint64_t block)
{
    *link_of(block) = list->first;
    list->first = block;
    WRITE_ONCE(list->count, list->count + 1);
}

static uint64_t pop(struct block_list *list)
{
    uint64_t block = list->first;

    if (block) {
        list->first = *link_of(block);
        *link_of(block) = 0;
        WRITE_ONCE(list->count, list->count - 1);
    }
    return block;
}

static uint64_t locked_pop(struct block_list *list)
{
    if (!READ_ONCE(list->count))
        return 0;
    uint64_t flags = spin_lock_irq(&scrub_lock);
    uint64_t block = pop(list);
    spin_unlock_irq(&scrub_lock, flags);
    return block;
}

void scrub_free(hpa_t block)
{
    uint64_t flags = spin_lock_irq(&scrub_lock);

    push(&dirty, block.v);
    spin_unlock_irq(&scrub_lock, flags);
    if (scrubber)
        thread_wake(scrubber);
}

hpa_t scrub_alloc(void)
{
    uint64_t block = locked_pop(&clean);

    if (block)
        return HPA(block);
    block = locked_pop(&dirty);
    if (block)
        host_memory_zero(link_of(block), BLOCK_SIZE);
    return HPA(block);
}

uint64_t scrub_blocks(void)
{
    return READ_ONCE(dirty.count) + READ_ONCE(clean.count) + READ_ONCE(in_work);
}

/* Also memory that goes to the hypervisor itself leaves here zeroed. */
bool scrub_reclaim(unsigned order)
{
    hpa_t block = scrub_alloc();

    if (!block.v)
        return false;
    page_free(block, PAGE_ORDER_2M);
    while (order > PAGE_ORDER_2M && (block = scrub_alloc()).v)
        page_free(block, PAGE_ORDER_2M);
    return true;
}

/* ---- The thread ---- */

static uint64_t work_begin(void)
{
    uint64_t flags = spin_lock_irq(&scrub_lock);
    uint64_t block = pop(&dirty);

    WRITE_ONCE(in_work, block != 0);
    spin_unlock_irq(&scrub_lock, flags);
    return block;
}

static void work_end(uint64_t block)
{
    uint64_t flags = spin_lock_irq(&scrub_lock);

    push(&clean, block);
    WRITE_ONCE(in_work, 0);
    spin_unlock_irq(&scrub_lock, flags);
}

static void scrub_main(void *unused)
{
    uint64_t block;

    (void)unused;
    for (;;) {
        while ((block = work_begin()) != 0) {
            for (uint64_t done = 0; done < BLOCK_SIZE; done += STEP_SIZE) {
                host_memory_zero((char *)link_of(block) + done, STEP_SIZE);
                thread_resched();
            }
            work_end(block);
        }
        thread_sleep_until(UINT64_MAX);
    }
}

static void scrub_init(void)
{
    if (thread_create(&scrubber, "scrub", scrub_main, NULL, SCRUB_WEIGHT, -1) != ERR_OK)
        log_warn("memory of stopped guests will be zeroed when the next guest needs it");
}
INIT(INIT_LEVEL_VM, scrub_init);
