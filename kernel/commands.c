/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Monitor commands about the hypervisor itself: log, threads, cpus, mem, irq, reboot, poweroff. */
#include <stdlib.h>
#include <string.h>
#include "kernel/cpu.h"
#include "kernel/irq.h"
#include "kernel/monitor.h"
#include "kernel/start.h"
#include "kernel/thread.h"
#include "kernel/vm.h"
#include "mm/guest_memory.h"
#include "mm/heap.h"
#include "mm/page.h"

typedef unsigned long long ull;

/* [LINES]; false after saying what is wrong. */
static bool lines_argument(struct out *out, int argc, char **argv, unsigned *lines)
{
    char *end;
    *lines = 0;
    if (argc == 0)
        return true;
    unsigned long value = strtoul(argv[0], &end, 10);
    if (*end || end == argv[0] || value == 0 || value > UINT32_MAX) {
        out_printf(out, "\"%s\" is not a number of lines: try \"log 20\"\n", argv[0]);
        return false;
    }
    *lines = (unsigned)value;
    return true;
}

static void run_log(struct out *out, int argc, char **argv)
{
    unsigned lines;
    if (lines_argument(out, argc, argv, &lines))
        log_dump(out, lines, LOG_DEBUG);
}

static void json_log(struct json *j, struct out *out, int argc, char **argv)
{
    struct json_lines text;
    unsigned lines;
    json_lines_init(&text, j, "log", NULL, NULL);
    if (lines_argument(out, argc, argv, &lines))
        log_dump(&text.out, lines, LOG_DEBUG);
    json_lines_finish(&text);
}
TABLE_ENTRY(monitor_commands, struct monitor_command, command_log) = {
    .name = "log",
    .usage = "[LINES]",
    .summary = "Shows the log, or its last LINES lines",
    .help = "Debug lines are included, which consoles show only with \"log = debug\" in "
            "ennead.ini. The stamps are seconds since "
            "the firmware handed the machine over.",
    .run = run_log,
    .json = json_log,
};

static const char *const thread_states[] = {"ready", "running", "sleeping", "ended"};

static void print_thread(struct thread *t, void *arg)
{
    struct out *out = arg;
    const struct cpu *cpu = READ_ONCE(t->cpu);
    out_printf(out, "%4u  %-*s %-8s %4u %6u %12llu.%03llu %12llu\n", t->id, THREAD_NAME_SIZE / 2,
               t->name, thread_states[t->state & 3], cpu ? cpu->id : 0, (unsigned)t->weight,
               (ull)(t->run_ns / NS_PER_SEC), (ull)(t->run_ns % NS_PER_SEC / NS_PER_MS),
               (ull)t->switches);
}

static void run_threads(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    out_printf(out, "%4s  %-*s %-8s %4s %6s %16s %12s\n", "id", THREAD_NAME_SIZE / 2, "name",
               "state", "cpu", "weight", "run seconds", "switches");
    thread_for_each(print_thread, out);
}
static void json_thread(struct thread *t, void *arg)
{
    struct json *j = arg;
    const struct cpu *cpu = READ_ONCE(t->cpu);
    json_begin(j, "thread");
    json_number(j, "id", t->id);
    json_string(j, "name", t->name);
    json_string(j, "state", thread_states[t->state & 3]);
    json_number(j, "cpu", cpu ? cpu->id : 0);
    json_number(j, "weight", t->weight);
    json_number(j, "run_ns", t->run_ns);
    json_number(j, "switches", t->switches);
    json_end(j);
}

static void json_threads(struct json *j, struct out *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    thread_for_each(json_thread, j);
}
TABLE_ENTRY(monitor_commands, struct monitor_command, command_threads) = {
    .name = "threads",
    .usage = "",
    .summary = "Shows the hypervisor's threads, vCPUs included",
    .run = run_threads,
    .json = json_threads,
};

#define CPU_REPORT_SIZE 768

struct cpu_report {
    struct out_buffer buffer;
    char text[CPU_REPORT_SIZE];
};

static void report_this_cpu(void *arg)
{
    struct cpu_report *r = arg;
    host_cpu_report(&r->buffer.out);
}

/* Idle time up to now, in tenths of a percent of the time since start. */
static unsigned idle_share(const struct cpu *cpu)
{
    uint64_t now = clock_ns(), idle = READ_ONCE(cpu->idle_ns);
    uint64_t since = READ_ONCE(cpu->idle->switched_in);
    if (READ_ONCE(cpu->current) == cpu->idle && now > since)
        idle += now - since;
    return now >= 1000 ? (unsigned)MIN(idle / (now / 1000), 1000ULL) : 0;
}

