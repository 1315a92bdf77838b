/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Events into the guest, and the guest's exits as neutral ones. */
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/vmx/vmx.h"
#include "mm/page_table.h"

#define VECTOR_GP            13
#define VECTOR_PF            14
#define EVENT_TYPE_EXCEPTION X86_EVENT_EXCEPTION
#define IO_INFO_ADDRESS(i)   ((uint8_t)(2u << ((i) >> 7 & 3))) /* table 28-8: 2, 4 or 8 bytes */
#define IO_INFO_SEGMENT(i)   ((uint8_t)((i) >> 15 & 7))
#define DR7_GD               BIT(13)
#define DR6_ACTIVE_LOW       BIT(16) /* RTM */

/* Real mode knows no error codes (27.2.1.3). */
static void event_set(struct vcpu *v, const struct x86_event *e)
{
    uint32_t info =
        (uint32_t)(e->vector | (uint32_t)e->type << VMX_EVENT_TYPE_SHIFT | VMX_EVENT_VALID);

    if (e->has_error && (vmcs_read(VMCS_GUEST_CR0) & X86_CR0_PE)) {
        info |= (uint32_t)VMX_EVENT_HAS_ERROR;
        vmcs_write(VMCS_ENTRY_ERROR_CODE, e->error);
    }
    vmcs_write(VMCS_ENTRY_EVENT, info);
    vmx_vcpu(v)->nmi_next = e->type == X86_EVENT_NMI;
}

void vmx_control_set(struct vmx_vcpu *e, uint32_t bit, bool wanted)
{
    uint32_t controls = wanted ? e->cpu_controls | bit : e->cpu_controls & ~bit;

    if (controls == e->cpu_controls)
        return;
    e->cpu_controls = controls;
    vmcs_write(VMCS_PRIMARY_CONTROLS, controls);
}

static void irq_window(struct vcpu *v, bool wanted)
{
    vmx_control_set(vmx_vcpu(v), (uint32_t)VMX_CPU_IRQ_WINDOW, wanted);
}

static void nmi_window(struct vcpu *v, bool wanted)
{
    vmx_control_set(vmx_vcpu(v), (uint32_t)VMX_CPU_NMI_WINDOW, wanted);
}

/* The guest leaves as soon as it lowers its task priority: what that lets through is found then. */
void vmx_inject(struct vcpu *v)
{
    static const struct x86_injection how = {event_set, irq_window, nmi_window};
    struct vmx_vcpu *e = vmx_vcpu(v);
    uint8_t tpr = x86_state(v)->tpr & 0xf;

    if (vmx_controls.virtual_apic) {
        vmx_apic_lend(v);
        x86_state(v)->pending_interrupt = -1; /* the CPU delivers it */
        x86_inject(v, &how);
        return;
    }
    e->apic[VMX_APIC_TPR] = (uint8_t)(tpr << 4);
    if (e->tpr_threshold != tpr) {
        e->tpr_threshold = tpr;
        vmcs_write(VMCS_TPR_THRESHOLD, tpr);
    }
    x86_inject(v, &how);
}

/*
 * An exit in the middle of a delivery (28.2.4): the event is delivered again. Software interrupts
 * and exceptions are simply executed again, since RIP still points at them.
 */
void vmx_take_back(struct vcpu *v, uint64_t vectoring)
{
    struct x86_state *s = x86_state(v);
    uint8_t type = VMX_EVENT_TYPE(vectoring);

    if (type >= X86_EVENT_SOFTWARE)
        return;
    s->event = (struct x86_event){.valid = true,
                                  .vector = VMX_EVENT_VECTOR(vectoring),
                                  .type = type,
                                  .has_error = vectoring & VMX_EVENT_HAS_ERROR};
    if (s->event.has_error)
        s->event.error = (uint32_t)vmcs_read(VMCS_VECTORING_ERROR_CODE);
    if (type == X86_EVENT_NMI)
        s->nmi_masked = false;
    v->reg_dirty |= X86_EVENT;
}

