/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The engine of the hypervisor extension (RISC-V Privileged 1.13, chapter 21). A vCPU's supervisor
 * registers live in the VS registers from load to put, floating point too; general registers move
 * at each entry and exit. Faults, timers (Sstc) and software and external interrupts of a guest go
 * straight to it (hedeleg, hideleg); what stays is G-stage faults, ecall, wfi and host interrupts.
 */
#include "hext.h"

#include "arch/riscv64/host/host_internal.h"
#include "kernel/log.h"
#include "mm/heap.h"

#define HEXT_PREFERENCE 100

/* Exceptions that the guest handles itself (21.2.2). */
#define HEDELEG                                                                    \
    (BIT(CAUSE_FETCH_MISALIGNED) | BIT(CAUSE_FETCH_ACCESS) | BIT(CAUSE_ILLEGAL) |  \
     BIT(CAUSE_BREAKPOINT) | BIT(CAUSE_LOAD_MISALIGNED) | BIT(CAUSE_LOAD_ACCESS) | \
     BIT(CAUSE_STORE_MISALIGNED) | BIT(CAUSE_STORE_ACCESS) | BIT(CAUSE_ECALL_U) |  \
     BIT(CAUSE_FETCH_PAGE) | BIT(CAUSE_LOAD_PAGE) | BIT(CAUSE_STORE_PAGE))
#define HIDELEG         (BIT(IRQ_VS_SOFT) | BIT(IRQ_VS_TIMER) | BIT(IRQ_VS_EXT))
#define HCOUNTEREN_TIME 2UL /* the others count what is not the guest's, too */
#define HVIP_SHIFT      1   /* sip's bits are hvip's, one place lower */

/* How the guest ISA string is made: base letters, then each extension that needs nothing of the
 * hypervisor and the host has. */
static const enum isa_feature passed_through[] = {
    ISA_ZICBOM, ISA_ZICBOZ, ISA_ZICOND,  ISA_ZIHINTPAUSE, ISA_ZACAS,  ISA_ZFA,
    ISA_ZFHMIN, ISA_ZFH,    ISA_ZBA,     ISA_ZBB,         ISA_ZBC,    ISA_ZBS,
    ISA_ZKT,    ISA_SSTC,   ISA_SVINVAL, ISA_SVNAPOT,     ISA_SVPBMT, ISA_SVVPTC,
};
#define ISA_TEXT_SIZE 256

static struct {
    uint64_t features; /* of all harts */
    struct cbo_blocks blocks;
    bool sstc, aia;
    uint64_t vlenb; /* bytes of a vector register, 0: guests get none */
    char isa[ISA_TEXT_SIZE];
    const char *mmu;
} hext;

static struct hext_vm *hext_vm(const struct vm *vm)
{
    return vm->engine_data;
}

static struct hext_vcpu *hext_vcpu(const struct vcpu *v)
{
    return v->engine_data;
}

/* ---- What the machine has ---- */

static void build_isa_string(void)
{
    struct out_buffer text;

    out_buffer_init(&text, hext.isa, sizeof(hext.isa));
    out_printf(&text.out, "rv64imafdc%s_zicntr_zicsr_zifencei", hext.vlenb ? "v" : "");
    for (unsigned i = 0; i < ARRAY_SIZE(passed_through); i++)
        if (hext.features & BIT(passed_through[i]))
            out_printf(&text.out, "_%s", isa_name(passed_through[i]));
}

/* The largest mode that vsatp takes. */
static const char *probe_vs_mode(void)
{
    uint64_t flags = host_irq_save(), got;

    csr_write(CSR_VSATP, ATP_MODE_SV48 << ATP_MODE_SHIFT);
    got = csr_read(CSR_VSATP) >> ATP_MODE_SHIFT;
    csr_write(CSR_VSATP, 0);
    host_irq_restore(flags);
    return got == ATP_MODE_SV48 ? "riscv,sv48" : "riscv,sv39";
}

