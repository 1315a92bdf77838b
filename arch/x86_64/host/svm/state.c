/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The canonical state of a vCPU to and from its VMCB, by groups. */
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/svm/svm.h"

#define SEGMENT_DPL_SHIFT 5
#define SEGMENT_DPL_MASK  (3u << SEGMENT_DPL_SHIFT)

static inline void segment_write(struct vmcb_segment *to, const struct x86_segment *from)
{
    *to = (struct vmcb_segment){from->selector, from->attributes, from->limit, from->base};
}

static inline void segment_fetch(struct x86_segment *to, const struct vmcb_segment *from)
{
    *to = (struct x86_segment){.base = from->base,
                               .limit = from->limit,
                               .selector = from->selector,
                               .attributes = from->attributes};
}

static void code_write(const struct x86_state *s, struct vmcb *c)
{
    const struct x86_segment *ss = &s->segments[X86_SS];

    segment_write(&c->cs, &s->segments[X86_CS]);
    segment_write(&c->ss, ss);
    c->cpl = (uint8_t)((ss->attributes & SEGMENT_DPL_MASK) >> SEGMENT_DPL_SHIFT);
    svm_touch(c, VMCB_CLEAN_SEGMENTS);
}

/* The CPL field is the truth; SS.DPL may be stale after SYSRET to 64-bit code. */
static void code_fetch(struct x86_state *s, const struct vmcb *c)
{
    struct x86_segment *ss = &s->segments[X86_SS];

    segment_fetch(&s->segments[X86_CS], &c->cs);
    segment_fetch(ss, &c->ss);
    ss->attributes =
        (uint16_t)((ss->attributes & ~SEGMENT_DPL_MASK) | (unsigned)c->cpl << SEGMENT_DPL_SHIFT);
}

static void segments_write(const struct x86_state *s, struct vmcb *c)
{
    segment_write(&c->es, &s->segments[X86_ES]);
    segment_write(&c->ds, &s->segments[X86_DS]);
    segment_write(&c->fs, &s->segments[X86_FS]);
    segment_write(&c->gs, &s->segments[X86_GS]);
    segment_write(&c->ldtr, &s->segments[X86_LDTR]);
    segment_write(&c->tr, &s->segments[X86_TR]);
    c->gdtr.base = s->gdtr.base;
    c->gdtr.limit = s->gdtr.limit;
    c->idtr.base = s->idtr.base;
    c->idtr.limit = s->idtr.limit;
    svm_touch(c, VMCB_CLEAN_SEGMENTS | VMCB_CLEAN_DT);
}

static void segments_fetch(struct x86_state *s, const struct vmcb *c)
{
    segment_fetch(&s->segments[X86_ES], &c->es);
    segment_fetch(&s->segments[X86_DS], &c->ds);
    segment_fetch(&s->segments[X86_FS], &c->fs);
    segment_fetch(&s->segments[X86_GS], &c->gs);
    segment_fetch(&s->segments[X86_LDTR], &c->ldtr);
    segment_fetch(&s->segments[X86_TR], &c->tr);
    s->gdtr.base = c->gdtr.base;
    s->gdtr.limit = (uint16_t)c->gdtr.limit;
    s->idtr.base = c->idtr.base;
    s->idtr.limit = (uint16_t)c->idtr.limit;
}

static void msrs_write(const struct x86_state *s, struct vmcb *c)
{
    c->star = s->star;
    c->lstar = s->lstar;
    c->cstar = s->cstar;
    c->sfmask = s->sfmask;
    c->kernel_gs_base = s->kernel_gs_base;
    c->sysenter_cs = s->sysenter_cs;
    c->sysenter_esp = s->sysenter_esp;
    c->sysenter_eip = s->sysenter_eip;
    c->pat = s->pat;
    svm_touch(c, VMCB_CLEAN_NP);
    svm_tsc_aux_load(s);
}

void svm_tsc_aux_load(const struct x86_state *s)
{
    struct svm_cpu *own = this_cpu()->host.svm;

    if (likely(own->tsc_aux == s->tsc_aux))
        return;
    msr_write_safe(MSR_TSC_AUX, s->tsc_aux);
    own->tsc_aux = s->tsc_aux;
}

static void msrs_fetch(struct x86_state *s, const struct vmcb *c)
{
    s->star = c->star;
    s->lstar = c->lstar;
    s->cstar = c->cstar;
    s->sfmask = c->sfmask;
    s->kernel_gs_base = c->kernel_gs_base;
    s->sysenter_cs = c->sysenter_cs;
    s->sysenter_esp = c->sysenter_esp;
    s->sysenter_eip = c->sysenter_eip;
    s->pat = c->pat;
}

