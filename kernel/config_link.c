/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The sections of ennead.ini together: guests, and the disks and networks that they name. */
#include <stdio.h>
#include <string.h>

#include <host/arch.h>

#include "kernel/config_internal.h"
#include "kernel/nearest.h"

#define SECTOR    512
#define NAME_ROOM 64 /* of the first word of a value */

/* By enum config_isa; also the choices of `arch`. */
static const char *const isa_names[] = {HOST_ISA, "x86_64", "aarch64", "riscv64"};

/* The first word of `text` into `word`, cut if need be; returns what follows it. */
static const char *first_word(const char *text, char *word, size_t size)
{
    size_t length = strcspn(text, " \t");
    snprintf(word, size, "%.*s", (int)length, text);
    return text + length + strspn(text + length, " \t");
}

static void unknown(struct config *c, struct config_vm *vm, unsigned line, const char *section,
                    const char *name, const struct nearest *n)
{
    if (n->best)
        config_mistake(c, &vm->named, line, "there is no [%s %s], the nearest is %s", section, name,
                       n->best);
    else
        config_mistake(c, &vm->named, line, "there is no [%s %s]: add such a section", section,
                       name);
}

/* ---- Disks ---- */

static struct config_disk *find_disk(struct config *c, struct config_vm *vm, const char *name,
                                     unsigned line)
{
    struct nearest n;

    nearest_begin(&n, name);
    for (unsigned i = 0; i < c->disk_count; i++) {
        if (strcmp(c->disks[i].name, name) == 0)
            return &c->disks[i];
        nearest_offer(&n, c->disks[i].name);
    }
    unknown(c, vm, line, "disk", name, &n);
    return NULL;
}

static bool has_disk(const struct config_vm *vm, const struct config_disk *disk)
{
    for (unsigned i = 0; i < vm->disk_count; i++)
        if (vm->disks[i] == disk)
            return true;
    return false;
}

static void link_disk(struct config *c, struct config_vm *vm, const char *name, unsigned line)
{
    struct config_disk *disk = find_disk(c, vm, name, line);

    if (!disk)
        return;
    if (disk->disabled) {
        config_mistake(c, &vm->named, line, "disk = %s: its section has a mistake: %.80s", name,
                       disk->reason);
        return;
    }
    if (has_disk(vm, disk)) {
        config_mistake(c, &vm->named, line, "disk = %s: this guest has it already", name);
        return;
    }
    if (disk->mode == CONFIG_DISK_READ_WRITE && !vm->foreign) {
        if (disk->user) {
            config_mistake(c, &vm->named, line,
                           "disk = %s: the guest on line %u has it, to write to: make its mode "
                           "copy-on-write or read-only",
                           name, disk->user);
            return;
        }
        disk->user = vm->line;
    }
    vm->disks[vm->disk_count++] = disk;
}

/* Does some section but `disk` itself name its file? */
static bool file_is_shared(const struct config *c, const struct config_disk *disk)
{
    for (unsigned i = 0; i < c->disk_count; i++)
        if (&c->disks[i] != disk && c->disks[i].file && strcmp(c->disks[i].file, disk->file) == 0)
            return true;
    for (unsigned i = 0; i < c->vm_count; i++)
        if ((c->vms[i].kernel && strcmp(c->vms[i].kernel, disk->file) == 0) ||
            (c->vms[i].initrd && strcmp(c->vms[i].initrd, disk->file) == 0))
            return true;
    return false;
}

static void check_disk(struct config *c, struct config_disk *disk)
{
    if (disk->disabled)
        return;
    if (!disk->file && !disk->size)
        config_mistake(c, &disk->named, disk->line,
                       "[disk %s] has no file and no size: add a line such as file = "
                       "guests/root.img, or size = 1G for a blank disk",
                       disk->name);
    else if (disk->size % SECTOR)
        config_mistake(c, &disk->named, disk->line,
                       "[disk %s]: its size is no multiple of %d bytes", disk->name, SECTOR);
    else if (disk->mode == CONFIG_DISK_READ_WRITE && disk->file && file_is_shared(c, disk))
        config_mistake(c, &disk->named, disk->line,
                       "[disk %s]: another section names %.60s too: make its mode copy-on-write "
                       "or read-only",
                       disk->name, disk->file);
}

