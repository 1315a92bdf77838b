/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Commands of the GDB remote protocol (GDB manual, E.2 to E.4) for a guest that is held. */
#include "kernel/gdb.h"

#include <string.h>
#include "kernel/vcpu.h"

#define SIGNAL_INT  2
#define SIGNAL_TRAP 5
#define SIGNAL_ABRT 6

/* Goes behind `word` when *text begins with it. */
static bool skip(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static void say(struct gdb_session *s, const char *text)
{
    gdb_reply_text(&s->out, text);
}

static void say_result(struct gdb_session *s, enum err e)
{
    if (e == ERR_UNSUPPORTED)
        return; /* the empty answer: there is no such thing here */
    if (e == ERR_OK)
        say(s, "OK");
    else
        gdb_reply_printf(&s->out, "E.%s", err_text(e));
}

/* ---- Stops ---- */

static void print_register(struct gdb_session *s, unsigned number)
{
    const struct debug_isa *isa = s->vm->isa->debug;
    uint8_t bytes[8];

    debug_register_get(s->vm->vcpus[s->last.vcpu], debug_register_of(isa, number), bytes);
    gdb_reply_printf(&s->out, "%x:", number);
    gdb_reply_hex(&s->out, bytes, sizeof(bytes));
    say(s, ";");
}

static void print_point(struct gdb_session *s, const struct debug_point *p)
{
    static const char *const names[] = {
        [POINT_WRITE] = "watch", [POINT_READ] = "rwatch", [POINT_ACCESS] = "awatch"};

    if (p->kind == POINT_BREAK)
        say(s, "hwbreak:;");
    else
        gdb_reply_printf(&s->out, "%s:%llx;", names[p->kind], (unsigned long long)p->address);
}

void gdb_reply_stop(struct gdb_session *s)
{
    const struct debug_isa *isa = s->vm->isa->debug;
    unsigned signal = s->last.reason == DEBUG_ASKED     ? SIGNAL_INT
                      : s->last.reason == DEBUG_CRASHED ? SIGNAL_ABRT
                                                        : SIGNAL_TRAP;

    if (s->last.vcpu >= s->vm->vcpu_count)
        s->last.vcpu = 0;
    s->thread = s->continue_thread = s->last.vcpu;
    gdb_reply_printf(&s->out, "T%02xthread:%x;", signal, s->last.vcpu + 1);
    if (s->last.reason == DEBUG_BREAKPOINT)
        say(s, "swbreak:;");
    if (s->last.reason == DEBUG_POINT)
        print_point(s, &s->last.point);
    print_register(s, isa->pc);
    print_register(s, isa->sp);
    print_register(s, isa->fp);
}

/* ---- Threads ---- */

/* "-1", "0" (any) or a number: the vCPU's id; any is 0 and -1 is *all. */
static bool read_thread(struct gdb_session *s, const char **text, unsigned *vcpu, bool *all)
{
    uint64_t number;

    *all = skip(text, "-1");
    *vcpu = 0;
    if (*all)
        return true;
    if (!gdb_hex(text, &number) || number > s->vm->vcpu_count)
        return false;
    *vcpu = number ? (unsigned)number - 1 : 0;
    return true;
}

static void choose_thread(struct gdb_session *s, const char *text)
{
    char what = *text ? *text++ : '\0';
    unsigned vcpu;
    bool all;

    if ((what != 'g' && what != 'c') || !read_thread(s, &text, &vcpu, &all)) {
        say(s, "E01");
        return;
    }
    if (what == 'g')
        s->thread = vcpu;
    else
        s->continue_thread = vcpu;
    say(s, "OK");
}

static void list_threads(struct gdb_session *s)
{
    for (unsigned i = 0; i < s->vm->vcpu_count; i++)
        gdb_reply_printf(&s->out, "%c%x", i ? ',' : 'm', i + 1);
}

static void is_thread_alive(struct gdb_session *s, const char *text)
{
    unsigned vcpu;
    bool all;

    say(s, read_thread(s, &text, &vcpu, &all) ? "OK" : "E01");
}

static void describe_thread(struct gdb_session *s, const char *text)
{
    char line[64];
    struct out_buffer b;
    unsigned vcpu;
    bool all;

    if (!read_thread(s, &text, &vcpu, &all)) {
        say(s, "E01");
        return;
    }
    out_buffer_init(&b, line, sizeof(line));
    out_printf(&b.out, "vCPU %u, %s", vcpu,
               s->vm->vcpus[vcpu]->running ? s->vm->engine->name : "waits for start-up");
    gdb_reply_hex(&s->out, line, b.used);
}

/* ---- Memory ---- */

/* "address,size" and, when `rest` is not 0, that letter. */
static bool read_range(const char **text, uint64_t *address, uint64_t *size, char rest)
{
    if (!gdb_hex(text, address) || *(*text)++ != ',' || !gdb_hex(text, size))
        return false;
    return !rest || *(*text)++ == rest;
}

static void read_memory(struct gdb_session *s, const char *text, bool binary)
{
    uint64_t address, size;

    if (!read_range(&text, &address, &size, 0)) {
        say(s, "E01");
        return;
    }
    size = MIN(size, (uint64_t)GDB_MEMORY_MAX);
    size_t got = debug_memory_read(s->vm->vcpus[s->thread], s->physical, address, s->bytes, size);
    if (size && !got) {
        say(s, "E14");
        return;
    }
    if (binary)
        say(s, "b");
    if (binary)
        gdb_reply_binary(&s->out, s->bytes, got);
    else
        gdb_reply_hex(&s->out, s->bytes, got);
}

static void write_memory(struct gdb_session *s, const char *text, bool binary)
{
    const char *end = s->in.text + s->in.length;
    uint64_t address, size;

    if (!read_range(&text, &address, &size, ':') ||
        size > (binary ? GDB_PACKET_MAX : GDB_MEMORY_MAX) ||
        (binary ? (size_t)(end - text) != size : !gdb_hex_bytes(&text, s->bytes, size))) {
        say(s, "E01");
        return;
    }
    const void *from = binary ? (const void *)text : s->bytes;
    say(s, debug_memory_write(s->vm->vcpus[s->thread], s->physical, address, from, size) == size
               ? "OK"
               : "E14");
}

/* ---- Points: Z and z ---- */

static enum err change_point(struct gdb_session *s, unsigned type, uint64_t address, uint64_t kind,
                             bool add)
{
    struct debug_point p = {.kind = (enum debug_point_kind)(type - 1), .address = address};

    if (type == 0)
        return add ? debug_patch_add(s->vm->vcpus[s->thread], address, (unsigned)kind)
                   : debug_patch_remove(s->vm, address, (unsigned)kind);
    p.size = p.kind == POINT_BREAK ? 0 : kind;
    return add ? debug_point_add(s->vm, &p) : debug_point_remove(s->vm, &p);
}

static void do_point(struct gdb_session *s, const char *text, bool add)
{
    uint64_t type, address, kind;

    if (!gdb_hex(&text, &type) || *text++ != ',' || !read_range(&text, &address, &kind, 0)) {
        say(s, "E01");
        return;
    }
    if (type <= 4 && kind <= UINT16_MAX)
        say_result(s, change_point(s, (unsigned)type, address, kind, add));
}

/* ---- Going on ---- */

/* Old commands: c, s, with an address perhaps; C and S with a signal, which guests do not have. */
static bool go_plain(struct gdb_session *s, const char *text, bool step)
{
    if (*text) {
        say(s, "E.give the address by setting the program counter");
        return false;
    }
    memset(s->how, step ? DEBUG_STAY : DEBUG_CONTINUE, sizeof(s->how));
    if (step)
        s->how[s->continue_thread] = DEBUG_STEP;
    return true;
}

/* One action of vCont: those of vCPUs that none has come to yet. */
static bool take_action(struct gdb_session *s, const char **text, bool *taken)
{
    char what = *(*text)++;
    uint64_t signal;
    unsigned vcpu = 0;
    bool all = true;

    if ((what == 'C' || what == 'S') && !gdb_hex(text, &signal))
        return false;
    if (what != 'c' && what != 's' && what != 'C' && what != 'S')
        return false;
    if (skip(text, ":") && !read_thread(s, text, &vcpu, &all))
        return false;
    for (unsigned i = all ? 0 : vcpu; i < (all ? s->vm->vcpu_count : vcpu + 1); i++) {
        if (!taken[i])
            s->how[i] = (what | 0x20) == 's' ? DEBUG_STEP : DEBUG_CONTINUE;
        taken[i] = true;
    }
    return **text == ';' || !**text;
}

static bool go_on(struct gdb_session *s, const char *text)
{
    bool taken[CONFIG_VCPUS_MAX] = {false};
    bool any = false;

    memset(s->how, DEBUG_STAY, sizeof(s->how));
    while (skip(&text, ";")) {
        if (!take_action(s, &text, taken)) {
            say(s, "E01");
            return false;
        }
        any = true;
    }
    if (!any)
        say(s, "E01");
    return any;
}

/* ---- q, Q, v ---- */

static void read_document(struct gdb_session *s, const char *text,
                          void (*read)(struct gdb_session *s, uint64_t offset, uint64_t length))
{
    uint64_t offset, length;

    if (read_range(&text, &offset, &length, 0))
        read(s, offset, length);
    else
        say(s, "E01");
}

static void do_query(struct gdb_session *s, const char *text)
{
    if (skip(&text, "Supported"))
        gdb_reply_printf(&s->out,
                         "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;"
                         "qXfer:threads:read+;vContSupported+;swbreak+;hwbreak+;binary-upload+",
                         GDB_PACKET_MAX);
    else if (skip(&text, "Xfer:features:read:target.xml:"))
        read_document(s, text, gdb_read_target);
    else if (skip(&text, "Xfer:threads:read::"))
        read_document(s, text, gdb_read_threads);
    else if (skip(&text, "Rcmd,"))
        gdb_monitor(s, text);
    else if (skip(&text, "ThreadExtraInfo,"))
        describe_thread(s, text);
    else if (strcmp(text, "fThreadInfo") == 0)
        list_threads(s);
    else if (strcmp(text, "sThreadInfo") == 0)
        say(s, "l");
    else if (strcmp(text, "C") == 0)
        gdb_reply_printf(&s->out, "QC%x", s->thread + 1);
    else if (skip(&text, "Attached"))
        say(s, "1");
    else if (strcmp(text, "PhysicalMemory") == 0)
        say(s, s->physical ? "1" : "0");
}

static void do_set(struct gdb_session *s, const char *text)
{
    if (strcmp(text, "StartNoAckMode") == 0) {
        s->no_ack = true;
        say(s, "OK");
    } else if (skip(&text, "PhysicalMemory:")) {
        s->physical = *text == '1';
        say(s, "OK");
    }
}

static bool do_verbose(struct gdb_session *s, const char *text)
{
    if (strcmp(text, "Cont?") == 0)
        say(s, "vCont;c;C;s;S");
    else if (skip(&text, "Cont"))
        return go_on(s, text);
    else if (skip(&text, "Kill"))
        s->ended = true;
    if (s->ended)
        say(s, "OK");
    return false;
}

static void detach(struct gdb_session *s)
{
    s->ended = true;
    say(s, "OK");
}

/* What does not let the guest go on. */
static void do_simple(struct gdb_session *s, char letter, const char *text)
{
    switch (letter) {
    case '?':
        gdb_reply_stop(s);
        break;
    case 'g':
        gdb_get_registers(s);
        break;
    case 'G':
        gdb_set_registers(s, text);
        break;
    case 'p':
        gdb_get_register(s, text);
        break;
    case 'P':
        gdb_set_register(s, text);
        break;
    case 'm':
    case 'x':
        read_memory(s, text, letter == 'x');
        break;
    case 'M':
    case 'X':
        write_memory(s, text, letter == 'X');
        break;
    case 'Z':
    case 'z':
        do_point(s, text, letter == 'Z');
        break;
    case 'H':
        choose_thread(s, text);
        break;
    case 'T':
        is_thread_alive(s, text);
        break;
    case 'q':
        do_query(s, text);
        break;
    case 'Q':
        do_set(s, text);
        break;
    case 'D':
    case 'k':
        detach(s);
        break;
    default: /* the empty answer */
        break;
    }
}

static bool steps(const struct gdb_session *s)
{
    for (unsigned i = 0; i < s->vm->vcpu_count; i++)
        if (s->how[i] == DEBUG_STEP)
            return true;
    return false;
}

/* True: it may go on so. */
static bool may_go(struct gdb_session *s, bool wanted)
{
    if (!wanted || (debug_has_engine(s->vm) && !s->vm->engine->no_step) || !steps(s))
        return wanted;
    gdb_reply_printf(&s->out, "E.guests on %s are stepped by breakpoints: set osabi GNU/Linux",
                     s->vm->engine->name);
    return false;
}

bool gdb_command(struct gdb_session *s, const char *packet)
{
    char letter = *packet;
    const char *text = letter ? packet + 1 : packet;

    s->out.length = 0;
    s->out.text[0] = '\0';
    switch (letter) {
    case 'c':
    case 's':
        return may_go(s, go_plain(s, text, letter == 's'));
    case 'v':
        return may_go(s, do_verbose(s, text));
    default:
        do_simple(s, letter, text);
        return false;
    }
}
