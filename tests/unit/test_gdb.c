/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The GDB remote protocol (GDB manual, appendix E) against guests of every architecture: framing,
 * registers, memory, breakpoints, threads, documents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/gdb.h"
#include "kernel/vcpu.h"
#include "vm.h"

#define VCPUS 2

static struct gdb_session s;

static struct vm *start(const char *isa)
{
    static bool once;
    struct config_vm config = {.memory = MIB(16), .cpus = VCPUS};
    struct vm *vm;

    if (!once)
        hosted_start_core(MIB(200));
    once = true;
    vm = hosted_vm_create(isa, &config);
    vm->state = VM_PAUSED;
    vm->paused_by = VM_PAUSE_DEBUGGER;
    assert_int_equal(debug_make(vm), ERR_OK);
    memset(&s, 0, sizeof(s));
    s.vm = vm;
    return vm;
}

static const char *ask(const char *packet)
{
    snprintf(s.in.text, sizeof(s.in.text), "%s", packet);
    s.in.length = strlen(packet);
    assert_false(gdb_command(&s, s.in.text));
    return s.out.text;
}

static enum gdb_input feed(struct gdb_packet *p, const char *bytes)
{
    enum gdb_input last = GDB_MORE;

    while (*bytes)
        last = gdb_packet_feed(p, (uint8_t)*bytes++);
    return last;
}

static void test_frames(void **state)
{
    static struct gdb_packet p;
    (void)state;

    assert_int_equal(feed(&p, "$g#67"), GDB_PACKET);
    assert_string_equal(p.text, "g");
    assert_int_equal(feed(&p, "$g#68"), GDB_BROKEN);
    assert_int_equal(feed(&p, "$g#6x"), GDB_BROKEN);
    assert_int_equal(feed(&p, "$m#"), GDB_MORE);
    assert_int_equal(feed(&p, "6d"), GDB_PACKET);
    assert_int_equal(feed(&p, "$cut$?#3f"), GDB_PACKET); /* the one before was cut off */
    assert_string_equal(p.text, "?");
    assert_int_equal(feed(&p, "$a}\x03"
                              "b#43"),
                     GDB_PACKET); /* '#' escaped: 61 + 7d + 03 + 62 */
    assert_string_equal(p.text, "a#b");
    assert_int_equal(feed(&p, "\x03"), GDB_INTERRUPT);
    assert_int_equal(feed(&p, "+"), GDB_ACK);
    assert_int_equal(feed(&p, "-"), GDB_NAK);
    feed(&p, "$");
    for (unsigned i = 0; i <= GDB_PACKET_MAX; i++)
        assert_int_equal(gdb_packet_feed(&p, 0x80), GDB_MORE);
    assert_int_equal(feed(&p, "#80"), GDB_BROKEN); /* too long, though its sum is right */
}

/* pc is register 16 of x86-64, 32 of the others (gdb's own numbers). */
static void check_registers(const char *isa, const char *read_pc, const char *write_pc,
                            unsigned general_bytes)
{
    struct vm *vm = start(isa);
    unsigned digits;

    assert_string_equal(ask(write_pc), "OK");
    assert_string_equal(ask(read_pc), "8877665544332211");
    assert_int_equal(vm->isa->pc(vm->vcpus[0]), 0x1122334455667788);
    digits = (unsigned)strlen(ask("g"));
    assert_true(digits % 2 == 0 && digits >= 2 * general_bytes);
    assert_string_equal(ask("pffff"), "E01");
    assert_string_equal(ask("p"), "E01");
    assert_string_equal(ask("P10=zz"), "E01");
    assert_string_equal(ask("Gzz"), "E01");
    /* All that g tells can be written back. */
    char all[GDB_PACKET_MAX + 1];
    snprintf(all, sizeof(all), "G%s", ask("g"));
    assert_string_equal(ask(all), "OK");
    assert_string_equal(ask("g"), all + 1);
    hosted_vm_destroy(vm);
}

static void test_registers(void **state)
{
    (void)state;
    check_registers("x86_64", "p10", "P10=8877665544332211", 17 * 8);
    check_registers("aarch64", "p20", "P20=8877665544332211", 33 * 8);
    check_registers("riscv64", "p20", "P20=8877665544332211", 33 * 8);
}

