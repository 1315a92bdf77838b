/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * ennead run: a guest on the translator, as a Linux process. The options become the configuration
 * file that the hypervisor reads elsewhere; from there on everything is the core's own.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dbt/emitter.h"
#include "dbt/knobs.h"
#include "kernel/guest_console.h"
#include "kernel/init.h"
#include "kernel/monitor.h"
#include "kernel/start.h"
#include "kernel/thread.h"
#include "kernel/trace.h"
#include "kernel/vm.h"
#include "program.h"

#define GUEST        "guest"
#define OWN_MEMORY   MIB(160) /* beside the guest's */
#define CODE_SHARE   8        /* of the guest's memory: an eighth may be code, another one blocks */
#define CODE_MOST    MIB(512)
#define BLOCKS_LEAST MIB(26)
#define DISKS_MAX    8
#define CPUS_MAX     64
#define PORT_MAX     65535
#define PAGE_BYTES   4096
#define LOG_LINES    64 /* of errors, that a guest that fails shows at most */
#define CONFIG_BYTES 16384

static const char usage[] =
    "usage: ennead run [OPTION]...   or   ennead check FILE\n"
    "Runs a guest of another architecture as a process. Ctrl-] leaves the guest's console for the "
    "monitor.\n"
    "  --arch ISA         x86_64, aarch64 or riscv64 (default: riscv64)\n"
    "  --memory SIZE      guest memory: 256M, 1G, ... (default: 256M)\n"
    "  --cpus N           virtual CPUs (default: 1)\n"
    "  --host-cpus N      threads that run them (default: as many)\n"
    "  --kernel FILE      kernel image\n"
    "  --initrd FILE      initial RAM disk\n"
    "  --append TEXT      kernel command line\n"
    "  --disk FILE[,MODE] a disk: read-write (default: changes go to the file), read-only or "
    "copy-on-write\n"
    "  --engine ENGINE    interp, jit or hybrid (default: the best there is)\n"
    "  --mmu MMU          soft, page-table or auto: how generated code reaches memory (default: "
    "soft)\n"
    "  --set KEY=VALUE    a key of the guest's section in ennead.ini (docs/configuration.md)\n"
    "  --gdb PORT         let gdb debug the guest over this TCP port (gdb: target remote :PORT)\n"
    "  --wait             with --gdb: the guest begins when gdb lets it\n"
    "  --log LEVEL        error, warn, info or debug (default: warn)\n"
    "  --monitor          begin in the monitor, not in the guest's console\n"
    "  --icount           time is the number of instructions done: two runs are alike\n"
    "  --hash N           with --icount: print a hash of the guest's state every N instructions\n"
    "  --check            with jit or hybrid: each block by the interpreter first, the results\n"
    "                     compared; implies --icount\n"
    "  --trace WHAT       print at the end what happened last: exits, interrupts, virtio, blocks,\n"
    "                     flushes, with commas between them\n"
    "  --stress WHAT=N,.. for tests: code-cache (KiB), tlb (entries), return-stack (calls);\n"
    "                     code-memory, block-memory (KiB that the host has for it); and poll,\n"
    "                     evict, invalidate (at every Nth block), turn (with --mmu auto:\n"
    "                     look-ups or page tables at every Nth choice of a space)\n"
    "  --profile          count executions of the guest's instructions and print the most\n"
    "                     frequent ones, and which of them are left to C; implies --engine jit\n"
    "  --stats            print the guest's statistics at the end\n";

static struct {
    const char *arch, *memory, *cpus, *kernel, *initrd, *append, *engine, *mmu, *log;
    struct {
        const char *file, *mode;
    } disks[DISKS_MAX];
    unsigned disk_count, host_cpus;
    char sets[4096];
    uint64_t hash, code_cache;
    bool monitor, stats, wait, icount, check;
    char *trace;
} options = {.arch = "riscv64", .memory = "256M", .cpus = "1", .append = "", .log = "warn"};

void program_fail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "ennead: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(EXIT_USAGE);
}

/* ---- The guest's end ends the program ---- */

static void to_stdout(struct out *out, const char *text, size_t length)
{
    (void)out;
    if (write(STDOUT_FILENO, text, length) < 0)
        exit(EXIT_FAILURE);
}

static struct out standard_output = {.write = to_stdout};

static void to_stderr(struct out *out, const char *text, size_t length)
{
    (void)out;
    if (write(STDERR_FILENO, text, length) < 0)
        exit(EXIT_FAILURE);
}

static void print_stats(void)
{
    char line[] = "vm stats " GUEST;
    struct out out = {.write = to_stdout};

    monitor_execute(&out, line);
}

