/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What units of translated riscv64 guests leave to C: system instructions, traps and interrupts,
 * the way to and from canonical state. CSRs live in canonical state all the time, general and
 * floating-point registers in the frame while run() runs.
 */
#include "arch/riscv64/guest/execute.h"

#include <string.h>
#include "arch/riscv64/guest/vector.h"
#include "dbt/table.h"
#include "dbt/tlb.h"

/* Exception codes (12.1.8), beyond those of state.h. */
#define CAUSE_BREAKPOINT       3
#define CAUSE_LOAD_MISALIGNED  4
#define CAUSE_STORE_MISALIGNED 6
#define CAUSE_ECALL_U          8
#define CAUSE_INTERRUPT        BIT(63)

/* Views of an address space. */
#define VIEW_USER DBT_VIEW_USER
#define VIEW_SUM  2u
#define VIEW_MXR  4u

/* senvcfg (12.1.10): what user mode may of the cache block instructions. */
#define SENVCFG_CBIE_SHIFT 4
#define SENVCFG_CBCFE      BIT(6)
#define SENVCFG_CBZE       BIT(7)

/* Svvptc: the TLB knows only what it may do with a page, never that there is none. */
#define ISA_STRING                                                                           \
    "rv64imafdc_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintntl_zihintpause_"    \
    "zihpm_zimop_zaamo_zacas_zalrsc_zawrs_zfa_zfh_zfhmin_zca_zcb_zcd_zcmop_zba_zbb_zbc_zbs_" \
    "sstc_svadu_svinval_svnapot_svpbmt_svvptc"
#define ISA_STRING_VECTOR                                                                    \
    "rv64imafdcv_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintntl_zihintpause_"   \
    "zihpm_zimop_zaamo_zacas_zalrsc_zawrs_zfa_zfh_zfhmin_zca_zcb_zcd_zcmop_zba_zbb_zbc_zbs_" \
    "zvbb_zve32f_zve32x_zve64d_zve64f_zve64x_zvfhmin_zvkb_zvl32b_zvl64b_zvl128b_"            \
    "sstc_svadu_svinval_svnapot_svpbmt_svvptc"

/* ---- Context ---- */

static unsigned view_of(const struct riscv_state *s)
{
    unsigned view = s->sstatus & RV_SSTATUS_MXR ? VIEW_MXR : 0;

    if (s->prv == RISCV_PRV_U)
        return view | VIEW_USER;
    return view | (s->sstatus & RV_SSTATUS_SUM ? VIEW_SUM : 0);
}

/* Initial and Clean are one: in both the first write of a register leaves. */
static uint32_t mode_of(const struct riscv_state *s)
{
    uint32_t fs = (uint32_t)(s->sstatus >> RV_SSTATUS_FS_SHIFT) & 3;
    uint32_t frm = (uint32_t)(s->fcsr >> 5) & 7;
    uint32_t mode = s->prv == RISCV_PRV_S       ? RV_MODE_S | RV_MODE_CBZE
                    : s->senvcfg & SENVCFG_CBZE ? RV_MODE_CBZE
                                                : 0;
    uint32_t vs = (uint32_t)(s->sstatus >> RV_SSTATUS_VS_SHIFT) & 3;

    if (vs)
        mode |= (vs == RV_FS_DIRTY ? vs : 1) << RV_MODE_VS_SHIFT;
    if (fs == RV_FS_OFF)
        return mode;
    return mode | (fs == RV_FS_DIRTY ? fs : 1) << RV_MODE_FS_SHIFT | frm << RV_MODE_FRM_SHIFT;
}

void rv_context(struct dbt_vcpu *d)
{
    const struct riscv_state *s = rv_state(d);

    d->mode = d->mode_common | mode_of(s);
    if (RV_SATP_MODE(s->satp) == RV_SATP_BARE)
        dbt_tlb_select(d, 0, 0, 0);
    else
        dbt_tlb_select(d, s->satp, (uint32_t)RV_SATP_ASID(s->satp), view_of(s));
}

