/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A debugger's session: packets from the link while the guest is held; while it runs, an event of
 * the guest or Ctrl-C. And the thread behind a debug port, which begins a session when somebody
 * speaks.
 */
#include <string.h>
#include "kernel/gdb.h"
#include "kernel/log.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"

#define REASON_SIZE 120
#define LEAVE       0x1d /* Ctrl-], typed by a person */

static void notify(void *arg)
{
    gdb_link_wake(arg);
}

/* ---- Sending ---- */

static void send_reply(struct gdb_session *s)
{
    char tail[4], *text = s->out.text;
    uint8_t sum = 0;
    struct out_buffer b;

    for (size_t i = 0; i < s->out.length; i++)
        sum = (uint8_t)(sum + (uint8_t)text[i]);
    out_buffer_init(&b, tail, sizeof(tail));
    out_printf(&b.out, "#%02x", sum);
    s->link->write(s->link, "$", 1);
    s->link->write(s->link, text, s->out.length);
    s->link->write(s->link, tail, b.used);
}

static void send_text(struct gdb_session *s, const char *text)
{
    s->out.length = 0;
    gdb_reply_text(&s->out, text);
    send_reply(s);
}

/* ---- While the guest runs ---- */

static bool has_ended(const struct vm *vm)
{
    enum vm_state state = __atomic_load_n(&vm->state, __ATOMIC_SEQ_CST);

    return state != VM_RUNNING && state != VM_PAUSED;
}

static bool has_event(const struct vm *vm)
{
    return READ_ONCE(vm->debug->event.there);
}

/* The guest is gone: the debugger's process has exited. */
static void tell_end(struct gdb_session *s)
{
    s->ended = true;
    if (s->running)
        send_text(s, s->vm->failed ? "X06" : "W00");
}

static void tell_stop(struct gdb_session *s)
{
    mutex_lock(&s->vm->lock);
    s->out.length = 0;
    if (debug_is_held(s->vm))
        gdb_reply_stop(s);
    mutex_unlock(&s->vm->lock);
    s->running = false;
    send_reply(s);
}

/* Something stopped it, or is to. */
static void stop_guest(struct gdb_session *s)
{
    struct debug_event event;

    if (debug_hold(s->vm) != ERR_OK) {
        tell_end(s);
        return;
    }
    if (debug_take_event(s->vm, &event))
        s->last = event;
    else
        s->last = (struct debug_event){.vcpu = s->last.vcpu};
    tell_stop(s);
}

/* ---- Packets ---- */

static bool begins_anew(const char *packet)
{
    return strncmp(packet, "qSupported", strlen("qSupported")) == 0;
}

/* Answers the packet; true: the guest is to go on. */
static bool answer(struct gdb_session *s)
{
    bool go = false, held;

    mutex_lock(&s->vm->lock);
    held = debug_is_held(s->vm);
    if (held)
        go = gdb_command(s, s->in.text);
    mutex_unlock(&s->vm->lock);
    if (!held)
        tell_end(s);
    else if (!go)
        send_reply(s);
    return held && go;
}

static void take_packet(struct gdb_session *s)
{
    if (begins_anew(s->in.text))
        s->no_ack = s->physical = false; /* another debugger than before */
    if (!s->no_ack)
        s->link->write(s->link, "+", 1);
    if (s->running) /* it asks what it may not ask now: it lost an answer */
        stop_guest(s);
    if (s->ended || !answer(s))
        return;
    s->running = true;
    if (debug_go(s->vm, s->how) != ERR_OK)
        tell_end(s);
}

static void take_byte(struct gdb_session *s, uint8_t byte)
{
    if (byte == LEAVE && s->in.state == GDB_OUTSIDE)
        s->ended = true;
    switch (gdb_packet_feed(&s->in, byte)) {
    case GDB_PACKET:
        take_packet(s);
        break;
    case GDB_INTERRUPT:
        if (s->running)
            stop_guest(s);
        break;
    case GDB_BROKEN:
        if (!s->no_ack)
            s->link->write(s->link, "-", 1);
        break;
    case GDB_NAK:
        if (s->out.length && !s->running)
            send_reply(s);
        break;
    default:
        break;
    }
}

