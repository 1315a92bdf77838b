/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor's `top`: what guests and their vCPUs use, once a second until a key is pressed. */
#include <stdlib.h>
#include <string.h>

#include "kernel/console.h"
#include "kernel/vm_commands.h"
#include "mm/heap.h"
#include "mm/page.h"

#define ROWS_MAX 128 /* guests and vCPUs that are shown */
#define PERIOD   NS_PER_SEC

#define HOME        "\033[H\033[J"
#define CLEAR_REST  "\033[K"
#define CLEAR_BELOW "\033[J"

typedef unsigned long long ull;

/* A guest (vcpu -1) or one of its vCPUs. */
struct row {
    const struct vm *vm; /* lives as long as the hypervisor */
    int vcpu;
    const char *state, *engine;
    uint64_t run_ns, exits, resident;
};

struct sample {
    uint64_t ns, idle_ns;
    unsigned count, left_out;
    struct row rows[ROWS_MAX];
};

struct top {
    struct sample samples[2], *last, *now;
    struct out *out;
    struct json *json;
};

/* ---- Sampling ---- */

static struct row *add_row(struct sample *s, const struct vm *vm, int vcpu)
{
    struct row *r;

    if (s->count == ROWS_MAX) {
        s->left_out++;
        return NULL;
    }
    r = &s->rows[s->count++];
    *r = (struct row){.vm = vm, .vcpu = vcpu, .state = vm_state_name(vm)};
    return r;
}

static void sample_vcpus(struct sample *s, struct vm *vm, struct row *total)
{
    total->engine = vm->engine->name;
    total->resident = guest_memory_resident(vm->memory);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *v = vm->vcpus[i];
        struct row *r = add_row(s, vm, (int)i);

        if (!r)
            continue;
        r->state = vcpu_doing(vm, v);
        r->run_ns = thread_run_ns(v->thread);
        for (unsigned kind = 0; kind < EXIT_KIND_COUNT; kind++)
            r->exits += v->stats.exits[kind];
        total->run_ns += r->run_ns;
        total->exits += r->exits;
    }
}

static void sample_vm(struct vm *vm, void *arg)
{
    struct sample *s = arg;
    struct row *total = add_row(s, vm, -1);

    if (!total || !mutex_trylock(&vm->lock)) /* it is being built or taken apart */
        return;
    if (vm->state == VM_RUNNING || vm->state == VM_PAUSED)
        sample_vcpus(s, vm, total);
    mutex_unlock(&vm->lock);
}

static uint64_t idle_ns(void)
{
    uint64_t sum = 0, now = clock_ns();

    for (unsigned id = 0; id < cpu_count(); id++) {
        const struct cpu *cpu = cpu_get(id);
        uint64_t since = cpu ? READ_ONCE(cpu->idle->switched_in) : 0;

        if (!cpu)
            continue;
        sum += READ_ONCE(cpu->idle_ns);
        if (READ_ONCE(cpu->current) == cpu->idle && now > since)
            sum += now - since;
    }
    return sum;
}

static void take_sample(struct top *t)
{
    struct sample *s = t->last;

    t->last = t->now;
    t->now = s;
    s->count = s->left_out = 0;
    s->ns = clock_ns();
    s->idle_ns = idle_ns();
    vm_for_each(sample_vm, s);
}

/* ---- Showing ---- */

static const struct row *row_before(const struct top *t, const struct row *r)
{
    static const struct row none;

    for (unsigned i = 0; i < t->last->count; i++)
        if (t->last->rows[i].vm == r->vm && t->last->rows[i].vcpu == r->vcpu)
            return &t->last->rows[i];
    return &none;
}

static uint64_t elapsed_us(const struct top *t)
{
    return MAX((t->now->ns - t->last->ns) / NS_PER_US, (uint64_t)1);
}

/* Tenths of a percent. A guest that was started anew counts from 0. */
static uint64_t share(const struct top *t, uint64_t now_ns, uint64_t before_ns)
{
    return (now_ns - (before_ns <= now_ns ? before_ns : 0)) / elapsed_us(t);
}

static uint64_t exit_rate(const struct top *t, const struct row *r)
{
    uint64_t before = row_before(t, r)->exits;

    return (r->exits - (before <= r->exits ? before : 0)) * (NS_PER_SEC / NS_PER_US) /
           elapsed_us(t);
}