static void nowhere(struct out *out, const char *text, size_t length)
{
    (void)out, (void)text, (void)length;
}

static void start_trace(void)
{
    char line[256];
    struct out out = {.write = nowhere};

    snprintf(line, sizeof(line), "trace on " GUEST " %s", options.trace);
    for (char *c = line; *c; c++)
        if (*c == ',')
            *c = ' ';
    monitor_execute(&out, line);
    if (!trace_kinds)
        program_fail("--trace %s: give exits, interrupts, virtio, blocks or flushes, with commas "
                     "between them",
                     options.trace);
}

static void print_trace(void)
{
    char line[32];
    struct out out = {.write = to_stdout};

    snprintf(line, sizeof(line), "trace show %u", TRACE_RING_EVENTS);
    monitor_execute(&out, line);
}

/* `started_ns` says that it ran: a guest that cannot start stays where it was. */
static bool guest_ended(struct vm *vm)
{
    return READ_ONCE(vm->state) == VM_STOPPED && !READ_ONCE(vm->restart) &&
           (READ_ONCE(vm->started_ns) || vm->failed || vm->reason[0]);
}

static void watch(void *arg)
{
    struct vm *vm = arg;

    wait_event(&vm->changed, guest_ended(vm));
    if (vm->started_ns)
        guest_console_drain(vm->console);
    if (options.trace)
        print_trace();
    if (options.stats)
        print_stats();
    if (vm->failed)
        log_dump(&(struct out){.write = to_stderr}, LOG_LINES, LOG_ERROR);
    if (vm->failed || !vm->started_ns)
        fprintf(stderr, "ennead: the guest stopped: %s\n", vm->reason);
    exit(vm->failed || !vm->started_ns ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void watch_start(void)
{
    struct vm *vm = vm_find(GUEST);
    struct thread *t;

    if (!vm)
        program_fail("the guest could not be made: see the lines above");
    if (options.trace)
        start_trace();
    if (program_count.on) /* the guest's start is not at moment 0, which means never */
        program_count_sleep(program_count_now() + 1);
    if (!options.monitor && thread_create(&t, "watch", watch, vm, THREAD_WEIGHT, -1) != ERR_OK)
        program_fail("no memory for a thread");
}
INIT(INIT_LEVEL_LATE, watch_start);

/* ---- Options ---- */

enum option_name {
    OPTION_ARCH = 1,
    OPTION_MEMORY,
    OPTION_CPUS,
    OPTION_HOST_CPUS,
    OPTION_KERNEL,
    OPTION_INITRD,
    OPTION_APPEND,
    OPTION_DISK,
    OPTION_ENGINE,
    OPTION_MMU,
    OPTION_SET,
    OPTION_GDB,
    OPTION_WAIT,
    OPTION_LOG,
    OPTION_MONITOR,
    OPTION_ICOUNT,
    OPTION_HASH,
    OPTION_CHECK,
    OPTION_TRACE,
    OPTION_STRESS,
    OPTION_PROFILE,
    OPTION_STATS,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"arch", required_argument, NULL, OPTION_ARCH},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"cpus", required_argument, NULL, OPTION_CPUS},
    {"host-cpus", required_argument, NULL, OPTION_HOST_CPUS},
    {"kernel", required_argument, NULL, OPTION_KERNEL},
    {"initrd", required_argument, NULL, OPTION_INITRD},
    {"append", required_argument, NULL, OPTION_APPEND},
    {"disk", required_argument, NULL, OPTION_DISK},
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"mmu", required_argument, NULL, OPTION_MMU},
    {"set", required_argument, NULL, OPTION_SET},
    {"gdb", required_argument, NULL, OPTION_GDB},
    {"wait", no_argument, NULL, OPTION_WAIT},
    {"log", required_argument, NULL, OPTION_LOG},
    {"monitor", no_argument, NULL, OPTION_MONITOR},
    {"icount", no_argument, NULL, OPTION_ICOUNT},
    {"hash", required_argument, NULL, OPTION_HASH},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"stress", required_argument, NULL, OPTION_STRESS},
    {"profile", no_argument, NULL, OPTION_PROFILE},
    {"stats", no_argument, NULL, OPTION_STATS},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static void add_disk(char *text)
{
    char *mode = strrchr(text, ',');

    if (options.disk_count == DISKS_MAX)
        program_fail("more than %u disks", DISKS_MAX);
    if (mode)
        *mode++ = '\0';
    options.disks[options.disk_count].file = text;
    options.disks[options.disk_count++].mode = mode ? mode : "read-write";
}