static const char *running_on(const struct cpu *cpu)
{
    if (cpu == this_cpu())
        return thread_current()->name;
    return READ_ONCE(cpu->current) == cpu->idle ? "nothing" : "a thread";
}

static void print_cpu(struct out *out, struct cpu *cpu, struct cpu_report *r)
{
    unsigned idle = idle_share(cpu);
    out_printf(out,
               "cpu %u: hardware id %#llx, online, %u.%u %% idle, %llu interrupts, running %s\n",
               cpu->id, (ull)cpu->hw_id, idle / 10, idle % 10, (ull)READ_ONCE(cpu->irq_count),
               running_on(cpu));
    out_buffer_init(&r->buffer, r->text, sizeof(r->text));
    cpu_call(cpu, report_this_cpu, r, true);
    out_write(out, r->text, r->buffer.used);
}

static void run_cpus(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct cpu_report *r = heap_alloc(sizeof(*r));
    if (!r) {
        out_printf(out, "no memory for the report: stop a guest and try again\n");
        return;
    }
    for (unsigned id = 0; id < cpu_count(); id++) {
        struct cpu *cpu = cpu_get(id);
        if (cpu)
            print_cpu(out, cpu, r);
        else
            out_printf(out, "cpu %u: did not start, see \"log\"\n", id);
    }
    heap_free(r);
}
static void json_cpu(struct json *j, unsigned id, struct cpu_report *r)
{
    struct cpu *cpu = cpu_get(id);
    json_begin(j, "cpu");
    json_number(j, "cpu", id);
    json_bool(j, "online", cpu != NULL);
    if (cpu) {
        json_hex(j, "hardware_id", cpu->hw_id);
        json_tenths(j, "idle_percent", idle_share(cpu));
        json_number(j, "interrupts", READ_ONCE(cpu->irq_count));
        json_string(j, "running", running_on(cpu));
        out_buffer_init(&r->buffer, r->text, sizeof(r->text));
        cpu_call(cpu, report_this_cpu, r, true);
        json_array(j, "features");
        for (const char *line = r->text; *line; line += strcspn(line, "\n"), line += *line != 0)
            json_text(j, NULL, line, strcspn(line, "\n"));
        json_close(j);
    }
    json_end(j);
}

static void json_cpus(struct json *j, struct out *out, int argc, char **argv)
{
    struct cpu_report *r = heap_alloc(sizeof(*r));
    (void)argc;
    (void)argv;
    if (!r)
        out_printf(out, "no memory for the report: stop a guest and try again\n");
    for (unsigned id = 0; r && id < cpu_count(); id++)
        json_cpu(j, id, r);
    heap_free(r);
}
TABLE_ENTRY(monitor_commands, struct monitor_command, command_cpus) = {
    .name = "cpus",
    .usage = "",
    .summary = "Shows the machine's CPUs, how busy they are and what they can do",
    .run = run_cpus,
    .json = json_cpus,
};

static void run_irq(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    irq_report(out);
}
static void json_irq(struct json *j, struct out *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    irq_report_json(j);
}
TABLE_ENTRY(monitor_commands, struct monitor_command, command_irq) = {
    .name = "irq",
    .usage = "",
    .summary = "Shows the machine's interrupt lines and how often each came",
    .run = run_irq,
    .json = json_irq,
};

static void run_reboot(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    out_printf(out, "restarting the machine\n");
    host_reset();
    out_printf(out, "the machine has no way to restart that works: turn it off and on by hand\n");
}
TABLE_ENTRY(monitor_commands, struct monitor_command, command_reboot) = {
    .name = "reboot",
    .usage = "",
    .summary = "Restarts the machine at once; guests are not asked",
    .run = run_reboot,
};

static void run_poweroff(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    out_printf(out, "turning the machine off\n");
    host_poweroff();
    out_printf(out, "the machine has no way to turn itself off that works: do it by hand\n");
}
TABLE_ENTRY(monitor_commands, struct monitor_command, command_poweroff) = {
    .name = "poweroff",
    .usage = "",
    .summary = "Turns the machine off at once; guests are not asked",
    .run = run_poweroff,
};

/* ---- mem ---- */

static const char *mem_type_name(uint32_t type)
{
    static const char *const names[] = {
        [BOOT_MEM_USABLE] = "usable",
        [BOOT_MEM_LOADER] = "loader, freed",
        [BOOT_MEM_KERNEL] = "hypervisor image",
        [BOOT_MEM_FILE] = "files of the boot disk",
        [BOOT_MEM_ACPI_RECLAIM] = "ACPI tables",
        [BOOT_MEM_ACPI_NVS] = "ACPI storage",
        [BOOT_MEM_RUNTIME_CODE] = "firmware code",
        [BOOT_MEM_RUNTIME_DATA] = "firmware data",
        [BOOT_MEM_RESERVED] = "reserved",
        [BOOT_MEM_MMIO] = "device registers",
        [BOOT_MEM_PERSISTENT] = "persistent, not used",
    };
    return type < ARRAY_SIZE(names) && names[type] ? names[type] : "unknown, not used";
}

