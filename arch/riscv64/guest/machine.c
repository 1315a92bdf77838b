/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The riscv64 guest ISA: its machine, interrupts in and out of the canonical state, and the exits
 * that need it. */
#include "arch/riscv64/guest/insn.h"
#include "arch/riscv64/guest/machine.h"
#include "kernel/devices/pci.h"
#include "kernel/devices/uart16550.h"
#include "kernel/log.h"
#include "mm/heap.h"

#define WFI_INSTRUCTION  0x10500073u
#define OPCODE_MASK      0x7fu
#define OPCODE_SYSTEM    0x73u
#define CSR_SET_OR_CLEAR BIT(13) /* not CSRRW, which writes; the others write when rs1 is not 0 */
#define CSR_CYCLE        0xc00u
#define CSR_INSTRET      0xc02u

/* As QEMU's PCI Express host bridge says who it is. */
#define BRIDGE_VENDOR 0x1b36
#define BRIDGE_DEVICE 0x0008

/* ---- Creation ---- */

static enum err pci_create(struct vm *vm)
{
    struct pci_host_layout layout = {
        .ecam = RISCV_ECAM_BASE,
        .buses = RISCV_PCI_BUSES,
        .mmio32 = {RISCV_MMIO32_BASE, RISCV_MMIO32_SIZE},
        .mmio64 = {riscv_mmio64_base(vm), RISCV_MMIO64_SIZE},
        .bridge_vendor = BRIDGE_VENDOR,
        .bridge_device = BRIDGE_DEVICE,
        .pins = {RISCV_INTX_PIN, RISCV_INTX_PIN + 1, RISCV_INTX_PIN + 2, RISCV_INTX_PIN + 3},
    };

    return pci_host_create(vm, &layout);
}

static enum err machine_create(struct vm *vm)
{
    struct riscv_machine *m = heap_zalloc(sizeof(*m));
    enum err e;

    if (!m)
        return ERR_NO_MEMORY;
    vm->machine = m;
    e = guest_memory_add_ram(vm->memory, GPA(RISCV_RAM_BASE), vm->config->memory);
    if (e == ERR_OK && vm->config->interrupts == CONFIG_INTERRUPTS_AIA)
        e = riscv_aplic_create(vm);
    else if (e == ERR_OK)
        e = riscv_plic_create(vm);
    if (e == ERR_OK)
        e = uart16550_create(vm, &vm->mmio, RISCV_UART_BASE, RISCV_UART_PIN);
    if (e == ERR_OK)
        e = riscv_rtc_create(vm);
    if (e != ERR_OK || vm->config->virtio == CONFIG_VIRTIO_PCI)
        return e == ERR_OK ? pci_create(vm) : e;
    vm->virtio_mmio.base = RISCV_VIRTIO_BASE;
    vm->virtio_mmio.stride = RISCV_VIRTIO_STRIDE;
    vm->virtio_mmio.pin = RISCV_VIRTIO_PIN;
    vm->virtio_mmio.count = RISCV_VIRTIO_SLOTS;
    return ERR_OK;
}

static void machine_destroy(struct vm *vm)
{
    heap_free(vm->machine);
    vm->machine = NULL;
}

/* The software timer fired: the vCPU looks at stimecmp before it runs on. */
static void timer_fired(struct guest_timer *t)
{
    struct riscv_hart *hart = container_of(t, struct riscv_hart, timer);

    vcpu_request(hart->vcpu, VCPU_REQUEST_IRQ);
}

LOCK_CLASS(fence_class, "guest hart's fences", RANK_IRQCHIP);

static enum err vcpu_setup(struct vcpu *v)
{
    struct riscv_hart *hart = heap_zalloc(sizeof(*hart));

    if (!hart)
        return ERR_NO_MEMORY;
    hart->vcpu = v;
    hart->hart_state = RISCV_HART_STOPPED;
    hart->software_timer = !riscv_machine(v->vm)->hardware_timer;
    hart->timer_set = UINT64_MAX;
    spin_init(&hart->fence_lock, &fence_class);
    riscv_imsic_init(&hart->imsic);
    guest_timer_init(&hart->timer, &v->vm->clock, timer_fired);
    v->isa_data = hart;
    riscv_hart_reset(v, 0, 0);
    return ERR_OK;
}

