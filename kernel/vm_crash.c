/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a crashed guest leaves: registers, a backtrace with the names of its kernel, the end of its
 * console. Its memory is hostile: every walk is bounded, what is read is only shown.
 */
#include "kernel/vm_crash.h"

#include <stdio.h>
#include <string.h>

#include "kernel/guest_console.h"
#include "kernel/vcpu.h"
#include "kernel/vm_commands.h"
#include "mm/heap.h"

#define STACK_SCAN   8192 /* bytes above the stack pointer */
#define RECORDS_GOOD 3    /* frame records in a row: the code has them */
#define CODE_BEFORE  8    /* bytes before a return address */
#define KERNEL_BIT   55   /* set in addresses of kernels, on all ISAs */

typedef unsigned long long ull;

LOCK_CLASS(crash_class, "crashes of guests", RANK_CRASH);

static struct spinlock crash_lock = SPINLOCK_INIT(&crash_class); /* of all vm->crash */

/* ---- The backtrace ---- */

static bool read_virtual(void *arg, uint64_t va, void *to, size_t size)
{
    return debug_memory_read(arg, false, va, to, size) == size;
}

static uint64_t register_of(struct vcpu *v, unsigned number)
{
    const struct debug_isa *isa = v->vm->isa->debug;
    uint64_t value = 0;

    debug_register_get(v, debug_register_of(isa, number), (uint8_t *)&value);
    return value;
}

static void add_frame(struct vm_crash *c, uint64_t pc, bool guess)
{
    if (c->frame_count < CRASH_FRAMES)
        c->frames[c->frame_count++] = (struct crash_frame){.pc = pc, .guess = guess};
}

static bool is_return(struct vcpu *v, uint64_t pc)
{
    const struct debug_isa *isa = v->vm->isa->debug;
    uint8_t code[CODE_BEFORE];

    return !isa->after_call || (read_virtual(v, pc - sizeof(code), code, sizeof(code)) &&
                                isa->after_call(code, sizeof(code)));
}

/* By frame records. A loop among them ends it: none is followed twice. */
static void walk_records(struct vcpu *v, struct vm_crash *c)
{
    const struct debug_isa *isa = v->vm->isa->debug;
    uint64_t seen[CRASH_FRAMES], fp = register_of(v, isa->fp), next, pc;

    for (unsigned n = 0; n < CRASH_FRAMES; n++) {
        for (unsigned i = 0; i < n; i++)
            if (seen[i] == fp)
                return;
        seen[n] = fp;
        if (!fp || !IS_ALIGNED(fp, sizeof(fp)) ||
            !read_virtual(v, fp + (uint64_t)(int64_t)isa->frame_next, &next, sizeof(next)) ||
            !read_virtual(v, fp + (uint64_t)(int64_t)isa->frame_return, &pc, sizeof(pc)))
            return;
        if (pc >> KERNEL_BIT & 1)
            pc |= isa->signature;
        if (!pc || !is_return(v, pc))
            return;
        add_frame(c, pc, false);
        fp = next;
    }
}

/* Whatever on the stack points behind a call in the same half of the address space. */
static void scan_stack(struct vcpu *v, struct vm_crash *c)
{
    uint64_t sp = ALIGN_UP(register_of(v, v->vm->isa->debug->sp), sizeof(uint64_t)), word;

    for (uint64_t at = 0; at < STACK_SCAN && c->frame_count < CRASH_FRAMES; at += sizeof(word)) {
        if (!read_virtual(v, sp + at, &word, sizeof(word)))
            return;
        if (word && word >> KERNEL_BIT == c->pc >> KERNEL_BIT && is_return(v, word))
            add_frame(c, word, true);
    }
}

static void walk(struct vcpu *v, struct vm_crash *c)
{
    add_frame(c, c->pc, false);
    walk_records(v, c);
    if (c->frame_count > RECORDS_GOOD || !v->vm->isa->debug->after_call)
        return;
    c->frame_count = 1;
    scan_stack(v, c);
}

/* ---- Names ---- */

static bool find_symbols(struct kallsyms *k, const struct vm_crash *c)
{
    for (unsigned i = 0; i < c->frame_count; i++)
        if (c->frames[i].pc >> KERNEL_BIT & 1)
            return kallsyms_find(k, c->frames[i].pc);
    return false;
}

/* A return address may stand behind its function's end, when that calls what does not return. */
static void name_frames(struct vcpu *v, struct vm_crash *c)
{
    struct kallsyms *k = heap_zalloc(sizeof(*k));

    if (!k)
        return;
    k->read = read_virtual;
    k->arg = v;
    if (find_symbols(k, c)) {
        c->symbols = k->count;
        for (unsigned i = 0; i < c->frame_count; i++) {
            struct crash_frame *f = &c->frames[i];

            if (!(f->pc >> KERNEL_BIT & 1) ||
                !kallsyms_name(k, f->pc - (i > 0), f->symbol, &f->offset))
                f->symbol[0] = '\0';
            f->offset += i > 0;
        }
    }
    heap_free(k);
}

/* ---- Looking ---- */