static void print_row(const struct top *t, const struct row *r)
{
    uint64_t tenths = share(t, r->run_ns, row_before(t, r)->run_ns);
    char line[160], name[CONFIG_NAME_SIZE];
    struct out_buffer text;

    out_buffer_init(&text, name, sizeof(name));
    if (r->vcpu < 0)
        out_printf(&text.out, "%s", r->vm->name);
    else
        out_printf(&text.out, "  vCPU %d", r->vcpu);
    out_buffer_init(&text, line, sizeof(line));
    out_printf(&text.out, "%-20s %-18s %-7s", name, r->state, r->engine ? r->engine : "");
    if (r->vcpu >= 0 || r->engine)
        out_printf(&text.out, " %4llu.%llu %9llu", (ull)(tenths / 10), (ull)(tenths % 10),
                   (ull)exit_rate(t, r));
    if (r->engine)
        out_printf(&text.out, " %6llu of %llu M", (ull)(r->resident >> 20),
                   (ull)(r->vm->config->memory >> 20));
    out_printf(&text.out, CLEAR_REST "\n");
    out_write(t->out, line, text.used);
}

static void print_table(const struct top *t)
{
    uint64_t idle = share(t, t->now->idle_ns, t->last->idle_ns) / MAX(cpu_online_count(), 1u);
    struct page_stats pages;

    page_stats_get(&pages);
    out_printf(t->out,
               HOME
               "%u CPU%s, %llu.%llu %% idle; %llu of %llu MiB free; any key ends this" CLEAR_REST
               "\n",
               cpu_online_count(), cpu_online_count() == 1 ? "" : "s", (ull)(idle / 10),
               (ull)(idle % 10), (ull)(pages.free >> 20), (ull)(pages.total >> 20));
    out_printf(t->out, "%-20s %-18s %-7s %6s %9s %6s" CLEAR_REST "\n", "NAME", "STATE", "ENGINE",
               "CPU %", "EXITS/S", "MEMORY");
    for (unsigned i = 0; i < t->now->count; i++)
        print_row(t, &t->now->rows[i]);
    if (t->now->left_out)
        out_printf(t->out, "%u more are not shown" CLEAR_REST "\n", t->now->left_out);
    out_printf(t->out, CLEAR_BELOW);
}

static void json_row(struct json *j, const struct top *t, const struct row *r)
{
    json_begin(j, r->vcpu < 0 ? "vm" : "vcpu");
    json_string(j, r->vcpu < 0 ? "name" : "vm", r->vm->name);
    if (r->vcpu >= 0)
        json_number(j, "vcpu", (unsigned)r->vcpu);
    json_string(j, "state", r->state);
    if (r->vcpu < 0)
        json_string(j, "engine", r->engine);
    json_tenths(j, "cpu_percent", share(t, r->run_ns, row_before(t, r)->run_ns));
    json_number(j, "exits_per_s", exit_rate(t, r));
    if (r->vcpu < 0) {
        json_number(j, "resident_bytes", r->resident);
        json_number(j, "memory_bytes", r->vm->config->memory);
    }
    json_end(j);
}

static void json_table(const struct top *t)
{
    struct json *j = t->json;

    json_begin(j, "top");
    json_number(j, "ns", t->now->ns);
    json_number(j, "cpus_online", cpu_online_count());
    json_tenths(j, "idle_percent",
                share(t, t->now->idle_ns, t->last->idle_ns) / MAX(cpu_online_count(), 1u));
    json_end(j);
    for (unsigned i = 0; i < t->now->count; i++)
        json_row(j, t, &t->now->rows[i]);
}

/* ---- The command ---- */

/* Shows `count` tables (0: no end), a second between them, until a key is pressed. */
static void show(struct top *t, unsigned long count)
{
    uint64_t next = clock_ns() + PERIOD;

    take_sample(t);
    for (unsigned long i = 0; !count || i < count; i++) {
        if (console_read(next) >= 0)
            return;
        next += PERIOD;
        take_sample(t);
        if (t->json)
            json_table(t);
        else
            print_table(t);
    }
}

static void run(struct json *j, struct out *out, int argc, char **argv)
{
    unsigned long count = j ? 1 : 0;
    char *end = NULL;
    struct top *t;

    if (argc)
        count = strtoul(argv[0], &end, 10);
    if (argc > 1 || (argc && (*end || end == argv[0]))) {
        out_printf(out, "Say how many tables are wanted, or nothing: \"top 5\".\n");
        return;
    }
    t = heap_zalloc(sizeof(*t));
    if (!t) {
        out_printf(out, "There is no memory for it: stop a guest and try again.\n");
        return;
    }
    t->out = out;
    t->json = j;
    t->last = &t->samples[0];
    t->now = &t->samples[1];
    show(t, count);
    heap_free(t);
}

static void run_top(struct out *out, int argc, char **argv)
{
    run(NULL, out, argc, argv);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_top) = {
    .name = "top",
    .usage = "[COUNT]",
    .summary = "Shows each second what guests use, until a key is pressed",
    .help = "For each guest and its virtual CPUs: what share of a CPU they have, how often the "
            "guest is left each second, and how much memory it holds. COUNT ends it after so many "
            "tables; with -j there is one unless COUNT says more.",
    .run = run_top,
    .json = run,
};