static uint64_t probe_vlenb(void)
{
    uint64_t flags = host_irq_save(), vlenb;

    csr_set(sstatus, SSTATUS_VS_INITIAL);
    vlenb = csr_read(CSR_VLENB);
    csr_clear(sstatus, SSTATUS_VS_MASK);
    host_irq_restore(flags);
    return vlenb <= RISCV_VECTOR_BYTES_MAX ? vlenb : 0;
}

static enum err hext_probe(struct out *reason)
{
    hext.features = cpus_common_features();
    if (!(hext.features & BIT(ISA_H))) {
        out_printf(reason, "the CPU lacks the H (hypervisor) extension");
        return ERR_UNSUPPORTED;
    }
    gstage_probe();
    if (!gstage_format(0)) {
        out_printf(reason, "the CPU has none of the second-stage modes Sv39x4 and Sv48x4");
        return ERR_UNSUPPORTED;
    }
    hext.sstc = hext.features & BIT(ISA_SSTC);
    hext.aia = hext.features & BIT(ISA_SSAIA);
    hext.vlenb = hext.features & BIT(ISA_V) ? probe_vlenb() : 0;
    /* Blocks of cache operations are the host's: a guest must be told their size. */
    hext.blocks = cpus_common_blocks();
    hext.features &=
        ~((hext.blocks.manage ? 0 : BIT(ISA_ZICBOM)) | (hext.blocks.zero ? 0 : BIT(ISA_ZICBOZ)));
    hext.mmu = probe_vs_mode();
    build_isa_string();
    if (hext.aia)
        files_probe();
    triggers_probe();
    return ERR_OK;
}

static enum err hext_cpu_enable(void)
{
    uint64_t envcfg = HENVCFG_CBIE_FLUSH | HENVCFG_CBCFE | HENVCFG_CBZE;

    csr_write(CSR_HGATP, 0);
    csr_write(CSR_HVIP, 0);
    csr_write(CSR_HIE, 0);
    csr_write(CSR_HGEIE, 0);
    csr_write(CSR_HEDELEG, HEDELEG);
    csr_write(CSR_HIDELEG, HIDELEG);
    csr_write(CSR_HCOUNTEREN, HCOUNTEREN_TIME);
    envcfg |= hext.sstc ? HENVCFG_STCE : 0;
    envcfg |= hext.features & BIT(ISA_SVPBMT) ? HENVCFG_PBMTE : 0;
    csr_write(CSR_HENVCFG, envcfg);
    if (hext.features & (BIT(ISA_SMSTATEEN) | BIT(ISA_SSSTATEEN)))
        csr_write(CSR_HSTATEEN0, HSTATEEN0_ENVCFG | HSTATEEN0_AIA);
    gstage_fence_all();
    files_cpu_enable();
    triggers_cpu_enable();
    return ERR_OK;
}

static void hext_report(struct out *out)
{
    out_printf(
        out,
        "hext: H extension, second stage %s, %u VMID bits, guest timer by %s, %u guest interrupt "
        "files per CPU, %u hardware breakpoints for debuggers, guests' ISA %s\n",
        gstage_names(), gstage_vmid_bits(), hext.sstc ? "Sstc" : "the hypervisor", files_count(),
        triggers_count(), hext.isa);
}

/* ---- VMs and vCPUs ---- */

static enum err hext_vm_init(struct vm *vm)
{
    struct riscv_machine *m = riscv_machine(vm);
    struct hext_vm *h = heap_zalloc(sizeof(*h));