void riscv_hart_reset(struct vcpu *v, uint64_t address, uint64_t opaque)
{
    struct riscv_state *s = riscv_state(v);

    s->pc = address;
    s->prv = RISCV_PRV_S;
    s->x[RISCV_A0] = v->id;
    s->x[RISCV_A1] = opaque;
    s->satp = 0;
    s->sie = 0;
    s->sstatus = RISCV_SSTATUS_UXL_64;
    s->lines = s->raise = s->sip = 0;
    s->senvcfg = 0;
    /* User mode may read cycle, time and instret: firmware leaves it so, and Linux's vDSO counts on
     * it. */
    s->scounteren = 7;
    s->stimecmp = UINT64_MAX;
}

static void vcpu_teardown(struct vcpu *v)
{
    guest_timer_destroy(&riscv_hart(v)->timer);
    heap_free(v->isa_data);
    v->isa_data = NULL;
}

/* ---- Interrupts ---- */

static bool timer_due(const struct vcpu *v)
{
    return riscv_time(v->vm) >= riscv_state(v)->stimecmp;
}

/* Software that wants no timer sets one beyond all time: guests' time begins at 0. */
static bool is_never(uint64_t ticks)
{
    return ticks >> 63;
}

/* For engines without a guest timer: STIP by comparison, and a host timer for the moment when it
 * will change. */
static uint64_t timer_line(struct vcpu *v)
{
    struct riscv_state *s = riscv_state(v);
    struct riscv_hart *hart = riscv_hart(v);

    if (timer_due(v))
        return RISCV_SIP_STIP;
    if (hart->timer_set != s->stimecmp) {
        hart->timer_set = s->stimecmp;
        guest_timer_set(&hart->timer, is_never(s->stimecmp)
                                          ? UINT64_MAX
                                          : guest_clock_from_counter(&v->vm->clock, s->stimecmp));
    }
    return 0;
}

void riscv_hart_notify(struct vcpu *target, const struct vcpu *by)
{
    if (target == by)
        target->irq_news = true;
    else
        vcpu_request(target, VCPU_REQUEST_IRQ);
}

static bool external_pending(const struct vcpu *v)
{
    return riscv_machine(v->vm)->aplic ? riscv_imsic_pending(v) : riscv_plic_pending(v->vm, v->id);
}

/* The end of SBI's suspension (9.4, table 9.3). */
static void resume(struct vcpu *v, struct riscv_state *s, struct riscv_hart *hart)
{
    __atomic_store_n(&hart->hart_state, RISCV_HART_STARTED, __ATOMIC_SEQ_CST);
    if (!hart->resumes_at_pc)
        return;
    hart->resumes_at_pc = false;
    vcpu_dirty(v, RISCV_CSR);
    s->pc = hart->resume_pc;
    s->prv = RISCV_PRV_S;
    s->x[RISCV_A0] = v->id;
    s->x[RISCV_A1] = hart->resume_opaque;
    s->satp = 0;
    s->sstatus &= ~RISCV_SSTATUS_SIE;
}

static uint64_t lines_of(struct vcpu *v, uint64_t old)
{
    uint64_t lines = old & RISCV_SIP_STIP;

    if (external_pending(v)) {
        vcpu_injected(v, !(old & RISCV_SIP_SEIP), RISCV_IRQ_EXT);
        lines |= RISCV_SIP_SEIP;
    }
    if (riscv_hart(v)->software_timer) {
        lines = (lines & ~RISCV_SIP_STIP) | timer_line(v);
        v->irq_news = true;
    }
    return lines;
}

static void before_run(struct vcpu *v)
{
    struct riscv_state *s = riscv_state(v);
    struct riscv_hart *hart = riscv_hart(v);
    uint64_t lines;

    if (unlikely(hart->hart_state == RISCV_HART_SUSPENDED))
        resume(v, s, hart);
    if (__atomic_load_n(&hart->ipi, __ATOMIC_RELAXED) &&
        __atomic_exchange_n(&hart->ipi, 0, __ATOMIC_SEQ_CST)) {
        s->raise |= RISCV_SIP_SSIP;
        v->reg_dirty |= RISCV_LINES;
        vcpu_injected(v, 1, RISCV_IRQ_SOFT);
    }
    lines = lines_of(v, s->lines);
    if (lines != s->lines) {
        s->lines = lines;
        v->reg_dirty |= RISCV_LINES;
    }
    if (__atomic_load_n(&hart->fences, __ATOMIC_RELAXED))
        v->reg_dirty |= RISCV_FENCES;
}

