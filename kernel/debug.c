/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Debugging of guests, below any protocol: see kernel/debug.h. */
#include "kernel/debug.h"

#include <string.h>
#include "kernel/vcpu.h"
#include "mm/heap.h"

LOCK_CLASS(event_lock_class, "debug event", RANK_DEBUG_EVENT);

/* ---- Events ---- */

/* The first one counts: the others come again when the debugger lets their vCPUs go on. */
static void raise_event(struct vm *vm, const struct debug_event *event)
{
    struct vm_debug *d = vm->debug;
    uint64_t flags = spin_lock_irq(&d->lock);

    if (!d->event.there)
        d->event = *event;
    d->event.there = true;
    spin_unlock_irq(&d->lock, flags);
    if (READ_ONCE(d->attached))
        d->notify(d->arg);
}

bool debug_take_event(struct vm *vm, struct debug_event *event)
{
    struct vm_debug *d = vm->debug;
    uint64_t flags = spin_lock_irq(&d->lock);

    *event = d->event;
    d->event.there = false;
    spin_unlock_irq(&d->lock, flags);
    return event->there;
}

/* On the vCPU's thread: it waits at the next look at its requests. */
static void stop_here(struct vcpu *v, struct debug_event event)
{
    event.vcpu = v->id;
    v->debug.hold = true;
    __atomic_fetch_and(&v->requests, ~(uint32_t)VCPU_REQUEST_STEP, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&v->requests, VCPU_REQUEST_PAUSE, __ATOMIC_SEQ_CST);
    raise_event(v->vm, &event);
}

/* ---- Coming and going ---- */

enum err debug_make(struct vm *vm)
{
    if (vm->debug)
        return ERR_OK;
    vm->debug = heap_zalloc(sizeof(*vm->debug));
    if (!vm->debug)
        return ERR_NO_MEMORY;
    spin_init(&vm->debug->lock, &event_lock_class);
    return ERR_OK;
}

static enum err take(struct vm *vm, void (*notify)(void *arg), void *arg)
{
    enum err e;

    if (vm->state != VM_RUNNING && vm->state != VM_PAUSED)
        return ERR_STATE;
    if (!vm->isa->debug)
        return ERR_UNSUPPORTED;
    e = debug_make(vm);
    if (e != ERR_OK)
        return e;
    if (vm->debug->attached)
        return ERR_BUSY;
    vm->debug->notify = notify;
    vm->debug->arg = arg;
    WRITE_ONCE(vm->debug->attached, true);
    return ERR_OK;
}

enum err debug_attach(struct vm *vm, void (*notify)(void *arg), void *arg)
{
    enum err e;

    mutex_lock(&vm->lock);
    e = take(vm, notify, arg);
    mutex_unlock(&vm->lock);
    if (e == ERR_OK)
        e = debug_hold(vm);
    if (e == ERR_STATE && vm->debug)
        WRITE_ONCE(vm->debug->attached, false);
    return e;
}

static void forget_points(struct vm *vm)
{
    struct vm_debug *d = vm->debug;

    while (d->patch_count) {
        const struct debug_patch *p = &d->patches[d->patch_count - 1];

        if (debug_patch_remove(vm, p->va, p->kind) != ERR_OK)
            d->patch_count--;
    }
    d->point_count = 0;
    d->generation++;
}

void debug_detach(struct vm *vm)
{
    uint8_t how[CONFIG_VCPUS_MAX];

    memset(how, DEBUG_CONTINUE, sizeof(how));
    mutex_lock(&vm->lock);
    if (debug_is_held(vm))
        forget_points(vm);
    WRITE_ONCE(vm->debug->attached, false);
    vm->debug->event.there = false;
    mutex_unlock(&vm->lock);
    if (debug_go(vm, how) != ERR_OK)
        return; /* it has ended */
}

void debug_wait_for(struct vm *vm)
{
    vm->vcpus[0]->debug.hold = true;
    __atomic_fetch_or(&vm->vcpus[0]->requests, VCPU_REQUEST_PAUSE, __ATOMIC_SEQ_CST);
    log_info("%s: waits for a debugger to let it begin", vm->name);
}

void debug_vm_ended(struct vm *vm)
{
    struct vm_debug *d = vm->debug;

    if (!d)
        return;
    d->patch_count = 0;
    if (READ_ONCE(d->attached))
        d->notify(d->arg);
}

/* ---- Holding and going on ---- */

bool debug_is_held(const struct vm *vm)
{
    return vm->state == VM_PAUSED && (vm->paused_by & VM_PAUSE_DEBUGGER);
}