/* The end of what the console that spoke last said in this life, from the beginning of a line. */
static void copy_console(const struct vm *vm, struct vm_crash *c)
{
    struct guest_console *from =
        guest_console_written(vm->virtio_console) ? vm->virtio_console : vm->console;
    uint32_t end = guest_console_end(from);
    uint32_t at = end - MIN(guest_console_written(from), (uint32_t)CRASH_CONSOLE);
    char *line;

    c->console_size = guest_console_read(from, &at, c->console, CRASH_CONSOLE);
    line = c->console_size == CRASH_CONSOLE ? memchr(c->console, '\n', CRASH_CONSOLE) : NULL;
    if (!line)
        return;
    c->console_size -= (size_t)(line + 1 - c->console);
    memmove(c->console, line + 1, c->console_size);
}

void vm_crash_look(struct vcpu *v, struct vm_crash *c)
{
    struct vm *vm = v->vm;
    struct out_buffer text;

    memset(c, 0, sizeof(*c));
    c->vcpu = v->id;
    c->exit = (unsigned)v->stats.last_exit;
    c->pc = vm->isa->pc(v);
    c->ns = clock_ns() - vm->started_ns;
    memcpy(c->reason, vm->reason, sizeof(c->reason));
    out_buffer_init(&text, c->registers, sizeof(c->registers));
    vm->isa->print(v, &text.out);
    vm_registers_take(&c->values, v);
    if (vm->isa->debug) {
        walk(v, c);
        name_frames(v, c);
    }
    copy_console(vm, c);
}

static void replace(struct vm *vm, struct vm_crash *with)
{
    uint64_t flags = spin_lock_irq(&crash_lock);
    struct vm_crash *old = vm->crash;

    vm->crash = with;
    spin_unlock_irq(&crash_lock, flags);
    heap_free(old);
}

void vm_crash_note(struct vcpu *v)
{
    struct vm_crash *c = heap_alloc(sizeof(*c));

    if (!c)
        return;
    vcpu_need(v, UINT64_MAX);
    vm_crash_look(v, c);
    replace(v->vm, c);
}

static const char *find(const char *text, size_t size, const char *word)
{
    for (size_t length = strlen(word); size >= length; text++, size--)
        if (memcmp(text, word, length) == 0)
            return text;
    return NULL;
}

/* What a kernel says when it gives up, to the line's end; NULL: it did not. */
static const char *panic_line(const struct vm_crash *c, size_t *length)
{
    static const char *const words[] = {"Kernel panic - ", "panic: "}; /* Linux; the BSDs */
    const char *at = NULL, *end = c->console + c->console_size;

    for (size_t i = 0; !at && i < ARRAY_SIZE(words); i++)
        at = find(c->console, c->console_size, words[i]);
    for (*length = 0; at && at + *length < end && (uint8_t)at[*length] >= ' '; (*length)++)
        ;
    return at;
}

void vm_crash_note_restart(struct vcpu *v)
{
    struct vm_crash *c = heap_alloc(sizeof(*c));
    const char *line;
    size_t length;

    if (!c)
        return;
    copy_console(v->vm, c);
    line = panic_line(c, &length);
    if (!line) {
        heap_free(c);
        return;
    }
    vcpu_need(v, UINT64_MAX);
    vm_crash_look(v, c);
    line = panic_line(c, &length);
    snprintf(c->reason, sizeof(c->reason), "its kernel gave up and restarted it: %.*s",
             line ? (int)length : 0, line ? line : "");
    replace(v->vm, c);
}

void vm_crash_forget(struct vm *vm)
{
    replace(vm, NULL);
}

static bool copy_crash(const struct vm *vm, struct vm_crash *to)
{
    uint64_t flags = spin_lock_irq(&crash_lock);
    bool there = vm->crash != NULL;

    if (there)
        *to = *vm->crash;
    spin_unlock_irq(&crash_lock, flags);
    return there;
}

/* ---- vm crash ---- */

static void print_frames(struct out *out, const struct vm_crash *c)
{
    if (!c->frame_count)
        return;
    out_printf(out, "backtrace%s:\n",
               c->symbols ? "" : " (no symbol table was found in the guest's memory)");
    for (unsigned i = 0; i < c->frame_count; i++) {
        const struct crash_frame *f = &c->frames[i];

        out_printf(out, "  #%-2u %016llx%s", i, (ull)f->pc, f->guess ? " ?" : "");
        if (f->symbol[0])
            out_printf(out, " %s+0x%llx", f->symbol, (ull)f->offset);
        out_printf(out, "\n");
    }
    if (c->frames[c->frame_count - 1].guess)
        out_printf(out, "  ?: it lies on the stack, and may be from an earlier call\n");
}

/* Calls line(arg, text, length) for each line of the console, without control characters. */
static void each_line(const struct vm_crash *c,
                      void (*line)(void *arg, const char *text, size_t length), void *arg)
{
    char text[160];
    size_t used = 0;

    for (size_t i = 0; i < c->console_size; i++) {
        uint8_t byte = (uint8_t)c->console[i];

        if (byte == '\n' || used == sizeof(text)) {
            line(arg, text, used);
            used = 0;
        }
        if (byte >= ' ' && byte != 0x7f)
            text[used++] = (char)byte;
    }
    if (used)
        line(arg, text, used);
}