/* ---- The session ---- */

static void session(struct gdb_session *s)
{
    while (!s->ended && !READ_ONCE(s->link->closed)) {
        int byte;

        wait_event(&s->link->changed, gdb_link_has_input(s->link) || READ_ONCE(s->link->closed) ||
                                          has_ended(s->vm) || (s->running && has_event(s->vm)));
        if (s->running && has_event(s->vm)) {
            stop_guest(s);
        } else if (has_ended(s->vm)) {
            tell_end(s);
        } else {
            byte = gdb_link_get(s->link);
            if (byte >= 0)
                take_byte(s, (uint8_t)byte);
        }
    }
}

enum err gdb_serve(struct gdb_link *link, struct vm *vm, struct out *reason)
{
    struct gdb_session *s = heap_zalloc(sizeof(*s));
    enum err e = s ? debug_attach(vm, notify, link) : ERR_NO_MEMORY;

    if (e != ERR_OK) {
        out_printf(reason, "%s",
                   e == ERR_STATE         ? "it does not run"
                   : e == ERR_BUSY        ? "another debugger has it"
                   : e == ERR_UNSUPPORTED ? "guests of its architecture have no debugger's view yet"
                                          : err_text(e));
        heap_free(s);
        return e;
    }
    s->link = link;
    s->vm = vm;
    if (!debug_take_event(vm, &s->last))
        s->last = (struct debug_event){.there = true};
    log_info("%s: debugged over %s", vm->name, link->name);
    session(s);
    debug_detach(vm);
    log_info("%s: no longer debugged", vm->name);
    heap_free(s);
    return ERR_OK;
}

/* ---- Debug ports ---- */

/* It will run by itself: the manager has not come to it yet, or is at it. */
static bool is_coming(const struct vm *vm)
{
    return READ_ONCE(vm->state) == VM_STARTING ||
           (vm->config->autostart && READ_ONCE(vm->state) == VM_STOPPED && !vm->started_ns &&
            !vm->reason[0]);
}

static void find_guest(struct vm *vm, void *arg)
{
    struct vm **found = arg;

    if (!*found && vm->config->gdb != CONFIG_GDB_NO && (!has_ended(vm) || is_coming(vm)))
        *found = vm;
}

/* Nobody can be debugged: every packet is answered with the reason. */
static void refuse(struct gdb_link *link, const char *reason)
{
    struct gdb_session *s = heap_zalloc(sizeof(*s));
    int byte;

    while ((byte = gdb_link_get(link)) >= 0) {
        if (!s || gdb_packet_feed(&s->in, (uint8_t)byte) != GDB_PACKET)
            continue;
        s->link = link;
        s->out.length = 0;
        link->write(link, "+", 1);
        gdb_reply_printf(&s->out, "E.%s", reason);
        send_reply(s);
    }
    heap_free(s);
}

static void port_main(void *arg)
{
    struct gdb_link *link = arg;

    for (;;) {
        char text[REASON_SIZE];
        struct out_buffer reason;
        struct vm *vm = NULL;

        out_buffer_init(&reason, text, sizeof(text));
        wait_event(&link->changed, gdb_link_has_input(link));
        WRITE_ONCE(link->closed, false);
        vm_for_each(find_guest, &vm);
        if (!vm)
            out_printf(&reason.out, "no guest runs that has gdb = yes in ennead.ini");
        else
            wait_event(&vm->changed, !is_coming(vm));
        if (!vm || gdb_serve(link, vm, &reason.out) != ERR_OK)
            refuse(link, text);
    }
}

void gdb_port_start(struct gdb_link *link)
{
    struct thread *t;

    if (thread_create(&t, "gdb", port_main, link, THREAD_WEIGHT, -1) != ERR_OK)
        log_error("no memory for the thread of the debug port");
    else
        log_info("gdb: debuggers may connect to %s", link->name);
}
