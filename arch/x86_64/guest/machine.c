/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The x86_64 guest ISA: machine, vCPU start-up, exits that only x86 knows. */
#include "arch/x86_64/guest/machine.h"

#include "arch/x86_64/guest/decode.h"
#include "arch/x86_64/guest/lapic.h"
#include "kernel/devices/uart16550.h"
#include "mm/heap.h"

#define OPCODE_HLT        0xf4
#define VECTOR_UD         6
#define VECTOR_GP         13
#define VECTOR_PF         14
#define PF_WRITE          BIT(1)
#define RESET_RIP         0xfff0
#define RESET_CS          0xf000
#define RESET_CS_BASE     0xffff0000ULL
#define ATTR_REAL_CODE    0x09b
#define ATTR_REAL_DATA    0x093
#define ATTR_LDT          0x082
#define ATTR_TSS          0x08b
#define DR6_RESET         0xffff0ff0ULL
#define DR7_RESET         0x400ULL
#define XCR0_X87          BIT(0)
#define XCR0_SSE          BIT(1)
#define XCR0_AVX          BIT(2)
#define FPU_CONTROL_RESET 0x37f  /* FCW, at offset 0 of the area */
#define FPU_MXCSR_RESET   0x1f80 /* at offset 24 */
#define FPU_MXCSR_OFFSET  24
/* KVM's hypercall results (Linux: Documentation/virt/kvm/x86/hypercalls.rst). */
#define HYPERCALL_UNKNOWN (-1000LL)

/* ---- Building ---- */

static enum err add_ram(struct vm *vm)
{
    struct x86_machine *m = x86_machine(vm);
    enum err e;

    m->low_ram = MIN(vm->config->memory, X86_LOW_RAM_LIMIT);
    m->high_ram = vm->config->memory - m->low_ram;
    e = guest_memory_add_ram(vm->memory, GPA(0), m->low_ram);
    if (e == ERR_OK && m->high_ram)
        e = guest_memory_add_ram(vm->memory, GPA(X86_HIGH_RAM), m->high_ram);
    return e;
}

static enum err x86_machine_create(struct vm *vm)
{
    struct x86_machine *m = heap_zalloc(sizeof(*m));
    enum err e;

    if (!m)
        return ERR_NO_MEMORY;
    vm->machine = m;
    if (vm->config->cpu == X86_CPU_PORTABLE && !x86_cpuid_can_be_portable()) {
        vm_fail(vm, "this CPU is below x86-64-v3, which cpu = portable promises: use cpu = host");
        return ERR_UNSUPPORTED;
    }
    m->tsc_hz = vm->clock.hz;
    m->kvmclock = heap_zalloc_array(vm->config->cpus, sizeof(*m->kvmclock));
    m->code = heap_zalloc_array(vm->config->cpus, sizeof(*m->code));
    if (!m->kvmclock || !m->code)
        return ERR_NO_MEMORY;
    e = add_ram(vm);
    if (e == ERR_OK)
        e = ioapic_create(vm);
    if (e == ERR_OK)
        e = lapic_add_page(vm);
    if (e == ERR_OK)
        e = x86_chipset_create(vm);
    if (e == ERR_OK)
        e = x86_pci_create(vm);
    if (e == ERR_OK)
        e = x86_hpet_create(vm);
    if (e == ERR_OK)
        e = x86_rtc_create(vm);
    if (e == ERR_OK)
        e = uart16550_create(vm, &vm->ports, PORT_COM1, PIN_COM1);
    if (e == ERR_OK)
        e = x86_debug_exit_create(vm);
    return e;
}

static void x86_machine_destroy(struct vm *vm)
{
    heap_free(x86_machine(vm)->kvmclock);
    heap_free(x86_machine(vm)->code);
    heap_free(vm->machine);
}

