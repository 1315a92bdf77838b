/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Events into the guest, and the guest's exits as neutral ones. */
#include "arch/x86_64/guest/machine.h"
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/svm/svm.h"
#include "mm/page_table.h"

#define VECTOR_BREAKPOINT 3
#define VECTOR_OVERFLOW   4
#define VECTOR_PF         14
#define OPCODE_INT3       0xcc
#define INTN_LENGTH       2
#define EXCEPTIONS        32

/* Whatever the task priority is: the machine's controller has looked at that. */
#define V_IRQ_ALWAYS (VMCB_V_IRQ | VMCB_V_IGNORE_TPR | 0xfULL << VMCB_V_PRIORITY_SHIFT)

/* A virtual interrupt of that vector, which the guest takes at once (15.21.4). */
static void interrupt_set(struct vmcb *c, uint8_t vector)
{
    c->virtual_interrupt = (c->virtual_interrupt & ~VMCB_V_VECTOR) | V_IRQ_ALWAYS |
                           (uint64_t)vector << VMCB_V_VECTOR_SHIFT;
    c->intercept1 &= ~(uint32_t)VMCB_I1_VINTR;
    svm_touch(c, VMCB_CLEAN_INTERCEPTS | VMCB_CLEAN_TPR);
}

/*
 * EVENTINJ or V_IRQ: to a CPU it is the same, but QEMU 10 may deliver an interrupt of EVENTINJ a
 * second time, whatever RFLAGS.IF says, when one of its own timers ends the guest's run (under
 * icount) before the guest has had an exception or exit. At a VMRUN with V_IRQ it may lose an
 * interrupt that another CPU's thread sends at that moment, or forget V_IRQ until the next VMRUN:
 * alone, a CPU gets none but its own timer's, which comes again. An interrupt behind which another
 * one waits leaves V_IRQ to that one's window.
 */
static bool by_virtual_interrupt(struct vcpu *v, const struct x86_event *e)
{
    return svm_features.qemu && cpu_online_count() == 1 && e->type == X86_EVENT_INTERRUPT &&
           x86_state(v)->pending_interrupt < 0;
}

static void event_set(struct vcpu *v, const struct x86_event *e)
{
    struct vmcb *c = svm_vcpu(v)->vmcb;

    if (by_virtual_interrupt(v, e)) {
        interrupt_set(c, e->vector);
        return;
    }
    c->event = e->vector | (uint64_t)e->type << VMCB_EVENT_TYPE_SHIFT | VMCB_EVENT_VALID;
    if (e->has_error)
        c->event |= VMCB_EVENT_HAS_ERROR | (uint64_t)e->error << VMCB_EVENT_ERROR_SHIFT;
}

/* A virtual interrupt of no vector whose delivery is intercepted: it exits when the guest could
 * take one (15.21.4). */
static void window_request(struct vmcb *c)
{
    c->virtual_interrupt |= V_IRQ_ALWAYS;
    c->intercept1 |= VMCB_I1_VINTR;
    svm_touch(c, VMCB_CLEAN_INTERCEPTS | VMCB_CLEAN_TPR);
}

static void window_drop(struct vmcb *c)
{
    c->virtual_interrupt &= ~VMCB_V_IRQ;
    c->intercept1 &= ~(uint32_t)VMCB_I1_VINTR;
    svm_touch(c, VMCB_CLEAN_INTERCEPTS | VMCB_CLEAN_TPR);
}

static void irq_window(struct vcpu *v, bool wanted)
{
    struct vmcb *c = svm_vcpu(v)->vmcb;

    if (wanted)
        window_request(c);
    else if (c->intercept1 & VMCB_I1_VINTR)
        window_drop(c);
}

/*
 * The end of an NMI's handler is seen by its IRET. An NMI that an event or an interrupt shadow
 * holds back waits for one instruction: the interrupt that is sent here ends the guest right after
 * it.
 */
static void nmi_window(struct vcpu *v, bool wanted)
{
    struct vmcb *c = svm_vcpu(v)->vmcb;

    if (x86_state(v)->nmi_masked) {
        c->intercept1 |= VMCB_I1_IRET;
        svm_touch(c, VMCB_CLEAN_INTERCEPTS);
    } else if (wanted) {
        v->reg_dirty |= X86_EVENT;
        host_ipi_send(this_cpu(), HOST_IPI_RESCHEDULE);
    }
}

void svm_inject(struct vcpu *v)
{
    static const struct x86_injection how = {event_set, irq_window, nmi_window};
    struct vmcb *c = svm_vcpu(v)->vmcb;

    c->virtual_interrupt = (c->virtual_interrupt & ~0xffULL) | (x86_state(v)->tpr & 0xf);
    svm_touch(c, VMCB_CLEAN_TPR);
    x86_inject(v, &how);
    svm_vcpu(v)->virtual_left = c->virtual_interrupt & ~VMCB_V_IRQ;
}