enum err debug_hold(struct vm *vm)
{
    enum err e = vm_pause_by(vm, VM_PAUSE_DEBUGGER);

    if (e != ERR_OK)
        return e;
    mutex_lock(&vm->lock);
    for (unsigned i = 0; debug_is_held(vm) && i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        /* A step that did not come to its end. */
        __atomic_fetch_and(&v->requests, ~(uint32_t)VCPU_REQUEST_STEP, __ATOMIC_SEQ_CST);
        if (v->debug.began && vm->isa->debug->step_end)
            vm->isa->debug->step_end(v);
        v->debug.began = false;
    }
    mutex_unlock(&vm->lock);
    return ERR_OK;
}

bool debug_has_engine(const struct vm *vm)
{
    return vm->engine->debug_points != NULL;
}

static void let_go(struct vcpu *v, enum debug_resume how)
{
    v->debug.hold = how == DEBUG_STAY;
    v->debug.stepped = false;
    if (how == DEBUG_STEP)
        __atomic_fetch_or(&v->requests, VCPU_REQUEST_STEP, __ATOMIC_SEQ_CST);
}

enum err debug_go(struct vm *vm, const uint8_t *how)
{
    mutex_lock(&vm->lock);
    for (unsigned i = 0; debug_is_held(vm) && i < vm->vcpu_count; i++)
        let_go(vm->vcpus[i], (enum debug_resume)how[i]);
    mutex_unlock(&vm->lock);
    return vm_resume_by(vm, VM_PAUSE_DEBUGGER, (enum guest_time)vm->config->time);
}

/* ---- Steps and exits, on the vCPU's thread ---- */

static void step_over(struct vcpu *v)
{
    if (v->debug.began && v->vm->isa->debug->step_end)
        v->vm->isa->debug->step_end(v);
    v->debug.began = false;
    v->irq_news = true;
    stop_here(v, (struct debug_event){.reason = DEBUG_STEPPED});
}

bool debug_step_before_entry(struct vcpu *v)
{
    const struct guest_isa *isa = v->vm->isa;

    if (v->debug.stepped || (v->debug.began && isa->pc(v) != v->debug.pc)) {
        step_over(v);
        return true;
    }
    if (v->debug.began && isa->debug->step_end)
        isa->debug->step_end(v);
    v->debug.pc = isa->pc(v);
    v->debug.began = true;
    v->irq_news = false;
    if (!isa->debug->step_begin || !isa->debug->step_begin(v))
        return false;
    step_over(v);
    return true;
}

static const struct debug_patch *patch_at(const struct vm *vm, uint64_t gpa)
{
    const struct vm_debug *d = vm->debug;

    for (unsigned i = 0; d && i < d->patch_count; i++)
        if (d->patches[i].gpa == gpa)
            return &d->patches[i];
    return NULL;
}

static bool is_patched(struct vcpu *v)
{
    gpa_t gpa;

    return debug_has_patches(v->vm) && v->vm->isa->debug->translate(v, v->vm->isa->pc(v), &gpa) &&
           patch_at(v->vm, gpa.v);
}

static void point_hit(struct vcpu *v, const struct vm_exit *exit)
{
    struct debug_event event = {.reason = DEBUG_POINT};

    if (exit->debug.point >= v->vm->debug->point_count)
        return; /* it was removed meanwhile */
    event.point = v->vm->debug->points[exit->debug.point];
    if (event.point.kind != POINT_BREAK)
        event.point.address = exit->debug.address;
    stop_here(v, event);
}

void debug_exit(struct vcpu *v, const struct vm_exit *exit)
{
    switch (exit->debug.what) {
    case EXIT_DEBUG_STEP:
        v->debug.stepped = true;
        if (v->vm->isa->debug->stepped)
            v->vm->isa->debug->stepped(v);
        break;
    case EXIT_DEBUG_BREAKPOINT:
        if (is_patched(v))
            stop_here(v, (struct debug_event){.reason = DEBUG_BREAKPOINT});
        else
            v->vm->isa->debug->reflect(v, exit);
        break;
    case EXIT_DEBUG_POINT:
        point_hit(v, exit);
        break;
    }
}

bool debug_crashed(struct vcpu *v)
{
    struct vm *vm = v->vm;
    bool attached = vm->debug && READ_ONCE(vm->debug->attached);

    if (!vm->isa->debug || (!attached && vm->config->on_crash != CONFIG_CRASH_DEBUG))
        return false;
    if (!vm->debug && debug_make(vm) != ERR_OK)
        return false;
    if (!attached)
        log_guest(vm, LOG_WARN, "it is held for a debugger: \"gdb %s\" serves one on this console",
                  vm->name);
    stop_here(v, (struct debug_event){.reason = DEBUG_CRASHED});
    return true;
}