void rv_fp_dirty(struct dbt_vcpu *d)
{
    struct riscv_state *s = rv_state(d);

    if ((s->sstatus & RV_SSTATUS_FS) == RV_SSTATUS_FS)
        return;
    s->sstatus |= RV_SSTATUS_FS;
    rv_context(d);
}

void rv_vector_dirty(struct dbt_vcpu *d)
{
    struct riscv_state *s = rv_state(d);

    if ((s->sstatus & RV_SSTATUS_VS) == RV_SSTATUS_VS)
        return;
    s->sstatus |= RV_SSTATUS_VS;
    rv_context(d);
}

/* ---- Canonical state ---- */

static void enter_vector(struct dbt_vcpu *d)
{
    const struct riscv_state *s = rv_state(d);
    const struct rv_vector_state v = {
        .vtype = s->vtype, .vl = s->vl, .vstart = s->vstart, .vxrm = s->vcsr >> RV_VCSR_VXRM_SHIFT};

    if (!s->vlenb)
        return;
    memcpy(rv_frame(d)->v, s->v, sizeof(rv_frame(d)->v));
    rv_vector_enter(rv_frame(d), &v);
    if (s->vcsr & RV_VCSR_VXSAT)
        d->frame->fp_flags |= SF_SATURATED;
}

static void leave_vector(struct dbt_vcpu *d)
{
    struct riscv_state *s = rv_state(d);
    const struct rv_frame *r = rv_frame(d);

    if (!s->vlenb)
        return;
    memcpy(s->v, r->v, sizeof(r->v));
    s->vtype = r->vtype;
    s->vl = r->vl;
    s->vstart = r->vstart;
    s->vcsr = (r->vxrm & 3) << RV_VCSR_VXRM_SHIFT |
              (d->frame->fp_flags & SF_SATURATED ? RV_VCSR_VXSAT : 0);
}

static void take_fence(struct dbt_vcpu *d, const struct riscv_fence_range *r)
{
    uint32_t asid = r->asid == RISCV_ASID_ALL ? DBT_ASID_ALL : (uint32_t)r->asid;

    if (!r->size)
        dbt_tlb_flush_asid(d, asid);
    for (uint64_t at = 0; at < r->size; at += PAGE_SIZE)
        dbt_tlb_flush_page(d, r->start + at, asid);
}

static void take_fences(struct dbt_vcpu *d)
{
    struct riscv_fence_range ranges[RISCV_FENCE_RANGES];
    unsigned count;
    uint32_t kinds = riscv_fences_take(riscv_hart(d->vcpu), ranges, &count);

    d->counters.flush_remote += kinds != 0;
    if (kinds & RISCV_FENCE_VMA) {
        dbt_tlb_flush_all(d);
        count = 0;
    }
    for (unsigned i = 0; i < count; i++)
        take_fence(d, &ranges[i]);
    if (kinds & RISCV_FENCE_I)
        dbt_table_synchronize(d);
}

static void enter(struct dbt_vcpu *d)
{
    struct riscv_state *s = rv_state(d);
    struct rv_frame *r = rv_frame(d);

    take_fences(d);
    memcpy(r->x, s->x, sizeof(r->x));
    memcpy(r->f, s->f, sizeof(r->f));
    d->frame->pc = s->pc;
    d->frame->fp_flags = (uint32_t)s->fcsr & 0x1f;
    enter_vector(d);
    s->sip |= s->raise;
    s->raise = 0;
    rv_context(d);
}

static void leave(struct dbt_vcpu *d)
{
    struct riscv_state *s = rv_state(d);
    const struct rv_frame *r = rv_frame(d);

    memcpy(s->x, r->x, sizeof(r->x));
    memcpy(s->f, r->f, sizeof(r->f));
    s->x[RISCV_ZERO] = 0;
    s->pc = d->frame->pc;
    s->fcsr = (s->fcsr & ~0x1fULL) | (d->frame->fp_flags & 0x1f);
    leave_vector(d);
}

