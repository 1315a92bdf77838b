/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The heap. Small objects come from slabs of 16 KiB, one size class each; every CPU keeps a stack
 * of free objects per class and goes to the class (and its lock) by batches. No small object starts
 * on a page boundary and every large one does, which tells the two apart; large ones are page
 * blocks, remembered in a hash table.
 *
 * Debug builds put a header before each object and a red zone behind it, and fill freed objects:
 * damage is found when the object is freed or handed out again, with the addresses of the code that
 * allocated and freed it.
 */
#include <string.h>
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "mm/heap.h"
#include "mm/page.h"

#define SLAB_ORDER  2
#define SLAB_SIZE   (PAGE_SIZE << SLAB_ORDER)
#define SLAB_HEADER 64
#define SLAB_MAGIC  0x62616c53u
#define SMALL_MAX   4032
#define GRANULE     16
#define CLASS_COUNT 16
/* A CPU keeps at most this much of one class, and at least 2 objects. */
#define CACHE_BYTES   4096
#define CACHE_MAX     32u
#define LARGE_BUCKETS 256

/* All but the smallest are multiples of 64 that divide a slab well. */
static const uint16_t class_size[CLASS_COUNT] = {16,  32,  48,  64,   128,  192,  256,  384,
                                                 512, 640, 768, 1024, 1472, 2048, 2688, SMALL_MAX};

LOCK_CLASS(heap_class_lock, "heap", RANK_HEAP);

struct slab {
    uint32_t magic;
    uint16_t used;  /* objects that callers or CPUs hold */
    uint16_t fresh; /* objects from this one on were never handed out */
    uint8_t class_index;
    bool linked; /* on the list of its class: has free objects or some that were never handed out */
    void *free;  /* each one's first word links to the next */
    struct slab *next, *prev;
};
_Static_assert(sizeof(struct slab) <= SLAB_HEADER, "objects follow the header");

struct heap_class {
    struct spinlock lock;
    struct slab *slabs;
    unsigned empty; /* slabs without a used object: one is kept */
};

struct heap_cache {
    void *free;
    unsigned count;
    uint64_t allocated, freed; /* objects, ever */
};
struct heap_cpu {
    struct heap_cache cache[CLASS_COUNT];
};

struct large {
    void *start;
    struct large *next;
    uint64_t size; /* asked for */
    unsigned order;
    const void *caller;
};

static struct heap_class classes[CLASS_COUNT];
static uint8_t class_of_size[SMALL_MAX / GRANULE + 1];
static PER_CPU(struct heap_cpu, heap_cpu);
static struct spinlock large_lock = SPINLOCK_INIT(&heap_class_lock);
static struct large *large_table[LARGE_BUCKETS];
static uint64_t large_bytes, large_count,
    reserved_bytes; /* the first two under large_lock, the last atomic */

/* ---- Slabs; under the lock of their class ---- */

#if DEBUG
struct guard {
    void *link; /* of the free list */
    uint64_t state;
    uint64_t size;
    const void *allocated_by, *freed_by;
};
#define GUARD_USED   0x64657375646c6568ULL
#define GUARD_FREE   0x65657266646c6568ULL
#define GUARD_BEFORE 64
#define GUARD_AFTER  16
#define FILL_FREE    0xd5
#define FILL_AFTER   0xa7
#else
#define GUARD_BEFORE 0
#define GUARD_AFTER  0
#endif

static unsigned slab_capacity(unsigned class)
{
    return (SLAB_SIZE - SLAB_HEADER) / class_size[class];
}

static struct slab *slab_of(const void *object)
{
    return (struct slab *)ALIGN_DOWN((uintptr_t)object, SLAB_SIZE);
}

static void slab_link(struct heap_class *c, struct slab *s)
{
    s->linked = true;
    s->prev = NULL;
    s->next = c->slabs;
    if (s->next)
        s->next->prev = s;
    c->slabs = s;
}

