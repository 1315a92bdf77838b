/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* MMIO instructions of x86_64 guests against the build machine's CPU: each is executed there on
 * memory and carried out on a device here; registers, flags and bytes must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/timer.h"
#include "mm/heap.h"
#include "x86_guest.h"

#define DEVICE_AT  0xfed80000ULL
#define CODE_AT    0x5000ULL
#define BUFFER_AT  0x9000ULL
#define ARITHMETIC 0x8d5ULL /* OF SF ZF AF PF CF */
#define ADJUST     0x010ULL /* AF: undefined after logic */
#define ROUNDS     200

struct memory_device {
    struct device device;
    uint8_t bytes[64];
};

static struct vm *vm;
static struct memory_device *device;
static uint8_t *native_code;

static uint64_t device_load(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                            unsigned size)
{
    uint64_t value = 0;

    (void)v, (void)region;
    memcpy(&value, container_of(d, struct memory_device, device)->bytes + offset, size);
    return value;
}

static void device_store(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                         unsigned size, uint64_t value)
{
    (void)v, (void)region;
    memcpy(container_of(d, struct memory_device, device)->bytes + offset, &value, size);
}

static void device_free(struct device *d)
{
    heap_free(container_of(d, struct memory_device, device));
}

static const struct device_ops memory_ops = {
    .name = "memory",
    .read = device_load,
    .write = device_store,
    .destroy = device_free,
    .state = &state_none,
    .lockless = true,
};

static int start(void **state)
{
    struct x86_state *s;

    (void)state;
    hosted_start_size(MIB(128));
    clock_init(0, 1000000000);
    vm = x86_guest_create(1, MIB(4));
    device = heap_zalloc(sizeof(*device));
    device_init(&device->device, &memory_ops, vm);
    assert_int_equal(bus_add(&vm->mmio, &(struct bus_region){.base = DEVICE_AT,
                                                             .size = sizeof(device->bytes),
                                                             .device = &device->device,
                                                             .min_size = 1,
                                                             .max_size = 8}),
                     ERR_OK);
    s = x86_state(vm->vcpus[0]);
    s->efer = X86_EFER_LMA | X86_EFER_LME;
    s->cr0 = X86_CR0_PE; /* long code without paging: linear addresses are physical ones */
    s->segments[X86_CS].attributes |= X86_ATTR_LONG;
    native_code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(native_code, MAP_FAILED);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    munmap(native_code, 4096);
    x86_guest_destroy(vm);
    return 0;
}

struct registers {
    uint64_t rax, rcx, rdx, rsi, rdi, flags;
};

static void run_native(const uint8_t *code, unsigned length, struct registers *r)
{
    memcpy(native_code, code, length);
    native_code[length] = 0xc3; /* RET */
    __asm__ volatile("subq $128, %%rsp; pushq %[flags]; popfq; call *%[code]; pushfq; "
                     "popq %[flags]; addq $128, %%rsp"
                     : "+a"(r->rax), "+c"(r->rcx), "+d"(r->rdx), "+S"(r->rsi),
                       "+D"(r->rdi), [flags] "+r"(r->flags)
                     : [code] "r"(native_code)
                     : "memory", "cc");
}

static enum exit_action run_guest(const uint8_t *code, unsigned length, unsigned access,
                                  struct registers *r)
{
    struct vm_exit exit = {.kind = EXIT_MEMORY,
                           .memory = {.gpa = GPA(DEVICE_AT), .access = (uint8_t)access}};
    struct vcpu *v = vm->vcpus[0];
    struct x86_state *s = x86_state(v);
    enum exit_action action;

    assert_int_equal(guest_copy_to(vm->memory, GPA(CODE_AT), code, length), ERR_OK);
    s->gpr[X86_RAX] = r->rax;
    s->gpr[X86_RCX] = r->rcx;
    s->gpr[X86_RDX] = r->rdx;
    s->gpr[X86_RSI] = r->rsi;
    s->gpr[X86_RDI] = r->rdi;
    s->rflags = r->flags;
    s->rip = CODE_AT;
    action = x86_mmio(v, &exit);
    *r = (struct registers){s->gpr[X86_RAX], s->gpr[X86_RCX], s->gpr[X86_RDX],
                            s->gpr[X86_RSI], s->gpr[X86_RDI], s->rflags};
    return action;
}