uint64_t riscv_pending(const struct vcpu *v)
{
    const struct riscv_state *s = riscv_state(v);
    uint64_t pending = (s->sip | s->raise) & RISCV_SIP_SSIP;

    pending |= __atomic_load_n(&riscv_hart(v)->ipi, __ATOMIC_SEQ_CST) ? RISCV_SIP_SSIP : 0;
    pending |= external_pending(v) ? RISCV_SIP_SEIP : 0;
    pending |= timer_due(v) ? RISCV_SIP_STIP : 0;
    return pending;
}

/* Called while the vCPU is idle: riscv_idle() has made sie and stimecmp canonical. */
static bool has_work(struct vcpu *v)
{
    const struct riscv_machine *m = riscv_machine(v->vm);
    uint64_t pending = riscv_pending(v);

    if (m->file_pending && m->file_pending(v))
        pending |= RISCV_SIP_SEIP;
    return pending & riscv_state(v)->sie;
}

static uint64_t idle_deadline(struct vcpu *v)
{
    uint64_t ticks = riscv_state(v)->stimecmp;

    return is_never(ticks) ? UINT64_MAX : guest_clock_counter_deadline(&v->vm->clock, ticks);
}

enum exit_action riscv_idle(struct vcpu *v)
{
    vcpu_need(v, RISCV_CSR | RISCV_TIMER);
    return ACTION_IDLE;
}

/* ---- Exceptions ---- */

/* Enters the guest's S-mode trap handler (12.1.2, 12.1.6 to 9). */
void riscv_inject(struct vcpu *v, uint64_t cause, uint64_t value)
{
    struct riscv_state *s = riscv_state(v);

    vcpu_dirty(v, RISCV_CSR);
    s->sepc = s->pc;
    s->scause = cause;
    s->stval = value;
    s->sstatus = (s->sstatus & ~(RISCV_SSTATUS_SPP | RISCV_SSTATUS_SPIE)) |
                 (s->prv ? RISCV_SSTATUS_SPP : 0) |
                 (s->sstatus & RISCV_SSTATUS_SIE ? RISCV_SSTATUS_SPIE : 0);
    s->sstatus &= ~RISCV_SSTATUS_SIE;
    s->prv = RISCV_PRV_S;
    s->pc = s->stvec & ~3UL;
}

/* Reads of cycle and instret (Unprivileged, Zicntr). The hart's own would tell what the hypervisor
 * and other guests do: both go on with time. */
static bool counter_instruction(struct vcpu *v, uint32_t word)
{
    struct riscv_state *s = riscv_state(v);
    unsigned csr = word >> 20, rd = rv_rd(word);
    bool reads = (word & OPCODE_MASK) == OPCODE_SYSTEM && word & CSR_SET_OR_CLEAR && !rv_rs1(word);

    vcpu_need(v, RISCV_CSR);
    if (!reads || (csr != CSR_CYCLE && csr != CSR_INSTRET) ||
        (s->prv == RISCV_PRV_U && !(s->scounteren >> (csr & 31) & 1)))
        return false;
    if (rd != RISCV_ZERO)
        s->x[rd] = riscv_time(v->vm);
    s->pc += 4;
    return true;
}

/* An instruction that S-mode has and a guest's S-mode has not: wfi waits, all others do not exist.
 */
static NOINLINE enum exit_action virtual_instruction(struct vcpu *v, uint64_t instruction)
{
    if (instruction == WFI_INSTRUCTION && riscv_state(v)->prv == RISCV_PRV_S) {
        riscv_state(v)->pc += 4;
        return riscv_idle(v);
    }
    if (riscv_aia_instruction(v, (uint32_t)instruction) ||
        counter_instruction(v, (uint32_t)instruction))
        return ACTION_RESUME;
    riscv_inject(v, RISCV_CAUSE_ILLEGAL, instruction);
    return ACTION_RESUME;
}

static NOINLINE enum exit_action unknown_exit(struct vcpu *v, const struct vm_exit *exit)
{
    vm_fail(v->vm, "an exit of kind %d came that a riscv64 guest does not have", exit->kind);
    return ACTION_FAIL;
}