/* INIT leaves FPU, caching and MSRs but EFER as they were (SDM vol. 3, table 10-1). */
static void init_state(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);

    __builtin_memset(s->gpr, 0, sizeof(s->gpr));
    s->gpr[X86_RDX] = x86_cpuid_read(v, 1, 0).eax;
    s->rip = RESET_RIP;
    s->rflags = X86_RFLAGS_FIXED;
    s->interrupt_shadow = s->nmi_masked = s->pending_nmi = false;
    for (unsigned i = X86_ES; i <= X86_GS; i++)
        s->segments[i] = (struct x86_segment){0, 0xffff, 0, ATTR_REAL_DATA};
    s->segments[X86_CS] = (struct x86_segment){RESET_CS_BASE, 0xffff, RESET_CS, ATTR_REAL_CODE};
    s->segments[X86_LDTR] = (struct x86_segment){0, 0xffff, 0, ATTR_LDT};
    s->segments[X86_TR] = (struct x86_segment){0, 0xffff, 0, ATTR_TSS};
    s->gdtr.base = s->idtr.base = 0;
    s->gdtr.limit = s->idtr.limit = 0xffff;
    s->cr0 = X86_CR0_ET | (s->cr0 & (X86_CR0_NW | X86_CR0_CD));
    s->cr2 = s->cr3 = s->cr4 = s->efer = 0;
    __builtin_memset(s->dr, 0, sizeof(s->dr));
    s->dr6 = DR6_RESET;
    s->dr7 = DR7_RESET;
    s->event = (struct x86_event){0};
    s->pending_interrupt = -1;
    s->tpr = 0;
    v->reg_valid = v->reg_dirty = UINT64_MAX;
}

void x86_reset_state(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    uint64_t tsc_offset = s->tsc_offset;
    uint16_t fcw = FPU_CONTROL_RESET;
    uint32_t mxcsr = FPU_MXCSR_RESET;

    __builtin_memset(s, 0, sizeof(*s));
    s->tsc_offset = tsc_offset;
    s->pat = X86_PAT_RESET;
    s->xcr0 = XCR0_X87;
    s->cr0 = X86_CR0_NW | X86_CR0_CD;
    __builtin_memcpy(s->fpu, &fcw, sizeof(fcw));
    __builtin_memcpy(s->fpu + FPU_MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    init_state(v);
}

static enum err x86_vcpu_create(struct vcpu *v)
{
    x86_reset_state(v);
    return lapic_create(v);
}

/* INIT puts the vCPU to waiting; a start-up IPI that comes while it waits starts it in real mode
 * (SDM vol. 3, 9.4.4). The first one would go to firmware, which resets a machine that it did not
 * expect this from. */
static void x86_startup(struct vcpu *v)
{
    struct lapic *l = v->isa_data;
    struct x86_state *s = x86_state(v);
    int vector;

    if (__atomic_exchange_n(&l->init_pending, 0, __ATOMIC_SEQ_CST)) {
        if (l->base & LAPIC_BASE_BSP) {
            vm_reset(v->vm);
            return;
        }
        vcpu_need(v, UINT64_MAX);
        init_state(v);
        lapic_reset(l);
        v->running = false;
    }
    vector = __atomic_exchange_n(&l->sipi_vector, -1, __ATOMIC_SEQ_CST);
    if (vector < 0 || v->running)
        return;
    s->segments[X86_CS].selector = (uint16_t)(vector << 8);
    s->segments[X86_CS].base = (uint64_t)vector << 12;
    s->rip = 0;
    v->running = true;
}

/* ---- Interrupts ---- */

static void x86_before_run(struct vcpu *v)
{
    struct lapic *l = v->isa_data;
    struct x86_state *s = x86_state(v);

    s->pending_interrupt = lapic_highest(l);
    if (unlikely(READ_ONCE(l->nmi_pending)) &&
        __atomic_exchange_n(&l->nmi_pending, 0, __ATOMIC_SEQ_CST))
        s->pending_nmi = true;
    vcpu_dirty(v, X86_EVENT);
}

/* CR8 is the task priority's upper half. */
void x86_tpr_changed(struct vcpu *v, uint8_t tpr)
{
    struct lapic *l = v->isa_data;

    x86_state(v)->tpr = tpr;
    l->tpr = (uint32_t)tpr << 4;
    v->irq_news = true;
}

/* A halted vCPU with interrupts off waits for an NMI, INIT, its single-step trap or an event that
 * came back from an entry only. */
static bool x86_has_work(struct vcpu *v)
{
    const struct x86_state *s = x86_state(v);
    struct lapic *l = v->isa_data;

    return ((s->rflags & X86_RFLAGS_IF) && lapic_highest(l) >= 0) || READ_ONCE(l->nmi_pending) ||
           (s->pending_nmi && !s->nmi_masked) || s->event.valid;
}

void x86_interrupt_accepted(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);

    lapic_accept(v->isa_data, (uint8_t)s->pending_interrupt);
    s->pending_interrupt = -1;
}

void x86_inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    vcpu_dirty(v, X86_EVENT);
    x86_state(v)->event = (struct x86_event){true, vector, X86_EVENT_EXCEPTION, has_error, error};
}