/* CSRs that units reach are the frame's while they run, and canonical state's in the C code. */
static void system_from_frame(struct dbt_vcpu *d)
{
    struct riscv_state *s = rv_state(d);
    const struct rv_frame *r = rv_frame(d);

    s->sstatus = r->sstatus & ~RV_SSTATUS_SD;
    s->sscratch = r->sscratch;
    s->sepc = r->sepc;
    s->scause = r->scause;
    s->stval = r->stval;
}

static void system_to_frame(struct dbt_vcpu *d)
{
    const struct riscv_state *s = rv_state(d);
    struct rv_frame *r = rv_frame(d);

    r->sstatus = rv_sstatus(s);
    r->sscratch = s->sscratch;
    r->sepc = s->sepc;
    r->scause = s->scause;
    r->stval = s->stval;
    r->pending = (s->sip | s->lines) & s->sie;
}

LOCK_CLASS(pair_class, "guest accesses of 16 bytes", RANK_IRQCHIP);

static enum err vm_init(struct vm *vm)
{
    struct riscv_machine *m = riscv_machine(vm);

    m->isa = vm->config->vectors ? ISA_STRING_VECTOR : ISA_STRING;
    m->mmu = rv_has_sv57(vm) ? "riscv,sv57" : "riscv,sv48";
    m->cbom_block = m->cboz_block = RV_CBO_BYTES;
    m->timebase_hz = vm->clock.hz;
    m->hardware_timer = false;
    spin_init(&m->pair_lock, &pair_class);
    return ERR_OK;
}

static void vcpu_init(struct dbt_vcpu *d)
{
    rv_frame(d)->reserved_address = RV_NO_RESERVATION;
    rv_state(d)->vlenb = d->vcpu->vm->config->vectors ? RV_VLENB : 0;
}

/* ---- Traps ---- */

/* Reservations do not outlive a trap: what interrupts a sequence may have stored. */
static void trap(struct dbt_vcpu *d, uint64_t cause, uint64_t value)
{
    struct riscv_state *s = rv_state(d);

    s->pc = d->frame->pc;
    riscv_inject(d->vcpu, cause, value);
    d->frame->pc = s->pc;
    rv_frame(d)->reserved_address = RV_NO_RESERVATION;
    rv_context(d);
}

static void fault(struct dbt_vcpu *d)
{
    static const uint8_t access_faults[] = {[DBT_READ] = RISCV_CAUSE_LOAD_ACCESS,
                                            [DBT_WRITE] = RISCV_CAUSE_STORE_ACCESS,
                                            [DBT_FETCH] = RISCV_CAUSE_FETCH_ACCESS};
    const struct dbt_fault *f = &d->frame->fault;
    uint64_t cause = f->cause;

    if (f->misaligned)
        cause = f->access == DBT_READ ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED;
    else if (f->absent)
        cause = access_faults[f->access];
    trap(d, cause, f->address);
}

/* External before software before timer (12.1.3). */
static void interrupt(struct dbt_vcpu *d)
{
    static const uint8_t order[] = {RISCV_IRQ_EXT, RISCV_IRQ_SOFT, RISCV_IRQ_TIMER};
    struct riscv_state *s = rv_state(d);
    uint64_t pending = (s->sip | s->lines) & s->sie;

    if (!pending || (s->prv == RISCV_PRV_S && !(s->sstatus & RISCV_SSTATUS_SIE)))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        if (!(pending & BIT(order[i])))
            continue;
        d->counters.interrupts++;
        trap(d, CAUSE_INTERRUPT | order[i], 0);
        if (s->stvec & 1)
            d->frame->pc += 4ULL * order[i];
        return;
    }
}

/* ---- Page tables ---- */

static uint64_t *table_entry(void *arg, uint64_t gpa, bool write)
{
    struct dbt_vcpu *d = arg;
    uint64_t *entry = dbt_tlb_ram(d, gpa);

    if (entry && write && dbt_table_is_code(d->table, gpa))
        dbt_table_written(d->table, d, gpa, sizeof(*entry));
    return entry;
}

