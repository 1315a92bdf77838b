/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor's `trace` commands: events as text and as JSON. */
#include <stdlib.h>
#include <string.h>

#include "kernel/monitor.h"
#include "kernel/timer.h"
#include "kernel/trace.h"
#include "kernel/vcpu.h"

#define SHOWN 40 /* events, unless the command says how many */

typedef unsigned long long ull;

static const char *const kind_names[TRACE_KINDS] = {
    [TRACE_EXIT] = "exits",   [TRACE_INTERRUPT] = "interrupts", [TRACE_VIRTIO] = "virtio",
    [TRACE_BLOCK] = "blocks", [TRACE_FLUSH] = "flushes",
};
static const char *const flush_names[] = {"all", "asid", "page"};

/* ---- Arguments ---- */

/* KIND or GUEST; false: it is neither. */
static bool read_word(const char *word, struct trace_filter *filter)
{
    for (unsigned i = 0; i < TRACE_KINDS; i++) {
        if (strcmp(word, kind_names[i]) == 0) {
            filter->kinds |= (uint32_t)BIT(i);
            return true;
        }
    }
    const struct vm *vm = vm_find(word);
    if (vm)
        filter->vm = vm->id;
    return vm != NULL;
}

/* [KIND|GUEST]..., with `count` a number too; false after saying what is wrong. */
static bool read_filter(struct out *out, int argc, char **argv, struct trace_filter *filter,
                        uint64_t *count)
{
    *filter = (struct trace_filter){.vm = TRACE_ALL_VMS};
    for (int i = 0; i < argc; i++) {
        char *end;
        unsigned long value = strtoul(argv[i], &end, 10);

        if (read_word(argv[i], filter))
            continue;
        if (!count || *end || end == argv[i] || !value) {
            out_printf(out,
                       "'%s' is neither a guest nor a kind of event: exits, interrupts, "
                       "virtio, blocks, flushes.\n",
                       argv[i]);
            return false;
        }
        *count = value;
    }
    if (!filter->kinds)
        filter->kinds = (uint32_t)BIT(TRACE_KINDS) - 1;
    return true;
}

static void complete_vm(struct vm *vm, void *arg)
{
    struct {
        void (*found)(const char *word, void *arg);
        void *arg;
    } *to = arg;

    to->found(vm->name, to->arg);
}

static void complete(int index, void (*found)(const char *word, void *arg), void *arg)
{
    struct {
        void (*found)(const char *word, void *arg);
        void *arg;
    } to = {found, arg};

    (void)index;
    for (unsigned i = 0; i < TRACE_KINDS; i++)
        found(kind_names[i], arg);
    vm_for_each(complete_vm, &to);
}

/* ---- Events ---- */

static void match_vm(struct vm *vm, void *arg)
{
    struct {
        unsigned id;
        const char *name;
    } *wanted = arg;

    if (vm->id == wanted->id)
        wanted->name = vm->name;
}

static const char *vm_name_of(unsigned id)
{
    struct {
        unsigned id;
        const char *name;
    } wanted = {id, "?"};

    vm_for_each(match_vm, &wanted);
    return wanted.name;
}

/* Where a showing goes, and when it began: by the counter, and on the log's clock. */
struct showing {
    struct out *out;
    struct json *json;
    uint64_t ticks, ns;
};

static struct showing begin_showing(struct out *out, struct json *j)
{
    return (struct showing){.out = out, .json = j, .ticks = host_counter(), .ns = clock_ns()};
}

/* Nanoseconds on the log's clock. */
static uint64_t event_ns(const struct showing *s, const struct trace_event *e)
{
    uint64_t ago = s->ticks - e->ticks;

    ago = vm_ticks_to_ns((int64_t)ago > 0 ? ago : 0);
    return s->ns - MIN(ago, s->ns);
}

/* VirtIO 1.2, section 5. */
static const char *virtio_name(uint32_t type)
{
    static const char *const names[] = {
        [1] = "net", [2] = "block", [3] = "console", [4] = "entropy", [5] = "balloon"};

    return type < ARRAY_SIZE(names) && names[type] ? names[type] : "device";
}

static void print_what(struct out *out, const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_EXIT:
        out_printf(out, "exit %s 0x%llx", exit_kind_name((enum exit_kind)e->detail), (ull)e->value);
        break;
    case TRACE_INTERRUPT:
        if (e->value == TRACE_BY_HARDWARE)
            out_printf(out, "%u interrupts by the hardware", e->detail);
        else
            out_printf(out, "interrupt %llu", (ull)e->value);
        break;
    case TRACE_VIRTIO:
        out_printf(out, "virtio %s queue %u, %llu bytes out, %llu in", virtio_name(e->detail >> 16),
                   e->detail & 0xffff, (ull)(e->value >> 32), (ull)(e->value & UINT32_MAX));
        break;
    case TRACE_BLOCK:
        out_printf(out, "translated %u instructions at 0x%llx", e->detail, (ull)e->value);
        break;
    default:
        out_printf(out, "flushed %s 0x%llx",
                   e->detail < ARRAY_SIZE(flush_names) ? flush_names[e->detail] : "?",
                   (ull)e->value);
    }
}

static void print_event(const struct trace_event *e, unsigned cpu, void *arg)
{
    const struct showing *s = arg;
    uint64_t ns = event_ns(s, e);
    char line[160];
    struct out_buffer text;

    out_buffer_init(&text, line, sizeof(line));
    out_printf(&text.out, "[%5llu.%06llu] cpu %u %s", (ull)(ns / NS_PER_SEC),
               (ull)(ns % NS_PER_SEC / NS_PER_US), cpu, vm_name_of(e->vm));
    if (e->vcpu != TRACE_NO_VCPU)
        out_printf(&text.out, "/%u", e->vcpu);
    out_printf(&text.out, ": ");
    print_what(&text.out, e);
    out_printf(&text.out, "\n");
    out_write(s->out, line, text.used);
}