    if (!h)
        return ERR_NO_MEMORY;
    h->hgatp = gstage_mode(gstage_format(guest_memory_limit(vm->memory))) << ATP_MODE_SHIFT |
               second_stage_root(vm->stage2).v >> PAGE_SHIFT;
    /* CSRs that the CPU does not know are illegal instructions to it (guest/imsic.c has them). */
    h->hedeleg = m->aplic && !hext.aia ? HEDELEG & ~BIT(CAUSE_ILLEGAL) : HEDELEG;
    vm->engine_data = h;
    m->isa = hext.isa;
    if (hext.features & BIT(ISA_ZICBOM))
        m->cbom_block = hext.blocks.manage;
    if (hext.features & BIT(ISA_ZICBOZ))
        m->cboz_block = hext.blocks.zero;
    m->mmu = hext.mmu;
    m->timebase_hz = host_counter_hz();
    m->hardware_timer = hext.sstc;
    if (m->aplic && files_reserve((unsigned)vm->config->cpus)) {
        h->files = (unsigned)vm->config->cpus;
        m->file_pending = files_pending;
        m->file_release = files_release;
    }
    return ERR_OK;
}

static void hext_vm_destroy(struct vm *vm)
{
    files_unreserve(hext_vm(vm)->files);
    heap_free(vm->engine_data);
    vm->engine_data = NULL;
}

static enum err hext_vcpu_init(struct vcpu *v)
{
    struct hext_vcpu *h = heap_zalloc(sizeof(*h));

    if (!h)
        return ERR_NO_MEMORY;
    h->hstatus = HSTATUS_SPV | HSTATUS_VTW | HSTATUS_VSXL_64;
    h->sstatus = SSTATUS_UXL_64;
    riscv_state(v)->vlenb = hext.vlenb;
    v->engine_data = h;
    return ERR_OK;
}

static void hext_vcpu_destroy(struct vcpu *v)
{
    files_drop(v);
    heap_free(v->engine_data);
    v->engine_data = NULL;
}

/* ---- Registers ---- */

/* Without a file of the hardware's, vstopi reports a pending external interrupt by what stands here
 * (AIA 5.4.1). */
static void write_external(uint64_t lines)
{
    if (hext.aia)
        csr_write(CSR_HVICTL, lines & RISCV_SIP_SEIP ? HVICTL_EXTERNAL : 0);
}

/* The guest would run on what the register had before: the entry is given up (hext_prepare()). */
static void refuse(struct hext_vcpu *h, const char *what, uint64_t got)
{
    h->refused = what;
    h->refused_value = got;
}

#define WRITE_CHECKED(h, csr, reg, value, what)             \
    do {                                                    \
        uint64_t value_ = hext_broken(h, reg, value), got_; \
        csr_write(csr, value_);                             \
        got_ = csr_read(csr);                               \
        if (unlikely(got_ != value_))                       \
            refuse(h, "the CPU refused " what, got_);       \
    } while (0)

static void write_csrs(struct hext_vcpu *h, const struct riscv_state *s)
{
    csr_write(CSR_VSSTATUS, s->sstatus);
    csr_write(CSR_VSIE, s->sie);
    csr_write(CSR_VSTVEC, s->stvec);
    csr_write(CSR_VSSCRATCH, s->sscratch);
    csr_write(CSR_VSEPC, s->sepc);
    csr_write(CSR_VSCAUSE, s->scause);
    csr_write(CSR_VSTVAL, s->stval);
    WRITE_CHECKED(h, CSR_VSATP, HEXT_VSATP, s->satp,
                  "vsatp (mode or ASID of the guest's own page tables)");
    /* These two have no VS form (21.2): the guest uses the hart's own. */
    csr_write(CSR_SENVCFG, s->senvcfg);
    csr_write(CSR_SCOUNTEREN, s->scounteren);
    csr_write(CSR_HVIP, ((s->sip & RISCV_SIP_SSIP) | s->lines) << HVIP_SHIFT);
}

static void read_csrs(struct riscv_state *s)
{
    s->sstatus = csr_read(CSR_VSSTATUS);
    s->sie = csr_read(CSR_VSIE);
    s->stvec = csr_read(CSR_VSTVEC);
    s->sscratch = csr_read(CSR_VSSCRATCH);
    s->sepc = csr_read(CSR_VSEPC);
    s->scause = csr_read(CSR_VSCAUSE);
    s->stval = csr_read(CSR_VSTVAL);
    s->satp = csr_read(CSR_VSATP);
    s->senvcfg = csr_read(CSR_SENVCFG);
    s->scounteren = csr_read(CSR_SCOUNTEREN);
    s->sip = csr_read(CSR_HVIP) >> HVIP_SHIFT & RISCV_SIP_SSIP;
}