static void test_stack_pointer_of_aarch64_follows_the_mode(void **state)
{
    struct vm *vm = start("aarch64");
    (void)state;

    assert_string_equal(ask("P21=c5030000"), "OK"); /* cpsr: EL1h */
    assert_string_equal(ask("P1f=0100000000000000"), "OK");
    assert_string_equal(ask("P21=00000000"), "OK"); /* EL0t */
    assert_string_equal(ask("P1f=0200000000000000"), "OK");
    assert_string_equal(ask("p1f"), "0200000000000000");
    assert_string_equal(ask("P21=c5030000"), "OK");
    assert_string_equal(ask("p1f"), "0100000000000000");
    hosted_vm_destroy(vm);
}

static void test_memory(void **state)
{
    struct vm *vm = start("riscv64");
    (void)state;

    assert_string_equal(ask("M80002ffe,4:01020304"), "OK");
    assert_string_equal(ask("m80002ffe,4"), "01020304");
    assert_string_equal(ask("m7ffffff0,8"), "E14");      /* no RAM */
    assert_string_equal(ask("M80000000,4:0102"), "E01"); /* fewer bytes than it says */
    assert_string_equal(ask("m80000000"), "E01");
    assert_string_equal(ask("m11111111111111111,4"), "E01");
    assert_int_equal(strlen(ask("m80000000,ffffffffffffffff")), 2 * GDB_MEMORY_MAX);
    assert_string_equal(ask("M80000000,fffffff:00"), "E01");
    /* satp on with an empty table at 80001000h: nothing is mapped, physical memory is. */
    assert_string_equal(ask("M80001000,8:0000000000000000"), "OK");
    assert_string_equal(ask("P4e=0100080000000080"), "OK");
    assert_string_equal(ask("m80002ffe,4"), "E14");
    assert_string_equal(ask("qPhysicalMemory"), "0");
    assert_string_equal(ask("QPhysicalMemory:1"), "OK");
    assert_string_equal(ask("qPhysicalMemory"), "1");
    assert_string_equal(ask("m80002ffe,4"), "01020304");
    hosted_vm_destroy(vm);
}

static void test_breakpoints_are_not_seen(void **state)
{
    struct vm *vm = start("riscv64");
    uint32_t word;
    (void)state;

    assert_string_equal(ask("M80000000,8:1100000022000000"), "OK");
    assert_string_equal(ask("Z0,80000000,4"), "OK");
    assert_string_equal(ask("Z0,80000000,4"), "OK"); /* again: the same */
    assert_int_equal(guest_copy_from(vm->memory, GPA(0x80000000), &word, 4), ERR_OK);
    assert_int_equal(word, 0x00100073); /* ebreak: Unprivileged ISA, 2.8 */
    assert_string_equal(ask("m80000000,8"), "1100000022000000");
    assert_string_equal(ask("M80000002,4:aabbccdd"), "OK"); /* half of it is written over */
    assert_string_equal(ask("m80000000,8"), "1100aabbccdd0000");
    assert_int_equal(guest_copy_from(vm->memory, GPA(0x80000000), &word, 4), ERR_OK);
    assert_int_equal(word, 0x00100073);
    assert_string_equal(ask("z0,80000000,4"), "OK");
    assert_string_equal(ask("z0,80000000,4"), "OK");
    assert_int_equal(guest_copy_from(vm->memory, GPA(0x80000000), &word, 4), ERR_OK);
    assert_int_equal(word, 0xbbaa0011);
    assert_string_equal(ask("Z0,80000000,3"), ""); /* no instruction of this size */
    assert_int_equal(strncmp(ask("Z0,10,4"), "E", 1), 0);
    assert_string_equal(ask("Z9,80000000,4"), "");
    hosted_vm_destroy(vm);
}

static void test_a_change_of_the_code_by_the_guest_survives_its_breakpoint(void **state)
{
    struct vm *vm = start("x86_64");
    uint8_t byte = 0x90;
    (void)state;

    assert_string_equal(ask("M1000,1:c3"), "OK");
    assert_string_equal(ask("Z0,1000,1"), "OK");
    assert_int_equal(guest_copy_to(vm->memory, GPA(0x1000), &byte, 1), ERR_OK);
    assert_string_equal(ask("z0,1000,1"), "OK");
    assert_string_equal(ask("m1000,1"), "90");
    hosted_vm_destroy(vm);
}