static void add_set(const char *text)
{
    size_t used = strlen(options.sets);

    if (!strchr(text, '=') || snprintf(options.sets + used, sizeof(options.sets) - used, "%s\n",
                                       text) >= (int)(sizeof(options.sets) - used))
        program_fail("--set %s: give KEY=VALUE", text);
}

static unsigned number(const char *name, const char *text, unsigned most)
{
    char *rest;
    unsigned long value = strtoul(text, &rest, 10);

    if (*rest || !*text || !value || value > most)
        program_fail("%s %s: give a number from 1 to %u", name, text, most);
    return (unsigned)value;
}

static unsigned log2_of(unsigned long n)
{
    return (unsigned)(63 - __builtin_clzl(n | 1));
}

static bool set_knob(const char *name, unsigned long n)
{
    struct dbt_knobs *k = &dbt_knobs;

    if (strcmp(name, "code-cache") == 0 && n >= 256 && n <= 1 << 20)
        options.code_cache = k->code_cache = n << 10;
    else if (strcmp(name, "tlb") == 0 && n >= 2 && n <= 1 << 16)
        k->tlb_bits = log2_of(n);
    else if (strcmp(name, "return-stack") == 0 && n >= 4 && n <= 4096)
        k->return_stack =
            128U << log2_of(n / 4) > DBT_RETURN_STACK ? DBT_RETURN_STACK : 128U << log2_of(n / 4);
    else if (strcmp(name, "code-memory") == 0)
        k->code_memory = n << 10;
    else if (strcmp(name, "block-memory") == 0)
        k->block_memory = n << 10;
    else if (strcmp(name, "poll") == 0)
        k->poll_every = (unsigned)n;
    else if (strcmp(name, "evict") == 0)
        k->evict_every = (unsigned)n;
    else if (strcmp(name, "invalidate") == 0)
        k->invalidate_every = (unsigned)n;
    else if (strcmp(name, "turn") == 0)
        k->turn_every = (unsigned)n;
    else
        return false;
    return true;
}

static void take_stress(char *text)
{
    for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
        char *value = strchr(item, '='), *rest = item;
        unsigned long n = 0;

        if (value) {
            *value++ = '\0';
            n = strtoul(value, &rest, 0);
        }
        if (!n || *rest || !set_knob(item, n))
            program_fail("--stress %s: give names and numbers as 'ennead --help' lists them", item);
    }
}

static void take_option(int name, char *value)
{
    switch (name) {
    case OPTION_ARCH:
        options.arch = value;
        break;
    case OPTION_MEMORY:
        options.memory = value;
        break;
    case OPTION_CPUS:
        number("--cpus", value, CPUS_MAX);
        options.cpus = value;
        break;
    case OPTION_HOST_CPUS:
        options.host_cpus = number("--host-cpus", value, CPUS_MAX);
        break;
    case OPTION_KERNEL:
        options.kernel = value;
        break;
    case OPTION_INITRD:
        options.initrd = value;
        break;
    case OPTION_APPEND:
        options.append = value;
        break;
    case OPTION_DISK:
        add_disk(value);
        break;
    case OPTION_ENGINE:
        options.engine = value;
        break;
    case OPTION_MMU:
        options.mmu = value;
        program_memory_shared = strcmp(value, "soft") != 0;
        break;
    case OPTION_SET:
        add_set(value);
        break;
    case OPTION_GDB:
        program_gdb_port = number("--gdb", value, PORT_MAX);
        break;
    case OPTION_WAIT:
        options.wait = true;
        break;
    case OPTION_LOG:
        options.log = value;
        break;
    case OPTION_MONITOR:
        options.monitor = true;
        break;
    case OPTION_ICOUNT:
        options.icount = true;
        break;
    case OPTION_HASH:
        options.hash = strtoull(value, NULL, 0);
        break;
    case OPTION_CHECK:
        options.check = options.icount = true;
        break;
    case OPTION_TRACE:
        options.trace = value;
        break;
    case OPTION_STRESS:
        take_stress(value);
        break;
    case OPTION_PROFILE:
        options.engine = "jit";
        dbt_knobs.profile = &standard_output;
        break;
    case OPTION_STATS:
        options.stats = true;
        break;
    case OPTION_HELP:
        fputs(usage, stdout);
        exit(EXIT_SUCCESS);
    default:
        fputs("Try 'ennead --help'.\n", stderr);
        exit(EXIT_USAGE);
    }
}