static void interrupt_come_back(struct vcpu *v, struct vmcb *c)
{
    c->virtual_interrupt &= ~VMCB_V_IRQ;
    x86_state(v)->event = (struct x86_event){
        .valid = true,
        .vector = (uint8_t)((c->virtual_interrupt & VMCB_V_VECTOR) >> VMCB_V_VECTOR_SHIFT),
        .type = X86_EVENT_INTERRUPT};
    v->reg_dirty |= X86_EVENT;
}

/* The guest changed its task priority, or a virtual interrupt is still there: one that waits for
 * its window, or that an exit forestalled, such as the host's own interrupt. */
NOINLINE void svm_virtual_interrupt_left(struct vcpu *v)
{
    struct vmcb *c = svm_vcpu(v)->vmcb;
    uint8_t tpr = VMCB_V_TPR(c->virtual_interrupt) & 0xf;

    if (tpr != x86_state(v)->tpr)
        x86_tpr_changed(v, tpr);
    if (svm_features.qemu && c->virtual_interrupt & VMCB_V_IRQ && !(c->intercept1 & VMCB_I1_VINTR))
        interrupt_come_back(v, c);
    svm_vcpu(v)->virtual_left = c->virtual_interrupt & ~VMCB_V_IRQ;
}

/*
 * An exit in the middle of a delivery (15.7.2): the event is delivered again. INT n, INT3 and INTO
 * are simply executed again, since RIP still points at them.
 */
void svm_take_back(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    uint64_t info = svm_vcpu(v)->vmcb->exit_interrupt;
    uint8_t vector = VMCB_EVENT_VECTOR(info), type = VMCB_EVENT_TYPE(info);

    if (type == X86_EVENT_SOFTWARE)
        return;
    if (type == X86_EVENT_EXCEPTION &&
        (vector == VECTOR_BREAKPOINT || vector == VECTOR_OVERFLOW || vector >= EXCEPTIONS))
        return; /* the last: QEMU's name for a virtual interrupt, which V_IRQ still has */
    s->event = (struct x86_event){.valid = true,
                                  .vector = vector,
                                  .type = type,
                                  .has_error = info & VMCB_EVENT_HAS_ERROR,
                                  .error = (uint32_t)(info >> VMCB_EVENT_ERROR_SHIFT)};
    v->reg_dirty |= X86_EVENT;
}

static NOINLINE void exit_port(const struct vmcb *c, struct vm_exit *exit)
{
    uint64_t info = c->exit_info1;

    exit->kind = EXIT_PORT;
    exit->port.port = SVM_IOIO_PORT(info);
    exit->port.size = SVM_IOIO_SIZE(info);
    exit->port.in = info & SVM_IOIO_IN;
    exit->port.string = info & SVM_IOIO_STRING;
    exit->port.repeat = info & SVM_IOIO_REPEAT;
    exit->port.segment = svm_features.decode_assists ? SVM_IOIO_SEGMENT(info) : 0xff;
    exit->port.address_size = SVM_IOIO_ADDRESS(info);
    exit->port.next_pc = c->exit_info2;
}

static void exit_memory(const struct vmcb *c, struct vm_exit *exit)
{
    exit->kind = EXIT_MEMORY;
    exit->memory.gpa = GPA(c->exit_info2);
    exit->memory.access = c->exit_info1 & SVM_NPF_WRITE   ? PT_WRITE
                          : c->exit_info1 & SVM_NPF_FETCH ? PT_EXEC
                                                          : PT_READ;
}

static void exit_exception(struct vcpu *v, const struct vmcb *c, struct vm_exit *exit)
{
    uint8_t vector = (uint8_t)(c->exit_code - SVM_EXIT_EXCEPTION);

    if (vector == EXCEPTION_UD) {
        x86_exit_isa(exit, X86_EXIT_UNDEFINED);
        return;
    }
    if (unlikely(x86_debug_exit(v, vector, c->dr6, exit)))
        return;
    exit->kind = EXIT_INTERRUPT;
    if (vector == VECTOR_PF) { /* in a debugger's step */
        vcpu_dirty(v, X86_CONTROL);
        x86_state(v)->cr2 = c->exit_info2;
    }
    x86_exception_exit(v, vector, X86_VECTORS_WITH_ERROR & 1u << vector, (uint32_t)c->exit_info1);
}

/* The IRET itself has not run: the shadow covers it, then the next NMI may come. */
static void exit_iret(struct x86_state *s, struct vmcb *c)
{
    c->intercept1 &= ~(uint32_t)VMCB_I1_IRET;
    svm_touch(c, VMCB_CLEAN_INTERCEPTS);
    s->nmi_masked = false;
    s->interrupt_shadow = true;
}

