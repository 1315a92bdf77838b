/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The SVM engine: runs x86_64 guests on AMD's virtualization (APM 2, chapter 15), always with
 * nested paging. Per CPU an ASID allocator; a vCPU that comes to another CPU, or must flush, takes
 * a new ASID or flushes its own.
 */
#include <string.h>
#include "arch/x86_64/host/svm/svm.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "kernel/log.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "mm/page.h"

#define IO_MAP_ORDER  2 /* 12 KiB, of 16 */
#define MSR_MAP_ORDER 1
#define MSR_MAP_LOW   0x0000 /* bit maps of two bits an MSR: 15.11 */
#define MSR_MAP_HIGH  0x0800 /* from 0xc0000000 */
#define MSR_HIGH      0xc0000000u
#define NPT_LIMIT     BIT(48)

struct svm_features svm_features;
static hpa_t io_map, msr_map;

/* ---- Machine ---- */

static void msr_allow(uint8_t *map, uint32_t msr)
{
    uint32_t bit =
        msr >= MSR_HIGH ? MSR_MAP_HIGH * 8 + (msr - MSR_HIGH) * 2 : MSR_MAP_LOW * 8 + msr * 2;

    map[bit / 8] &= (uint8_t) ~(3u << bit % 8);
}

/* MSRs that VMRUN, VMLOAD and VMSAVE switch are the guest's to read and write. PAT is not: QEMU 10
 * does not save the guest's at #VMEXIT (APM vol. 2, 15.25.9, wants it). */
static enum err maps_init(void)
{
    static const uint32_t direct[] = {
        0x174,    0x175,     0x176, /* SYSENTER_CS, ESP, EIP */
        MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
    };

    io_map = page_alloc(IO_MAP_ORDER, 0);
    msr_map = page_alloc(MSR_MAP_ORDER, 0);
    if (!io_map.v || !msr_map.v)
        return ERR_NO_MEMORY;
    memset(phys_to_virt(io_map), 0xff, PAGE_SIZE << IO_MAP_ORDER);
    memset(phys_to_virt(msr_map), 0xff, PAGE_SIZE << MSR_MAP_ORDER);
    for (unsigned i = 0; i < ARRAY_SIZE(direct); i++)
        msr_allow(phys_to_virt(msr_map), direct[i]);
    return ERR_OK;
}

/* What QEMU's emulation calls itself. */
#define HYPERVISOR_QEMU "TCGTCGTCGTCG"

static enum err svm_probe(struct out *reason)
{
    const char *text;
    struct cpuid c;

