/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The slow ways to memory (dbt/frame.h): accesses that the TLB does not know, devices, accesses
 * across pages, watchpoints, and what --check notes instead of doing it. */
#include "dbt/check.h"
#include "dbt/table.h"
#include "dbt/tlb.h"

#include <string.h>

#define OFFSET_OF(a) ((a) & (IR_PAGE_SIZE - 1))

/* ---- A debugger's watchpoints ---- */

static bool watches(const struct debug_point *p, uint64_t va, unsigned size,
                    enum debug_point_kind k)
{
    return (p->kind == k || p->kind == POINT_ACCESS) && va < p->address + p->size &&
           p->address < va + size;
}

/* False: the guest's own debugger watches it, and the access faults. */
static NOINLINE bool note_access(struct dbt_vcpu *d, uint64_t va, unsigned size,
                                 enum debug_point_kind kind)
{
    const struct debug_point *points;
    unsigned count = dbt_points(d, &points);

    for (unsigned i = 0; i < count && !d->point_hit; i++) {
        if (!watches(&points[i], va, size, kind) || (d->self_debugs && !(d->own_active >> i & 1)))
            continue;
        d->point_address = MAX(va, points[i].address);
        if (d->self_debugs) {
            d->frame->fault =
                (struct dbt_fault){.address = d->point_address,
                                   .access = kind == POINT_WRITE ? DBT_WRITE : DBT_READ,
                                   .watched = true};
            return false;
        }
        d->point_hit = i + 1;
    }
    return true;
}

/* ---- Accesses ---- */

static uint64_t read_host(const char *from, unsigned size)
{
    uint64_t v = 0;

    if (!IS_ALIGNED((uintptr_t)from, size)) {
        memcpy(&v, from, size);
        return v;
    }
    switch (size) {
    case 1:
        return READ_ONCE(*(const uint8_t *)from);
    case 2:
        return READ_ONCE(*(const uint16_t *)from);
    case 4:
        return READ_ONCE(*(const uint32_t *)from);
    default:
        return READ_ONCE(*(const uint64_t *)from);
    }
}

static void write_host(char *to, unsigned size, uint64_t v)
{
    if (!IS_ALIGNED((uintptr_t)to, size)) {
        memcpy(to, &v, size);
        return;
    }
    switch (size) {
    case 1:
        WRITE_ONCE(*(uint8_t *)to, (uint8_t)v);
        break;
    case 2:
        WRITE_ONCE(*(uint16_t *)to, (uint16_t)v);
        break;
    case 4:
        WRITE_ONCE(*(uint32_t *)to, (uint32_t)v);
        break;
    default:
        WRITE_ONCE(*(uint64_t *)to, v);
        break;
    }
}

/* What a device did may concern interrupts: the vCPU looks at the next safe point. */
static void device_done(struct dbt_vcpu *d)
{
    d->counters.device_accesses++;
    if (d->vcpu->irq_news)
        __atomic_store_n(&d->frame->poll, 1, __ATOMIC_RELAXED);
}

static uint64_t read_place(struct dbt_vcpu *d, const struct dbt_place *p, unsigned size)
{
    uint64_t v;

    if (likely(p->host))
        return read_host(p->host, size);
    if (unlikely(d->check)) {
        dbt_check_device(d);
        return 0;
    }
    v = bus_read(&d->vcpu->vm->mmio, d->vcpu, p->gpa, size);
    device_done(d);
    return v;
}

/* With --check: is it noted instead? */
static bool note_write(struct dbt_vcpu *d, const struct dbt_place *p, uint64_t va, unsigned size,
                       enum dbt_access access, uint64_t v)
{
    if (likely(!d->check))
        return false;
    if (p->host)
        dbt_check_write(d, va, size, access == DBT_USER_WRITE, v);
    else
        dbt_check_device(d);
    return true;
}

static void write_place(struct dbt_vcpu *d, const struct dbt_place *p, unsigned size, uint64_t v)
{
    if (!p->host) {
        bus_write(&d->vcpu->vm->mmio, d->vcpu, p->gpa, size, v);
        device_done(d);
        return;
    }
    write_host(p->host, size, v);
    if (p->code)
        dbt_table_written(d->table, d, p->gpa, size);
}

/* Bytes of the access that lie on its first page. */
static unsigned first_part(uint64_t va, unsigned size)
{
    return (unsigned)MIN((uint64_t)size, IR_PAGE_SIZE - OFFSET_OF(va));
}

/* Both pages are looked up before either is touched. */
static bool resolve_two(struct dbt_vcpu *d, uint64_t va, unsigned first, enum dbt_access access,
                        struct dbt_place p[2])
{
    uint64_t forgets;

