/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a traced event costs: a million of them, half of them exits.
 *
 *   trace_bench --counted   runs itself under callgrind with tracing on and with a call of nothing
 *                           in its place, and prints the difference for one event
 *   trace_bench [--nothing]
 */
#include "counted.h"
#include "hosted.h"
#include "kernel/trace.h"
#include "kernel/vcpu.h"

#define EVENTS 1000000u

static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

__attribute__((noinline)) static void nothing(const struct vcpu *v, const struct vm_exit *exit)
{
    __asm__ volatile("" ::"r"(v), "r"(exit));
}

int main(int argc, char **argv)
{
    const struct trace_filter all = {.kinds = BIT(TRACE_KINDS) - 1, .vm = TRACE_ALL_VMS};
    struct vm_exit exit = {.kind = EXIT_MEMORY};

    if (argc > 1 && !strcmp(argv[1], "--counted")) {
        printf("trace_event_instructions %.1f\n",
               (counted(argv[0], "") - counted(argv[0], "--nothing")) / EVENTS);
        return 0;
    }
    void (*note)(const struct vcpu *, const struct vm_exit *) =
        argc > 1 && !strcmp(argv[1], "--nothing") ? nothing : trace_exit;
    hosted_start_size(GIB(1));
    if (trace_start(&all) != ERR_OK)
        return 1;
    for (unsigned i = 0; i < EVENTS; i++) {
        exit.memory.gpa.v = i;
        note(&vcpu, &exit);
    }
    return 0;
}