static NOINLINE void exit_window(struct vcpu *v, struct vmcb *c, struct vm_exit *exit)
{
    window_drop(c);
    v->reg_dirty |= X86_EVENT;
    exit->kind = EXIT_IRQ_WINDOW;
}

/* A refused VMCB is as it was written, but for emulations that write back what they made of it:
 * what was broken on purpose is broken again for the look at it. */
static void exit_refused(struct vcpu *v, struct vmcb *c, struct vm_exit *exit)
{
#if DEBUG
    svm_break_apply(svm_vcpu(v));
#else
    (void)v;
#endif
    x86_exit_fatal(exit, EXIT_ENTRY_FAILED, svm_invalid_field(c), c->exit_code);
}

/* INT n or, in an emulation, INT3: while a debugger has breakpoints. */
static void exit_software(struct vcpu *v, struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    uint8_t bytes[2] = {0};

    exit->kind = EXIT_INTERRUPT;
    vcpu_need(v, X86_CODE | X86_CONTROL);
    if (x86_read_linear(v, GVA(s->rip), bytes, sizeof(bytes)) != ERR_OK &&
        x86_read_linear(v, GVA(s->rip), bytes, 1) != ERR_OK)
        return;
    if (bytes[0] == OPCODE_INT3 && x86_debug_exit(v, VECTOR_BREAKPOINT, 0, exit))
        return;
    s->rip += INTN_LENGTH;
    s->event = (struct x86_event){.valid = true, .vector = bytes[1], .type = X86_EVENT_SOFTWARE};
    v->reg_dirty |= X86_EVENT;
}

/* The less frequent half of the exits. */
static NOINLINE void exit_decode_rare(struct vcpu *v, struct vmcb *c, struct vm_exit *exit)
{
    switch (c->exit_code) {
    case SVM_EXIT_NMI:
    case SVM_EXIT_INIT:
        exit->kind = EXIT_INTERRUPT;
        break;
    case SVM_EXIT_IRET:
        exit_iret(x86_state(v), c);
        v->reg_dirty |= X86_EVENT;
        exit->kind = EXIT_INTERRUPT;
        break;
    case SVM_EXIT_INTN:
        exit_software(v, exit);
        break;
    case SVM_EXIT_INVD:
        x86_exit_isa(exit, X86_EXIT_INVD);
        break;
    case SVM_EXIT_WBINVD:
        x86_exit_isa(exit, X86_EXIT_WBINVD);
        break;
    case SVM_EXIT_XSETBV:
        x86_exit_isa(exit, X86_EXIT_XSETBV);
        break;
    case SVM_EXIT_SHUTDOWN:
        x86_exit_fatal(exit, EXIT_FATAL, "triple fault", c->exit_code);
        break;
    default:
        if (c->exit_code >= SVM_EXIT_DR && c->exit_code <= SVM_EXIT_DR_LAST)
            x86_exit_isa(exit, X86_EXIT_DEBUG_REGISTER);
        else if (c->exit_code >= SVM_EXIT_EXCEPTION && c->exit_code <= SVM_EXIT_EXCEPTION_LAST)
            exit_exception(v, c, exit);
        else if (SVM_EXIT_INVALID(c->exit_code))
            exit_refused(v, c, exit);
        else
            x86_exit_isa(exit, X86_EXIT_UNDEFINED);
    }
}

void svm_exit_decode(struct vcpu *v, struct vm_exit *exit)
{
    struct vmcb *c = svm_vcpu(v)->vmcb;

    switch (c->exit_code) {
    case SVM_EXIT_INTR:
        if (unlikely(x86_state(v)->interrupt_shadow))
            x86_exit_isa(exit, X86_EXIT_SHADOW);
        else
            exit->kind = EXIT_INTERRUPT;
        break;
    case SVM_EXIT_VINTR:
        exit_window(v, c, exit);
        break;
    case SVM_EXIT_CPUID:
        x86_exit_isa(exit, X86_EXIT_CPUID);
        break;
    case SVM_EXIT_HLT:
        exit->kind = EXIT_IDLE;
        break;
    case SVM_EXIT_IOIO:
        exit_port(c, exit);
        break;
    case SVM_EXIT_MSR:
        x86_exit_msr(x86_state(v), c->exit_info1 & 1, exit);
        break;
    case SVM_EXIT_VMMCALL:
        exit->kind = EXIT_HYPERCALL;
        exit->hypercall.number = 0;
        break;
    case SVM_EXIT_NPF:
        exit_memory(c, exit);
        break;
    default:
        exit_decode_rare(v, c, exit);
    }
}