void x86_inject_page_fault(struct vcpu *v, uint64_t address, bool write)
{
    vcpu_dirty(v, X86_CONTROL);
    x86_state(v)->cr2 = address;
    x86_inject_exception(v, VECTOR_PF, true, write ? PF_WRITE : 0);
}

/* ---- Exits ---- */

static void do_cpuid(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    struct x86_cpuid r;

    vcpu_dirty(v, X86_GPR);
    r = x86_cpuid_read(v, (uint32_t)s->gpr[X86_RAX], (uint32_t)s->gpr[X86_RCX]);
    s->gpr[X86_RAX] = r.eax;
    s->gpr[X86_RBX] = r.ebx;
    s->gpr[X86_RCX] = r.ecx;
    s->gpr[X86_RDX] = r.edx;
    x86_skip_opcode(v, X86_OPCODE_CPUID);
}

/* SDM vol. 2, XSETBV: x87 always, AVX only with SSE. */
static void do_xsetbv(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    uint64_t value;

    vcpu_dirty(v, X86_GPR | X86_FPU);
    value = (uint32_t)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32;
    if ((uint32_t)s->gpr[X86_RCX] != 0 || !(value & XCR0_X87) || (value & ~x86_xcr0_allowed()) ||
        ((value & XCR0_AVX) && !(value & XCR0_SSE))) {
        x86_inject_exception(v, VECTOR_GP, true, 0);
        return;
    }
    s->xcr0 = value;
    x86_skip_opcode(v, X86_OPCODE_XSETBV);
}

/*
 * Between STI and HLT. A CPU that loses the interrupt shadow when it enters the guest again (APM
 * vol. 2, 15.21.5, wants it kept; QEMU 10 is suspected of it) would deliver an interrupt before the
 * HLT, which would then wait for another one. Carrying the HLT out here is right on any CPU.
 */
static enum exit_action handle_shadow(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    uint8_t opcode;

    vcpu_need(v, X86_CODE | X86_CONTROL);
    if (x86_read_linear(v, GVA(s->segments[X86_CS].base + s->rip), &opcode, 1) != ERR_OK ||
        opcode != OPCODE_HLT)
        return ACTION_RESUME;
    x86_skip_opcode(v, X86_OPCODE_HLT);
    return ACTION_IDLE;
}

static NOINLINE enum exit_action handle_hypercall(struct vcpu *v)
{
    vcpu_dirty(v, X86_GPR);
    x86_state(v)->gpr[X86_RAX] = (uint64_t)HYPERCALL_UNKNOWN;
    x86_skip_opcode(v, X86_OPCODE_VMMCALL);
    return ACTION_RESUME;
}

/* Kernels choose VMCALL or VMMCALL by what they think that the CPU is: each vendor's CPUs do not
 * know the other's. */
static enum exit_action handle_undefined(struct vcpu *v)
{
    static const uint8_t calls[][3] = {{0x0f, 0x01, 0xc1}, {0x0f, 0x01, 0xd9}};
    struct x86_state *s = x86_state(v);
    uint8_t bytes[3];

    vcpu_need(v, X86_CODE | X86_CONTROL);
    if (x86_read_linear(v, GVA(s->segments[X86_CS].base + s->rip), bytes, sizeof(bytes)) ==
            ERR_OK &&
        (!__builtin_memcmp(bytes, calls[0], sizeof(bytes)) ||
         !__builtin_memcmp(bytes, calls[1], sizeof(bytes)))) {
        s->exit_length = sizeof(bytes);
        return handle_hypercall(v);
    }
    x86_inject_exception(v, VECTOR_UD, false, 0);
    return ACTION_RESUME;
}

static NOINLINE enum exit_action handle_isa(struct vcpu *v, const struct vm_exit *exit)
{
    switch (exit->isa.reason) {
    case X86_EXIT_CPUID:
        do_cpuid(v);
        return ACTION_RESUME;
    case X86_EXIT_INVD:
        x86_skip_opcode(v, X86_OPCODE_INVD);
        return ACTION_RESUME;
    case X86_EXIT_WBINVD:
        x86_skip_opcode(v, X86_OPCODE_WBINVD);
        return ACTION_RESUME;
    case X86_EXIT_XSETBV:
        do_xsetbv(v);
        return ACTION_RESUME;
    case X86_EXIT_SHADOW:
        return handle_shadow(v);
    case X86_EXIT_DEBUG_REGISTER:
        x86_debug_register_access(v);
        return ACTION_RESUME;
    case X86_EXIT_EOI:
        ioapic_eoi(v->vm, (uint8_t)exit->isa.info[0]);
        return ACTION_RESUME;
    case X86_EXIT_CR8:
    case X86_EXIT_CONTROL:
        return ACTION_RESUME;
    default:
        return handle_undefined(v);
    }
}

