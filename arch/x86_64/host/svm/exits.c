/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Events into the guest, and the guest's exits as neutral ones. */
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/svm/svm.h"
#include "mm/page_table.h"

#define VECTOR_NMI        2
#define VECTOR_BREAKPOINT 3
#define VECTOR_OVERFLOW   4

static void event_set(struct vmcb *c, const struct x86_event *e)
{
    c->event = e->vector | (uint64_t)e->type << VMCB_EVENT_TYPE_SHIFT | VMCB_EVENT_VALID;
    if (e->has_error)
        c->event |= VMCB_EVENT_HAS_ERROR | (uint64_t)e->error << VMCB_EVENT_ERROR_SHIFT;
}

/* A virtual interrupt of no vector whose delivery is intercepted: it exits when the guest could
 * take one (15.21.4). */
static void window_request(struct vmcb *c)
{
    c->virtual_interrupt |= VMCB_V_IRQ | VMCB_V_IGNORE_TPR | 0xfULL << VMCB_V_PRIORITY_SHIFT;
    c->intercept1 |= VMCB_I1_VINTR;
    svm_touch(c, VMCB_CLEAN_INTERCEPTS | VMCB_CLEAN_TPR);
}

static void window_drop(struct vmcb *c)
{
    c->virtual_interrupt &= ~VMCB_V_IRQ;
    c->intercept1 &= ~(uint32_t)VMCB_I1_VINTR;
    svm_touch(c, VMCB_CLEAN_INTERCEPTS | VMCB_CLEAN_TPR);
}

static bool nmi_inject(struct x86_state *s, struct vmcb *c)
{
    struct x86_event e = {.vector = VECTOR_NMI, .type = X86_EVENT_NMI};

    if (!s->pending_nmi || s->nmi_masked || s->interrupt_shadow)
        return false;
    event_set(c, &e);
    s->pending_nmi = false;
    s->nmi_masked = true;
    c->intercept1 |= VMCB_I1_IRET;
    svm_touch(c, VMCB_CLEAN_INTERCEPTS);
    return true;
}

/* An NMI that an event or an interrupt shadow holds back for one instruction: the interrupt that is
 * sent here ends the guest right after it. */
static void nmi_retry(struct vcpu *v)
{
    v->reg_dirty |= X86_EVENT;
    host_ipi_send(this_cpu(), HOST_IPI_RESCHEDULE);
}

static void interrupt_inject(struct vcpu *v)
{
    struct x86_event e = {.vector = (uint8_t)x86_state(v)->pending_interrupt,
                          .type = X86_EVENT_INTERRUPT};

    event_set(svm_vcpu(v)->vmcb, &e);
    x86_interrupt_accepted(v);
}

/* One event an entry; what has to wait gets a window, or another look at the next entry. */
void svm_inject(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);
    struct vmcb *c = svm_vcpu(v)->vmcb;
    bool taken = true;

    c->virtual_interrupt = (c->virtual_interrupt & ~0xffULL) | (s->tpr & 0xf);
    svm_touch(c, VMCB_CLEAN_TPR);
    if (s->event.valid) {
        event_set(c, &s->event);
        s->event.valid = false;
    } else if (!nmi_inject(s, c)) {
        taken = false;
    }
    if (!taken && s->pending_interrupt >= 0 && (s->rflags & X86_RFLAGS_IF) && !s->interrupt_shadow)
        interrupt_inject(v);
    if (s->pending_interrupt >= 0)
        window_request(c);
    else if (c->intercept1 & VMCB_I1_VINTR)
        window_drop(c);
    if (unlikely(s->nmi_masked)) /* saved state may bring it */
        c->intercept1 |= VMCB_I1_IRET;
    if (unlikely(s->pending_nmi && !s->nmi_masked))
        nmi_retry(v);
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
    if (type == X86_EVENT_EXCEPTION && (vector == VECTOR_BREAKPOINT || vector == VECTOR_OVERFLOW))
        return;
    s->event = (struct x86_event){.valid = true,
                                  .vector = vector,
                                  .type = type,
                                  .has_error = info & VMCB_EVENT_HAS_ERROR,
                                  .error = (uint32_t)(info >> VMCB_EVENT_ERROR_SHIFT)};
    v->reg_dirty |= X86_EVENT;
}