/* Ranges of this type in the memory map, and their bytes. */
static uint64_t count_ranges(uint32_t type, uint64_t *bytes)
{
    const struct boot_info *info = boot_info_get();
    const struct boot_mem *mem = phys_to_virt(HPA(info->mem));
    uint64_t ranges = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < info->mem_count; i++) {
        if (mem[i].type == type) {
            *bytes += mem[i].size;
            ranges++;
        }
    }
    return ranges;
}

static void print_map(struct out *out)
{
    for (uint32_t type = 0; type <= BOOT_MEM_PERSISTENT; type++) {
        uint64_t bytes, ranges = count_ranges(type, &bytes);
        if (ranges)
            out_printf(out, "%14llu KiB in %3llu ranges: %s\n", (ull)(bytes / 1024), (ull)ranges,
                       mem_type_name(type));
    }
}

static void json_map(struct json *j)
{
    for (uint32_t type = 0; type <= BOOT_MEM_PERSISTENT; type++) {
        uint64_t bytes, ranges = count_ranges(type, &bytes);
        if (!ranges)
            continue;
        json_begin(j, "ranges");
        json_string(j, "type", mem_type_name(type));
        json_number(j, "ranges", ranges);
        json_number(j, "bytes", bytes);
        json_end(j);
    }
}

static void add_resident(struct vm *vm, void *arg)
{
    uint64_t *bytes = arg;
    mutex_lock(&vm->lock);
    if (vm->memory)
        *bytes += guest_memory_resident(vm->memory);
    mutex_unlock(&vm->lock);
}

/* Bytes that the hypervisor itself takes: image, bookkeeping, and what is allocated but is not
 * guest memory. */
static uint64_t hypervisor_bytes(const struct page_stats *pages, uint64_t guests)
{
    uint64_t taken = pages->total - pages->free;
    return boot_info_get()->kernel_size + pages->metadata + (taken > guests ? taken - guests : 0);
}

static void run_mem(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct page_stats pages;
    struct heap_stats heap;
    uint64_t guests = 0;
    vm_for_each(add_resident, &guests);
    page_stats_get(&pages);
    heap_stats_get(&heap);
    print_map(out);
    out_printf(out, "pages: %llu KiB in all, %llu KiB free, largest free block %llu KiB\n",
               (ull)(pages.total / 1024), (ull)(pages.free / 1024),
               pages.free ? (ull)(PAGE_SIZE << pages.largest_order) / 1024 : 0);
    out_printf(out, "heap: %llu objects, %llu bytes used of %llu\n", (ull)heap.objects,
               (ull)heap.allocated, (ull)heap.reserved);
    out_printf(out, "guest memory: %llu bytes\n", (ull)guests);
    out_printf(out, "shared page lock: %llu acquisitions\n", (ull)pages.shared_lock_count);
    out_printf(out, "hypervisor memory: %llu bytes\n", (ull)hypervisor_bytes(&pages, guests));
}
static void json_mem(struct json *j, struct out *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    struct page_stats pages;
    struct heap_stats heap;
    uint64_t guests = 0;
    vm_for_each(add_resident, &guests);
    page_stats_get(&pages);
    heap_stats_get(&heap);
    json_map(j);
    json_begin(j, "memory");
    json_number(j, "total_bytes", pages.total);
    json_number(j, "free_bytes", pages.free);
    json_number(j, "largest_free_bytes", pages.free ? PAGE_SIZE << pages.largest_order : 0);
    json_number(j, "heap_objects", heap.objects);
    json_number(j, "heap_used_bytes", heap.allocated);
    json_number(j, "heap_bytes", heap.reserved);
    json_number(j, "guest_bytes", guests);
    json_number(j, "shared_lock_acquisitions", pages.shared_lock_count);
    json_number(j, "hypervisor_bytes", hypervisor_bytes(&pages, guests));
    json_end(j);
}
TABLE_ENTRY(monitor_commands, struct monitor_command, command_mem) = {
    .name = "mem",
    .usage = "",
    .summary = "Shows the machine's memory and who uses it",
    .help = "\"hypervisor memory\" is everything that Ennead takes for itself: its image, "
            "bookkeeping, stacks, tables and heap; "
            "not the memory of guests.",
    .run = run_mem,
    .json = json_mem,
};