static void slab_unlink(struct heap_class *c, struct slab *s)
{
    s->linked = false;
    if (s->prev)
        s->prev->next = s->next;
    else
        c->slabs = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

static struct slab *slab_new(unsigned class)
{
    hpa_t pages = page_alloc(SLAB_ORDER, 0);

    if (!pages.v)
        return NULL;
    struct slab *s = phys_to_virt(pages);
    *s = (struct slab){.magic = SLAB_MAGIC, .class_index = (uint8_t) class};
    slab_link(&classes[class], s);
    classes[class].empty++;
    __atomic_fetch_add(&reserved_bytes, SLAB_SIZE, __ATOMIC_RELAXED);
    return s;
}

static void *slab_fresh_object(struct slab *s)
{
    char *object = NULL;

    while (s->fresh < slab_capacity(s->class_index)) {
        object = (char *)s + SLAB_HEADER + (size_t)s->fresh++ * class_size[s->class_index];
        if (!IS_ALIGNED((uintptr_t)object + GUARD_BEFORE, PAGE_SIZE))
            break;
        object = NULL;
    }
#if DEBUG
    if (object) {
        *(struct guard *)object = (struct guard){.state = GUARD_FREE, .freed_by = NULL};
        memset(object + GUARD_BEFORE, FILL_FREE, class_size[s->class_index] - GUARD_BEFORE);
    }
#endif
    return object;
}

static void *class_take(unsigned class)
{
    struct heap_class *c = &classes[class];

    while (c->slabs || slab_new(class)) {
        struct slab *s = c->slabs;
        void **object = s->free;

        if (object)
            s->free = *object;
        else
            object = slab_fresh_object(s);
        if (object) {
            if (s->used++ == 0)
                c->empty--;
            return object;
        }
        slab_unlink(c, s); /* full: it comes back with the first object put back */
    }
    return NULL;
}

static void class_put(unsigned class, void **object)
{
    struct heap_class *c = &classes[class];
    struct slab *s = slab_of(object);

    *object = s->free;
    s->free = object;
    if (!s->linked)
        slab_link(c, s);
    if (--s->used || c->empty++ == 0)
        return;
    c->empty--;
    slab_unlink(c, s);
    s->magic = 0;
    page_free(virt_to_phys(s), SLAB_ORDER);
    __atomic_fetch_sub(&reserved_bytes, SLAB_SIZE, __ATOMIC_RELAXED);
}

/* ---- A CPU's stacks of free objects; interrupts masked ---- */

static unsigned cache_batch(unsigned class)
{
    unsigned batch = CACHE_BYTES / 2 / class_size[class];

    return batch > CACHE_MAX / 2 ? CACHE_MAX / 2 : MAX(batch, 1u);
}

static void cache_refill(struct heap_cache *cache, unsigned class)
{
    spin_lock(&classes[class].lock);
    for (unsigned i = cache_batch(class); i; i--) {
        void **object = class_take(class);
        if (!object)
            break;
        *object = cache->free;
        cache->free = object;
        cache->count++;
    }
    spin_unlock(&classes[class].lock);
}

static void cache_flush(struct heap_cache *cache, unsigned class)
{
    spin_lock(&classes[class].lock);
    for (unsigned i = cache_batch(class); i; i--) {
        void **object = cache->free;
        cache->free = *object;
        cache->count--;
        class_put(class, object);
    }
    spin_unlock(&classes[class].lock);
}

static void *small_take(unsigned class)
{
    uint64_t irq = host_irq_save();
    struct heap_cache *cache = &this_cpu_ptr(heap_cpu)->cache[class];

    if (unlikely(!cache->free))
        cache_refill(cache, class);
    void **object = cache->free;
    if (likely(object)) {
        cache->free = *object;
        cache->count--;
        cache->allocated++;
    }
    host_irq_restore(irq);
    return object;
}

static void small_put(void **object, unsigned class)
{
    uint64_t irq = host_irq_save();
    struct heap_cache *cache = &this_cpu_ptr(heap_cpu)->cache[class];

    *object = cache->free;
    cache->free = object;
    cache->count++;
    cache->freed++;
    if (unlikely(cache->count > 2 * cache_batch(class)))
        cache_flush(cache, class);
    host_irq_restore(irq);
}

/* ---- Guards of debug builds ---- */

#if DEBUG
static bool filled(const unsigned char *p, size_t size, unsigned char with)
{
    while (size && *p == with)
        p++, size--;
    return size == 0;
}

static void guard_fail(const struct guard *g, const char *what)
{
    panic("heap: %s: object at %p of %lu bytes, allocated at %p, freed at %p", what,
          (const void *)((const char *)g + GUARD_BEFORE), (unsigned long)g->size, g->allocated_by,
          g->freed_by);
}

/* From an object of a slab to what the caller gets. */
static void *guard_arm(void *object, size_t size, size_t room, const void *caller)
{
    struct guard *g = object;
    unsigned char *user = (unsigned char *)object + GUARD_BEFORE;

    if (g->state != GUARD_FREE || !filled(user, room - GUARD_BEFORE, FILL_FREE))
        guard_fail(g, "written to after it was freed");
    g->state = GUARD_USED;
    g->size = size;
    g->allocated_by = caller;
    memset(user + size, FILL_AFTER, room - GUARD_BEFORE - size);
    return user;
}

static void *guard_disarm(void *user, size_t room, const void *caller)
{
    struct guard *g = (struct guard *)((char *)user - GUARD_BEFORE);

    if (g->state == GUARD_FREE)
        guard_fail(g, "freed twice");
    if (g->state != GUARD_USED || g->size > room - GUARD_BEFORE - GUARD_AFTER)
        guard_fail(g, "freed, but its header is damaged or it is no object");
    if (!filled((unsigned char *)user + g->size, room - GUARD_BEFORE - g->size, FILL_AFTER))
        guard_fail(g, "written to beyond its end");
    g->state = GUARD_FREE;
    g->freed_by = caller;
    memset(user, FILL_FREE, room - GUARD_BEFORE);
    return g;
}
#else
static void *guard_arm(void *object, size_t size, size_t room, const void *caller)
{
    (void)size, (void)room, (void)caller;
    return object;
}

static void *guard_disarm(void *user, size_t room, const void *caller)
{
    (void)room, (void)caller;
    return user;
}
#endif

/* ---- Large objects ---- */

static struct large **large_bucket(const void *p)
{
    return &large_table[((uintptr_t)p >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ULL >> 56];
}
_Static_assert(LARGE_BUCKETS == 256, "the hash has 8 bits");

static void *small_alloc(size_t size, const void *caller)
{
    unsigned class = class_of_size[DIV_ROUND_UP(size + GUARD_BEFORE + GUARD_AFTER, GRANULE)];
    void *object = small_take(class);

    return object ? guard_arm(object, size, class_size[class], caller) : NULL;
}

static void small_free(void *p, const void *caller)
{
    struct slab *s = slab_of(p);

    if (s->magic != SLAB_MAGIC)
        panic("heap: %p was freed at %p, but is no object", p, caller);
    small_put(guard_disarm(p, class_size[s->class_index], caller), s->class_index);
}

static void *large_alloc(size_t size, const void *caller)
{
    unsigned order = 0;

    while (order <= PAGE_ORDER_MAX && PAGE_SIZE << order < size)
        order++;
    struct large *l = small_alloc(sizeof(*l), caller);
    hpa_t pages = l ? page_alloc(order, 0) : HPA(0);
    if (!pages.v) {
        if (l)
            small_free(l, caller);
        return NULL;
    }
    *l = (struct large){
        .start = phys_to_virt(pages), .size = size, .order = order, .caller = caller};
    struct large **bucket = large_bucket(l->start);
    uint64_t irq = spin_lock_irq(&large_lock);
    l->next = *bucket;
    *bucket = l;
    large_bytes += PAGE_SIZE << order;
    large_count++;
    spin_unlock_irq(&large_lock, irq);
    return l->start;
}

static void large_free(void *p, const void *caller)
{
    struct large **link = large_bucket(p);
    uint64_t irq = spin_lock_irq(&large_lock);

    while (*link && (*link)->start != p)
        link = &(*link)->next;
    struct large *l = *link;
    if (l) {
        *link = l->next;
        large_bytes -= PAGE_SIZE << l->order;
        large_count--;
    }
    spin_unlock_irq(&large_lock, irq);
    if (!l)
        panic("heap: %p was freed at %p, but is no object or was freed before", p, caller);
    page_free(virt_to_phys(p), l->order);
    small_free(l, caller);
}

/* ---- The interface ---- */

static void *alloc_from(size_t size, const void *caller)
{
    if (likely(size <= SMALL_MAX - GUARD_BEFORE - GUARD_AFTER))
        return small_alloc(size ? size : 1, caller);
    return large_alloc(size, caller);
}

void *heap_alloc(size_t size)
{
    return alloc_from(size, __builtin_return_address(0));
}

void *heap_zalloc(size_t size)
{
    void *p = alloc_from(size, __builtin_return_address(0));

    return p ? memset(p, 0, size) : NULL;
}

void *heap_zalloc_array(size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *p = alloc_from(bytes, __builtin_return_address(0));
    return p ? memset(p, 0, bytes) : NULL;
}

void heap_free(void *p)
{
    if (!p)
        return;
    if (IS_ALIGNED((uintptr_t)p, PAGE_SIZE))
        large_free(p, __builtin_return_address(0));
    else
        small_free(p, __builtin_return_address(0));
}

void heap_stats_get(struct heap_stats *s)
{
    uint64_t irq = spin_lock_irq(&large_lock);
    *s = (struct heap_stats){.allocated = large_bytes, .objects = large_count};
    s->reserved = large_bytes + __atomic_load_n(&reserved_bytes, __ATOMIC_RELAXED);
    spin_unlock_irq(&large_lock, irq);
    for (unsigned id = 0; id < cpu_count(); id++) {
        const struct cpu *cpu = cpu_get(id);
        for (unsigned class = 0; cpu && class < CLASS_COUNT; class ++) {
            const struct heap_cache *cache = &cpu_ptr(cpu, heap_cpu)->cache[class];
            uint64_t objects =
                cache->allocated - cache->freed; /* may be "negative": freed on another CPU */
            s->objects += objects;
            s->allocated += objects * class_size[class];
        }
    }
}

void heap_init(void)
{
    unsigned class = 0;

    for (unsigned i = 0; i < CLASS_COUNT; i++)
        spin_init(&classes[i].lock, &heap_class_lock);
    for (unsigned i = 0; i < ARRAY_SIZE(class_of_size); i++) {
        while (i * GRANULE > class_size[class])
            class ++;
        class_of_size[i] = (uint8_t) class;
    }
}
