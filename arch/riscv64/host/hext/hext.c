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
#include "mm/page_table.h"

#define HEXT_PREFERENCE 100

/* Exceptions that the guest handles itself (21.2.2). */
#define HEDELEG                                                                    \
    (BIT(CAUSE_FETCH_MISALIGNED) | BIT(CAUSE_FETCH_ACCESS) | BIT(CAUSE_ILLEGAL) |  \
     BIT(CAUSE_BREAKPOINT) | BIT(CAUSE_LOAD_MISALIGNED) | BIT(CAUSE_LOAD_ACCESS) | \
     BIT(CAUSE_STORE_MISALIGNED) | BIT(CAUSE_STORE_ACCESS) | BIT(CAUSE_ECALL_U) |  \
     BIT(CAUSE_FETCH_PAGE) | BIT(CAUSE_LOAD_PAGE) | BIT(CAUSE_STORE_PAGE))
#define HIDELEG        (BIT(IRQ_VS_SOFT) | BIT(IRQ_VS_TIMER) | BIT(IRQ_VS_EXT))
#define HCOUNTEREN_ALL 7UL /* cycle, time, instret */
#define HVIP_SHIFT     1   /* sip's bits are hvip's, one place lower */
#define SIP_ALL        (RISCV_SIP_SSIP | RISCV_SIP_STIP | RISCV_SIP_SEIP)
#define NO_PC          (~0UL)

/* htinst of an implicit access of the guest's page-table walk (21.6.3, table 21.6). */
#define HTINST_PSEUDO_READ  0x3000UL
#define HTINST_PSEUDO_WRITE 0x3020UL

/* How the guest ISA string is made: base letters, then each extension that needs nothing of the
 * hypervisor and the host has. */
static const enum isa_feature passed_through[] = {
    ISA_ZICBOM, ISA_ZICBOZ, ISA_ZICOND, ISA_ZIHINTPAUSE, ISA_ZFA,     ISA_ZBA,    ISA_ZBB,
    ISA_ZBC,    ISA_ZBS,    ISA_SSTC,   ISA_SVINVAL,     ISA_SVNAPOT, ISA_SVPBMT,
};
#define ISA_TEXT_SIZE 256

static struct {
    uint64_t features; /* of all harts */
    bool sstc;
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
    out_printf(&text.out, "rv64imafdc_zicntr_zicsr_zifencei");
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
    /* Block sizes of cache operations are the host's: not known without the tables' entries, so
     * they are not offered. */
    hext.features &= ~(BIT(ISA_ZICBOM) | BIT(ISA_ZICBOZ));
    hext.mmu = probe_vs_mode();
    build_isa_string();
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
    csr_write(CSR_HCOUNTEREN, HCOUNTEREN_ALL);
    envcfg |= hext.sstc ? HENVCFG_STCE : 0;
    envcfg |= hext.features & BIT(ISA_SVPBMT) ? HENVCFG_PBMTE : 0;
    csr_write(CSR_HENVCFG, envcfg);
    if (hext.features & (BIT(ISA_SMSTATEEN) | BIT(ISA_SSSTATEEN)))
        csr_write(CSR_HSTATEEN0, HSTATEEN0_ENVCFG | HSTATEEN0_SE0);
    gstage_fence_vmid(0);
    return ERR_OK;
}

static void hext_report(struct out *out)
{
    out_printf(
        out,
        "hext: H extension, second stage %s, %u VMID bits, guest timer by %s, guests' ISA %s\n",
        gstage_names(), gstage_vmid_bits(), hext.sstc ? "Sstc" : "the hypervisor", hext.isa);
}

/* ---- VMs and vCPUs ---- */

static enum err hext_vm_init(struct vm *vm)
{
    struct riscv_machine *m = riscv_machine(vm);
    struct hext_vm *h = heap_zalloc(sizeof(*h));
    const struct pt_format *format = gstage_format(guest_memory_limit(vm->memory));
    enum err e;

    if (!h)
        return ERR_NO_MEMORY;
    e = gstage_vmid_get(&h->vmid);
    if (e != ERR_OK) {
        heap_free(h);
        return e;
    }
    h->hgatp = gstage_mode(format) << ATP_MODE_SHIFT | (uint64_t)h->vmid << HGATP_VMID_SHIFT |
               second_stage_root(vm->stage2).v >> PAGE_SHIFT;
    vm->engine_data = h;
    m->isa = hext.isa;
    m->mmu = hext.mmu;
    m->timebase_hz = host_counter_hz();
    m->hardware_timer = hext.sstc;
    return ERR_OK;
}

static void hext_vm_destroy(struct vm *vm)
{
    gstage_vmid_put(hext_vm(vm)->vmid);
    heap_free(vm->engine_data);
    vm->engine_data = NULL;
}

static enum err hext_vcpu_init(struct vcpu *v)
{
    struct hext_vcpu *h = heap_zalloc(sizeof(*h));

    if (!h)
        return ERR_NO_MEMORY;
    h->memory_pc = NO_PC;
    v->engine_data = h;
    return ERR_OK;
}