static void test_hardware_points_are_as_many_as_the_engine_has(void **state)
{
    struct vm *vm = start("x86_64");
    (void)state;

    assert_string_equal(ask("Z2,1000,8"), "OK");
    assert_string_equal(ask("Z3,1000,4"), "OK");
    assert_string_equal(ask("Z4,1000,1"), "OK");
    assert_int_equal(strncmp(ask("Z2,1001,8"), "E", 1), 0); /* not aligned */
    assert_int_equal(strncmp(ask("Z2,1000,3"), "E", 1), 0);
    assert_string_equal(ask("Z2,2000,8"), "OK");
    assert_string_equal(ask("Z2,3000,8"), ""); /* the fifth */
    assert_string_equal(ask("z3,1000,4"), "OK");
    assert_string_equal(ask("Z2,3000,8"), "OK");
    hosted_vm_destroy(vm);
}

static void test_threads(void **state)
{
    struct vm *vm = start("riscv64");
    (void)state;

    assert_string_equal(ask("qfThreadInfo"), "m1,2");
    assert_string_equal(ask("qsThreadInfo"), "l");
    assert_string_equal(ask("T2"), "OK");
    assert_string_equal(ask("T3"), "E01");
    assert_string_equal(ask("Hg2"), "OK");
    assert_int_equal(s.thread, 1);
    assert_string_equal(ask("Hg9"), "E01");
    assert_string_equal(ask("qC"), "QC2");
    s.last = (struct debug_event){.vcpu = 1, .reason = DEBUG_BREAKPOINT};
    assert_int_equal(strncmp(ask("?"), "T05thread:2;swbreak:;20:", 24), 0);
    assert_true(gdb_command(&s, "vCont;s:2;c"));
    assert_int_equal(s.how[0], DEBUG_CONTINUE);
    assert_int_equal(s.how[1], DEBUG_STEP);
    assert_true(gdb_command(&s, "vCont;s:1"));
    assert_int_equal(s.how[1], DEBUG_STAY);
    assert_string_equal(ask("vCont;x"), "E01");
    assert_string_equal(ask("vCont"), "E01");
    assert_string_equal(ask("vCont;c:9"), "E01");
    hosted_vm_destroy(vm);
}

/* Joined pieces of any size are the whole. */
static void check_document(const char *name)
{
    char whole[32768], joined[32768], packet[128];

    for (unsigned size = 1; size < 3000; size += 487) {
        size_t used = 0;

        do {
            snprintf(packet, sizeof(packet), "qXfer:%s:%zx,%x", name, used, size);
            ask(packet);
            assert_true(s.out.text[0] == 'm' || s.out.text[0] == 'l');
            assert_true(s.out.length - 1 <= size);
            memcpy(joined + used, s.out.text + 1, s.out.length - 1);
            used += s.out.length - 1;
        } while (s.out.text[0] == 'm');
        joined[used] = '\0';
        if (size == 1)
            memcpy(whole, joined, used + 1);
        assert_string_equal(whole, joined);
    }
}

static void test_documents(void **state)
{
    static const char *const isas[] = {"x86_64", "aarch64", "riscv64"};
    (void)state;

    for (unsigned i = 0; i < ARRAY_SIZE(isas); i++) {
        struct vm *vm = start(isas[i]);

        check_document("features:read:target.xml");
        check_document("threads:read:");
        assert_string_equal(ask("qXfer:threads:read::ffffffffffffffff,10"), "l");
        hosted_vm_destroy(vm);
    }
}

static void test_monitor(void **state)
{
    struct vm *vm = start("riscv64");
    (void)state;

    assert_true(strlen(ask("qRcmd,68656c70")) > 100); /* help */
    assert_string_equal(ask("qRcmd,6"), "E01");
    assert_string_equal(ask("qRcmd,zz"), "E01");
    assert_true(strlen(ask("qRcmd,7472616e736c61746520307838303030303030")) > 0);
    assert_string_equal(ask("qUnknown"), "");
    assert_string_equal(ask(""), "");
    hosted_vm_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_stack_pointer_of_aarch64_follows_the_mode),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_breakpoints_are_not_seen),
        cmocka_unit_test(test_a_change_of_the_code_by_the_guest_survives_its_breakpoint),
        cmocka_unit_test(test_hardware_points_are_as_many_as_the_engine_has),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_monitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
