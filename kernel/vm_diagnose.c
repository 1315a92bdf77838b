/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What can be said of a guest that has stopped, or that says nothing itself. */
#include <string.h>

#include "kernel/json.h"
#include "kernel/vcpu.h"
#include "kernel/vm_commands.h"
#include "mm/heap.h"

#define SAMPLE_GAP_NS (20 * NS_PER_MS)
#define LOOP_SIZE     256 /* bytes: two samples this close together are one loop */

/* What does not fit ends with a whole line. */
static void note_json(struct vm *vm, struct vm_last *last)
{
    struct json *j = heap_alloc(sizeof(*j));
    struct out_buffer text;
    char *end;

    out_buffer_init(&text, last->json, sizeof(last->json));
    if (j) {
        json_init(j, &text.out);
        vm_stats_json(vm, j);
        heap_free(j);
    }
    end = strrchr(last->json, '\n');
    *(end ? end + 1 : last->json) = '\0';
}

void vm_note_last(struct vcpu *v)
{
    struct vm_last *last = v->vm->last;
    struct out_buffer text;

    last->vcpu = v->id;
    last->exit = (unsigned)v->stats.last_exit;
    last->pc = v->vm->isa->pc(v);
    out_buffer_init(&text, last->registers, sizeof(last->registers));
    v->vm->isa->print(v, &text.out);
    vm_registers_take(&last->values, v);
    out_buffer_init(&text, last->stats, sizeof(last->stats));
    vm_print_stats(v->vm, &text.out);
    note_json(v->vm, last);
    last->valid = true;
}

/* ---- A silent guest ---- */

struct sample {
    uint64_t pc, exits, unclaimed;
    enum exit_kind last_exit;
};

static bool take_sample(struct vm *vm, struct sample *s)
{
    if (vm_pause(vm) != ERR_OK)
        return false;
    mutex_lock(&vm->lock);
    bool there = vm->vcpus != NULL;
    if (there) {
        struct vcpu *v = vm->vcpus[0];

        *s = (struct sample){.pc = vm->isa->pc(v),
                             .unclaimed = vm->mmio.unclaimed + vm->ports.unclaimed,
                             .last_exit = (enum exit_kind)v->stats.last_exit};
        for (unsigned i = 0; i < EXIT_KIND_COUNT; i++)
            s->exits += i == EXIT_INTERRUPT ? 0 : v->stats.exits[i];
    }
    mutex_unlock(&vm->lock);
    return vm_resume(vm, GUEST_TIME_CONTINUE) == ERR_OK && there;
}

static bool same_loop(const struct sample *a, const struct sample *b)
{
    return a->pc - b->pc + LOOP_SIZE < 2 * LOOP_SIZE;
}

static void say_cause(struct vm *vm, const struct sample *a, const struct sample *b,
                      struct out *out)
{
    bool console = strstr(vm->config->cmdline, "console=") != NULL;

    if (b->exits == 0)
        out_printf(out, "It has never asked for anything: its kernel may be damaged, or not for "
                        "this machine.");
    else if (b->last_exit == EXIT_IDLE && !console)
        out_printf(out, "It waits: it may well run and print elsewhere. Its cmdline names no "
                        "console: add console=...");
    else if (b->last_exit == EXIT_IDLE)
        out_printf(out, "It waits: for an interrupt, or it halted after an error. Add earlycon "
                        "to its cmdline to see more.");
    else if (b->unclaimed > a->unclaimed)
        out_printf(out, "It keeps accessing places where no device is, such as 0x%llx.",
                   (unsigned long long)(vm->mmio.unclaimed ? vm->mmio.last_unclaimed
                                                           : vm->ports.last_unclaimed));
    else if (same_loop(a, b))
        out_printf(out, "It runs in a small loop: it may have failed early. Add earlycon to its "
                        "cmdline to see more.");
    else
        out_printf(out, "It runs: it may print elsewhere%s.",
                   console ? "; check the console that its cmdline names"
                           : ". Its cmdline names no console: add console=...");
}

void vm_diagnose(struct vm *vm, struct out *out)
{
    struct sample a, b;

    if (!take_sample(vm, &a))
        return;
    thread_sleep_ns(SAMPLE_GAP_NS);
    if (!take_sample(vm, &b))
        return;
    out_printf(out,
               "nothing on its console since its start. vCPU 0 last left the guest by %s, PC "
               "0x%llx. ",
               exit_kind_name(b.last_exit), (unsigned long long)b.pc);
    say_cause(vm, &a, &b, out);
}
