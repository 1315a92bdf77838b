/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The text of `vm stats`. */
#include "kernel/timer.h"
#include "kernel/vcpu.h"

typedef unsigned long long ull;

uint64_t vm_ticks_to_ns(uint64_t ticks)
{
    uint64_t hz = host_counter_hz();

    return ticks / hz * NS_PER_SEC + ticks % hz * NS_PER_SEC / hz;
}

static uint64_t ticks_to_us(uint64_t ticks)
{
    return vm_ticks_to_ns(ticks) / NS_PER_US;
}

/* Counts, and the time from the exits to the next entries: that of "idle" is sleep. */
static void print_exits(struct out *out, const struct vcpu_stats *s)
{
    for (unsigned i = 0; i < EXIT_KIND_COUNT; i++)
        if (s->exits[i])
            out_printf(out, "  %-12s %12llu %12llu us\n", exit_kind_name(i), (ull)s->exits[i],
                       (ull)ticks_to_us(s->exit_ticks[i]));
}

static void stats_vcpu(struct out *out, const struct vcpu *v)
{
    const struct vcpu_stats *s = &v->stats;
    uint64_t ms = thread_run_ns(v->thread) / NS_PER_MS;

    out_printf(out, "vCPU %u: %s, %llu.%03llu s of CPU time, last exit %s; exits:\n", v->id,
               v->running ? "running" : "waits for start-up", (ull)(ms / 1000), (ull)(ms % 1000),
               exit_kind_name(s->last_exit));
    print_exits(out, s);
    out_printf(out, "  in the guest              %12llu us\n", (ull)ticks_to_us(s->guest_ticks));
    out_printf(out, "  pages mapped on demand: %llu, interrupts injected: %llu, kicks: %llu\n",
               (ull)s->stage2_faults, (ull)s->injected, (ull)s->kicks);
}

void vm_print_stats(struct vm *vm, struct out *out)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        stats_vcpu(out, vm->vcpus[i]);
    for (struct device *d = vm->devices; d; d = d->next)
        if (d->ops->stats)
            d->ops->stats(d, out);
    if (vm->engine->stats)
        vm->engine->stats(vm, out);
    if (vm->bulk_ticks != UINT64_MAX)
        out_printf(out, "start: %llu ns to the first entry, %llu ns of them for its memory\n",
                   (ull)vm_ticks_to_ns(vm->start_ticks), (ull)vm_ticks_to_ns(vm->bulk_ticks));
    if (second_stage_gigabytes(vm->stage2))
        out_printf(out, "blocks of 1 GiB mapped: %llu\n", (ull)second_stage_gigabytes(vm->stage2));
    out_printf(out,
               "memory in use: %llu KiB; second-stage tables: %llu KiB; accesses that no device "
               "took: %llu\n",
               (ull)(guest_memory_resident(vm->memory) >> 10),
               (ull)(second_stage_table_bytes(vm->stage2) >> 10),
               (ull)(vm->mmio.unclaimed + vm->ports.unclaimed));
}
