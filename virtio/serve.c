/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Who serves a queue. A notification is served where it arrives, in the vCPU's exit, or a little
 * later by the same vCPU, to find more requests. Nobody waits
 * for a queue that somebody else serves: `kicked` asks the owner for one more round. The asker sets
 * it and tries the lock again, the owner lets the lock go and looks at it; so one of the two goes
 * on. A guest that finds new work for the same exit again and again gets its vCPU back after a
 * while: a worker thread takes over. Devices that block have workers only.
 */
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/vcpu.h"
#include "virtio/device.h"

/* Chains for one exit: as many as the ring holds, twice. */
#define BUDGET_ROUNDS 2u

/* Of q->worker_state. */
#define WORKER_KICK 1u
#define WORKER_STOP 2u
#define WORKER_DONE 4u

static bool in_service(const struct virtq *q)
{
    return __atomic_load_n(&q->device->live, __ATOMIC_SEQ_CST) && q->enabled;
}

enum result { SERVED, STALLED, BUSY };

/* Takes chains until there are none, the device wants no more, or the budget is used up. */
static enum result serve_batch(struct virtq *q, unsigned *budget)
{
    struct virtio_device *d = q->device;
    struct virtq_position before = q->at;

    while (*budget && virtq_pop(q, &q->chain)) {
        if (!d->ops->request(d, q, &q->chain)) {
            virtq_rewind(q, &before);
            return STALLED;
        }
        virtq_push(q, &q->chain);
        before = q->at;
        --*budget;
    }
    return *budget ? SERVED : BUSY;
}

/* Rings the driver broke are left alone: what was done before is still given back. */
static enum result serve(struct virtq *q)
{
    struct virtio_device *d = q->device;
    unsigned budget = BUDGET_ROUNDS * q->size;
    enum result result = SERVED;

    while (result == SERVED && in_service(q)) {
        virtq_set_notify(q, false);
        result = serve_batch(q, &budget);
        if (d->ops->batch_end)
            d->ops->batch_end(d, q);
        virtq_flush(q);
        if (result == SERVED) {
            virtq_set_notify(q, true);
            if (!virtq_has_chains(q))
                break;
        }
    }
    return result;
}

/* ---- Workers ---- */

static void worker_main(void *arg)
{
    struct virtq *q = arg;
    struct vm *vm = q->device->vm;
    uint32_t state;

    while (!((state = __atomic_load_n(&q->worker_state, __ATOMIC_SEQ_CST)) & WORKER_STOP)) {
        if (!(state & WORKER_KICK)) {
            thread_sleep_until(UINT64_MAX);
            continue;
        }
        __atomic_fetch_and(&q->worker_state, ~WORKER_KICK, __ATOMIC_SEQ_CST);
        mutex_lock(&q->lock);
        if (serve(q) == BUSY)
            __atomic_fetch_or(&q->worker_state, WORKER_KICK, __ATOMIC_SEQ_CST);
        mutex_unlock(&q->lock);
        thread_resched();
    }
    __atomic_fetch_or(&q->worker_state, WORKER_DONE, __ATOMIC_SEQ_CST);
    wake_all(&vm->changed);
}

/* Has the queue's worker look at it, making one if need be: under the queue's lock. */
static bool worker_kick(struct virtq *q)
{
    char name[THREAD_NAME_SIZE];
    struct out_buffer text;

    __atomic_fetch_or(&q->worker_state, WORKER_KICK, __ATOMIC_SEQ_CST);
    if (q->worker) {
        thread_wake(q->worker);
        return true;
    }
    out_buffer_init(&text, name, sizeof(name));
    out_printf(&text.out, "%s %s %u", q->device->vm->name, q->device->ops->name, q->index);
    return thread_create(&q->worker, name, worker_main, q, THREAD_WEIGHT, -1) == ERR_OK;
}

