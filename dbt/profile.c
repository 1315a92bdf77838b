/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Counts of guest instructions (profile.h). */
#include "dbt/profile.h"

#include <string.h>
#include "dbt/tlb.h"
#include "mm/heap.h"

#define BUCKETS   BIT(17)
#define WORD_SIZE 4 /* bytes of an instruction that are told */

/* An instruction of a unit. */
struct place {
    uint16_t at; /* in the page */
    uint8_t length;
    bool calls;
    uint32_t word;
};

struct dbt_profile {
    uint64_t page; /* guest-physical */
    unsigned count;
    struct place place[];
};

/* An instruction of the guest; one that changed is another, and so is one that calls in one unit
 * and not in others. */
struct counted {
    struct counted *next;
    uint64_t gpa, executed;
    uint32_t word;
    uint8_t length;
    bool calls;
};

struct dbt_profile_sum {
    struct counted *bucket[BUCKETS];
    uint64_t executed;
};

/* Of what lies across pages only the bytes on the first one. */
static void fill(struct place *p, const struct ir_op *op, const uint8_t *page, bool calls)
{
    unsigned at = (unsigned)op->imm, length = MIN(op->attr, (unsigned)WORD_SIZE);

    *p = (struct place){.at = (uint16_t)at, .length = op->attr, .calls = calls};
    if (page)
        memcpy(&p->word, page + at, MIN(length, IR_PAGE_SIZE - at));
}

struct dbt_profile *dbt_profile_create(struct dbt_vcpu *d, const struct dbt_block *b,
                                       uint64_t calls)
{
    uint64_t page = ALIGN_DOWN(b->gpa, PAGE_SIZE);
    struct dbt_profile *p = heap_zalloc(sizeof(*p) + b->insns * sizeof(p->place[0]));

    if (!p)
        return NULL;
    p->page = page;
    for (unsigned i = 1; i < d->unit.op_count && p->count < b->insns; i++)
        if (d->unit.ops[i].code == IR_insn) {
            fill(&p->place[p->count], &d->unit.ops[i], dbt_tlb_ram(d, page),
                 calls >> (p->count & 63) & 1);
            p->count++;
        }
    return p;
}

static struct counted *counted_at(struct dbt_profile_sum *s, uint64_t gpa, const struct place *p)
{
    struct counted **bucket =
        &s->bucket[(gpa >> 1 ^ p->word) * 0x9e3779b97f4a7c15ULL >> 32 & (BUCKETS - 1)];
    struct counted *c = *bucket;

    while (c && (c->gpa != gpa || c->word != p->word || c->calls != p->calls))
        c = c->next;
    if (c)
        return c;
    c = heap_zalloc(sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct counted){
        .next = *bucket, .gpa = gpa, .word = p->word, .length = p->length, .calls = p->calls};
    *bucket = c;
    return c;
}

static void add(struct dbt_profile_sum *s, const struct dbt_profile *p, unsigned i,
                uint64_t executed)
{
    struct counted *c = counted_at(s, p->page + p->place[i].at, &p->place[i]);

    s->executed += executed;
    if (c)
        c->executed += executed;
}

static void add_all(struct dbt_profile_sum **sum, const struct dbt_profile *p,
                    const struct dbt_code *code)
{
    uint64_t executed = 0;
    unsigned link = 0;

    if (!*sum)
        *sum = heap_zalloc(sizeof(**sum));
    if (!*sum)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        while (link < code->link_count && (code->links[link].linked != DBT_LINK_COUNT ||
                                           (unsigned)code->links[link].target <= i)) {
            if (code->links[link].linked == DBT_LINK_COUNT)
                executed = (uintptr_t)__atomic_load_n(&code->links[link].code, __ATOMIC_RELAXED);
            link++;
        }
        if (executed)
            add(*sum, p, i, executed);
    }
}

void dbt_profile_end(struct dbt_profile_sum **sum, struct dbt_profile *p,
                     const struct dbt_code *code)
{
    if (p)
        add_all(sum, p, code);
    heap_free(p);
}

/* Into its place among the `count` that were executed most, of which there are at most `limit`;
 * how many there are then. */
static unsigned keep(const struct counted **most, unsigned count, unsigned limit,
                     const struct counted *c)
{
    unsigned at;

    if (count == limit && most[count - 1]->executed >= c->executed)
        return count;
    count += count < limit;
    for (at = count - 1; at && most[at - 1]->executed < c->executed; at--)
        most[at] = most[at - 1];
    most[at] = c;
    return count;
}

void dbt_profile_print(struct dbt_profile_sum *sum, struct out *out, unsigned limit)
{
    const struct counted **most = heap_zalloc_array(limit, sizeof(void *));
    unsigned count = 0;

    for (uint64_t i = 0; sum && most && i < BUCKETS; i++)
        for (const struct counted *c = sum->bucket[i]; c; c = c->next)
            count = keep(most, count, limit, c);
    if (sum)
        out_printf(out,
                   "profile: %llu instructions counted; of the most frequent ones: address, bits, "
                   "executions, and who does it\n",
                   (unsigned long long)sum->executed);
    for (unsigned i = 0; i < count; i++)
        out_printf(out, "  profile %llx %0*x %llu %s\n", (unsigned long long)most[i]->gpa,
                   2 * (int)MIN(most[i]->length, (uint8_t)WORD_SIZE), most[i]->word,
                   (unsigned long long)most[i]->executed, most[i]->calls ? "call" : "inline");
    heap_free(most);
}

void dbt_profile_destroy(struct dbt_profile_sum *sum)
{
    for (uint64_t i = 0; sum && i < BUCKETS; i++)
        for (struct counted *c = sum->bucket[i], *next; c; c = next) {
            next = c->next;
            heap_free(c);
        }
    heap_free(sum);
}
