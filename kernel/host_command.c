/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor command `host`: the boot report, in plain words. */
#include <string.h>

#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "drivers/iommu.h"
#include "drivers/pci.h"
#include "drivers/usb/list.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/engine.h"
#include "kernel/init.h"
#include "kernel/monitor.h"
#include "kernel/start.h"
#include "mm/page.h"

/* A sink that indents every line by two. */
struct indented {
    struct out out, *to;
    bool inside; /* of a line */
};

static void indented_write(struct out *out, const char *text, size_t length)
{
    struct indented *i = container_of(out, struct indented, out);
    while (length) {
        const char *end = memchr(text, '\n', length);
        size_t n = end ? (size_t)(end - text) + 1 : length;
        if (!i->inside)
            out_write(i->to, "  ", 2);
        out_write(i->to, text, n);
        i->inside = !end;
        text += n;
        length -= n;
    }
}

static void report_firmware(struct out *out)
{
    const struct boot_info *b = boot_info_get();
    out_printf(out, "Firmware\n");
    out_printf(out, "  UEFI %u.%u by %.*s, Secure Boot %s\n", b->efi_revision >> 16,
               (b->efi_revision & 0xffff) / 10, (int)sizeof(b->firmware_vendor),
               b->firmware_vendor[0] ? b->firmware_vendor : "an unnamed vendor",
               b->flags & BOOT_SECURE_BOOT ? "on" : "off");
    if (b->boot_device[0])
        out_printf(out, "  started from %.*s\n", (int)sizeof(b->boot_device), b->boot_device);
    struct indented in = {.out = {indented_write}, .to = out};
    acpi_report(&in.out);
    fdt_report(&in.out);
}

static void report_memory(struct out *out)
{
    struct page_stats s;
    page_stats_get(&s);
    out_printf(out, "Memory\n  %llu MiB, of which %llu MiB are free for guests\n",
               (unsigned long long)(s.total >> 20), (unsigned long long)(s.free >> 20));
}

static void report_console(struct console *c, void *arg)
{
    out_printf(arg, "  %s\n", c->name);
}

static void note_kinds(struct console *c, void *arg)
{
    bool *kinds = arg;
    kinds[c->is_screen] = true;
}

static void report_consoles(struct out *out)
{
    const struct boot_info *b = boot_info_get();
    bool kinds[2] = {false, false};
    out_printf(out, "Consoles\n");
    console_for_each(report_console, out);
    console_for_each(note_kinds, kinds);
    if (!kinds[false])
        out_printf(out, "  no serial port was found: type on a USB keyboard\n");
    if (!kinds[true])
        out_printf(out, "  no screen: %.*s\n", (int)sizeof(b->framebuffer_note),
                   b->framebuffer_note[0] ? b->framebuffer_note : "it cannot be used, see `log`");
    if (usb_controllers())
        out_printf(out, "  USB keyboards may be plugged in at any time; `usb` lists them\n");
    else
        out_printf(out,
                   "  no keyboard: no USB controller (xHCI) on PCI; type on the serial port\n");
}

struct device_list {
    struct out *out;
    uint8_t base_class;
    unsigned count;
};

static void report_device(const struct pci_function *f, void *arg)
{
    struct device_list *list = arg;
    if (f->base_class != list->base_class)
        return;
    list->count++;
    out_printf(list->out,
               "  %s at %04x:%02x:%02x.%x (%04x:%04x): no driver yet, no guest can use it\n",
               pci_class_name(f), f->segment, f->bus, f->slot, f->function, f->vendor, f->device);
}

static void report_class(struct out *out, const char *title, uint8_t base_class, const char *none)
{
    struct device_list list = {.out = out, .base_class = base_class};
    out_printf(out, "%s\n", title);
    pci_for_each(report_device, &list);
    if (!list.count)
        out_printf(out, "  %s\n", none);
}

static void report_all(struct out *out)
{
    struct indented in = {.out = {indented_write}, .to = out};
    report_firmware(out);
    out_printf(out, "Processors\n  %u online; the one that runs this command:\n",
               cpu_online_count());
    host_cpu_report(&in.out);
    report_memory(out);
    out_printf(out, "Machine\n");
    host_report(&in.out);
    report_consoles(out);
    out_printf(out, "PCI: %s\n", pci_access_name());
    iommu_report(out);
    report_class(out, "Disks", PCI_CLASS_STORAGE, "no disk controller on PCI");
    report_class(out, "Network", PCI_CLASS_NETWORK, "no network controller on PCI");
}

static void report_at_boot(void)
{
    struct out_log log;
    out_log_init(&log);
    report_all(&log.out);
}
INIT(INIT_LEVEL_REPORT, report_at_boot);

static void run_host(struct out *out, int argc, char **argv)
{
    struct indented in = {.out = {indented_write}, .to = out};

    (void)argc;
    (void)argv;
    report_all(out);
    out_printf(out, "Guests on the hardware\n"); /* known only when the engines have been probed */
    engine_report_all(&in.out);
}

/* Reports of drivers, line by line under the name of what they tell of. */
static void json_report(struct json *j, const char *section, void (*report)(struct out *out))
{
    struct json_lines lines;
    json_lines_init(&lines, j, "report", "section", section);
    report(&lines.out);
    json_lines_finish(&lines);
}

static void json_host(struct json *j, struct out *out, int argc, char **argv)
{
    const struct boot_info *b = boot_info_get();
    struct page_stats s;

    (void)out;
    (void)argc;
    (void)argv;
    page_stats_get(&s);
    json_begin(j, "host");
    json_string(j, "isa", HOST_ISA);
    json_printf(j, "uefi", "%u.%u", b->efi_revision >> 16, (b->efi_revision & 0xffff) / 10);
    json_text(j, "firmware_vendor", b->firmware_vendor,
              strnlen(b->firmware_vendor, sizeof(b->firmware_vendor)));
    json_bool(j, "secure_boot", b->flags & BOOT_SECURE_BOOT);
    json_number(j, "cpus_online", cpu_online_count());
    json_number(j, "memory_bytes", s.total);
    json_number(j, "free_bytes", s.free);
    json_end(j);
    json_report(j, "acpi", acpi_report);
    json_report(j, "device_tree", fdt_report);
    json_report(j, "processor", host_cpu_report);
    json_report(j, "machine", host_report);
    json_report(j, "consoles", report_consoles);
    json_report(j, "iommu", iommu_report);
    engine_json_all(j);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_host) = {
    .name = "host",
    .usage = "",
    .summary = "Tells what this machine is, has and cannot do",
    .help = "Firmware, processors, memory, interrupt controllers, virtualization, consoles, disks "
            "and network cards as found, and "
            "what this machine cannot do and why.",
    .run = run_host,
    .json = json_host,
};