static enum exit_action handle_exit(struct vcpu *v, const struct vm_exit *exit)
{
    if (likely(exit->kind == EXIT_HYPERCALL))
        return riscv_sbi_call(v);
    if (exit->kind == EXIT_IDLE)
        return riscv_idle(v);
    if (exit->kind == EXIT_ISA)
        return virtual_instruction(v, exit->isa.info[0]);
    return unknown_exit(v, exit);
}

/* ---- Devices ---- */

static uint64_t extend(uint64_t value, unsigned size, bool sign)
{
    unsigned shift = 64 - 8 * size;

    return sign ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

static bool operand_of(const struct vm_exit *exit, struct riscv_access *a)
{
    if (!exit->memory.operand_valid)
        return riscv_decode_access(exit->memory.instruction, a);
    *a = (struct riscv_access){.store = exit->memory.access == PT_WRITE,
                               .sign_extend = exit->memory.sign_extend,
                               .size = exit->memory.size,
                               .reg = exit->memory.reg,
                               .length = exit->memory.instruction_length};
    return true;
}

/* The first instruction of the guest's own trap handler is no memory: each trap leads to the next,
 * for ever. */
static bool handler_is_lost(struct vcpu *v, const struct vm_exit *exit)
{
    const struct riscv_state *s = riscv_state(v);

    vcpu_need(v, RISCV_CSR);
    if (s->prv != RISCV_PRV_S || s->pc != (s->stvec & ~3UL))
        return false;
    vm_fail(v->vm,
            "its trap handler (stvec 0x%llx) lies at guest address 0x%llx, where there is no "
            "memory: it would trap for ever",
            (unsigned long long)s->stvec, (unsigned long long)exit->memory.gpa.v);
    return true;
}

static enum exit_action access_fault(struct vcpu *v, const struct vm_exit *exit)
{
    uint64_t cause = exit->memory.access == PT_EXEC   ? RISCV_CAUSE_FETCH_ACCESS
                     : exit->memory.access == PT_READ ? RISCV_CAUSE_LOAD_ACCESS
                                                      : RISCV_CAUSE_STORE_ACCESS;

    if (cause == RISCV_CAUSE_FETCH_ACCESS && handler_is_lost(v, exit))
        return ACTION_FAIL;
    riscv_inject(v, cause, exit->memory.gva);
    return ACTION_RESUME;
}

/* What is neither RAM nor a plain load or store to a device is an access fault, as on a board. */
static enum exit_action mmio(struct vcpu *v, const struct vm_exit *exit)
{
    struct riscv_state *s = riscv_state(v);
    struct riscv_access a;

    if (exit->memory.access == PT_EXEC || !operand_of(exit, &a))
        return access_fault(v, exit);
    if (a.store) {
        bus_write(&v->vm->mmio, v, exit->memory.gpa.v, a.size, s->x[a.reg]);
    } else {
        uint64_t value = bus_read(&v->vm->mmio, v, exit->memory.gpa.v, a.size);

        if (a.reg != RISCV_ZERO)
            s->x[a.reg] = extend(value, a.size, a.sign_extend);
    }
    s->pc += a.length;
    return ACTION_RESUME;
}

/* ---- Saved state ---- */

/* Of the canonical state: everything that software can see. */
static enum err state_loaded(void *object)
{
    struct riscv_state *s = object;

    s->x[RISCV_ZERO] = 0;
    return s->prv > RISCV_PRV_S || s->lines & ~(RISCV_SIP_STIP | RISCV_SIP_SEIP) ||
                   (s->sip | s->raise) & ~RISCV_SIP_SSIP || s->vlenb > RISCV_VECTOR_BYTES_MAX
               ? ERR_INVALID
               : ERR_OK;
}

STATE_TABLE_HOOKS(
    vcpu_table, "riscv64-vcpu", 1, NULL, state_loaded, STATE_ARRAY(struct riscv_state, x, 1),
    STATE_FIELD(struct riscv_state, pc, 1), STATE_FIELD(struct riscv_state, prv, 1),
    STATE_FIELD(struct riscv_state, lines, 1), STATE_FIELD(struct riscv_state, raise, 1),
    STATE_FIELD(struct riscv_state, sstatus, 1), STATE_FIELD(struct riscv_state, sie, 1),
    STATE_FIELD(struct riscv_state, stvec, 1), STATE_FIELD(struct riscv_state, sscratch, 1),
    STATE_FIELD(struct riscv_state, sepc, 1), STATE_FIELD(struct riscv_state, scause, 1),
    STATE_FIELD(struct riscv_state, stval, 1), STATE_FIELD(struct riscv_state, satp, 1),
    STATE_FIELD(struct riscv_state, senvcfg, 1), STATE_FIELD(struct riscv_state, scounteren, 1),
    STATE_FIELD(struct riscv_state, sip, 1), STATE_FIELD(struct riscv_state, stimecmp, 1),
    STATE_ARRAY(struct riscv_state, f, 1), STATE_FIELD(struct riscv_state, fcsr, 1),
    STATE_FIELD(struct riscv_state, siselect, 1), STATE_FIELD(struct riscv_state, vstart, 1),
    STATE_FIELD(struct riscv_state, vcsr, 1), STATE_FIELD(struct riscv_state, vl, 1),
    STATE_FIELD(struct riscv_state, vtype, 1), STATE_FIELD(struct riscv_state, vlenb, 1),
    STATE_ARRAY(struct riscv_state, v, 1));

static enum err hart_loaded(void *object)
{
    struct riscv_hart *hart = object;

    hart->fences = RISCV_FENCE_I | RISCV_FENCE_VMA;
    hart->timer_set = UINT64_MAX;
    hart->vcpu->irq_news = true;
    return hart->ipi > 1 || hart->hart_state > RISCV_HART_SUSPENDED ? ERR_INVALID : ERR_OK;
}

STATE_TABLE_HOOKS(hart_table, "riscv64-hart", 1, NULL, hart_loaded,
                  STATE_FIELD(struct riscv_hart, ipi, 1),
                  STATE_FIELD(struct riscv_hart, hart_state, 1),
                  STATE_FIELD(struct riscv_hart, resumes_at_pc, 1),
                  STATE_FIELD(struct riscv_hart, resume_pc, 1),
                  STATE_FIELD(struct riscv_hart, resume_opaque, 1));

static void state_each(struct vm *vm, state_visit visit, void *arg)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        visit(&vcpu_table, i, riscv_state(v), arg);
        visit(&hart_table, i, riscv_hart(v), arg);
        if (riscv_machine(vm)->aplic)
            visit(&riscv_imsic_state, i, &riscv_hart(v)->imsic, arg);
    }
}