static void hext_vcpu_destroy(struct vcpu *v)
{
    heap_free(v->engine_data);
    v->engine_data = NULL;
}

/* ---- Registers ---- */

static void write_csrs(const struct riscv_state *s)
{
    csr_write(CSR_VSSTATUS, s->sstatus);
    csr_write(CSR_VSIE, s->sie);
    csr_write(CSR_VSTVEC, s->stvec);
    csr_write(CSR_VSSCRATCH, s->sscratch);
    csr_write(CSR_VSEPC, s->sepc);
    csr_write(CSR_VSCAUSE, s->scause);
    csr_write(CSR_VSTVAL, s->stval);
    csr_write(CSR_VSATP, s->satp);
    csr_write(CSR_SENVCFG,
              s->senvcfg); /* these two have no VS form (21.2): the guest uses the hart's own */
    csr_write(CSR_SCOUNTEREN, s->scounteren);
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
}

_Static_assert(offsetof(struct riscv_state, fcsr) - offsetof(struct riscv_state, f) ==
                   offsetof(struct riscv_fp_state, fcsr),
               "f[] and fcsr lie as in struct riscv_fp_state");

/* Writes what changed outside; the groups then live in the hardware. */
static void write_dirty(struct vcpu *v)
{
    struct riscv_state *s = riscv_state(v);

    if (v->reg_dirty & RISCV_CSR)
        write_csrs(s);
    if (v->reg_dirty & RISCV_TIMER && hext.sstc)
        csr_write(CSR_VSTIMECMP, s->stimecmp);
    if (v->reg_dirty & RISCV_FP) {
        csr_set(sstatus, SSTATUS_FS_DIRTY);
        fp_restore((const struct riscv_fp_state *)s->f);
    }
    v->reg_dirty = 0;
}

static void hext_fetch(struct vcpu *v, uint64_t groups)
{
    struct riscv_state *s = riscv_state(v);

    if (groups & RISCV_CSR)
        read_csrs(s);
    if (groups & RISCV_TIMER && hext.sstc)
        s->stimecmp = csr_read(CSR_VSTIMECMP);
    if (groups & RISCV_FP) {
        csr_set(sstatus, SSTATUS_FS_DIRTY);
        fp_save((struct riscv_fp_state *)s->f);
    }
}

/* The TLB knows VMIDs, not vCPUs: what another vCPU of the VM left here, or this one before it
 * moved away, is stale. */
static void hext_load(struct vcpu *v)
{
    struct hext_vcpu *h = hext_vcpu(v);
    const struct hext_vm *vm = hext_vm(v->vm);
    struct cpu *cpu = this_cpu();

    csr_write(CSR_HGATP, vm->hgatp);
    csr_write(CSR_HTIMEDELTA, guest_clock_offset(&v->vm->clock));
    csr_write(CSR_HVIP, 0);
    h->hvip = 0;
    if (h->last_cpu != cpu || cpu->host.guest != v || vm->vmid == 0) {
        gstage_fence_vmid(vm->vmid);
        gstage_fence_vs();
    }
    h->last_cpu = cpu;
    h->loaded = true;
    cpu->host.guest = v;
    cpu->host.guest_fp = &h->fp;
}

static void hext_put(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    hext_fetch(v, ~v->reg_valid);
    if (hext.sstc)
        csr_write(CSR_VSTIMECMP, UINT64_MAX);
    csr_write(CSR_HVIP, 0);
    csr_write(CSR_VSIE, 0);
    csr_write(CSR_HGATP, 0);
    csr_write(CSR_SCOUNTEREN, 0);
    csr_clear(sstatus, SSTATUS_FS_MASK);
    cpu->host.guest_fp = NULL;
    hext_vcpu(v)->loaded = false;
}

static void hext_flush(struct vcpu *v)
{
    gstage_fence_vmid(hext_vm(v->vm)->vmid);
}

/* ---- Entry ---- */

static void take_fences(struct riscv_state *s)
{
    uint32_t fences = __atomic_exchange_n(&s->fences, 0, __ATOMIC_SEQ_CST);

    if (fences & RISCV_FENCE_VMA)
        gstage_fence_vs();
    if (fences & RISCV_FENCE_I)
        __asm__ volatile("fence.i" ::: "memory");
}

static void prepare(struct vcpu *v, struct riscv_state *s, struct hext_vcpu *h)
{
    uint64_t hvip = (s->sip & SIP_ALL) << HVIP_SHIFT;

    if (unlikely(v->reg_dirty))
        write_dirty(v);
    if (unlikely(__atomic_load_n(&s->fences, __ATOMIC_RELAXED)))
        take_fences(s);
    if (unlikely(h->memory_pc == s->pc)) /* tried again: a cached invalid entry must go (12.2.1) */
        gstage_fence_gpa(GPA(h->memory_gpa));
    h->memory_pc = NO_PC;
    if (hvip != h->hvip)
        csr_write(CSR_HVIP, hvip);
}

/* ---- Exits ---- */

/* hlvx.hu: two bytes as the guest would fetch them. False when that faults. Masked: the trap vector
 * is borrowed. */