_Static_assert(offsetof(struct riscv_state, fcsr) - offsetof(struct riscv_state, f) ==
                   offsetof(struct riscv_fp_state, fcsr),
               "f[] and fcsr lie as in struct riscv_fp_state");

/* vl and vtype need vsetvl, which sets vstart to 0 (RVV 1.0, 6.1); whole-register loads obey vstart
 * (7.9). */
static void write_vector(const struct riscv_state *s)
{
    csr_set(sstatus, SSTATUS_VS_DIRTY);
    csr_write(CSR_VSTART, 0);
    vector_restore(s->v, s->vlenb);
    vector_configure(s->vl, s->vtype);
    csr_write(CSR_VCSR, s->vcsr);
    csr_write(CSR_VSTART, s->vstart);
}

static void read_vector(struct riscv_state *s)
{
    csr_set(sstatus, SSTATUS_VS_DIRTY);
    s->vstart = csr_read(CSR_VSTART);
    s->vcsr = csr_read(CSR_VCSR);
    s->vl = csr_read(CSR_VL);
    s->vtype = csr_read(CSR_VTYPE);
    csr_write(CSR_VSTART, 0);
    vector_save(s->v, s->vlenb);
    csr_write(CSR_VSTART, s->vstart);
}

/* Writes what changed outside; the groups then live in the hardware. FS and VS become clean: at the
 * next switch only a guest that wrote its registers has them saved. */
static void write_dirty(struct vcpu *v, struct riscv_state *s, struct hext_vcpu *h)
{
    uint64_t dirty = v->reg_dirty;

    if (dirty & RISCV_CSR) {
        write_csrs(h, s);
        write_external(s->lines);
        h->lines = s->lines;
    }
    if (dirty & RISCV_TIMER && hext.sstc)
        csr_write(CSR_VSTIMECMP, s->stimecmp);
    if (dirty & RISCV_AIA && hext.aia)
        csr_write(CSR_VSISELECT, s->siselect);
    if (dirty & RISCV_FP) {
        csr_set(sstatus, SSTATUS_FS_DIRTY);
        fp_restore((const struct riscv_fp_state *)s->f);
        h->sstatus = (h->sstatus & ~SSTATUS_FS_MASK) | SSTATUS_FS_CLEAN;
    }
    if (dirty & RISCV_VECTOR && hext.vlenb) {
        write_vector(s);
        h->sstatus = (h->sstatus & ~SSTATUS_VS_MASK) | SSTATUS_VS_CLEAN;
    }
}

static void hext_fetch(struct vcpu *v, uint64_t groups)
{
    struct riscv_state *s = riscv_state(v);
    const struct hext_vcpu *h = hext_vcpu(v);

    if (groups & RISCV_CSR)
        read_csrs(s);
    if (groups & RISCV_TIMER && hext.sstc)
        s->stimecmp = csr_read(CSR_VSTIMECMP);
    if (groups & RISCV_AIA && hext.aia)
        s->siselect = csr_read(CSR_VSISELECT);
    if (groups & RISCV_FP && (h->sstatus & SSTATUS_FS_MASK) == SSTATUS_FS_DIRTY) {
        csr_set(sstatus, SSTATUS_FS_DIRTY);
        fp_save((struct riscv_fp_state *)s->f);
    }
    /* QEMU 10 notes a write to vstart or vcsr in the guest's sstatus only (not so: H, 8.2.1). */
    if (groups & RISCV_VECTOR && ((h->sstatus & SSTATUS_VS_MASK) == SSTATUS_VS_DIRTY ||
                                  (csr_read(CSR_VSSTATUS) & SSTATUS_VS_MASK) == SSTATUS_VS_DIRTY))
        read_vector(s);
}