static void take_options(int argc, char **argv)
{
    int name;

    while ((name = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(name, optarg);
    if (argc - optind != 1 || strcmp(argv[optind], "run") != 0) {
        fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
    if (!options.kernel)
        program_fail("--kernel is missing: give the guest's kernel image");
    if (options.hash && !options.icount)
        program_fail("--hash needs --icount");
    if (options.check && options.engine && strcmp(options.engine, "interp") == 0)
        program_fail("--check compares emitted code: give --engine jit or hybrid");
    dbt_knobs.check = options.check;
    if (options.icount)
        program_count_start(options.hash);
    program_cpu_count = options.icount      ? 1
                        : options.host_cpus ? options.host_cpus
                                            : number("--cpus", options.cpus, CPUS_MAX);
}

/* ---- What the loader does elsewhere ---- */

static uint64_t file_bytes(const char *path)
{
    struct stat s;

    if (!path)
        return 0;
    if (stat(path, &s))
        program_fail("%s: %s", path, strerror(errno));
    return ALIGN_UP((uint64_t)s.st_size + 1, PAGE_BYTES);
}

/* A wrong value is 0: the configuration says what is wrong with it. */
static uint64_t memory_bytes(const char *text)
{
    char *unit;
    uint64_t value = strtoull(text, &unit, 10);
    unsigned shift = *unit == 'T'   ? 40
                     : *unit == 'G' ? 30
                     : *unit == 'M' ? 20
                     : *unit == 'K' ? 10
                                    : 0;

    return value < 1ULL << 40 >> shift ? value << shift : 0;
}

static void add_line(char *text, const char *fmt, ...)
{
    size_t used = strlen(text);
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text + used, CONFIG_BYTES - used, fmt, args) >= (int)(CONFIG_BYTES - used))
        program_fail("the options are too long");
    va_end(args);
}

static void write_config(char *text)
{
    add_line(text, "[host]\nconfig = 1\nlog = %s\n", options.log);
    if (!options.monitor)
        add_line(text, "console = " GUEST "\n");
    for (unsigned i = 0; i < options.disk_count; i++)
        add_line(text, "[disk disk%u]\nfile = disk%u\nmode = %s\n", i, i, options.disks[i].mode);
    add_line(text, "[vm " GUEST "]\narch = %s\nmemory = %s\ncpus = %s\nkernel = kernel\n",
             options.arch, options.memory, options.cpus);
    if (options.initrd)
        add_line(text, "initrd = initrd\n");
    if (*options.append)
        add_line(text, "cmdline = %s\n", options.append);
    if (options.engine)
        add_line(text, "engine = %s\n", options.engine);
    if (options.mmu)
        add_line(text, "mmu = %s\n", options.mmu);
    if (program_gdb_port)
        add_line(text, "gdb = %s\n", options.wait ? "wait" : "yes");
    for (unsigned i = 0; i < options.disk_count; i++)
        add_line(text, "disk = disk%u\n", i);
    add_line(text, "%s", options.sets);
}

/* What was not said on the command line: a guest with much memory may run much code. The memory
 * comes as it is used. */
static uint64_t own_memory(uint64_t guest)
{
    struct dbt_knobs *k = &dbt_knobs;

    k->blocks = MAX(ALIGN_DOWN(guest / CODE_SHARE, MIB(1)), BLOCKS_LEAST);
    k->blocks = MIN(k->blocks, CODE_MOST);
    if (!options.code_cache)
        k->code_cache = k->blocks;
    return OWN_MEMORY + k->blocks;
}

static void add_files(struct boot_info *info, const char *config)
{
    program_text_add(info, "ennead/ennead.ini", config);
    program_file_add(info, "kernel", options.kernel, false);
    if (options.initrd)
        program_file_add(info, "initrd", options.initrd, false);
    for (unsigned i = 0; i < options.disk_count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "disk%u", i);
        program_file_add(info, name, options.disks[i].file,
                         strcmp(options.disks[i].mode, "read-write") == 0);
    }
}

int main(int argc, char **argv)
{
    static struct boot_info info;
    static char config[CONFIG_BYTES];
    uint64_t files = 2 * sizeof(config), memory;

    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return program_check(argc - 1, argv + 1);
    take_options(argc, argv);
    program_gdb_start();
    write_config(config);
    memory = memory_bytes(options.memory);
    files += file_bytes(options.kernel) + file_bytes(options.initrd);
    for (unsigned i = 0; i < options.disk_count; i++)
        files += file_bytes(options.disks[i].file);
    program_memory_create(&info, memory + own_memory(memory), files);
    add_files(&info, config);
    kernel_main(&info);
}
