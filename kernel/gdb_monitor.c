/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* `monitor` commands of a debugger, and the monitor's command that serves a debugger on the
 * console. */
#include <stdlib.h>
#include <string.h>
#include "kernel/console.h"
#include "kernel/gdb.h"
#include "kernel/monitor.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"

#define LINE_SIZE 128

typedef unsigned long long ull;

/* ---- monitor ---- */

struct answer {
    struct out out;
    struct gdb_reply *reply;
};

static void answer_write(struct out *out, const char *text, size_t length)
{
    gdb_reply_hex(container_of(out, struct answer, out)->reply, text, length);
}

static void show_registers(struct gdb_session *s, struct out *out, const char *argument)
{
    (void)argument;
    s->vm->isa->print(s->vm->vcpus[s->thread], out);
}

static void show_stats(struct gdb_session *s, struct out *out, const char *argument)
{
    (void)argument;
    vm_print_stats(s->vm, out);
}

static void choose_memory(struct gdb_session *s, struct out *out, const char *argument)
{
    if (strcmp(argument, "on") == 0 || strcmp(argument, "off") == 0)
        s->physical = argument[1] == 'n';
    out_printf(out, "memory is reached by %s addresses\n",
               s->physical ? "guest-physical" : "virtual");
}

static void translate(struct gdb_session *s, struct out *out, const char *argument)
{
    char *end;
    uint64_t va = strtoull(argument, &end, 0);
    gpa_t gpa;

    if (!*argument || *end)
        out_printf(out, "give an address: monitor translate 0x80200000\n");
    else if (s->vm->isa->debug->translate(s->vm->vcpus[s->thread], va, &gpa))
        out_printf(out, "0x%llx is at guest-physical 0x%llx\n", (ull)va, (ull)gpa.v);
    else
        out_printf(out, "0x%llx is not mapped\n", (ull)va);
}

static void help(struct gdb_session *s, struct out *out, const char *argument);

static const struct {
    const char *name, *usage, *what;
    void (*run)(struct gdb_session *s, struct out *out, const char *argument);
} commands[] = {
    {"help", "", "this list", help},
    {"registers", "", "registers of the chosen vCPU, as the monitor shows them", show_registers},
    {"stats", "", "exits, interrupts and memory of the guest", show_stats},
    {"physical", " on|off", "memory by guest-physical or by virtual addresses", choose_memory},
    {"translate", " ADDRESS", "where a virtual address lies", translate},
};

static void help(struct gdb_session *s, struct out *out, const char *argument)
{
    (void)s, (void)argument;
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        out_printf(out, "monitor %s%s: %s\n", commands[i].name, commands[i].usage,
                   commands[i].what);
}

void gdb_monitor(struct gdb_session *s, const char *hex)
{
    struct answer a = {.out = {.write = answer_write}, .reply = &s->out};
    size_t digits = strlen(hex);
    char line[LINE_SIZE], *argument;

    if (digits % 2 || digits / 2 >= sizeof(line) ||
        !gdb_hex_bytes(&hex, (uint8_t *)line, digits / 2)) {
        gdb_reply_text(&s->out, "E01");
        return;
    }
    line[digits / 2] = '\0';
    argument = line + strcspn(line, " ");
    if (*argument)
        *argument++ = '\0';
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(line, commands[i].name) == 0) {
            commands[i].run(s, &a.out, argument);
            return;
        }
    }
    out_printf(&a.out, "there is no command '%s':\n", line);
    help(s, &a.out, argument);
}

/* ---- A debugger on the console ---- */

static void console_link_write(struct gdb_link *link, const char *text, size_t length)
{
    (void)link;
    console_write(text, length);
}

static void console_typed(const char *text, size_t length, void *arg)
{
    gdb_link_input(arg, text, length);
}

static void serve_on_console(struct out *out, struct vm *vm)
{
    struct gdb_link *link = heap_alloc(sizeof(*link));
    char text[VM_REASON_SIZE];
    struct out_buffer reason;
    enum err e;

    if (!link) {
        out_printf(out, "no memory: stop a guest and try again\n");
        return;
    }
    out_buffer_init(&reason, text, sizeof(text));
    gdb_link_init(link, "the console", console_link_write);
    out_printf(out,
               "%s waits for a debugger on this line: leave the terminal and let gdb connect "
               "to it; 'detach' in gdb, or Ctrl-], brings the monitor back.\n",
               vm->name);
    console_hold_log(true);
    console_capture(console_typed, link);
    e = gdb_serve(link, vm, &reason.out);
    console_capture(NULL, NULL);
    console_hold_log(false);
    if (e == ERR_OK)
        out_printf(out, "\nThe debugger has left %s.\n", vm->name);
    else
        out_printf(out, "%s cannot be debugged: %s.\n", vm->name, text);
    heap_free(link);
}

static void run_gdb(struct out *out, int argc, char **argv)
{
    struct vm *vm = argc == 1 ? vm_find(argv[0]) : NULL;

    if (vm)
        serve_on_console(out, vm);
    else
        out_printf(out, "Give the name of a guest; 'vm list' shows them.\n");
}

static void offer_vm(struct vm *vm, void *arg)
{
    struct {
        void (*found)(const char *word, void *arg);
        void *arg;
    } *to = arg;

    to->found(vm->name, to->arg);
}

static void complete_vm(int index, void (*found)(const char *word, void *arg), void *arg)
{
    struct {
        void (*found)(const char *word, void *arg);
        void *arg;
    } to = {found, arg};

    if (index == 0)
        vm_for_each(offer_vm, &to);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_gdb) = {
    .name = "gdb",
    .usage = "NAME",
    .summary = "Lets a debugger (gdb) on this line debug a guest",
    .help = "The guest stops, and this line speaks the protocol of gdb until gdb detaches: for "
            "machines without a second serial port. With gdb = yes in its section of ennead.ini a "
            "guest can be debugged over the debug port without this command.",
    .run = run_gdb,
    .complete = complete_vm,
};