static bool walk(struct dbt_vcpu *d, uint64_t va, enum dbt_access access, struct dbt_mapping *out)
{
    const struct riscv_state *s = rv_state(d);
    const struct rv_view view = {.satp = s->satp,
                                 .user = s->prv == RISCV_PRV_U,
                                 .sum = s->sstatus & RV_SSTATUS_SUM,
                                 .mxr = s->sstatus & RV_SSTATUS_MXR};
    const struct rv_table_access tables = {.entry = table_entry, .arg = d};
    struct rv_translation t;
    int cause = rv_walk(&view, &tables, va, access, &t);

    if (cause != RV_NO_FAULT) {
        d->frame->fault =
            (struct dbt_fault){.address = va, .access = access, .cause = (uint32_t)cause};
        return false;
    }
    *out = (struct dbt_mapping){
        .gpa = t.gpa,
        .size = t.size,
        .allowed = {[DBT_READ] = t.readable, [DBT_WRITE] = t.writable, [DBT_FETCH] = t.executable}};
    return true;
}

/* ---- Instructions ---- */

/* What an instruction does to the run: RV_NEXT goes on behind it. */
enum outcome { RV_NEXT, RV_DONE, RV_ILLEGAL, RV_STOP };

static bool is_supervisor(const struct dbt_vcpu *d)
{
    return rv_state(d)->prv == RISCV_PRV_S;
}

static enum outcome do_sret(struct dbt_vcpu *d)
{
    struct riscv_state *s = rv_state(d);

    if (!is_supervisor(d))
        return RV_ILLEGAL;
    s->prv = s->sstatus & RISCV_SSTATUS_SPP ? RISCV_PRV_S : RISCV_PRV_U;
    s->sstatus = (s->sstatus & ~(RISCV_SSTATUS_SIE | RISCV_SSTATUS_SPP)) | RISCV_SSTATUS_SPIE |
                 (s->sstatus & RISCV_SSTATUS_SPIE ? RISCV_SSTATUS_SIE : 0);
    d->frame->pc = s->sepc;
    rv_context(d);
    d->attend = true;
    return RV_DONE;
}

/* In user mode the time that it may wait is none (Privileged Architecture, 3.3.3). */
static enum outcome do_wfi(struct dbt_vcpu *d, struct vm_exit *exit)
{
    if (!is_supervisor(d))
        return RV_ILLEGAL;
    exit->kind = EXIT_IDLE;
    d->frame->pc += d->frame->insn_length;
    return RV_STOP;
}

static enum outcome do_sfence_vma(struct dbt_vcpu *d, uint32_t word)
{
    const struct rv_frame *r = rv_frame(d);
    unsigned rs1 = rv_rs1(word), rs2 = rv_rs2(word);
    uint32_t asid = rs2 ? (uint32_t)(r->x[rs2] & 0xffff) : DBT_ASID_ALL;

    if (!is_supervisor(d))
        return RV_ILLEGAL;
    if (rs1)
        dbt_tlb_flush_page(d, r->x[rs1], asid);
    else if (rs2)
        dbt_tlb_flush_asid(d, asid);
    else
        dbt_tlb_flush_all(d);
    return RV_NEXT;
}

static enum outcome do_ecall(struct dbt_vcpu *d, struct vm_exit *exit)
{
    if (!is_supervisor(d)) {
        trap(d, CAUSE_ECALL_U, 0);
        return RV_DONE;
    }
    exit->kind = EXIT_HYPERCALL; /* riscv_sbi_call() steps over it */
    return RV_STOP;
}

/* What is no CSR here may be one of the AIA's. */
static enum outcome do_csr(struct dbt_vcpu *d, uint32_t word)
{
    if (rv_csr_instruction(d, word))
        return RV_NEXT;
    if (!riscv_machine(d->vcpu->vm)->aplic)
        return RV_ILLEGAL;
    leave(d);
    if (!riscv_aia_instruction(d->vcpu, word))
        return RV_ILLEGAL;
    enter(d);
    d->attend = true;
    return RV_DONE;
}

/* SC without a reservation of its address: it fails; an address that LR could not have had faults
 * (Unprivileged ISA, 13.2). */
