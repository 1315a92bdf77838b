/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Host interrupt lines: a hash of lines to handlers. Handlers are only ever added, so that dispatch
 * walks without a lock. */
#include "kernel/irq.h"
#include "kernel/json.h"

#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "mm/heap.h"

#define BUCKETS 64

struct irq_handler {
    struct irq_handler *next; /* in its bucket */
    unsigned irq;
    enum irq_trigger trigger;
    void (*handler)(void *arg);
    void *arg;
    const char *name;
    uint64_t count;
};

LOCK_CLASS(irq_lock_class, "interrupt lines", RANK_IRQ);
static struct spinlock irq_lock = SPINLOCK_INIT(&irq_lock_class);
static struct irq_handler *buckets[BUCKETS];

static struct irq_handler **bucket_of(unsigned irq)
{
    return &buckets[irq % BUCKETS];
}

static void add(struct irq_handler *h)
{
    uint64_t flags = spin_lock_irq(&irq_lock);

    h->next = *bucket_of(h->irq);
    __atomic_store_n(bucket_of(h->irq), h, __ATOMIC_RELEASE);
    spin_unlock_irq(&irq_lock, flags);
}

enum err irq_register(unsigned irq, enum irq_trigger trigger, void (*handler)(void *arg), void *arg,
                      const char *name)
{
    struct irq_handler *h = heap_zalloc(sizeof(*h));
    enum err e;

    if (!h)
        return ERR_NO_MEMORY;
    *h = (struct irq_handler){
        .irq = irq, .trigger = trigger, .handler = handler, .arg = arg, .name = name};
    add(h);
    e = host_irq_route(irq, trigger, this_cpu());
    if (e == ERR_OK)
        host_irq_unmask(irq);
    else
        __atomic_store_n(&h->irq, UINT32_MAX,
                         __ATOMIC_RELAXED); /* stays in the list, answers nothing */
    return e;
}

enum err irq_register_message(void (*handler)(void *arg), void *arg, const char *name,
                              struct host_message *m)
{
    struct irq_handler *h = heap_zalloc(sizeof(*h));
    enum err e = h ? ERR_OK : ERR_NO_MEMORY;

    if (h) {
        *h =
            (struct irq_handler){.trigger = IRQ_EDGE, .handler = handler, .arg = arg, .name = name};
        e = host_message_route(this_cpu(), &h->irq, m);
    }
    if (e == ERR_OK)
        add(h); /* the device does not know the message yet */
    else
        heap_free(h);
    return e;
}

void irq_dispatch(unsigned irq)
{
    struct irq_handler *h = __atomic_load_n(bucket_of(irq), __ATOMIC_ACQUIRE);
    bool found = false;

    for (; h; h = h->next) {
        if (h->irq != irq)
            continue;
        h->count++;
        h->handler(h->arg);
        found = true;
    }
    if (unlikely(!found)) {
        host_irq_mask(irq);
        log_warn("interrupt %u came, which nobody handles: it is masked now", irq);
    }
}

static const char *const triggers[] = {"edge", "level high", "level low"};

void irq_report(struct out *out)
{
    out_printf(out, "controller: %s\n%-6s %-11s %12s  %s\n", host_irq_name(), "LINE", "TRIGGER",
               "COUNT", "HANDLER");
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const struct irq_handler *h = buckets[i]; h; h = h->next)
            if (h->irq != UINT32_MAX)
                out_printf(out, "%-6u %-11s %12llu  %s\n", h->irq, triggers[h->trigger],
                           (unsigned long long)h->count, h->name);
}

void irq_report_json(struct json *j)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (const struct irq_handler *h = buckets[i]; h; h = h->next) {
            if (h->irq == UINT32_MAX)
                continue;
            json_begin(j, "irq");
            json_number(j, "line", h->irq);
            json_string(j, "trigger", triggers[h->trigger]);
            json_number(j, "count", h->count);
            json_string(j, "handler", h->name);
            json_string(j, "controller", host_irq_name());
            json_end(j);
        }
    }
}