/* ---- For people ---- */

static uint64_t pc(struct vcpu *v)
{
    return riscv_state(v)->pc;
}

static void print(struct vcpu *v, struct out *out)
{
    const struct riscv_state *s = riscv_state(v);

    vcpu_need(v, RISCV_CSR | RISCV_TIMER);
    out_printf(out, "pc %016llx  privilege %c\n", (unsigned long long)s->pc, s->prv ? 'S' : 'U');
    for (unsigned i = 1; i < 32; i++)
        out_printf(out, "x%-2u %016llx%s", i, (unsigned long long)s->x[i],
                   i % 4 == 0 || i == 31 ? "\n" : "  ");
    out_printf(out, "sstatus %llx  sie %llx  sip %llx  stvec %llx  satp %llx\n",
               (unsigned long long)s->sstatus, (unsigned long long)s->sie,
               (unsigned long long)s->sip, (unsigned long long)s->stvec,
               (unsigned long long)s->satp);
    out_printf(out, "sepc %llx  scause %llx  stval %llx  stimecmp %llx\n",
               (unsigned long long)s->sepc, (unsigned long long)s->scause,
               (unsigned long long)s->stval, (unsigned long long)s->stimecmp);
}

TABLE_ENTRY(guest_isas, struct guest_isa, guest_isa_riscv64) = {
    .name = "riscv64",
    .translator = &rv_guest,
    .state_size = sizeof(struct riscv_state),
    .machine_create = machine_create,
    .machine_destroy = machine_destroy,
    .vcpu_create = vcpu_setup,
    .vcpu_destroy = vcpu_teardown,
    .load = riscv_load,
    .before_run = before_run,
    .has_work = has_work,
    .idle_deadline = idle_deadline,
    .mmio = mmio,
    .handle_exit = handle_exit,
    .state_each = state_each,
    .pc = pc,
    .debug = &riscv_debug,
    .print = print,
};