static void compare(const uint8_t *code, unsigned length, unsigned access, uint64_t *seed,
                    uint64_t undefined)
{
    struct registers native = {
        hosted_random(seed), hosted_random(seed), hosted_random(seed), 0, 0, 0x202};
    struct registers guest = native;
    uint64_t memory[2] = {hosted_random(seed), hosted_random(seed)};

    if (hosted_random(seed) % 4 == 0)
        memory[0] = native.rcx; /* equal operands: zero and carry */
    memcpy(device->bytes, memory, sizeof(memory));
    native.rdi = (uint64_t)memory;
    guest.rdi = DEVICE_AT;
    run_native(code, length, &native);
    assert_int_equal(run_guest(code, length, access, &guest), ACTION_RESUME);
    assert_int_equal(guest.rax, native.rax);
    assert_int_equal(guest.rcx, native.rcx);
    assert_int_equal(guest.rdx, native.rdx);
    assert_int_equal(guest.flags & ARITHMETIC & ~undefined, native.flags & ARITHMETIC & ~undefined);
    assert_memory_equal(device->bytes, memory, sizeof(memory));
    assert_int_equal(x86_state(vm->vcpus[0])->rip, CODE_AT + length);
}

/* One encoding: its opcode in one or two bytes, the memory operand (RDI), register field 0 to 7. */
struct form {
    uint8_t opcode[2], opcode_size;
    bool byte;          /* no operand-size prefixes */
    int8_t field;       /* fixed register field, or -1: RAX, RCX, RDX (and AH of byte forms) */
    uint8_t immediate;  /* bytes: 4 means 2 under the 66h prefix */
    uint64_t undefined; /* flags */
};

static void try_form(const struct form *f, uint64_t *seed)
{
    static const uint8_t fields[] = {0, 1, 2, 4};
    unsigned prefixes = f->byte ? 1 : 3;

    for (unsigned p = 0; p < prefixes; p++)
        for (unsigned i = 0; i < (f->field >= 0 ? 1u : f->byte ? 4u : 3u); i++) {
            uint8_t code[16], *at = code;
            unsigned immediate = f->immediate == 4 && p == 1 ? 2 : f->immediate;
            uint8_t field = f->field >= 0 ? (uint8_t)f->field : fields[i];

            if (p)
                *at++ = p == 1 ? 0x66 : 0x48;
            memcpy(at, f->opcode, f->opcode_size);
            at += f->opcode_size;
            *at++ = (uint8_t)(field << 3 | 7); /* (RDI) */
            for (; immediate; immediate--)
                *at++ = (uint8_t)hosted_random(seed);
            for (unsigned round = 0; round < ROUNDS; round++)
                compare(code, (unsigned)(at - code), PT_WRITE, seed, f->undefined);
        }
}

static void test_moves(void **state)
{
    static const struct form forms[] = {
        {{0x88}, 1, true, -1, 0, 0},        {{0x89}, 1, false, -1, 0, 0},
        {{0x8a}, 1, true, -1, 0, 0},        {{0x8b}, 1, false, -1, 0, 0},
        {{0xc6}, 1, true, 0, 1, 0},         {{0xc7}, 1, false, 0, 4, 0},
        {{0x86}, 1, true, -1, 0, 0},        {{0x87}, 1, false, -1, 0, 0},
        {{0x0f, 0xb6}, 2, false, -1, 0, 0}, {{0x0f, 0xb7}, 2, false, -1, 0, 0},
        {{0x0f, 0xbe}, 2, false, -1, 0, 0}, {{0x0f, 0xbf}, 2, false, -1, 0, 0},
        {{0x63}, 1, false, -1, 0, 0},
    };
    uint64_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++)
        try_form(&forms[i], &seed);
}