static void print_line(void *arg, const char *text, size_t length)
{
    out_printf(arg, "  | %.*s\n", (int)length, text);
}

static void print_crash(struct out *out, const struct vm *vm, const struct vm_crash *c, bool now)
{
    uint64_t ms = c->ns / NS_PER_MS;

    out_printf(out, "%s: %s, %llu.%03llu s after its start; vCPU %u, last exit %s, PC 0x%llx\n",
               vm->name, now ? "as it is now" : c->reason, (ull)(ms / 1000), (ull)(ms % 1000),
               c->vcpu, exit_kind_name((enum exit_kind)c->exit), (ull)c->pc);
    out_write(out, c->registers, strlen(c->registers));
    print_frames(out, c);
    out_printf(out, "the end of its console:\n");
    each_line(c, print_line, out);
}

struct json_line {
    struct json *j;
    const char *vm;
};

static void json_line(void *arg, const char *text, size_t length)
{
    struct json_line *to = arg;

    json_begin(to->j, "console");
    json_string(to->j, "vm", to->vm);
    json_text(to->j, "text", text, length);
    json_end(to->j);
}

static void json_crash(struct json *j, const struct vm *vm, const struct vm_crash *c, bool now)
{
    struct json_line to = {j, vm->name};

    json_begin(j, "crash");
    json_string(j, "vm", vm->name);
    json_bool(j, "now", now);
    json_string(j, "reason", now ? NULL : c->reason);
    json_number(j, "ns", c->ns);
    json_number(j, "vcpu", c->vcpu);
    json_string(j, "exit", exit_kind_name((enum exit_kind)c->exit));
    json_hex(j, "pc", c->pc);
    vm_json_registers(j, &c->values);
    json_number(j, "symbols", c->symbols);
    json_end(j);
    for (unsigned i = 0; i < c->frame_count; i++) {
        const struct crash_frame *f = &c->frames[i];

        json_begin(j, "frame");
        json_string(j, "vm", vm->name);
        json_number(j, "number", i);
        json_hex(j, "pc", f->pc);
        json_string(j, "symbol", f->symbol[0] ? f->symbol : NULL);
        json_number(j, "offset", f->offset);
        json_bool(j, "guess", f->guess);
        json_end(j);
    }
    each_line(c, json_line, &to);
}

/* Of a guest that is there: the vCPU that computes, or the first. Under vm->lock. */
static struct vcpu *busy_vcpu(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (vm->vcpus[i]->running && vm->vcpus[i]->stats.last_exit != EXIT_IDLE)
            return vm->vcpus[i];
    return vm->vcpus[0];
}

/* A look at a guest that runs or is paused; false: it does not. */
static bool look_now(struct vm *vm, struct vm_crash *c)
{
    bool runs = vm_pause(vm) == ERR_OK, there;

    mutex_lock(&vm->lock);
    there = vm->state == VM_PAUSED && vm->vcpus;
    if (there)
        vm_crash_look(busy_vcpu(vm), c);
    mutex_unlock(&vm->lock);
    if (runs && vm_resume(vm, (enum guest_time)vm->config->time) != ERR_OK)
        return there; /* it ended meanwhile */
    return there;
}

static void show(struct json *j, struct out *out, int argc, char **argv)
{
    bool now = argc == 2 && strcmp(argv[1], "now") == 0;
    struct vm *vm = vm_argument(out, now ? 1 : argc, argv);
    struct vm_crash *c = vm ? heap_alloc(sizeof(*c)) : NULL;
    bool there = false;

    if (!vm)
        return;
    if (!c) {
        out_printf(out, "There is no memory for it: stop a guest and try again.\n");
        return;
    }
    there = !now && copy_crash(vm, c);
    if (!there) {
        now = true;
        there = look_now(vm, c);
    }
    if (!there && argc == 2)
        out_printf(out, "%s does not run; without 'now' its last crash is shown.\n", vm->name);
    else if (!there)
        out_printf(out, "%s does not run, and has not crashed since it was started.\n", vm->name);
    else if (j)
        json_crash(j, vm, c, now);
    else
        print_crash(out, vm, c, now);
    heap_free(c);
}

static void run_crash(struct out *out, int argc, char **argv)
{
    show(NULL, out, argc, argv);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, vm_crash_command) = {
    .name = "vm crash",
    .usage = "NAME [now]",
    .summary = "Shows where a guest crashed, or where it is",
    .help =
        "Last exit, registers, a backtrace with the names of a Linux guest's kernel, and the "
        "end of its console: as they were when the guest crashed, kept until you start it "
        "again. A kernel that panics and restarts its guest counts as a crash. Of a guest that has "
        "not crashed (or whose kernel has panicked, and waits), and with 'now', as they are.",
    .run = run_crash,
    .json = show,
    .complete = vm_complete,
};