    do {
        forgets = d->forgets;
        if (!dbt_tlb_resolve(d, va, access, &p[0]) ||
            !dbt_tlb_resolve(d, va + first, access, &p[1]))
            return false;
    } while (forgets != d->forgets);
    return true;
}

/* Byte `i` of an access whose first `first` bytes lie at p[0], the others at p[1]. */
static struct dbt_place byte_of(const struct dbt_place p[2], unsigned first, unsigned i)
{
    struct dbt_place at = p[i >= first];
    unsigned offset = i >= first ? i - first : i;

    at.gpa += offset;
    at.host += at.host ? offset : 0;
    return at;
}

static uint64_t mask_of(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static inline bool read_memory(struct dbt_frame *f, uint64_t va, unsigned size,
                               enum dbt_access access, uint64_t *value)
{
    unsigned first = first_part(va, size);
    struct dbt_vcpu *d = f->vcpu;
    struct dbt_place p[2];

    if (likely(first == size)) {
        if (!dbt_tlb_resolve(d, va, access, p))
            return false;
        if (unlikely(d->watching) && !note_access(d, va, size, POINT_READ))
            return false;
        *value = read_place(d, p, size);
        if (unlikely(d->check))
            *value = dbt_check_read(d, va, size, *value);
        return true;
    }
    if (!resolve_two(d, va, first, access, p))
        return false;
    if (unlikely(d->watching) && !note_access(d, va, size, POINT_READ))
        return false;
    *value = 0;
    for (unsigned i = 0; i < size; i++) {
        struct dbt_place at = byte_of(p, first, i);

        *value |= (read_place(d, &at, 1) & mask_of(1)) << (8 * i);
    }
    if (unlikely(d->check))
        *value = dbt_check_read(d, va, size, *value);
    return true;
}

static inline bool write_memory(struct dbt_frame *f, uint64_t va, unsigned size,
                                enum dbt_access access, uint64_t value)
{
    unsigned first = first_part(va, size);
    struct dbt_vcpu *d = f->vcpu;
    struct dbt_place p[2];

    if (likely(first == size)) {
        if (!dbt_tlb_resolve(d, va, access, p))
            return false;
        if (unlikely(d->watching) && !note_access(d, va, size, POINT_WRITE))
            return false;
        if (!note_write(d, p, va, size, access, value))
            write_place(d, p, size, value);
        return true;
    }
    if (!resolve_two(d, va, first, access, p))
        return false;
    if (unlikely(d->watching) && !note_access(d, va, size, POINT_WRITE))
        return false;
    if (note_write(d, p, va, size, access, value))
        return true;
    for (unsigned i = 0; i < size; i++) {
        struct dbt_place at = byte_of(p, first, i);

        write_place(d, &at, 1, value >> (8 * i) & mask_of(1));
    }
    return true;
}

bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    return read_memory(f, va, size, DBT_READ, value);
}

bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value)
{
    return write_memory(f, va, size, DBT_WRITE, value);
}

bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value)
{
    return write ? write_memory(f, va, size, DBT_USER_WRITE, *value)
                 : read_memory(f, va, size, DBT_USER_READ, value);
}

void *dbt_memory_atomic(struct dbt_frame *f, uint64_t va, unsigned size, bool *mmio)
{
    struct dbt_vcpu *d = f->vcpu;
    struct dbt_place p;

    *mmio = false;
    if (!IS_ALIGNED(va, size)) {
        f->fault = (struct dbt_fault){.address = va, .access = DBT_WRITE, .misaligned = true};
        return NULL;
    }
    if (!dbt_tlb_resolve(d, va, DBT_WRITE, &p))
        return NULL;
    if (unlikely(d->watching) &&
        (!note_access(d, va, size, POINT_WRITE) || !note_access(d, va, size, POINT_READ)))
        return NULL;
    *mmio = !p.host;
    if (unlikely(d->check && p.host))
        return dbt_check_atomic(d, va, size, read_host(p.host, size));
    if (p.code) { /* now, for this vCPU, and once it is done, for the others */
        dbt_table_written(d->table, d, p.gpa, size);
        d->late_write = p.gpa;
        __atomic_store_n(&f->poll, 1, __ATOMIC_RELAXED);
    }
    return p.host;
}

bool dbt_memory_probe(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    unsigned first = first_part(va, size);
    struct dbt_place p[2];

    return first == size ? dbt_tlb_resolve(f->vcpu, va, access, p)
                         : resolve_two(f->vcpu, va, first, access, p);
}