/* A fault of an IRET that had unblocked NMIs already (28.2.3): it will run again. */
static void nmi_block_again(struct x86_state *s, uint64_t information, uint64_t bit)
{
    if (unlikely(information & bit) && !(vmcs_read(VMCS_VECTORING_EVENT) & VMX_EVENT_VALID))
        s->nmi_masked = true;
}

/* ---- Control registers ---- */

static void general_protection(struct vcpu *v)
{
    x86_exception_exit(v, VECTOR_GP, true, 0);
}

/* SDM vol. 2, MOV to control registers: false is #GP. */
static bool cr0_write_checked(struct x86_state *s, uint64_t value)
{
    bool paging = value & X86_CR0_PG;

    if ((value & BITS(63, 32)) || (paging && !(value & X86_CR0_PE)) ||
        ((value & X86_CR0_NW) && !(value & X86_CR0_CD)))
        return false;
    if (paging && !(s->cr0 & X86_CR0_PG) && (s->efer & X86_EFER_LME) && !(s->cr4 & X86_CR4_PAE))
        return false;
    if (!paging && (s->efer & X86_EFER_LMA) && (s->segments[X86_CS].attributes & X86_ATTR_LONG))
        return false;
    s->cr0 = value | X86_CR0_ET;
    s->efer &= ~(uint64_t)X86_EFER_LMA;
    if (paging && (s->efer & X86_EFER_LME))
        s->efer |= X86_EFER_LMA;
    return true;
}

static bool cr4_write_checked(struct x86_state *s, uint64_t value)
{
    uint64_t possible = (VMX_CR4_GUEST | VMX_CR4_MCE) & vmx_capabilities.cr4_fixed1;

    if ((value & ~possible) || ((s->efer & X86_EFER_LMA) && !(value & X86_CR4_PAE)))
        return false;
    s->cr4 = value;
    return true;
}

/* Only MOVs to CR0 and CR4 come, and only when they change a bit that is not the guest's own. */
static NOINLINE void exit_control(struct vcpu *v, struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    uint64_t qualification = vmcs_read(VMCS_QUALIFICATION);
    unsigned number = VMX_CR_NUMBER(qualification);
    bool ok = false;

    vcpu_need(v, X86_CODE);
    vcpu_dirty(v, X86_CONTROL);
    if (VMX_CR_ACCESS(qualification) == 0 && number == 0)
        ok = cr0_write_checked(s, s->gpr[VMX_CR_GPR(qualification)]);
    else if (VMX_CR_ACCESS(qualification) == 0 && number == 4)
        ok = cr4_write_checked(s, s->gpr[VMX_CR_GPR(qualification)]);
    if (ok)
        x86_skip(v, s->exit_length);
    else
        general_protection(v);
    x86_exit_isa(exit, X86_EXIT_CONTROL);
}

/* ---- Exits ---- */

static NOINLINE void exit_port(const struct x86_state *s, struct vm_exit *exit)
{
    uint64_t q = vmcs_read(VMCS_QUALIFICATION), info;

    exit->kind = EXIT_PORT;
    exit->port.port = VMX_IO_PORT(q);
    exit->port.size = VMX_IO_SIZE(q);
    exit->port.in = q & VMX_IO_IN;
    exit->port.string = q & VMX_IO_STRING;
    exit->port.repeat = q & VMX_IO_REPEAT;
    exit->port.segment = exit->port.address_size = 0xff;
    if (exit->port.string && vmx_controls.io_information) {
        info = vmcs_read(VMCS_EXIT_INSTRUCTION);
        exit->port.segment = IO_INFO_SEGMENT(info);
        exit->port.address_size = IO_INFO_ADDRESS(info);
    }
    exit->port.next_pc = s->rip + s->exit_length;
}

static void exit_memory(struct vcpu *v, struct vm_exit *exit)
{
    uint64_t q = vmcs_read(VMCS_QUALIFICATION);

    exit->kind = EXIT_MEMORY;
    exit->memory.gpa = GPA(vmcs_read(VMCS_GUEST_PHYSICAL));
    exit->memory.access = q & VMX_EPT_WRITE ? PT_WRITE : q & VMX_EPT_FETCH ? PT_EXEC : PT_READ;
    x86_state(v)->exit_length = 0; /* the CPU does not tell it here */
    nmi_block_again(x86_state(v), q, VMX_EPT_UNBLOCKED_NMI);
}