/* DR0 to DR3 stay in the registers: the host uses none of them and its own DR7 enables none. */
static void debug_registers_load(const uint64_t dr[4])
{
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3" ::"r"(dr[0]),
                     "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}

static void debug_write(const struct vcpu *v, const struct x86_state *s, struct vmcb *c)
{
    uint64_t dr[4], dr7;
    bool points = v->vm->debug && x86_debug_values(v, dr, &dr7);

    debug_registers_load(points ? dr : s->dr);
    c->dr6 = s->dr6;
    c->dr7 = points ? dr7 : s->dr7;
    c->intercept_dr_read = c->intercept_dr_write = points ? UINT16_MAX : 0;
    c->intercept_exceptions = SVM_EXCEPTIONS | x86_debug_exceptions(v);
    /* QEMU 10 takes INT3 for an INT n (APM vol. 2, 15.12.4: it is #BP). */
    c->intercept1 =
        (c->intercept1 & ~(uint32_t)VMCB_I1_INTN) | (debug_has_patches(v->vm) ? VMCB_I1_INTN : 0);
    svm_touch(c, VMCB_CLEAN_DR | VMCB_CLEAN_INTERCEPTS);
}

/* A debugger's are not the guest's. */
static void debug_fetch(struct x86_state *s, const struct vmcb *c)
{
    if (c->intercept_dr_read)
        return;
    __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                     : "=r"(s->dr[0]), "=r"(s->dr[1]), "=r"(s->dr[2]), "=r"(s->dr[3]));
    s->dr6 = c->dr6;
    s->dr7 = c->dr7;
}

static void control_write(const struct x86_state *s, struct vmcb *c)
{
    c->cr0 = s->cr0 | CR0_ET;
    c->cr2 = s->cr2;
    c->cr3 = s->cr3;
    c->cr4 = s->cr4;
    c->efer =
        s->efer | EFER_SVME; /* VMRUN wants it (15.5.1); guests cannot see it: EFER accesses exit */
    svm_touch(c, VMCB_CLEAN_CR | VMCB_CLEAN_CR2);
}

static void control_fetch(struct x86_state *s, const struct vmcb *c)
{
    s->cr0 = c->cr0;
    s->cr2 = c->cr2;
    s->cr3 = c->cr3;
    s->cr4 = c->cr4;
    s->efer = c->efer & ~(uint64_t)EFER_SVME;
}

void svm_state_write(struct vcpu *v, uint64_t groups)
{
    struct x86_state *s = x86_state(v);
    struct svm_vcpu *e = svm_vcpu(v);
    struct vmcb *c = e->vmcb;

    if (groups & X86_EVENT)
        svm_inject(v);
    if (likely(!(groups & ~(uint64_t)X86_EVENT)))
        return;
    if (groups & X86_CODE)
        code_write(s, c);
    if (groups & X86_SEGMENTS)
        segments_write(s, c);
    if (groups & X86_CONTROL)
        control_write(s, c);
    if (groups & X86_MSRS)
        msrs_write(s, c);
    if (groups & X86_DEBUG)
        debug_write(v, s, c);
    if (groups & X86_TSC) {
        c->tsc_offset = guest_clock_offset(&v->vm->clock) + s->tsc_offset;
        svm_touch(c, VMCB_CLEAN_INTERCEPTS);
    }
    if (groups & X86_FPU) {
        e->fpu.xcr0 = s->xcr0 & cpu_features()->xcr0;
        fpu_changed(&e->fpu);
    }
}

void svm_state_fetch(struct vcpu *v, uint64_t groups)
{
    struct x86_state *s = x86_state(v);
    struct vmcb *c = svm_vcpu(v)->vmcb;

    if (groups & X86_CODE)
        code_fetch(s, c);
    if (groups & X86_SEGMENTS)
        segments_fetch(s, c);
    if (groups & X86_CONTROL)
        control_fetch(s, c);
    if (groups & X86_MSRS)
        msrs_fetch(s, c);
    if (groups & X86_DEBUG)
        debug_fetch(s, c);
    if (groups & X86_FPU) {
        uint64_t flags = host_irq_save();

        if (this_cpu()->host.guest_fpu == &svm_vcpu(v)->fpu)
            fpu_save();
        host_irq_restore(flags);
    }
}