/* ---- Networks ---- */

static const struct config_network *find_network(struct config *c, struct config_vm *vm,
                                                 const char *name, unsigned line)
{
    struct nearest n;

    nearest_begin(&n, name);
    for (unsigned i = 0; i < c->network_count; i++) {
        if (strcmp(c->networks[i].name, name) == 0)
            return &c->networks[i];
        nearest_offer(&n, c->networks[i].name);
    }
    unknown(c, vm, line, "network", name, &n);
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Six bytes of two hexadecimal digits with ':' between; a card's own address, not a group's. */
static bool read_mac(const char *text, uint8_t *mac)
{
    uint8_t any = 0;

    for (unsigned i = 0; i < CONFIG_MAC_SIZE; i++, text += 3) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || text[2] != (i + 1 < CONFIG_MAC_SIZE ? ':' : '\0'))
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
        any |= mac[i];
    }
    return any && !(mac[0] & 1);
}

static void link_net(struct config *c, struct config_vm *vm, const char *value, unsigned line)
{
    struct config_net net = {0};
    char name[NAME_ROOM];
    const char *mac = first_word(value, name, sizeof(name));

    net.network = find_network(c, vm, name, line);
    if (!net.network)
        return;
    net.has_mac = *mac != '\0';
    if (net.network->disabled)
        config_mistake(c, &vm->named, line, "net = %s: its section has a mistake: %.80s", name,
                       net.network->reason);
    else if (net.has_mac && !read_mac(mac, net.mac))
        config_mistake(c, &vm->named, line,
                       "net = %s %.24s: expected the MAC address of one card, such as "
                       "02:00:00:00:00:01",
                       name, mac);
    else
        vm->nets[vm->net_count++] = net;
}

/* ---- Guests ---- */

const char *config_isa_name(const struct config_vm *vm)
{
    return isa_names[vm->arch];
}

static void check_architecture(struct config_vm *vm)
{
    const char *isa = isa_names[vm->arch];

    vm->foreign = vm->arch == CONFIG_ISA_X86_64 && strcmp(isa, HOST_ISA) != 0;
    if (vm->foreign && !vm->disabled)
        snprintf(vm->reason, sizeof(vm->reason),
                 "it is a guest for %s and this host is %s: only hosts of that architecture run it",
                 isa, HOST_ISA);
}

/* The x86_64 machine is nothing without its PCI bus: chipset and ACPI tables are made for it. */
static void check_virtio(struct config *c, struct config_vm *vm)
{
    if (vm->virtio == CONFIG_VIRTIO_MMIO && strcmp(config_isa_name(vm), "x86_64") == 0)
        config_mistake(c, &vm->named, vm->line,
                       "[vm %s] is an x86_64 guest and has virtio = mmio: such guests take "
                       "virtio = pci, mmio is for aarch64 and riscv64",
                       vm->name);
}

static void link_vm(struct config *c, struct config_vm *vm)
{
    check_architecture(vm);
    check_virtio(c, vm);
    if (!vm->disabled && !vm->kernel)
        config_mistake(c, &vm->named, vm->line,
                       "[vm %s] has no kernel: add a line such as kernel = guests/vmlinuz",
                       vm->name);
    for (unsigned i = 0; i < vm->disk.count; i++)
        link_disk(c, vm, vm->disk.value[i], vm->disk.line[i]);
    for (unsigned i = 0; i < vm->net.count; i++)
        link_net(c, vm, vm->net.value[i], vm->net.line[i]);
}

void config_link(struct config *c)
{
    for (unsigned i = 0; i < c->disk_count; i++)
        check_disk(c, &c->disks[i]);
    for (unsigned i = 0; i < c->vm_count; i++)
        link_vm(c, &c->vms[i]);
}