/* The CPU leaves DR6 and DR7 to us when a #DB ends the guest (28.1). */
static void debug_exception(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    uint64_t q = vmcs_read(VMCS_QUALIFICATION) & VMX_DEBUG_DR6;

    vcpu_dirty(v, X86_DEBUG);
    s->dr6 = (s->dr6 & ~BITS(3, 0)) | q | DR6_ACTIVE_LOW;
    s->dr7 &= ~(uint64_t)DR7_GD;
}

static void exit_exception(struct vcpu *v, struct vm_exit *exit)
{
    uint64_t info = vmcs_read(VMCS_EXIT_EVENT);
    uint8_t vector = VMX_EVENT_VECTOR(info);

    exit->kind = EXIT_INTERRUPT;
    x86_state(v)->exit_length = 0;
    if (VMX_EVENT_TYPE(info) == X86_EVENT_NMI) {
        x86_host_nmi();
        return;
    }
    nmi_block_again(x86_state(v), info, VMX_EVENT_UNBLOCKED_NMI);
    if (vector == EXCEPTION_UD) {
        x86_exit_isa(exit, X86_EXIT_UNDEFINED);
        return;
    }
    if (unlikely(x86_debug_exit(v, vector, vmcs_read(VMCS_QUALIFICATION), exit)))
        return;
    if (vector == EXCEPTION_DB)
        debug_exception(v);
    if (vector == VECTOR_PF) { /* in a debugger's step */
        vcpu_dirty(v, X86_CONTROL);
        x86_state(v)->cr2 = vmcs_read(VMCS_QUALIFICATION);
    }
    x86_exception_exit(v, vector, info & VMX_EVENT_HAS_ERROR,
                       (uint32_t)vmcs_read(VMCS_EXIT_ERROR_CODE));
}

static struct vmx_check check_current(void);

/* The guest's state or an MSR list was refused: nothing of the guest has run. */
static NOINLINE void exit_entry_failed(struct vcpu *v, uint32_t reason, struct vm_exit *exit)
{
    struct vmx_check check = check_current();
    const char *text = "guest state";
    uint64_t code = reason;

#if DEBUG
    vmx_break_apply(vmx_vcpu(v));
#else
    (void)v;
#endif
    switch (VMX_EXIT_BASIC(reason)) {
    case VMX_EXIT_MSR_LOADING:
        text =
            "entry MSR-load list: the CPU refuses the entry whose number is the code's upper half";
        code |= vmcs_read(VMCS_QUALIFICATION) << 32;
        break;
    case VMX_EXIT_ENTRY_MACHINE_CHECK:
        x86_exception_exit(v, EXCEPTION_MC, false, 0);
        text = "machine check during the entry";
        break;
    default:
        text = vmx_invalid_guest(&check);
    }
    x86_exit_fatal(exit, EXIT_ENTRY_FAILED, text, code);
}

static uint64_t check_read(const struct vmx_check *check, uint32_t field)
{
    (void)check;
    return vmcs_read(field);
}

static struct vmx_check check_current(void)
{
    return (struct vmx_check){.read = check_read,
                              .caps = &vmx_capabilities,
                              .physical_bits = cpu_features()->physical_bits};
}

/* VM-instruction errors: 31.4. */
#define ERROR_CONTROLS 7
#define ERROR_HOST     8

void vmx_exit_refused(struct vm_exit *exit)
{
    struct vmx_check check = check_current();
    uint64_t error = vmcs_read(VMCS_INSTRUCTION_ERROR);
    const char *text = "VMLAUNCH or VMRESUME: refused for another reason than the VMCS's content";

    if (error == ERROR_CONTROLS)
        text = vmx_invalid_controls(&check);
    else if (error == ERROR_HOST)
        text = vmx_invalid_host(&check);
    x86_exit_fatal(exit, EXIT_ENTRY_FAILED, text, error);
}

