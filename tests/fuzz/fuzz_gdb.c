/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes the GDB remote protocol: the first byte chooses the guest's architecture and how input is
 * taken: as lines, each a packet's text, or as raw bytes of the link. Whatever comes, answers fit
 * and, once all breakpoints are gone, the guest's memory holds none of them.
 */
#include <stdlib.h>
#include <string.h>

#include "hosted.h"
#include "kernel/gdb.h"
#include "kernel/vcpu.h"
#include "vm.h"

#define VCPUS     3
#define CODE_SIZE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gdb_session session;

static void take(const char *text)
{
    (void)gdb_command(&session, text);
    if (session.out.length > GDB_PACKET_MAX || session.thread >= VCPUS ||
        session.continue_thread >= VCPUS)
        abort();
}

static void take_lines(const uint8_t *data, size_t size)
{
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;

        session.in.length = MIN(length, (size_t)GDB_PACKET_MAX);
        memcpy(session.in.text, data, session.in.length);
        session.in.text[session.in.length] = '\0';
        take(session.in.text);
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
}

static void take_bytes(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (gdb_packet_feed(&session.in, data[i]) == GDB_PACKET)
            take(session.in.text);
}

/* Memory that was written through the protocol is not compared. */
static void remove_patches(struct vm *vm)
{
    while (vm->debug->patch_count) {
        unsigned count = vm->debug->patch_count;

        if (debug_patch_remove(vm, vm->debug->patches[0].va, vm->debug->patches[0].kind) !=
                ERR_OK ||
            vm->debug->patch_count != count - 1)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const isas[] = {"x86_64", "aarch64", "riscv64"};
    static bool once;
    struct config_vm config = {.memory = MIB(16), .cpus = VCPUS};
    struct vm *vm;

    if (size == 0)
        return 0;
    if (!once)
        hosted_start_core(MIB(200));
    once = true;
    vm = hosted_vm_create(isas[data[0] % ARRAY_SIZE(isas)], &config);
    vm->state = VM_PAUSED;
    vm->paused_by = VM_PAUSE_DEBUGGER;
    if (debug_make(vm) != ERR_OK)
        abort();
    memset(&session, 0, sizeof(session));
    session.vm = vm;
    if (data[0] & 0x80)
        take_bytes(data + 1, size - 1);
    else
        take_lines(data + 1, size - 1);
    remove_patches(vm);
    hosted_vm_destroy(vm);
    return 0;
}