static enum outcome do_failed_sc(struct dbt_vcpu *d, uint32_t word)
{
    struct rv_frame *r = rv_frame(d);
    uint64_t address = rv_rs1(word) ? r->x[rv_rs1(word)] : 0;
    unsigned size = 1u << (word >> 12 & 3);

    r->reserved_address = RV_NO_RESERVATION;
    if (!IS_ALIGNED(address, size)) {
        trap(d, CAUSE_STORE_MISALIGNED, address);
        return RV_DONE;
    }
    if (!dbt_memory_probe(d->frame, address, size, DBT_WRITE)) {
        fault(d);
        return RV_DONE;
    }
    if (rv_rd(word))
        r->x[rv_rd(word)] = 1;
    return RV_NEXT;
}

/* Caches are coherent: there is nothing to do. The block must be one that can be read or written
 * (Zicbom: Unprivileged ISA, 19.4.1). */
static enum outcome do_cbo(struct dbt_vcpu *d, uint32_t word, bool invalidate)
{
    const struct riscv_state *s = rv_state(d);
    unsigned rs1 = rv_rs1(word);
    uint64_t address = rs1 ? rv_frame(d)->x[rs1] : 0, block = address & ~(RV_CBO_BYTES - 1ULL);

    if (s->prv == RISCV_PRV_U &&
        !(invalidate ? s->senvcfg >> SENVCFG_CBIE_SHIFT & 3 : s->senvcfg & SENVCFG_CBCFE))
        return RV_ILLEGAL;
    if (dbt_memory_probe(d->frame, block, 1, DBT_READ) ||
        dbt_memory_probe(d->frame, block, 1, DBT_WRITE))
        return RV_NEXT;
    d->frame->fault.address = address;
    fault(d);
    return RV_DONE;
}

static enum outcome do_amocas_q(struct dbt_vcpu *d, uint32_t word)
{
    struct spinlock *lock = &riscv_machine(d->vcpu->vm)->pair_lock;
    uint64_t *memory = rv_amocas_q_memory(d->frame, word), flags;

    if (!memory) {
        fault(d);
        return RV_DONE;
    }
    flags = spin_lock_irq(lock);
    rv_amocas_q(d->frame, word, memory);
    spin_unlock_irq(lock, flags);
    return RV_NEXT;
}

/* Those that write make VS Dirty, and what is floating point FS. */
static enum outcome do_vector(struct dbt_vcpu *d, uint32_t word)
{
    enum rv_vector_result result = rv_vector_execute(d->frame, word, d->mode);

    if (result == RV_VECTOR_ILLEGAL)
        return RV_ILLEGAL;
    rv_vector_dirty(d);
    if (rv_vector_is_float(word))
        rv_fp_dirty(d);
    if (result == RV_VECTOR_DONE)
        return RV_NEXT;
    fault(d);
    return RV_DONE;
}

static enum outcome do_instruction(struct dbt_vcpu *d, uint32_t word, struct vm_exit *exit)
{
    switch (rv_decode(word, RV_EXT_ALL)) {
    case RV_INSN_csrrw:
    case RV_INSN_csrrs:
    case RV_INSN_csrrc:
    case RV_INSN_csrrwi:
    case RV_INSN_csrrsi:
    case RV_INSN_csrrci:
        return do_csr(d, word);
    case RV_INSN_ecall:
        return do_ecall(d, exit);
    case RV_INSN_sret:
        return do_sret(d);
    case RV_INSN_ebreak:
        if (debug_has_patches(d->vcpu->vm)) {
            exit->kind = EXIT_DEBUG;
            exit->debug.what = EXIT_DEBUG_BREAKPOINT;
            return RV_STOP;
        }
        trap(d, CAUSE_BREAKPOINT, d->frame->pc);
        return RV_DONE;
    case RV_INSN_wfi:
        return do_wfi(d, exit);
    case RV_INSN_sfence_vma:
    case RV_INSN_sinval_vma: /* at once: the fences around it have nothing left to do (Svinval) */
        return do_sfence_vma(d, word);
    case RV_INSN_sfence_w_inval:
    case RV_INSN_sfence_inval_ir:
        return is_supervisor(d) ? RV_NEXT : RV_ILLEGAL;
    case RV_INSN_fence_i:
        dbt_table_synchronize(d);
        return RV_NEXT;
    case RV_INSN_sc_w:
    case RV_INSN_sc_d:
        return do_failed_sc(d, word);
    case RV_INSN_amocas_q:
        return do_amocas_q(d, word);
    case RV_INSN_cbo_inval:
        return do_cbo(d, word, true);
    case RV_INSN_cbo_clean:
    case RV_INSN_cbo_flush:
        return do_cbo(d, word, false);
    default: /* floating point that writes: again, now that FS is Dirty */
        if (rv_is_vector(word))
            return do_vector(d, word);
        rv_fp_dirty(d);
        return RV_DONE;
    }
}

