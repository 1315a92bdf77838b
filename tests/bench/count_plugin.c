/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A QEMU TCG plugin that counts executed guest instructions into a shared file, for the benchmarks:
 * argument count=PATH. Eight bytes, host byte order, all CPUs together (exact with one CPU). QEMU's
 * package has no plugin header: the few declarations below are its interface, version 4 (QEMU's
 * documentation, "TCG Plugins").
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct plugin_tb;
enum { PLUGIN_CALLBACK_NO_REGISTERS = 0 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                                  void (*cb)(plugin_id, struct plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct plugin_tb *tb, void (*cb)(unsigned, void *),
                                                 int flags, void *data);
extern size_t qemu_plugin_tb_n_insns(const struct plugin_tb *tb);

EXPORT int qemu_plugin_version = 4;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

static uint64_t *counter;

static void block_runs(unsigned cpu, void *instructions)
{
    (void)cpu;
    __atomic_fetch_add(counter, (uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void block_translated(plugin_id id, struct plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, block_runs, PLUGIN_CALLBACK_NO_REGISTERS,
                                         (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    int file;

    (void)info;
    if (argc != 1 || strncmp(argv[0], "count=", 6) != 0)
        return -1;
    file = open(argv[0] + 6, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, sizeof(*counter)) != 0)
        return -1;
    counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (counter == MAP_FAILED)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
    return 0;
}