static bool fetch_half(uint64_t va, uint32_t *half)
{
    uint64_t ok, value;

    __asm__ volatile("   la    t0, 1f\n"
                     "   csrrw t0, stvec, t0\n"
                     "   li    %0, 0\n"
                     "   .insn r 0x73, 4, 0x32, %1, %2, x3\n" /* hlvx.hu */
                     "   li    %0, 1\n"
                     "   .balign 4\n"
                     "1: csrw  stvec, t0\n"
                     : "=&r"(ok), "=&r"(value)
                     : "r"(va)
                     : "t0", "memory");
    *half = (uint32_t)value;
    return ok;
}

/* The instruction at pc, 0 when it cannot be read. */
static uint32_t fetch_instruction(uint64_t pc)
{
    uint32_t low, high = 0;

    if (!fetch_half(pc, &low))
        return 0;
    if ((low & 3) == 3 && !fetch_half(pc + 2, &high))
        return 0;
    return high << 16 | low;
}

static void exit_memory(struct vm_exit *exit, const struct riscv_state *s, uint64_t cause,
                        struct hext_vcpu *h)
{
    uint64_t htinst = csr_read(CSR_HTINST), stval = csr_read(stval);

    exit->kind = EXIT_MEMORY;
    exit->memory.gpa = GPA(csr_read(CSR_HTVAL) << 2 | (stval & 3));
    exit->memory.gva = stval;
    exit->memory.gva_valid = true;
    exit->memory.operand_valid = false;
    exit->memory.instruction_length = 0;
    exit->memory.instruction = 0;
    exit->memory.access = cause == CAUSE_FETCH_GUEST  ? PT_EXEC
                          : cause == CAUSE_LOAD_GUEST ? PT_READ
                                                      : PT_WRITE;
    h->memory_pc = s->pc;
    h->memory_gpa = exit->memory.gpa.v;
    if (htinst == HTINST_PSEUDO_READ || htinst == HTINST_PSEUDO_WRITE) {
        exit->memory.access = htinst == HTINST_PSEUDO_READ ? PT_READ : PT_WRITE;
        return;
    }
    if (cause == CAUSE_FETCH_GUEST)
        return;
    if (htinst & 1) {
        struct riscv_access a;

        exit->memory.instruction = (uint32_t)htinst;
        if (riscv_decode_transformed((uint32_t)htinst, &a)) {
            exit->memory.operand_valid = true;
            exit->memory.size = a.size;
            exit->memory.reg = a.reg;
            exit->memory.sign_extend = a.sign_extend;
            exit->memory.reg_64bit = true;
            exit->memory.instruction_length = a.length;
        }
        return;
    }
    exit->memory.instruction = fetch_instruction(s->pc);
}

static void exit_synchronous(struct vm_exit *exit, const struct riscv_state *s, uint64_t cause,
                             struct hext_vcpu *h)
{
    switch (cause) {
    case CAUSE_FETCH_GUEST:
    case CAUSE_LOAD_GUEST:
    case CAUSE_STORE_GUEST:
        exit_memory(exit, s, cause, h);
        break;
    case CAUSE_ECALL_VS:
        exit->kind = EXIT_HYPERCALL;
        exit->hypercall.number = 0;
        exit->hypercall.smc = false;
        break;
    case CAUSE_VIRTUAL: {
        uint64_t instruction = csr_read(stval);

        exit->kind = EXIT_ISA;
        exit->isa.reason = cause;
        exit->isa.info[0] = instruction ? instruction : fetch_instruction(s->pc);
        break;
    }
    default:
        exit->kind = EXIT_FATAL;
        exit->fatal.text = "the guest caused an exception that it should have handled itself";
        exit->fatal.code = cause;
    }
}

static void hext_run(struct vcpu *v, struct vm_exit *exit)
{
    struct riscv_state *s = riscv_state(v);
    struct hext_vcpu *h = hext_vcpu(v);
    uint64_t cause;

    prepare(v, s, h);
    csr_write(CSR_HSTATUS,
              HSTATUS_SPV | HSTATUS_VTW | HSTATUS_VSXL_64 | (s->prv ? HSTATUS_SPVP : 0));
    csr_write(sstatus, SSTATUS_FS_DIRTY | SSTATUS_UXL_64 | (s->prv ? SSTATUS_SPP : 0));
    hext_enter(s);
    csr_clear(CSR_HSTATUS, HSTATUS_SPV); /* or the next return from a trap of the hypervisor would
                                            enter a guest (21.2.1) */
    cause = csr_read(scause);
    s->prv = csr_read(sstatus) & SSTATUS_SPP ? RISCV_PRV_S : RISCV_PRV_U;
    h->hvip = csr_read(CSR_HVIP);
    s->sip = h->hvip >> HVIP_SHIFT & RISCV_SIP_SSIP;
    v->reg_valid = RISCV_GPR;
    if (cause & SCAUSE_INTERRUPT)
        exit->kind = EXIT_INTERRUPT;
    else
        exit_synchronous(exit, s, cause, h);
}

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
};