/* RDMSR and WRMSR: the number is in ECX, the value in EDX:EAX. */
static NOINLINE enum exit_action handle_msr(struct vcpu *v, const struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    uint32_t msr = (uint32_t)exit->reg.number;
    uint64_t value;
    bool ok;

    vcpu_dirty(v, X86_GPR);
    if (exit->reg.write) {
        value = (uint32_t)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32;
        ok = x86_msr_write(v, msr, value);
    } else {
        ok = x86_msr_read(v, msr, &value);
        if (ok) {
            s->gpr[X86_RAX] = (uint32_t)value;
            s->gpr[X86_RDX] = value >> 32;
        }
    }
    if (ok) {
        if (exit->reg.write)
            x86_skip_opcode(v, X86_OPCODE_WRMSR);
        else
            x86_skip_opcode(v, X86_OPCODE_RDMSR);
    } else {
        log_guest(v->vm, LOG_DEBUG, "%s of unknown MSR 0x%x", exit->reg.write ? "write" : "read",
                  msr);
        x86_inject_exception(v, VECTOR_GP, true, 0);
    }
    return ACTION_RESUME;
}

static NOINLINE enum exit_action handle_unexpected(struct vcpu *v, enum exit_kind kind)
{
    vm_fail(v->vm, "an exit of kind %d came that nothing here asked for", kind);
    return ACTION_FAIL;
}

static enum exit_action x86_handle_exit(struct vcpu *v, const struct vm_exit *exit)
{
    if (exit->kind == EXIT_HYPERCALL)
        return handle_hypercall(v);
    switch (exit->kind) {
    case EXIT_PORT:
        return x86_port(v, exit);
    case EXIT_REGISTER:
        return handle_msr(v, exit);
    case EXIT_IDLE:
        x86_skip_opcode(v, X86_OPCODE_HLT);
        return ACTION_IDLE;
    case EXIT_ISA:
        return handle_isa(v, exit);
    default:
        return handle_unexpected(v, exit->kind);
    }
}

static uint64_t x86_pc(struct vcpu *v)
{
    return x86_state(v)->rip;
}

static void x86_print(struct vcpu *v, struct out *out)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    const struct x86_state *s = x86_state(v);

    out_printf(out, "rip %016llx  rflags %08llx  cs %04x\n", (unsigned long long)s->rip,
               (unsigned long long)s->rflags, s->segments[X86_CS].selector);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        out_printf(out, "%s %016llx%s", names[i], (unsigned long long)s->gpr[i],
                   i % 4 == 3 ? "\n" : "  ");
    out_printf(out, "cr0 %016llx  cr2 %016llx  cr3 %016llx  cr4 %016llx  efer %llx\n",
               (unsigned long long)s->cr0, (unsigned long long)s->cr2, (unsigned long long)s->cr3,
               (unsigned long long)s->cr4, (unsigned long long)s->efer);
}

STATE_TABLE(kvmclock_state, "kvmclock", 1, STATE_FIELD(struct x86_kvmclock, system_time_msr, 1),
            STATE_FIELD(struct x86_kvmclock, version, 1));

static void x86_state_each(struct vm *vm, state_visit visit, void *arg)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        visit(&kvmclock_state, i, &x86_machine(vm)->kvmclock[i], arg);
        visit(&lapic_state, i, vm->vcpus[i]->isa_data, arg);
        x86_vcpu_state_visit(vm->vcpus[i], visit, arg);
    }
}

TABLE_ENTRY(guest_isas, struct guest_isa, x86_64_isa) = {
    .name = "x86_64",
    .state_size = sizeof(struct x86_state),
    .machine_create = x86_machine_create,
    .machine_destroy = x86_machine_destroy,
    .vcpu_create = x86_vcpu_create,
    .vcpu_destroy = lapic_destroy,
    .load = x86_load,
    .startup = x86_startup,
    .before_run = x86_before_run,
    .has_work = x86_has_work,
    .mmio = x86_mmio,
    .handle_exit = x86_handle_exit,
    .state_each = x86_state_each,
    .power_button = x86_power_button,
    .pc = x86_pc,
    .debug = &x86_debug,
    .print = x86_print,
};