/* Breakpoints are the guest's own, unless a debugger has written some into its memory, or has
 * triggers. It changes them while the vCPU is on no CPU. */
static uint64_t hedeleg_for(const struct vm *vm)
{
    const struct debug_point *points;

    if (likely(!vm->debug))
        return hext_vm(vm)->hedeleg;
    __asm__ volatile("fence.i" ::: "memory");
    if (debug_has_patches(vm) || debug_points(vm, &points))
        return hext_vm(vm)->hedeleg & ~BIT(CAUSE_BREAKPOINT);
    return hext_vm(vm)->hedeleg;
}

/* What it wrote, or had fenced, on the hart where it ran before, or what the loader wrote, is not
 * yet what this hart fetches (Unprivileged, Zifencei: FENCE.I works on one hart). */
static void vcpu_came(const struct hext_vcpu *h, const struct cpu *cpu)
{
    if (unlikely(h->vmid.cpu != cpu))
        __asm__ volatile("fence.i" ::: "memory");
}

static void hext_load(struct vcpu *v)
{
    struct hext_vcpu *h = hext_vcpu(v);
    const struct hext_vm *vm = hext_vm(v->vm);
    struct cpu *cpu = this_cpu();
    uint64_t hgatp;

    vcpu_came(h, cpu);
    hgatp = vm->hgatp | gstage_vmid_assign(&h->vmid, v);
    h->refused = NULL;
    WRITE_CHECKED(h, CSR_HGATP, HEXT_HGATP, hgatp,
                  "hgatp (mode, VMID or address of the second stage's tables)");
    csr_write(CSR_HTIMEDELTA, guest_clock_offset(&v->vm->clock));
    WRITE_CHECKED(h, CSR_HEDELEG, HEXT_HEDELEG, hedeleg_for(v->vm),
                  "hedeleg (exceptions that go straight to the guest)");
    cpu->host.guest_fp = &h->fp;
    files_load(h);
    if (unlikely(v->vm->debug))
        triggers_load(v);
}

/* SPV goes too: a thread that another one interrupted would return from its trap into a guest
 * (21.2.1). */
static uint64_t hext_put(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    hext_fetch(v, ~v->reg_valid);
    csr_write(CSR_HVIP, 0);
    write_external(0);
    csr_write(CSR_VSIE, 0);
    csr_write(CSR_HGATP, 0);
    csr_write(CSR_SCOUNTEREN, 0);
    csr_clear(CSR_HSTATUS, HSTATUS_SPV | HSTATUS_VGEIN_MASK);
    files_put(hext_vcpu(v));
    triggers_put();
    csr_clear(sstatus, SSTATUS_FS_MASK | SSTATUS_VS_MASK);
    cpu->host.guest_fp = NULL;
    return 0;
}

static void hext_flush(struct vcpu *v)
{
    (void)v;
    gstage_fence_all();
}

/* ---- Entry ---- */

static void take_fences(struct riscv_hart *hart)
{
    struct riscv_fence_range ranges[RISCV_FENCE_RANGES];
    unsigned count;
    uint32_t kinds = riscv_fences_take(hart, ranges, &count);

    if (kinds & RISCV_FENCE_VMA) {
        gstage_fence_vs();
        count = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!ranges[i].size)
            gstage_fence_vs();
        for (uint64_t at = 0; at < ranges[i].size; at += PAGE_SIZE)
            gstage_fence_vs_page(ranges[i].start + at, ranges[i].asid);
    }
    if (kinds & RISCV_FENCE_I)
        __asm__ volatile("fence.i" ::: "memory");
}

/* SSIP belongs to the guest once it is raised; the other two follow the machine. */
static void write_lines(struct riscv_state *s, struct hext_vcpu *h)
{
    csr_clear(CSR_HVIP, (h->lines & ~s->lines) << HVIP_SHIFT);
    csr_set(CSR_HVIP, (s->lines | s->raise) << HVIP_SHIFT);
    write_external(s->lines);
    h->lines = s->lines;
    s->raise = 0;
}