static void exit_window(struct vcpu *v, uint64_t bit, struct vm_exit *exit)
{
    vmx_control_set(vmx_vcpu(v), (uint32_t)bit, false);
    v->reg_dirty |= X86_EVENT;
    exit->kind = EXIT_IRQ_WINDOW;
}

/* The less frequent half of the exits. */
static NOINLINE void exit_decode_rare(struct vcpu *v, uint32_t reason, struct vm_exit *exit)
{
    if (reason & VMX_EXIT_ENTRY_FAILURE) {
        exit_entry_failed(v, reason, exit);
        return;
    }
    switch (VMX_EXIT_BASIC(reason)) {
    case VMX_EXIT_EXCEPTION_NMI:
        exit_exception(v, exit);
        break;
    case VMX_EXIT_INIT:
        exit->kind = EXIT_INTERRUPT;
        break;
    case VMX_EXIT_PREEMPTION_TIMER:
        vmx_vcpu(v)->turns++;
        x86_timer_due();
        exit->kind = EXIT_INTERRUPT;
        break;
    case VMX_EXIT_NMI_WINDOW:
        exit_window(v, VMX_CPU_NMI_WINDOW, exit);
        break;
    case VMX_EXIT_CR:
        exit_control(v, exit);
        break;
    case VMX_EXIT_MOV_DR:
        x86_exit_isa(exit, X86_EXIT_DEBUG_REGISTER);
        break;
    case VMX_EXIT_TPR:
        x86_exit_isa(exit, X86_EXIT_CR8);
        break;
    case VMX_EXIT_EOI:
        x86_exit_isa(exit, X86_EXIT_EOI);
        exit->isa.info[0] = vmcs_read(VMCS_QUALIFICATION);
        break;
    case VMX_EXIT_INVD:
        x86_exit_isa(exit, X86_EXIT_INVD);
        break;
    case VMX_EXIT_WBINVD:
        x86_exit_isa(exit, X86_EXIT_WBINVD);
        break;
    case VMX_EXIT_XSETBV:
        x86_exit_isa(exit, X86_EXIT_XSETBV);
        break;
    case VMX_EXIT_TRIPLE_FAULT:
        x86_exit_fatal(exit, EXIT_FATAL, "triple fault", reason);
        break;
    case VMX_EXIT_TASK_SWITCH:
        x86_exit_fatal(exit, EXIT_FATAL,
                       "task switch by a task gate or TSS, which VT-x cannot do in a guest",
                       reason);
        break;
    case VMX_EXIT_EPT_MISCONFIGURED:
        x86_exit_fatal(exit, EXIT_FATAL, "the CPU takes an EPT entry for malformed",
                       vmcs_read(VMCS_GUEST_PHYSICAL));
        break;
    default:
        x86_exit_isa(exit, X86_EXIT_UNDEFINED);
    }
}

void vmx_exit_decode(struct vcpu *v, uint32_t reason, struct vm_exit *exit)
{
    switch (reason) {
    case VMX_EXIT_EXTERNAL_INTERRUPT:
        exit->kind = EXIT_INTERRUPT;
        break;
    case VMX_EXIT_IRQ_WINDOW:
        exit_window(v, VMX_CPU_IRQ_WINDOW, exit);
        break;
    case VMX_EXIT_CPUID:
        x86_exit_isa(exit, X86_EXIT_CPUID);
        break;
    case VMX_EXIT_HLT:
        exit->kind = EXIT_IDLE;
        break;
    case VMX_EXIT_IO:
        exit_port(x86_state(v), exit);
        break;
    case VMX_EXIT_RDMSR:
        x86_exit_msr(x86_state(v), false, exit);
        break;
    case VMX_EXIT_WRMSR:
        x86_exit_msr(x86_state(v), true, exit);
        break;
    case VMX_EXIT_VMCALL:
        exit->kind = EXIT_HYPERCALL;
        exit->hypercall.number = 0;
        break;
    case VMX_EXIT_EPT_VIOLATION:
        exit_memory(v, exit);
        break;
    default:
        exit_decode_rare(v, reason, exit);
    }
}