void virtio_queue_stop_worker(struct virtq *q)
{
    struct vm *vm = q->device->vm; /* lives longer than the queue */

    if (!q->worker)
        return;
    __atomic_fetch_or(&q->worker_state, WORKER_STOP, __ATOMIC_SEQ_CST);
    thread_wake(q->worker);
    wait_event(&vm->changed, __atomic_load_n(&q->worker_state, __ATOMIC_SEQ_CST) & WORKER_DONE);
    q->worker = NULL;
    q->worker_state = 0;
}

/* ---- Kicks ---- */

/* Takes the lock, or leaves a note for its owner. */
static bool take_or_note(struct virtq *q)
{
    if (mutex_trylock(&q->lock))
        return true;
    __atomic_store_n(&q->kicked, 1, __ATOMIC_SEQ_CST);
    return mutex_trylock(&q->lock);
}

/* Serves the queue, whose lock is held; where that would take long, has its worker do it. */
static void serve_or_hand_over(struct virtq *q)
{
    if (q->device->ops->blocks && in_service(q) && worker_kick(q))
        return;
    while (serve(q) == BUSY)
        if (worker_kick(q))
            return;
}

void virtio_queue_kick(struct virtio_device *d, unsigned index)
{
    struct virtq *q = &d->queues[index];

    if (q->passive || !d->ops->request)
        return;
    while (take_or_note(q)) {
        __atomic_store_n(&q->kicked, 0, __ATOMIC_SEQ_CST);
        serve_or_hand_over(q);
        mutex_unlock(&q->lock);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (likely(!READ_ONCE(q->kicked)))
            return;
    }
}

/* ---- Putting off: one exit for several requests ---- */

/*
 * A driver that sends one request often sends another soon. So its vCPU goes back to it, and the
 * queue, which wants no further notification meanwhile, is served before the vCPU sleeps, or after
 * DELAY_NS. Where only one request was found then, as from a program that waits for each, the next
 * notifications are served at once: twice as many each time. Where as many came as a vCPU sends
 * that does little else, the next ones may wait twice as long: such a guest does not wait for the
 * device, and each batch costs it a notification, an interrupt and what that takes.
 */
#define DELAY_NS   (100 * NS_PER_US)
#define DENSE      4u /* requests in DELAY_NS */
#define LONGER_MAX 2u /* doublings */
#define ALONE_MAX  10u

/* What the queue learns of its driver from the requests that were found together. */
static void learn(struct virtq *q, uint64_t found)
{
    uint32_t longer = READ_ONCE(q->longer);

    if (found > 1)
        q->alone = 0;
    else if (q->alone < ALONE_MAX)
        q->alone++;
    q->at_once = (1u << q->alone) - 1;
    if (found >= DENSE << longer)
        WRITE_ONCE(q->longer, MIN(longer + 1, LONGER_MAX));
    else if (longer)
        WRITE_ONCE(q->longer, longer - 1);
}

static void serve_put_off(void *arg)
{
    struct virtq *q = arg;
    uint64_t before = READ_ONCE(q->requests);

    virtio_queue_kick(q->device, q->index);
    learn(q, READ_ONCE(q->requests) - before);
}

/* False: it is to be served now. */
static bool put_off(struct virtq *q)
{
    struct vcpu *v = vcpu_current();

    if (!v || !q->device->ops->batches || q->passive || !in_service(q))
        return false;
    if (q->at_once) {
        q->at_once--;
        return false;
    }
    if (!mutex_trylock(&q->lock))
        return false;
    if (in_service(q))
        virtq_set_notify(q, false);
    mutex_unlock(&q->lock);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* as in virtio_queue_kick() */
    return !READ_ONCE(q->kicked) &&
           vcpu_do_later(v, serve_put_off, q, DELAY_NS << READ_ONCE(q->longer));
}

void virtio_queue_notify(struct virtio_device *d, unsigned index)
{
    if (index >= d->queue_count)
        return;
    d->queues[index].notifications++;
    if (!put_off(&d->queues[index]))
        virtio_queue_kick(d, index);
}

bool virtio_queue_begin(struct virtq *q)
{
    mutex_lock(&q->lock);
    if (in_service(q))
        return true;
    mutex_unlock(&q->lock);
    return false;
}

void virtio_queue_end(struct virtq *q)
{
    mutex_unlock(&q->lock);
}