static void exit_isa(struct vm_exit *exit, enum x86_isa_exit reason)
{
    exit->kind = EXIT_ISA;
    exit->isa.reason = reason;
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

static NOINLINE void exit_msr(const struct x86_state *s, const struct vmcb *c, struct vm_exit *exit)
{
    exit->kind = EXIT_REGISTER;
    exit->reg.number = (uint32_t)s->gpr[X86_RCX];
    exit->reg.write = c->exit_info1 & 1;
    exit->reg.value = s->gpr[X86_RDX] << 32 | (uint32_t)s->gpr[X86_RAX];
}

static void exit_fatal(struct vm_exit *exit, enum exit_kind kind, const char *text, uint64_t code)
{
    exit->kind = kind;
    exit->fatal.text = text;
    exit->fatal.code = code;
}

/* #DB and #AC are intercepted because a guest could otherwise make the CPU deliver them for ever
 * (CVE-2015-5307, CVE-2015-8104). */
static void exit_exception(struct vcpu *v, const struct vmcb *c, struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    uint8_t vector = (uint8_t)(c->exit_code - SVM_EXIT_EXCEPTION);

    exit->kind = EXIT_INTERRUPT;
    if (vector == EXCEPTION_MC) {
        __asm__ volatile("int %0" ::"i"(EXCEPTION_MC)); /* the host's own */
        return;
    }
    s->event = (struct x86_event){.valid = true,
                                  .vector = vector,
                                  .type = X86_EVENT_EXCEPTION,
                                  .has_error = vector != EXCEPTION_DB};
    v->reg_dirty |= X86_EVENT;
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
    exit_fatal(exit, EXIT_ENTRY_FAILED, svm_invalid_field(c), c->exit_code);
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
    case SVM_EXIT_INVD:
        exit_isa(exit, X86_EXIT_INVD);
        break;
    case SVM_EXIT_WBINVD:
        exit_isa(exit, X86_EXIT_WBINVD);
        break;
    case SVM_EXIT_XSETBV:
        exit_isa(exit, X86_EXIT_XSETBV);
        break;
    case SVM_EXIT_SHUTDOWN:
        exit_fatal(exit, EXIT_FATAL, "triple fault", c->exit_code);
        break;
    default:
        if (c->exit_code >= SVM_EXIT_EXCEPTION && c->exit_code <= SVM_EXIT_EXCEPTION_LAST)
            exit_exception(v, c, exit);
        else if (SVM_EXIT_INVALID(c->exit_code))
            exit_refused(v, c, exit);
        else
            exit_isa(exit, X86_EXIT_UNDEFINED);
    }
}

void svm_exit_decode(struct vcpu *v, struct vm_exit *exit)
{
    struct vmcb *c = svm_vcpu(v)->vmcb;

    switch (c->exit_code) {
    case SVM_EXIT_INTR:
        if (unlikely(x86_state(v)->interrupt_shadow))
            exit_isa(exit, X86_EXIT_SHADOW);
        else
            exit->kind = EXIT_INTERRUPT;
        break;
    case SVM_EXIT_VINTR:
        exit_window(v, c, exit);
        break;
    case SVM_EXIT_CPUID:
        exit_isa(exit, X86_EXIT_CPUID);
        break;
    case SVM_EXIT_HLT:
        exit->kind = EXIT_IDLE;
        break;
    case SVM_EXIT_IOIO:
        exit_port(c, exit);
        break;
    case SVM_EXIT_MSR:
        exit_msr(x86_state(v), c, exit);
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