/* ---- Points ---- */

bool debug_has_patches(const struct vm *vm)
{
    return vm->debug && vm->debug->patch_count;
}

unsigned debug_points(const struct vm *vm, const struct debug_point **points)
{
    if (!vm->debug)
        return 0;
    *points = vm->debug->points;
    return vm->debug->point_count;
}

static struct debug_patch *patch_find(struct vm *vm, uint64_t va, unsigned kind)
{
    struct vm_debug *d = vm->debug;

    for (unsigned i = 0; i < d->patch_count; i++)
        if (d->patches[i].va == va && d->patches[i].kind == kind)
            return &d->patches[i];
    return NULL;
}

/* To a page of the guest, which fetches it from then on. */
static enum err write_code(struct vm *vm, gpa_t gpa, const void *code, size_t size)
{
    enum err e = guest_copy_to(vm->memory, gpa, code, size);
    void *span;

    if (e == ERR_OK)
        e = guest_pin(vm->memory, gpa, size, &span);
    if (e != ERR_OK)
        return e;
    host_code_sync(span, size);
    guest_unpin_unwritten(vm->memory, gpa, size);
    return ERR_OK;
}

enum err debug_patch_add(struct vcpu *v, uint64_t va, unsigned kind)
{
    struct vm *vm = v->vm;
    struct vm_debug *d = vm->debug;
    struct debug_patch p = {.va = va, .kind = kind};
    gpa_t gpa;

    if (patch_find(vm, va, kind))
        return ERR_OK;
    if (!debug_has_engine(vm))
        return ERR_UNSUPPORTED;
    if (d->patch_count == DEBUG_PATCHES)
        return ERR_EXISTS;
    p.size = vm->isa->debug->breakpoint(kind, p.code);
    if (!p.size)
        return ERR_UNSUPPORTED;
    if ((va & PAGE_MASK) + p.size > PAGE_SIZE || !vm->isa->debug->translate(v, va, &gpa))
        return ERR_NOT_FOUND;
    p.gpa = gpa.v;
    if (guest_copy_from(vm->memory, gpa, p.saved, p.size) != ERR_OK ||
        write_code(vm, gpa, p.code, p.size) != ERR_OK)
        return ERR_NOT_FOUND;
    d->patches[d->patch_count++] = p;
    return ERR_OK;
}

/* What the guest wrote over it meanwhile stays. */
static enum err patch_undo(struct vm *vm, const struct debug_patch *p)
{
    uint8_t now[DEBUG_CODE_MAX];
    enum err e = guest_copy_from(vm->memory, GPA(p->gpa), now, p->size);

    if (e != ERR_OK || memcmp(now, p->code, p->size) != 0)
        return e;
    return write_code(vm, GPA(p->gpa), p->saved, p->size);
}

enum err debug_patch_remove(struct vm *vm, uint64_t va, unsigned kind)
{
    struct debug_patch *p = patch_find(vm, va, kind);
    enum err e;

    if (!p)
        return ERR_OK;
    e = patch_undo(vm, p);
    *p = vm->debug->patches[--vm->debug->patch_count];
    return e;
}

static bool same_point(const struct debug_point *a, const struct debug_point *b)
{
    return a->kind == b->kind && a->address == b->address && a->size == b->size;
}

/* Is there room in the engine's registers for one more? */
static bool has_room(const struct vm *vm, enum debug_point_kind kind)
{
    const struct vm_debug *d = vm->debug;
    unsigned used = 0, most;
    bool shared = false;

    if (!vm->engine->debug_points)
        return false;
    most = vm->engine->debug_points(kind != POINT_BREAK, &shared);
    for (unsigned i = 0; i < d->point_count; i++)
        used += shared || (d->points[i].kind == POINT_BREAK) == (kind == POINT_BREAK);
    return used < most && d->point_count < DEBUG_POINTS;
}

enum err debug_point_add(struct vm *vm, const struct debug_point *point)
{
    struct vm_debug *d = vm->debug;
    bool power = point->size && !(point->size & (point->size - 1));

