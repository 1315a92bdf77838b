/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What a debugger is told of a guest: its registers (target description: GDB manual, appendix G)
 * and its vCPUs. */
#include <string.h>
#include "kernel/gdb.h"
#include "kernel/vcpu.h"

#define REGISTER_BYTES_MAX 64

/* ---- Documents, of which a piece is wanted ---- */

struct window {
    struct gdb_reply *reply;
    uint64_t at, from, to; /* bytes made so far; those that are wanted */
    bool more;
    struct out out;
};

static void window_write(struct out *out, const char *text, size_t length)
{
    struct window *w = container_of(out, struct window, out);
    uint64_t start = w->at, end = w->at += length;
    uint64_t from = MAX(start, w->from), to = MIN(end, w->to);

    if (from < to)
        gdb_reply_binary(w->reply, text + (from - start), to - from);
    w->more |= end > w->to;
}

/* A byte may take two in the packet, and a letter goes before. */
static void window_open(struct window *w, struct gdb_session *s, uint64_t offset, uint64_t length)
{
    uint64_t room = MIN(length, (uint64_t)GDB_PACKET_MAX / 2 - 8);

    *w = (struct window){.reply = &s->out,
                         .from = offset,
                         .to = offset > UINT64_MAX - room ? UINT64_MAX : offset + room,
                         .out = {.write = window_write}};
    gdb_reply_text(&s->out, "m");
}

static void window_close(struct window *w)
{
    if (!w->more)
        w->reply->text[0] = 'l';
}

/* ---- The target description ---- */

static void print_register(struct out *out, const struct debug_register *r)
{
    out_printf(out, "<reg name=\"%s\" bitsize=\"%u\"", r->name, r->bits);
    if (r->type)
        out_printf(out, " type=\"%s\"", r->type);
    out_printf(out, "/>");
}

static void print_feature(struct out *out, const struct debug_feature *f)
{
    out_printf(out, "<feature name=\"%s\">", f->name);
    if (f->types)
        out_write(out, f->types, strlen(f->types));
    for (unsigned i = 0; i < f->count; i++)
        print_register(out, &f->registers[i]);
    out_printf(out, "</feature>");
}

void gdb_read_target(struct gdb_session *s, uint64_t offset, uint64_t length)
{
    const struct debug_isa *isa = s->vm->isa->debug;
    struct window w;

    window_open(&w, s, offset, length);
    out_printf(&w.out, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                       "<target version=\"1.0\">");
    out_printf(&w.out, "<architecture>%s</architecture>", isa->architecture);
    /* gdb steps riscv64 Linux by breakpoints of its own, which takes three times as long. */
    out_printf(&w.out, "<osabi>%s</osabi>", s->vm->engine->no_step ? "GNU/Linux" : "none");
    for (unsigned i = 0; i < isa->feature_count; i++)
        if (!isa->features[i].is_there || isa->features[i].is_there(s->vm->vcpus[0]))
            print_feature(&w.out, &isa->features[i]);
    out_printf(&w.out, "</target>");
    window_close(&w);
}

void gdb_read_threads(struct gdb_session *s, uint64_t offset, uint64_t length)
{
    struct window w;

    window_open(&w, s, offset, length);
    out_printf(&w.out, "<?xml version=\"1.0\"?><threads>");
    for (unsigned i = 0; i < s->vm->vcpu_count; i++)
        out_printf(&w.out, "<thread id=\"%x\" name=\"vCPU %u\">%s</thread>", i + 1, i,
                   s->vm->vcpus[i]->running ? "running" : "waits for start-up");
    out_printf(&w.out, "</threads>");
    window_close(&w);
}

/* ---- Registers ---- */

static struct vcpu *chosen(const struct gdb_session *s)
{
    return s->vm->vcpus[s->thread];
}

static void put_register(struct gdb_session *s, const struct debug_register *r)
{
    uint8_t bytes[REGISTER_BYTES_MAX];

    debug_register_get(chosen(s), r, bytes);
    gdb_reply_hex(&s->out, bytes, r->bits / 8);
}

void gdb_get_registers(struct gdb_session *s)
{
    const struct debug_isa *isa = s->vm->isa->debug;

    for (unsigned i = 0; i < isa->feature_count && !isa->features[i].rarely; i++)
        for (unsigned r = 0; r < isa->features[i].count; r++)
            put_register(s, &isa->features[i].registers[r]);
}

void gdb_set_registers(struct gdb_session *s, const char *hex)
{
    const struct debug_isa *isa = s->vm->isa->debug;
    uint8_t bytes[REGISTER_BYTES_MAX];

    for (unsigned i = 0; i < isa->feature_count && !isa->features[i].rarely; i++)
        for (unsigned n = 0; n < isa->features[i].count; n++) {
            const struct debug_register *r = &isa->features[i].registers[n];

            if (!gdb_hex_bytes(&hex, bytes, r->bits / 8)) {
                gdb_reply_text(&s->out, "E01");
                return;
            }
            debug_register_set(chosen(s), r, bytes);
        }
    gdb_reply_text(&s->out, "OK");
}

static const struct debug_register *numbered(struct gdb_session *s, const char **text)
{
    const struct debug_register *r = NULL;
    uint64_t number;

    if (gdb_hex(text, &number) && number <= UINT16_MAX)
        r = debug_register_of(s->vm->isa->debug, (unsigned)number);
    if (!r)
        gdb_reply_text(&s->out, "E01");
    return r;
}

void gdb_get_register(struct gdb_session *s, const char *text)
{
    const struct debug_register *r = numbered(s, &text);

    if (r)
        put_register(s, r);
}

void gdb_set_register(struct gdb_session *s, const char *text)
{
    const struct debug_register *r = numbered(s, &text);
    uint8_t bytes[REGISTER_BYTES_MAX];

    if (!r)
        return;
    if (*text++ != '=' || !gdb_hex_bytes(&text, bytes, r->bits / 8)) {
        gdb_reply_text(&s->out, "E01");
        return;
    }
    debug_register_set(chosen(s), r, bytes);
    gdb_reply_text(&s->out, "OK");
}