/* ADD, OR, AND, SUB, XOR, CMP in their four register forms and three constant ones; TEST. */
static void test_arithmetic(void **state)
{
    static const struct {
        uint8_t number;
        uint64_t undefined;
    } operations[] = {{0, 0}, {1, ADJUST}, {4, ADJUST}, {5, 0}, {6, ADJUST}, {7, 0}};
    uint64_t seed = 2;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(operations); i++) {
        uint8_t number = operations[i].number, base = (uint8_t)(number << 3);
        uint64_t undefined = operations[i].undefined;

        for (uint8_t form = 0; form < 4; form++)
            try_form(&(struct form){{(uint8_t)(base + form)}, 1, !(form & 1), -1, 0, undefined},
                     &seed);
        try_form(&(struct form){{0x80}, 1, true, (int8_t)number, 1, undefined}, &seed);
        try_form(&(struct form){{0x81}, 1, false, (int8_t)number, 4, undefined}, &seed);
        try_form(&(struct form){{0x83}, 1, false, (int8_t)number, 1, undefined}, &seed);
    }
    try_form(&(struct form){{0x84}, 1, true, -1, 0, ADJUST}, &seed);
    try_form(&(struct form){{0x85}, 1, false, -1, 0, ADJUST}, &seed);
    try_form(&(struct form){{0xf6}, 1, true, 0, 1, ADJUST}, &seed);
    try_form(&(struct form){{0xf7}, 1, false, 0, 4, ADJUST}, &seed);
}

static void test_string_move_from_a_device(void **state)
{
    static const uint8_t movsd[] = {0xa5};
    struct registers r = {.rsi = DEVICE_AT, .rdi = BUFFER_AT, .flags = 0x202};
    uint32_t value = 0;

    (void)state;
    memcpy(device->bytes, "\x11\x22\x33\x44", 4);
    assert_int_equal(run_guest(movsd, sizeof(movsd), PT_READ, &r), ACTION_RESUME);
    assert_int_equal(guest_copy_from(vm->memory, GPA(BUFFER_AT), &value, sizeof(value)), ERR_OK);
    assert_int_equal(value, 0x44332211);
    assert_int_equal(r.rsi, DEVICE_AT + 4);
    assert_int_equal(r.rdi, BUFFER_AT + 4);
}

static void test_code_that_changed_is_decoded_again(void **state)
{
    static const uint8_t load[] = {0x8b, 0x07}, add[] = {0x03, 0x07}; /* MOV, ADD EAX, (RDI) */
    struct registers r = {.rax = 5, .rdi = DEVICE_AT, .flags = 0x202};

    (void)state;
    memcpy(device->bytes, "\x07\0\0\0", 4);
    assert_int_equal(run_guest(load, sizeof(load), PT_READ, &r), ACTION_RESUME);
    assert_int_equal(r.rax, 7);
    assert_int_equal(run_guest(add, sizeof(add), PT_READ, &r), ACTION_RESUME);
    assert_int_equal(r.rax, 14);
}

/* Linux pads WRMSR with a DS prefix where it may become WRMSRNS. */
static void test_prefixes_are_passed_by(void **state)
{
    static const struct {
        uint8_t bytes[4], length;
    } codes[] = {{{0x0f, 0x30}, 2}, {{0x3e, 0x0f, 0x30}, 3}, {{0x66, 0x3e, 0x0f, 0x30}, 4}};
    struct vcpu *v = vm->vcpus[0];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        assert_int_equal(guest_copy_to(vm->memory, GPA(CODE_AT), codes[i].bytes, 4), ERR_OK);
        x86_state(v)->rip = CODE_AT;
        x86_skip_opcode(v, X86_OPCODE_WRMSR);
        assert_int_equal(x86_state(v)->rip, CODE_AT + codes[i].length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_string_move_from_a_device),
        cmocka_unit_test(test_code_that_changed_is_decoded_again),
        cmocka_unit_test(test_prefixes_are_passed_by),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