static void json_what(struct json *j, const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_EXIT:
        json_string(j, "exit", exit_kind_name((enum exit_kind)e->detail));
        json_hex(j, "about", e->value);
        break;
    case TRACE_INTERRUPT:
        json_number(j, "count", e->detail);
        if (e->value == TRACE_BY_HARDWARE)
            json_null(j, "number");
        else
            json_number(j, "number", e->value);
        break;
    case TRACE_VIRTIO:
        json_string(j, "device", virtio_name(e->detail >> 16));
        json_number(j, "queue", e->detail & 0xffff);
        json_number(j, "bytes_out", e->value >> 32);
        json_number(j, "bytes_in", e->value & UINT32_MAX);
        break;
    case TRACE_BLOCK:
        json_number(j, "instructions", e->detail);
        json_hex(j, "address", e->value);
        break;
    default:
        json_string(j, "what", e->detail < ARRAY_SIZE(flush_names) ? flush_names[e->detail] : NULL);
        json_hex(j, "address", e->value);
    }
}

static void json_event(const struct trace_event *e, unsigned cpu, void *arg)
{
    const struct showing *s = arg;
    struct json *j = s->json;

    json_begin(j, "event");
    json_number(j, "ns", event_ns(s, e));
    json_number(j, "cpu", cpu);
    json_string(j, "vm", vm_name_of(e->vm));
    if (e->vcpu == TRACE_NO_VCPU)
        json_null(j, "vcpu");
    else
        json_number(j, "vcpu", e->vcpu);
    json_string(j, "kind", kind_names[e->kind]);
    json_what(j, e);
    json_end(j);
}

/* ---- Commands ---- */

static void run_on(struct out *out, int argc, char **argv)
{
    struct trace_filter filter;

    if (!read_filter(out, argc, argv, &filter, NULL))
        return;
    if (trace_start(&filter) != ERR_OK)
        out_printf(out, "There is no memory for the events: stop a guest and try again.\n");
    else
        out_printf(out, "Tracing; 'trace show' shows what came, 'trace off' ends it.\n");
}

static void run_off(struct out *out, int argc, char **argv)
{
    (void)argc, (void)argv;
    trace_stop();
    out_printf(out, "Tracing is off; what came is kept until 'trace clear'.\n");
}

static void run_clear(struct out *out, int argc, char **argv)
{
    (void)out, (void)argc, (void)argv;
    trace_clear();
}

static void print_filter(struct out *out)
{
    struct trace_filter now = trace_filter_now();

    if (!READ_ONCE(trace_kinds)) {
        out_printf(out, "off");
        return;
    }
    out_printf(out, "on:");
    for (unsigned i = 0; i < TRACE_KINDS; i++)
        if (now.kinds & BIT(i))
            out_printf(out, " %s", kind_names[i]);
    if (now.vm != TRACE_ALL_VMS)
        out_printf(out, " of %s", vm_name_of(now.vm));
}

static void run_show(struct out *out, int argc, char **argv)
{
    struct trace_filter filter;
    struct trace_counts counts;
    struct showing s = begin_showing(out, NULL);
    uint64_t most = SHOWN;

    if (!read_filter(out, argc, argv, &filter, &most))
        return;
    trace_each(&filter, most, print_event, &s);
    counts = trace_count();
    out_printf(out, "tracing is ");
    print_filter(out);
    out_printf(out, "; %llu events kept, %llu lost\n", (ull)counts.kept, (ull)counts.lost);
}

static void json_show(struct json *j, struct out *out, int argc, char **argv)
{
    struct trace_filter filter, now = trace_filter_now();
    struct trace_counts counts;
    struct showing s = begin_showing(out, j);
    uint64_t most = SHOWN;

    if (!read_filter(out, argc, argv, &filter, &most))
        return;
    trace_each(&filter, most, json_event, &s);
    counts = trace_count();
    json_begin(j, "trace");
    json_bool(j, "on", READ_ONCE(trace_kinds) != 0);
    json_array(j, "kinds");
    for (unsigned i = 0; i < TRACE_KINDS; i++)
        if (now.kinds & BIT(i))
            json_string(j, NULL, kind_names[i]);
    json_close(j);
    json_string(j, "vm", !now.kinds || now.vm == TRACE_ALL_VMS ? NULL : vm_name_of(now.vm));
    json_number(j, "kept", counts.kept);
    json_number(j, "lost", counts.lost);
    json_end(j);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_trace_on) = {
    .name = "trace on",
    .usage = "[KIND|GUEST]...",
    .summary = "Notes what guests do",
    .help = "Notes events of all kinds and guests, or of those named: exits (why a guest was left, "
            "and what it was about: an address, a port, a register), interrupts (as the guest "
            "takes them), virtio (requests that were answered), blocks (translations made) and "
            "flushes (of translated addresses). Every CPU keeps its last 2048 events.",
    .run = run_on,
    .complete = complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, command_trace_off) = {
    .name = "trace off",
    .usage = "",
    .summary = "Ends tracing; what came is kept",
    .run = run_off,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, command_trace_clear) = {
    .name = "trace clear",
    .usage = "",
    .summary = "Forgets the events that came",
    .run = run_clear,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, command_trace_show) = {
    .name = "trace show",
    .usage = "[COUNT] [KIND|GUEST]...",
    .summary = "Shows the last events, and how many were lost",
    .help = "Shows the last 40 events, or COUNT of them, by time: all, or those of the kinds and "
            "the guest named. Events that newer ones have overwritten are counted as lost. The "
            "stamps are those of the log.",
    .run = run_show,
    .json = json_show,
    .complete = complete,
};