    for (unsigned i = 0; i < d->point_count; i++)
        if (same_point(&d->points[i], point))
            return ERR_OK;
    if (point->kind != POINT_BREAK &&
        (!power || point->size > sizeof(uint64_t) || !IS_ALIGNED(point->address, point->size)))
        return ERR_INVALID;
    if (!has_room(vm, point->kind))
        return ERR_UNSUPPORTED;
    d->points[d->point_count++] = *point;
    d->generation++;
    return ERR_OK;
}

enum err debug_point_remove(struct vm *vm, const struct debug_point *point)
{
    struct vm_debug *d = vm->debug;

    for (unsigned i = 0; i < d->point_count; i++)
        if (same_point(&d->points[i], point)) {
            d->points[i] = d->points[--d->point_count];
            d->generation++;
            return ERR_OK;
        }
    return ERR_OK;
}

/* ---- Memory ---- */

/* Copies the part of `p` that lies in [gpa, gpa + size) to or from `bytes`, which are of there. */
static void overlap(const struct debug_patch *p, uint64_t gpa, size_t size, uint8_t *to_bytes,
                    uint8_t *to_patch, const uint8_t *from_bytes)
{
    for (unsigned i = 0; i < p->size; i++) {
        uint64_t at = p->gpa + i - gpa;

        if (at >= size)
            continue;
        if (to_bytes)
            to_bytes[at] = p->saved[i];
        else
            to_patch[i] = from_bytes[at];
    }
}

static bool read_piece(struct vm *vm, uint64_t gpa, uint8_t *to, size_t size)
{
    const struct vm_debug *d = vm->debug;

    if (guest_copy_from(vm->memory, GPA(gpa), to, size) != ERR_OK)
        return false;
    for (unsigned i = 0; d && i < d->patch_count; i++)
        overlap(&d->patches[i], gpa, size, to, NULL, NULL);
    return true;
}

/* Patches in the piece keep their instruction in memory and what was written behind it. */
static bool write_piece(struct vm *vm, uint64_t gpa, const uint8_t *from, size_t size)
{
    struct vm_debug *d = vm->debug;

    if (write_code(vm, GPA(gpa), from, size) != ERR_OK)
        return false;
    for (unsigned i = 0; d && i < d->patch_count; i++) {
        struct debug_patch *p = &d->patches[i];

        if (p->gpa + p->size <= gpa || p->gpa >= gpa + size)
            continue;
        overlap(p, gpa, size, NULL, p->saved, from);
        if (write_code(vm, GPA(p->gpa), p->code, p->size) != ERR_OK)
            return false;
    }
    return true;
}

static size_t each_piece(struct vcpu *v, bool physical, uint64_t address, uint8_t *to,
                         const uint8_t *from, size_t size)
{
    size_t done = 0;

    while (done < size) {
        size_t part = MIN(size - done, PAGE_SIZE - ((address + done) & PAGE_MASK));
        gpa_t gpa = GPA(address + done);

        if (!physical && !v->vm->isa->debug->translate(v, address + done, &gpa))
            break;
        if (to ? !read_piece(v->vm, gpa.v, to + done, part)
               : !write_piece(v->vm, gpa.v, from + done, part))
            break;
        done += part;
    }
    return done;
}

size_t debug_memory_read(struct vcpu *v, bool physical, uint64_t address, void *to, size_t size)
{
    return each_piece(v, physical, address, to, NULL, size);
}

size_t debug_memory_write(struct vcpu *v, bool physical, uint64_t address, const void *from,
                          size_t size)
{
    return each_piece(v, physical, address, NULL, from, size);
}

/* ---- Registers ---- */

const struct debug_register *debug_register_of(const struct debug_isa *isa, unsigned number)
{
    for (unsigned i = 0; i < isa->feature_count; i++) {
        const struct debug_feature *f = &isa->features[i];

        if (number < f->count)
            return &f->registers[number];
        number -= f->count;
    }
    return NULL;
}

void debug_register_get(struct vcpu *v, const struct debug_register *r, uint8_t *bytes)
{
    memset(bytes, 0, r->bits / 8);
    if (r->size)
        memcpy(bytes, (const uint8_t *)v->state + r->at, MIN((size_t)r->size, r->bits / 8UL));
    else
        v->vm->isa->debug->get(v, r->at, bytes);
}

void debug_register_set(struct vcpu *v, const struct debug_register *r, const uint8_t *bytes)
{
    if (r->fixed)
        return;
    if (r->size)
        memcpy((uint8_t *)v->state + r->at, bytes, MIN((size_t)r->size, r->bits / 8UL));
    else
        v->vm->isa->debug->set(v, r->at, bytes);
    if (v->vm->isa->debug->changed)
        v->vm->isa->debug->changed(v);
}