    if (!svm_usable(&text)) {
        out_printf(reason, "%s", text);
        return ERR_UNSUPPORTED;
    }
    c = cpuid_read(CPUID_SVM, 0);
    if (!(c.edx & CPUID_SVM_NP)) {
        out_printf(reason, "the CPU's SVM has no nested paging");
        return ERR_UNSUPPORTED;
    }
    if (c.ebx < 2) {
        out_printf(reason, "the CPU's SVM has no ASID for guests");
        return ERR_UNSUPPORTED;
    }
    svm_features = (struct svm_features){
        .qemu = !strcmp(cpu_features()->hypervisor, HYPERVISOR_QEMU),
        .nrips = c.edx & CPUID_SVM_NRIPS,
        .flush_by_asid = c.edx & CPUID_SVM_FLUSH_ASID,
        .decode_assists = (c.edx & CPUID_SVM_DECODE) && (c.edx & CPUID_SVM_NRIPS),
        .vgif = c.edx & CPUID_SVM_VGIF,
        .pause_filter = c.edx & CPUID_SVM_PAUSE,
        .tsc_scaling = c.edx & CPUID_SVM_TSC_RATE,
        .clean = c.edx & CPUID_SVM_CLEAN ? VMCB_CLEAN_ALL : 0,
        .asids = c.ebx};
    if (maps_init() != ERR_OK) {
        out_printf(reason, "no memory for SVM's permission maps");
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

static enum err svm_cpu_enable(void)
{
    struct cpu *cpu = this_cpu();
    struct svm_cpu *s = heap_zalloc(sizeof(*s));
    hpa_t save = page_alloc(0, PAGE_ZERO);

    if (s)
        s->host_vmcb = page_alloc(0, PAGE_ZERO);
    if (!s || !save.v || !s->host_vmcb.v)
        return ERR_NO_MEMORY;
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
    msr_write(MSR_VM_HSAVE_PA, save.v);
    __asm__ volatile("vmsave %%rax" ::"a"(s->host_vmcb.v) : "memory");
    msr_write_safe(MSR_TSC_AUX, 0);
    s->generation = 1;
    s->next_asid = 1;
    cpu->host.svm = s;
    return ERR_OK;
}

static void report_line(struct out *out, const char *what, bool there, const char *yes,
                        const char *no)
{
    out_printf(out, "  %s: %s\n", what, there ? yes : no);
}

static void svm_report(struct out *out)
{
    const struct svm_features *f = &svm_features;

    out_printf(out, "SVM with nested paging and %u address space ids\n", (unsigned)f->asids);
    report_line(out, "next RIP", f->nrips, "from the CPU", "by looking at the instruction");
    report_line(out, "bytes of MMIO instructions", f->decode_assists, "from the CPU",
                "by walking the guest's page tables");
    report_line(out, "VMCB clean bits", f->clean, "used", "the CPU has none: all is loaded");
    report_line(out, "flushes of one guest", f->flush_by_asid, "by the CPU", "by taking a new id");
    report_line(out, "virtual GIF", f->vgif, "there, unused: guests get no SVM", "missing");
    report_line(out, "TSC scaling", f->tsc_scaling, "there, unused: guests see the host's rate",
                "missing: guests see the host's rate");
}

static const struct pt_format *svm_stage2_format(uint64_t limit)
{
    if (limit > NPT_LIMIT)
        return NULL;
    return x86_npt_format(cpu_features()->page_1g);
}

/* ---- VMs and vCPUs ---- */

static enum err svm_vm_init(struct vm *vm)
{
    (void)vm;
    return ERR_OK;
}

static void svm_vm_destroy(struct vm *vm)
{
    (void)vm;
}

static void vmcb_init(struct vcpu *v)
{
    struct vmcb *c = svm_vcpu(v)->vmcb;

    c->intercept_exceptions = SVM_EXCEPTIONS;
    c->intercept1 = VMCB_I1_INTR | VMCB_I1_NMI | VMCB_I1_INIT | VMCB_I1_RDPMC | VMCB_I1_CPUID |
                    VMCB_I1_RSM | VMCB_I1_INVD | VMCB_I1_HLT | VMCB_I1_INVLPGA | VMCB_I1_IOIO |
                    VMCB_I1_MSR | VMCB_I1_SHUTDOWN;
    c->intercept2 = VMCB_I2_VMRUN | VMCB_I2_VMMCALL | VMCB_I2_VMLOAD | VMCB_I2_VMSAVE |
                    VMCB_I2_STGI | VMCB_I2_CLGI | VMCB_I2_SKINIT | VMCB_I2_WBINVD |
                    VMCB_I2_MONITOR | VMCB_I2_MWAIT | VMCB_I2_MWAIT_ARMED | VMCB_I2_XSETBV |
                    VMCB_I2_RDPRU;
    c->io_map = io_map.v;
    c->msr_map = msr_map.v;
    c->virtual_interrupt = VMCB_V_MASKING;
    c->nested_control = VMCB_NP_ENABLE;
    c->nested_cr3 = second_stage_root(v->vm->stage2).v;
}

static enum err svm_vcpu_init(struct vcpu *v)
{
    struct svm_vcpu *e;

    if (cpu_features()->xsave_size > X86_FPU_AREA_SIZE)
        return ERR_UNSUPPORTED;
    e = heap_zalloc(sizeof(*e));
    if (!e)
        return ERR_NO_MEMORY;
    e->vmcb_pa = page_alloc(0, PAGE_ZERO);
    if (!e->vmcb_pa.v) {
        heap_free(e);
        return ERR_NO_MEMORY;
    }
    e->vmcb = phys_to_virt(e->vmcb_pa);
    e->fpu.area = x86_state(v)->fpu;
    e->fpu.xcr0 = x86_state(v)->xcr0 & cpu_features()->xcr0;
    x86_fpu_area_init(e->fpu.area);
    v->engine_data = e;
    vmcb_init(v);
    return ERR_OK;
}

static void svm_vcpu_destroy(struct vcpu *v)
{
    struct svm_vcpu *e = v->engine_data;

    memset(e->vmcb, 0, PAGE_SIZE); /* a guest's registers */
    page_free(e->vmcb_pa, 0);
    heap_free(e);
    v->engine_data = NULL;
}

/* ---- Running ---- */

static void svm_load(struct vcpu *v)
{
    struct svm_vcpu *e = svm_vcpu(v);
    struct cpu *cpu = this_cpu();
    struct svm_cpu *own = cpu->host.svm;

    x86_guest_barrier(cpu, v->vm);
    if (e->cpu != cpu)
        e->vmcb->clean = 0; /* another CPU ran it in between (15.15.3) */
    if (e->cpu != cpu || own->last != e)
        v->reg_dirty |= X86_DEBUG;
    e->cpu = cpu;
    own->last = e;
    svm_tsc_aux_load(x86_state(v));
}

/* Everything else stays in the VMCB. */
static uint64_t svm_put(struct vcpu *v)
{
    vcpu_need(v, X86_DEBUG | X86_FPU);
    return UINT64_MAX;
}

/* A new number on this CPU; when they run out, everything is flushed and all vCPUs take new ones.
 */
static void asid_assign(struct svm_vcpu *e, struct cpu *cpu)
{
    struct svm_cpu *s = cpu->host.svm;

    if (s->next_asid >= svm_features.asids) {
        s->generation++;
        s->next_asid = 1;
        e->vmcb->tlb_control = VMCB_TLB_FLUSH_ALL;
    }
    e->vmcb->asid = s->next_asid++;
    svm_touch(e->vmcb, VMCB_CLEAN_ASID);
    e->asid_cpu = cpu;
    e->asid_generation = s->generation;
}

static bool asid_owned(const struct svm_vcpu *e, const struct cpu *cpu, const struct svm_cpu *s)
{
    return e->asid_cpu == cpu && e->asid_generation == s->generation;
}

/* The ASID's translations go at the next entry, or a new one is taken for it. */
static void svm_flush(struct vcpu *v)
{
    struct svm_vcpu *e = svm_vcpu(v);
    struct cpu *cpu = this_cpu();

    if (svm_features.flush_by_asid && asid_owned(e, cpu, cpu->host.svm))
        e->vmcb->tlb_control = VMCB_TLB_FLUSH_ASID;
    else
        e->asid_cpu = NULL;
}

/* What changes at every entry and exit. */
static inline void frame_write(const struct x86_state *s, struct vmcb *c)
{
    c->rax = s->gpr[X86_RAX];
    c->rsp = s->gpr[X86_RSP];
    c->rip = s->rip;
    c->rflags = s->rflags;
    c->interrupt_state = s->interrupt_shadow;
}

static inline void frame_read(struct x86_state *s, const struct vmcb *c)
{
    s->gpr[X86_RAX] = c->rax;
    s->gpr[X86_RSP] = c->rsp;
    s->rip = c->rip;
    s->rflags = c->rflags;
    s->interrupt_shadow = c->interrupt_state & VMCB_SHADOW;
}

/* What only CPUs with NRIPS tell: decode assists came after it. */
static NOINLINE void instruction_read(struct x86_state *s, const struct vmcb *c)
{
    s->exit_length = c->next_rip > c->rip ? (uint8_t)(c->next_rip - c->rip) : 0;
    s->fetched_count = 0;
    if (svm_features.decode_assists && c->exit_code == SVM_EXIT_NPF) {
        s->fetched_count = VMCB_FETCHED_COUNT(c->fetched_count);
        memcpy(s->fetched, c->fetched, sizeof(s->fetched));
    }
}

static void svm_run(struct vcpu *v, struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    struct svm_vcpu *e = svm_vcpu(v);
    struct vmcb *c = e->vmcb;
    struct cpu *cpu = this_cpu();
    struct svm_cpu *own = cpu->host.svm;
    uint64_t dirty = v->reg_dirty & ~(uint64_t)(X86_GPR | X86_RIP);

    if (unlikely(!asid_owned(e, cpu, own)))
        asid_assign(e, cpu);
    v->reg_dirty = 0;
    if (unlikely(dirty))
        svm_state_write(v, dirty);
    frame_write(s, c);
    if (unlikely(cpu->host.guest_fpu != &e->fpu))
        fpu_load(&e->fpu);
#if DEBUG
    svm_break_apply(e);
#endif
    svm_enter(e->vmcb_pa.v, s->gpr, own->host_vmcb.v);
    c->tlb_control = 0;
    c->event = 0;
    c->clean = svm_features.clean;
    frame_read(s, c);
    if (svm_features.nrips)
        instruction_read(s, c);
    v->reg_valid = X86_ALWAYS_VALID;
    if (unlikely(c->virtual_interrupt != e->virtual_left))
        svm_virtual_interrupt_left(v);
    if (unlikely(c->exit_interrupt & VMCB_EVENT_VALID))
        svm_take_back(v);
    svm_exit_decode(v, exit);
}

TABLE_ENTRY(engines, struct engine, svm_engine) = {
    .name = "svm",
    .isa = "x86_64",
    .preference = 100,
    .probe = svm_probe,
    .cpu_enable = svm_cpu_enable,
    .report = svm_report,
    .stage2_format = svm_stage2_format,
    .vm_init = svm_vm_init,
    .vm_destroy = svm_vm_destroy,
    .vcpu_init = svm_vcpu_init,
    .vcpu_destroy = svm_vcpu_destroy,
    .load = svm_load,
    .put = svm_put,
    .run = svm_run,
    .fetch = svm_state_fetch,
    .flush = svm_flush,
    .debug_points = x86_debug_points,
#if DEBUG
    .break_entry = svm_break_entry,
#endif
};
