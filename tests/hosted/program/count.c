/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * --icount: time is the number of instructions that the guest has done, a nanosecond each, and what
 * was slept. One CPU runs everything, its timer is a limit of that number: two runs are alike.
 */
#include <stdio.h>
#include <string.h>
#include "dbt/guest.h"
#include "dbt/knobs.h"
#include "kernel/cpu.h"
#include "kernel/state.h"
#include "kernel/thread.h"
#include "kernel/vm.h"
#include "program.h"

#define STATE_PER_MEMORY 64 /* hashes of state for one of memory, too */

struct program_count program_count;

static struct vm *guest;
static uint64_t slept, done, lost; /* ns; instructions: last seen, and of vCPUs that are gone */
static uint64_t next_hash, hashes;

static uint64_t instructions(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; guest && guest->vcpus && i < guest->vcpu_count; i++)
        if (guest->vcpus[i] && dbt_vcpu(guest->vcpus[i]))
            sum += dbt_vcpu(guest->vcpus[i])->frame->count;
    if (sum < done)
        lost += done; /* the guest was started anew */
    done = sum;
    return lost + sum;
}

uint64_t program_count_now(void)
{
    return NS_PER_SEC + slept + instructions();
}

void program_count_sleep(uint64_t until)
{
    uint64_t now = program_count_now();

    slept += until > now ? until - now : 0;
}

static void set_limit(struct dbt_vcpu *d)
{
    uint64_t now = program_count_now(), next = hosted_cpu->host.timer_deadline;
    uint64_t left = !next ? UINT32_MAX : next > now ? next - now : 0;

    if (program_count.hash_every)
        left = MIN(left, next_hash - instructions());
    d->frame->limit = d->frame->count + left;
}

void program_count_timer(void)
{
    struct vcpu *v = thread_current() ? vcpu_current() : NULL;

    if (v && dbt_vcpu(v))
        set_limit(dbt_vcpu(v));
}

/* ---- Hashes ---- */

static uint64_t mix(uint64_t h, const void *data, size_t size)
{
    const uint64_t *words = data;

    for (size_t i = 0; i < size / sizeof(*words); i++) {
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15ULL;
        h ^= h >> 32;
    }
    return h;
}

static uint64_t mix_memory(uint64_t h)
{
    uint64_t page[4096 / sizeof(uint64_t)];

    for (uint64_t gpa = 0; gpa < guest_memory_limit(guest->memory); gpa += sizeof(page))
        if (guest_copy_from(guest->memory, GPA(gpa), page, sizeof(page)) == ERR_OK)
            h = mix(h, page, sizeof(page));
    return h;
}

/* Of a vCPU's state what would be saved: the rest may differ between two processes. */
static void mix_state(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    static _Alignas(uint64_t) uint8_t record[1 << 16];
    struct state_writer w = {.data = record, .size = sizeof(record)};
    uint64_t *h = arg;

    if (instance >= guest->vcpu_count || object != guest->vcpus[instance]->state)
        return;
    memset(record, 0, sizeof(record));
    state_save(&w, table, instance, object);
    *h = mix(*h, record, ALIGN_UP(MIN(w.used, sizeof(record)), sizeof(uint64_t)));
}

static void print_hash(void)
{
    bool memory = ++hashes % STATE_PER_MEMORY == 0;
    uint64_t h = slept;

    guest->isa->state_each(guest, mix_state, &h);
    if (memory)
        h = mix_memory(h);
    fprintf(stderr, "state at %llu: %016llx%s\n", (unsigned long long)instructions(),
            (unsigned long long)h, memory ? " with memory" : "");
}

/* ---- At a limit ---- */

static void counted(struct dbt_vcpu *d)
{
    uint64_t deadline = hosted_cpu->host.timer_deadline;

    guest = d->vcpu->vm;
    if (program_count.hash_every && instructions() >= next_hash) {
        if (next_hash)
            print_hash();
        next_hash = instructions() + program_count.hash_every;
    }
    if (deadline && deadline <= program_count_now())
        __atomic_store_n(&hosted_cpu->host.news, 1, __ATOMIC_SEQ_CST);
    set_limit(d);
}

void program_count_start(uint64_t hash_every)
{
    program_count = (struct program_count){.on = true, .hash_every = hash_every};
    dbt_knobs.count = true;
    dbt_knobs.counted = counted;
}
