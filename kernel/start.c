/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The order in which the kernel comes up; what each step needs stands in the header that it calls.
 */
#include "kernel/start.h"

#include <string.h>
#include "drivers/acpi.h"
#include "drivers/drivers.h"
#include "drivers/fdt.h"
#include "kernel/config.h"
#include "kernel/cpu.h"
#include "kernel/guest_console.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/monitor.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "kernel/timer.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

static struct boot_info *boot; /* the kernel's copy */
static bool clock_runs;

/* Some hosts know their counter's frequency at once, some read it from a table, some measure it in
 * host_init(). */
static void start_clock(void)
{
    if (clock_runs || host_counter_hz() == 0)
        return;
    clock_init(boot->exit_counter, host_counter_hz());
    if (boot->wall_seconds)
        clock_wall_init(boot->wall_seconds * NS_PER_SEC, boot->entry_counter);
    clock_runs = true;
}

static hpa_t copy_from_loader(uint64_t pa, size_t size)
{
    void *copy = heap_alloc(size ? size : 1);

    if (!copy)
        panic("out of memory while taking over what the loader read");
    memcpy(copy, phys_to_virt(HPA(pa)), size);
    return virt_to_phys(copy);
}

/* Copies the arrays that lie in loader memory, then frees that memory. */
static void release_loader(void)
{
    boot->mem = copy_from_loader(boot->mem, boot->mem_count * sizeof(struct boot_mem)).v;
    boot->files = copy_from_loader(boot->files, boot->file_count * sizeof(struct boot_file)).v;
    page_release_loader();
}

static void read_config(void)
{
    const struct boot_file *files = phys_to_virt(HPA(boot->files));

    for (uint32_t i = 0; i < boot->file_count; i++) {
        if (files[i].status != 0)
            log_warn("%s could not be read from the boot disk (EFI error %d)", files[i].path,
                     files[i].status);
        else if (i == 0 && strcmp(files[i].path, "ennead/ennead.ini") == 0)
            config_parse(files[i].path, phys_to_virt(HPA(files[i].base)), files[i].size);
    }
    if (boot->file_count == 0)
        log_info("no ennead/ennead.ini on the boot disk: starting with defaults and no guests");
}

static void run_hooks(void)
{
    for (unsigned level = 0; level < INIT_LEVEL_COUNT; level++)
        TABLE_FOR_EACH(init_hooks, struct init_hook, h)
    if (h->level == level)
        h->fn();
}

/* The monitor, or first the guest's console that the configuration asks for. */
static void monitor_thread(void *unused)
{
    const char *name = config_get()->console;
    struct vm *vm = name && *name ? vm_find(name) : NULL;

    if (vm)
        guest_console_session(vm->console, vm->name);
    else if (name && *name)
        log_warn("console = %s names no guest", name);
    monitor_main(unused);
}

/* The second half, as thread "main". */
static void main_thread(void *unused)
{
    struct thread *monitor;

    (void)unused;
    serial_input_init();
    cpu_start_all();
    read_config();
    release_loader();
    run_hooks();
    uint64_t ns = clock_ns();
    log_info("ready in %llu ms", (unsigned long long)(ns / NS_PER_MS));
    log_info("boot to prompt: %llu ns", (unsigned long long)ns); /* read by `make bench` */
    if (thread_create(&monitor, "monitor", monitor_thread, NULL, THREAD_WEIGHT, -1) != ERR_OK)
        log_error("the monitor's thread cannot be made: guests run, but there is no command line");
}

void kernel_main(struct boot_info *info)
{
    host_early_init(info, cpu_boot());
    boot = boot_info_take(info);
    page_init(boot);
    heap_init();
    kernel_map_init(boot);
    acpi_init(HPA(boot->acpi_rsdp));
    fdt_init(HPA(boot->fdt));
    start_clock();
    serial_init(boot);
    screen_init(boot);
    log_info("Ennead " ENNEAD_VERSION " for " HOST_ISA ", loaded by %s", boot->firmware_vendor);
    if (host_init() != ERR_OK)
        panic("this machine lacks something that the hypervisor cannot do without: see the lines "
              "above");
    start_clock();
    scheduler_init();
    scheduler_start(main_thread);
}