static enum dbt_next execute(struct dbt_vcpu *d, struct vm_exit *exit)
{
    struct dbt_frame *f = d->frame;
    uint64_t word = f->detail;

    if (f->reason == IR_LEAVE_INTERPRET) {
        switch (do_instruction(d, (uint32_t)word, exit)) {
        case RV_NEXT:
            f->pc += f->insn_length;
            f->count++;
            return DBT_GO_ON;
        case RV_DONE:
            return DBT_GO_ON;
        case RV_STOP:
            return DBT_STOP;
        case RV_ILLEGAL:
            break;
        }
    }
    trap(d, RISCV_CAUSE_ILLEGAL, word);
    return DBT_GO_ON;
}

/* ---- What the engine calls ---- */

static void run_begins(struct dbt_vcpu *d)
{
    enter(d);
    system_to_frame(d);
}

static void run_ends(struct dbt_vcpu *d)
{
    system_from_frame(d);
    leave(d);
}

static enum dbt_next left(struct dbt_vcpu *d, struct vm_exit *exit)
{
    enum dbt_next next;

    system_from_frame(d);
    next = execute(d, exit);
    system_to_frame(d);
    return next;
}

/* The half word of code at `va`. */
static bool code_at(struct dbt_vcpu *d, uint64_t va, uint16_t *half)
{
    struct dbt_mapping m;
    const void *host;

    if (!walk(d, va, DBT_FETCH, &m))
        return false;
    host = dbt_tlb_ram(d, m.gpa);
    if (host)
        *half = READ_ONCE(*(const uint16_t *)host);
    return host;
}

/* The load or store of vectors that faulted with nothing done is done again, element by element:
 * up to the one that faults. False: it is none. */
static bool vector_faulted(struct dbt_vcpu *d)
{
    const struct dbt_fault what = d->frame->fault;
    uint64_t pc = d->frame->pc;
    uint16_t low, high;
    uint32_t word;

    if (!(d->mode & RV_MODE_VS) || !code_at(d, pc, &low) || (low & 0x5f) != 7 ||
        !code_at(d, pc + 2, &high) || !rv_is_vector(low | (uint32_t)high << 16)) {
        d->frame->fault = what;
        return false;
    }
    word = low | (uint32_t)high << 16;
    if (do_vector(d, word) == RV_NEXT) {
        d->frame->pc += 4;
        d->frame->count++;
    }
    return true;
}

static void faulted(struct dbt_vcpu *d)
{
    system_from_frame(d);
    if (!vector_faulted(d))
        fault(d);
    system_to_frame(d);
}

static void attended(struct dbt_vcpu *d)
{
    system_from_frame(d);
    interrupt(d);
    system_to_frame(d);
}

const struct dbt_guest rv_guest = {
    .frontend = &rv_frontend,
    .helpers = rv_helpers,
    .features = RV_EXT_ALL,
    .vm_init = vm_init,
    .vcpu_init = vcpu_init,
    .enter = run_begins,
    .leave = run_ends,
    .walk = walk,
    .execute = left,
    .fault = faulted,
    .interrupt = attended,
};