/* What is rarely to be done before an entry; false: it cannot be. */
bool hext_prepare(struct vcpu *v, struct vm_exit *exit)
{
    struct riscv_state *s = riscv_state(v);
    struct hext_vcpu *h = hext_vcpu(v);

    if (v->reg_dirty & RISCV_AIA && riscv_machine(v->vm)->aplic) {
        files_settle(v, h);
        s->lines = (s->lines & ~RISCV_SIP_SEIP) | (riscv_imsic_pending(v) ? RISCV_SIP_SEIP : 0);
        v->reg_dirty |= RISCV_LINES;
    }
    if (v->reg_dirty & RISCV_FENCES)
        take_fences(riscv_hart(v));
    if (v->reg_dirty & ~(uint64_t)(RISCV_LINES | RISCV_FENCES))
        write_dirty(v, s, h);
    if (v->reg_dirty & RISCV_LINES) /* adds to what write_csrs() wrote */
        write_lines(s, h);
    v->reg_dirty = 0;
    if (likely(!h->refused))
        return true;
    exit->kind = EXIT_ENTRY_FAILED;
    exit->fatal.text = h->refused;
    exit->fatal.code = h->refused_value;
    return false;
}

void hext_trapped(struct vcpu *v, struct vm_exit *exit, uint64_t cause)
{
    if (cause & SCAUSE_INTERRUPT)
        exit->kind = EXIT_INTERRUPT;
    else
        hext_exit_synchronous(exit, riscv_state(v), cause);
    if (exit->kind == EXIT_DEBUG)
        triggers_decode(v, exit, hext_fetch_instruction(riscv_state(v)->pc));
}

static unsigned hext_debug_points(bool watch, bool *shared)
{
    (void)watch;
    *shared = true;
    return triggers_count();
}

#define KNOWN_TO_ASSEMBLY(a, b) _Static_assert((a) == (b), "assembly knows this value")
KNOWN_TO_ASSEMBLY(offsetof(struct vcpu, state), HEXT_VCPU_STATE);
KNOWN_TO_ASSEMBLY(offsetof(struct vcpu, engine_data), HEXT_VCPU_ENGINE_DATA);
KNOWN_TO_ASSEMBLY(offsetof(struct vcpu, reg_valid), HEXT_VCPU_REG_VALID);
KNOWN_TO_ASSEMBLY(offsetof(struct vcpu, reg_dirty), HEXT_VCPU_REG_DIRTY);
KNOWN_TO_ASSEMBLY(offsetof(struct hext_vcpu, hstatus), HEXT_HSTATUS);
KNOWN_TO_ASSEMBLY(offsetof(struct hext_vcpu, sstatus), HEXT_SSTATUS);
KNOWN_TO_ASSEMBLY(offsetof(struct vm_exit, kind), HEXT_EXIT_KIND);
KNOWN_TO_ASSEMBLY(EXIT_HYPERCALL, HEXT_EXIT_HYPERCALL);
KNOWN_TO_ASSEMBLY(RISCV_GPR | RISCV_LINES | RISCV_FENCES, HEXT_ALWAYS_VALID);
KNOWN_TO_ASSEMBLY(SSTATUS_SPP_SHIFT, HSTATUS_SPVP_SHIFT);

TABLE_ENTRY(engines, struct engine, engine_hext) = {
    .name = "hext",
    .isa = "riscv64",
    .preference = HEXT_PREFERENCE,
    .probe = hext_probe,
    .cpu_enable = hext_cpu_enable,
    .report = hext_report,
    .stage2_format = gstage_format,
    .vm_init = hext_vm_init,
    .vm_destroy = hext_vm_destroy,
    .vcpu_init = hext_vcpu_init,
    .vcpu_destroy = hext_vcpu_destroy,
    .load = hext_load,
    .put = hext_put,
    .run = hext_run,
    .fetch = hext_fetch,
    .flush = hext_flush,
    .debug_points = hext_debug_points,
    .no_step = true,
    .break_entry = hext_break_entry,
};
