/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Local APIC: registers (SDM vol. 3, table 11-1), priorities (11.8.3), interprocessor interrupts
 * (11.6), timer (11.5.4). Other vCPUs and devices only set bits of irr and tmr, atomically;
 * everything else belongs to the vCPU's own thread.
 */
#include "arch/x86_64/guest/lapic.h"

#include "arch/x86_64/guest/machine.h"
#include "arch/x86_64/guest/msr.h"
#include "mm/heap.h"

/* Register numbers: MMIO offset / 16, or x2APIC MSR - 800h. */
enum lapic_register {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT_TIMER = 0x32, /* then thermal, performance, LINT0, LINT1, error */
    REG_LVT_ERROR = 0x37,
    REG_INITIAL_COUNT = 0x38,
    REG_CURRENT_COUNT = 0x39,
    REG_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f,
};

#define VERSION_VALUE       0x00050014u /* integrated APIC, six LVT entries */
#define LVT_MASKED          BIT(16)
#define LVT_READ_ONLY       0x5000u /* delivery status, remote IRR */
#define LVT_TIMER_MODE(lvt) (((lvt) >> 17) & 3)
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE };
#define SVR_ENABLE       BIT(8)
#define SVR_RESET        0xffu
#define DFR_FLAT         0xffffffffu
#define ICR_LOGICAL      BIT(11)
#define ICR_ASSERT       BIT(14)
#define ICR_LEVEL        BIT(15)
#define ICR_SELF         0x40000u
#define ICR_SHORTHAND(v) (((v) >> 18) & 3)
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };
#define BROADCAST_XAPIC      0xffu
#define BROADCAST_X2APIC     0xffffffffu
#define LOWEST_USABLE_VECTOR 16

/* ICR bits that are not reserved: 11.6.1, and 11.12.9 for x2APIC mode. */
#define ICR_BITS     0x000ccfffu
#define ICR_RESERVED (~(BITS(63, 32) | ICR_BITS))
#define SVR_BITS     0x1ffu
#define DIVIDE_BITS  0xbu

/* Error status (11.5.3). */
#define ESR_SEND_ILLEGAL    BIT(5)
#define ESR_RECEIVE_ILLEGAL BIT(6)
#define ESR_REGISTER        BIT(7)

/* KVM's MSR of the end of interrupt through memory, and the bit there. */
#define MEMORY_EOI_ENABLE BIT(0)
#define MEMORY_EOI_BIT    BIT(0)

/* What a periodic timer may do to the host: missed ticks count as one. */
#define PERIOD_LEAST_NS (50 * NS_PER_US)

/* Registers of x2APIC mode (table 11-6), one bit each; 10h to 27h are ISR, TMR and IRR. */
#define X2APIC_READABLE                                                                           \
    (BIT(REG_ID) | BIT(REG_VERSION) | BIT(REG_TPR) | BIT(REG_PPR) | BIT(REG_LDR) | BIT(REG_SVR) | \
     BITS(0x27, REG_ISR) | BIT(REG_ESR) | BIT(REG_ICR) | BITS(REG_LVT_ERROR, REG_LVT_TIMER) |     \
     BIT(REG_INITIAL_COUNT) | BIT(REG_CURRENT_COUNT) | BIT(REG_DIVIDE))
#define X2APIC_WRITABLE                                                              \
    (BIT(REG_TPR) | BIT(REG_EOI) | BIT(REG_SVR) | BIT(REG_ESR) | BIT(REG_ICR) |      \
     BITS(REG_LVT_ERROR, REG_LVT_TIMER) | BIT(REG_INITIAL_COUNT) | BIT(REG_DIVIDE) | \
     BIT(REG_SELF_IPI))

/* Writable bits of the local vectors (figure 11-8): timer, thermal, performance, LINT0, LINT1,
 * error. */
static const uint32_t lvt_bits[LAPIC_LVTS] = {0x000700ff, 0x000107ff, 0x000107ff,
                                              0x0001a7ff, 0x0001a7ff, 0x000100ff};

static bool x2apic(const struct lapic *l)
{
    return l->base & LAPIC_BASE_X2APIC;
}

static uint32_t lapic_id(const struct lapic *l)
{
    return l->vcpu->id;
}

/* In x2APIC mode the logical id follows from the id (11.12.10.2). */
static uint32_t lapic_ldr(const struct lapic *l)
{
    uint32_t id = lapic_id(l);

    return x2apic(l) ? (id >> 4) << 16 | 1u << (id & 15) : l->ldr;
}

/* ---- Vectors ---- */

/* Two words at a time; each bit is where it belongs on a little-endian host, as all are. */
typedef uint64_t __attribute__((may_alias, aligned(4))) word_pair;

static int highest_bit(const uint32_t *words)
{
    const word_pair *pairs = (const word_pair *)words;

    for (int i = 3; i >= 0; i--) {
        uint64_t w = READ_ONCE(pairs[i]);

        if (w)
            return i * 64 + 63 - __builtin_clzll(w);
    }
    return -1;
}

static void set_vector(uint32_t *words, uint8_t vector)
{
    __atomic_fetch_or(&words[vector / 32], 1u << (vector % 32), __ATOMIC_SEQ_CST);
}

static void clear_vector(uint32_t *words, uint8_t vector)
{
    __atomic_fetch_and(&words[vector / 32], ~(1u << (vector % 32)), __ATOMIC_SEQ_CST);
}

static bool test_vector(const uint32_t *words, uint8_t vector)
{
    return READ_ONCE(words[vector / 32]) & (1u << (vector % 32));
}

static uint32_t lapic_ppr(const struct lapic *l)
{
    int in_service = highest_bit(l->isr);
    uint32_t isr_class = in_service < 0 ? 0 : (uint32_t)in_service & 0xf0;

    return (l->tpr & 0xf0) >= isr_class ? l->tpr : isr_class;
}

static void lapic_eoi(struct lapic *l)
{
    int vector = highest_bit(l->isr);

    if (vector < 0)
        return;
    clear_vector(l->isr, (uint8_t)vector);
    l->vcpu->irq_news = true;
    if (test_vector(l->tmr, (uint8_t)vector))
        ioapic_eoi(l->vcpu->vm, (uint8_t)vector);
}

/* ---- End of interrupt through memory ---- */

/*
 * KVM's way (Linux: Documentation/virt/kvm/x86/msr.rst): a bit in the guest's memory that is set
 * when an interrupt is delivered says that its end need not be told. The guest clears the bit
 * instead, and it is looked at where it first matters: when another interrupt wants in, or the
 * guest looks at the APIC. An end that has to be told later is asked for by clearing the bit here.
 */
static NOINLINE void memory_eoi_look(struct lapic *l)
{
    struct guest_memory *memory = l->vcpu->vm->memory;
    gpa_t place = GPA(l->memory_eoi & ~MEMORY_EOI_ENABLE);
    uint32_t bits;

    l->memory_eoi_offered = 0;
    if (guest_copy_from(memory, place, &bits, sizeof(bits)) != ERR_OK)
        return;
    if (!(bits & MEMORY_EOI_BIT)) {
        lapic_eoi(l);
        return;
    }
    bits &= ~(uint32_t)MEMORY_EOI_BIT;
    if (guest_copy_to(memory, place, &bits, sizeof(bits)) != ERR_OK)
        lapic_eoi(l); /* its memory went away: nothing else will end it */
}

static inline void memory_eoi_settle(struct lapic *l)
{
    if (unlikely(l->memory_eoi_offered))
        memory_eoi_look(l);
}

/* Nothing else waits, and no I/O APIC wants to know of the end. */
static void memory_eoi_offer(struct lapic *l, uint8_t vector)
{
    uint32_t bit = MEMORY_EOI_BIT;

    if (!(l->memory_eoi & MEMORY_EOI_ENABLE) || test_vector(l->tmr, vector) ||
        highest_bit(l->irr) >= 0)
        return;
    if (guest_copy_to(l->vcpu->vm->memory, GPA(l->memory_eoi & ~MEMORY_EOI_ENABLE), &bit,
                      sizeof(bit)) == ERR_OK)
        l->memory_eoi_offered = 1;
}

bool lapic_memory_eoi_set(struct lapic *l, uint64_t msr)
{
    if (!IS_ALIGNED(msr & ~MEMORY_EOI_ENABLE, sizeof(uint32_t)))
        return false;
    memory_eoi_settle(l);
    l->memory_eoi = msr;
    return true;
}

/* ---- What the vCPU takes ---- */

int lapic_highest(struct lapic *l)
{
    int vector = highest_bit(l->irr);

    if (vector < 0 || !(l->svr & SVR_ENABLE))
        return -1;
    memory_eoi_settle(l);
    return ((uint32_t)vector & 0xf0) <= (lapic_ppr(l) & 0xf0) ? -1 : vector;
}

void lapic_accept(struct lapic *l, uint8_t vector)
{
    clear_vector(l->irr, vector);
    set_vector(l->isr, vector);
    vcpu_injected(l->vcpu, 1, vector);
    memory_eoi_offer(l, vector);
}

/* A level's vector is noted before its request: read after it. */
void x86_interrupts_lend(struct vcpu *v, struct x86_interrupts *i)
{
    struct lapic *l = v->isa_data;
    bool enabled = l->svr & SVR_ENABLE;

    memory_eoi_settle(l);
    for (unsigned n = 0; n < X86_APIC_WORDS; n++) {
        i->requested[n] = enabled && READ_ONCE(l->irr[n])
                              ? __atomic_exchange_n(&l->irr[n], 0, __ATOMIC_SEQ_CST)
                              : 0;
        i->in_service[n] = l->isr[n];
        i->level[n] = READ_ONCE(l->tmr[n]);
    }
    i->tpr = (uint8_t)l->tpr;
    i->x2apic = x2apic(l);
}

void x86_interrupts_return(struct vcpu *v, const struct x86_interrupts *i, unsigned delivered)
{
    struct lapic *l = v->isa_data;

    for (unsigned n = 0; n < X86_APIC_WORDS; n++) {
        if (i->requested[n])
            __atomic_fetch_or(&l->irr[n], i->requested[n], __ATOMIC_SEQ_CST);
        l->isr[n] = i->in_service[n];
    }
    l->tpr = i->tpr;
    x86_state(v)->tpr = i->tpr >> 4;
    vcpu_injected(v, delivered, TRACE_BY_HARDWARE);
    v->irq_news = true;
}

/* Notes an error and raises the error vector, which cannot be in error itself. */
static void lapic_error(struct lapic *l, uint32_t bit)
{
    uint32_t lvt = READ_ONCE(l->lvt[LAPIC_LVTS - 1]);
    uint8_t vector = (uint8_t)lvt;

    __atomic_fetch_or(&l->esr_pending, bit, __ATOMIC_RELAXED);
    if ((lvt & LVT_MASKED) || vector < LOWEST_USABLE_VECTOR)
        return;
    clear_vector(l->tmr, vector);
    set_vector(l->irr, vector);
    vcpu_request(l->vcpu, VCPU_REQUEST_IRQ);
}

static void lapic_post(struct lapic *l, enum lapic_delivery mode, uint8_t vector, bool level)
{
    switch (mode) {
    case LAPIC_FIXED:
    case LAPIC_LOWEST:
        if (!(READ_ONCE(l->svr) & SVR_ENABLE))
            return;
        if (vector < LOWEST_USABLE_VECTOR) {
            lapic_error(l, (uint32_t)ESR_RECEIVE_ILLEGAL);
            return;
        }
        if (level)
            set_vector(l->tmr, vector);
        else
            clear_vector(l->tmr, vector);
        set_vector(l->irr, vector);
        vcpu_request(l->vcpu, VCPU_REQUEST_IRQ);
        return;
    case LAPIC_NMI:
        __atomic_store_n(&l->nmi_pending, 1, __ATOMIC_SEQ_CST);
        vcpu_request(l->vcpu, VCPU_REQUEST_IRQ);
        return;
    case LAPIC_INIT:
        __atomic_store_n(&l->init_pending, 1, __ATOMIC_SEQ_CST);
        vcpu_request(l->vcpu, VCPU_REQUEST_STARTUP);
        return;
    case LAPIC_STARTUP:
        vm_goes_parallel(l->vcpu->vm);
        __atomic_store_n(&l->sipi_vector, vector, __ATOMIC_SEQ_CST);
        vcpu_request(l->vcpu, VCPU_REQUEST_STARTUP);
        return;
    case LAPIC_EXTINT:
        return;
    }
}

/* Does message destination `destination` mean `l` (11.6.2)? */
static bool lapic_matches(const struct lapic *l, uint32_t destination, bool logical)
{
    uint32_t ldr = lapic_ldr(l);

    if (destination == (x2apic(l) ? BROADCAST_X2APIC : BROADCAST_XAPIC))
        return true;
    if (!logical)
        return destination == lapic_id(l);
    if (x2apic(l))
        return destination >> 16 == ldr >> 16 && (destination & ldr & 0xffff);
    ldr >>= 24;
    if (l->dfr == DFR_FLAT)
        return destination & ldr;
    return destination >> 4 == ldr >> 4 && (destination & ldr & 0xf);
}

/* The one of the destinations whose task priority is lowest, the next after the last one chosen
 * where several are (11.6.2.4). */
static struct lapic *lapic_arbitrate(struct vm *vm, uint32_t destination, bool logical)
{
    struct x86_machine *m = x86_machine(vm);
    unsigned start = READ_ONCE(m->last_arbitrated) + 1;
    struct lapic *best = NULL;

    for (unsigned n = 0; n < vm->vcpu_count; n++) {
        struct lapic *l = vm->vcpus[(start + n) % vm->vcpu_count]->isa_data;

        if (lapic_matches(l, destination, logical) && (READ_ONCE(l->svr) & SVR_ENABLE) &&
            (!best || (lapic_ppr(l) & 0xf0) < (lapic_ppr(best) & 0xf0)))
            best = l;
    }
    if (best)
        WRITE_ONCE(m->last_arbitrated, best->vcpu->id);
    return best;
}

void lapic_deliver(struct vm *vm, uint32_t destination, bool logical, enum lapic_delivery mode,
                   uint8_t vector, bool level)
{
    if (!logical && destination < vm->vcpu_count) {
        lapic_post(vm->vcpus[destination]->isa_data, mode, vector, level);
        return;
    }
    if (mode == LAPIC_LOWEST) {
        struct lapic *l = lapic_arbitrate(vm, destination, logical);

        if (l)
            lapic_post(l, mode, vector, level);
        return;
    }
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct lapic *l = vm->vcpus[i]->isa_data;

        if (lapic_matches(l, destination, logical))
            lapic_post(l, mode, vector, level);
    }
}

static void lapic_send(struct lapic *l, uint32_t low, uint32_t destination)
{
    struct vm *vm = l->vcpu->vm;
    enum lapic_delivery mode = (low >> 8) & 7;
    unsigned shorthand = ICR_SHORTHAND(low);
    uint8_t vector = (uint8_t)low;

    if (mode == LAPIC_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT))
        return; /* INIT level de-assert: nothing on these processors (11.6.1) */
    if (mode <= LAPIC_LOWEST && vector < LOWEST_USABLE_VECTOR) {
        lapic_error(l, (uint32_t)ESR_SEND_ILLEGAL);
        return;
    }
    if (shorthand == SHORTHAND_NONE) {
        lapic_deliver(vm, destination, low & ICR_LOGICAL, mode, vector, false);
        return;
    }
    if (shorthand == SHORTHAND_SELF) {
        lapic_post(l, mode, vector, false);
        return;
    }
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (shorthand == SHORTHAND_ALL || vm->vcpus[i] != l->vcpu)
            lapic_post(vm->vcpus[i]->isa_data, mode, vector, false);
}

/* ---- Timer ---- */

static uint64_t timer_tick_ns(const struct lapic *l)
{
    unsigned code = (l->divide & 3) | ((l->divide >> 1) & 4);

    return code == 7 ? 1 : 2ULL << code; /* the bus runs at one tick a nanosecond */
}

static void timer_fire(struct guest_timer *t)
{
    struct lapic *l = container_of(t, struct lapic, timer);
    uint32_t lvt = READ_ONCE(l->lvt[0]);

    if (LVT_TIMER_MODE(lvt) == TIMER_PERIODIC && l->initial_count) {
        uint64_t period = l->initial_count * timer_tick_ns(l);
        uint64_t late = guest_clock_ns(t->clock) - l->timer_deadline;

        l->timer_deadline += period * DIV_ROUND_UP(MAX(late + 1, PERIOD_LEAST_NS), period);
        guest_timer_set(t, l->timer_deadline);
    } else {
        l->timer_deadline = 0;
        l->tsc_deadline = 0;
    }
    if (!(lvt & LVT_MASKED))
        lapic_post(l, LAPIC_FIXED, (uint8_t)lvt, false);
}

static void timer_stop(struct lapic *l)
{
    guest_timer_set(&l->timer, UINT64_MAX);
    l->timer_deadline = l->tsc_deadline = 0;
}

static void timer_run(struct lapic *l, uint64_t count)
{
    l->timer_deadline = guest_clock_ns(l->timer.clock) + count * timer_tick_ns(l);
    guest_timer_set(&l->timer, l->timer_deadline);
}

/* 11.5.4.1: in TSC-deadline mode the count is not written. */
static void timer_start_count(struct lapic *l, uint32_t count)
{
    if (LVT_TIMER_MODE(l->lvt[0]) == TIMER_TSC_DEADLINE)
        return;
    timer_stop(l);
    l->initial_count = count;
    if (count)
        timer_run(l, count);
}

/* The clock's counter at the guest's TSC `tsc`: 0 when that was before its start. */
static uint64_t counter_at_tsc(const struct lapic *l, uint64_t tsc)
{
    uint64_t offset = x86_state(l->vcpu)->tsc_offset;

    if ((int64_t)offset >= 0)
        return tsc - MIN(tsc, offset);
    return tsc + MIN(0 - offset, UINT64_MAX - tsc);
}

static void timer_start_deadline(struct lapic *l, uint64_t tsc)
{
    if (LVT_TIMER_MODE(l->lvt[0]) != TIMER_TSC_DEADLINE)
        return;
    if (!tsc) {
        timer_stop(l);
        return;
    }
    l->tsc_deadline = tsc;
    l->timer_deadline = guest_clock_from_counter(l->timer.clock, counter_at_tsc(l, tsc));
    guest_timer_set(&l->timer, l->timer_deadline);
}

static uint32_t timer_current(const struct lapic *l)
{
    uint64_t deadline = READ_ONCE(l->timer_deadline);
    uint64_t now = guest_clock_ns(l->timer.clock);

    if (LVT_TIMER_MODE(l->lvt[0]) == TIMER_TSC_DEADLINE || deadline <= now)
        return 0;
    return (uint32_t)((deadline - now) / timer_tick_ns(l));
}

/* A new divider counts what is left. */
static void write_divide(struct lapic *l, uint32_t value)
{
    uint32_t left = timer_current(l);

    l->divide = value & DIVIDE_BITS;
    if (left)
        timer_run(l, left);
}

/* 11.5.4.1: entering and leaving TSC-deadline mode disarms the timer. */
static void write_lvt(struct lapic *l, unsigned index, uint32_t value)
{
    bool deadline = LVT_TIMER_MODE(l->lvt[0]) == TIMER_TSC_DEADLINE;

    l->lvt[index] = value & lvt_bits[index];
    if (index == 0 && (LVT_TIMER_MODE(value) == TIMER_TSC_DEADLINE) != deadline) {
        timer_stop(l);
        l->initial_count = 0;
    }
    if (!(l->svr & SVR_ENABLE))
        l->lvt[index] |= LVT_MASKED;
}

/* ---- Registers ---- */

static uint32_t read_register(struct lapic *l, unsigned reg)
{
    memory_eoi_settle(l);
    if (reg >= REG_ISR && reg < REG_TMR)
        return l->isr[reg - REG_ISR];
    if (reg >= REG_TMR && reg < REG_IRR)
        return READ_ONCE(l->tmr[reg - REG_TMR]);
    if (reg >= REG_IRR && reg < REG_ESR)
        return READ_ONCE(l->irr[reg - REG_IRR]);
    if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
        return l->lvt[reg - REG_LVT_TIMER];
    switch (reg) {
    case REG_ID:
        return x2apic(l) ? lapic_id(l) : lapic_id(l) << 24;
    case REG_VERSION:
        return VERSION_VALUE;
    case REG_TPR:
        return l->tpr;
    case REG_PPR:
        return lapic_ppr(l);
    case REG_LDR:
        return lapic_ldr(l);
    case REG_DFR:
        return l->dfr;
    case REG_SVR:
        return l->svr;
    case REG_ESR:
        return l->esr;
    case REG_ICR:
        return l->icr_low;
    case REG_ICR_HIGH:
        return l->icr_high;
    case REG_INITIAL_COUNT:
        return l->initial_count;
    case REG_CURRENT_COUNT:
        return timer_current(l);
    case REG_DIVIDE:
        return l->divide;
    default:
        return 0;
    }
}

static void write_svr(struct lapic *l, uint32_t value)
{
    WRITE_ONCE(l->svr, value & SVR_BITS);
    l->vcpu->irq_news = true;
    for (unsigned i = 0; !(value & SVR_ENABLE) && i < ARRAY_SIZE(l->lvt); i++)
        l->lvt[i] |= LVT_MASKED;
}

static void write_register(struct lapic *l, unsigned reg, uint32_t value)
{
    memory_eoi_settle(l);
    if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR) {
        write_lvt(l, reg - REG_LVT_TIMER, value);
        return;
    }
    switch (reg) {
    case REG_TPR:
        l->tpr = value & 0xff;
        x86_state(l->vcpu)->tpr = (uint8_t)(l->tpr >> 4);
        l->vcpu->irq_news = true;
        break;
    case REG_EOI:
        lapic_eoi(l);
        break;
    case REG_LDR:
        l->ldr = value & 0xff000000;
        break;
    case REG_DFR:
        l->dfr = value | 0x0fffffff;
        break;
    case REG_SVR:
        write_svr(l, value);
        break;
    case REG_ESR:
        l->esr = __atomic_exchange_n(&l->esr_pending, 0, __ATOMIC_RELAXED);
        break;
    case REG_ICR:
        l->icr_low = value & ICR_BITS;
        lapic_send(l, value, l->icr_high >> 24);
        break;
    case REG_ICR_HIGH:
        l->icr_high = value & 0xff000000;
        break;
    case REG_INITIAL_COUNT:
        timer_start_count(l, value);
        break;
    case REG_DIVIDE:
        write_divide(l, value);
        break;
    case REG_SELF_IPI:
        lapic_send(l, (uint8_t)value | ICR_SELF, 0);
        break;
    }
}

/* Registers are 16 bytes apart; the page is there in xAPIC mode only (11.12.2). */
static bool page_answers(const struct lapic *l)
{
    return (l->base & (LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC)) == LAPIC_BASE_ENABLE;
}

static uint64_t page_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                          unsigned size)
{
    (void)d, (void)region, (void)size;
    if (!vcpu || !page_answers(vcpu->isa_data))
        return UINT64_MAX;
    if (offset & 0xf)
        return 0;
    return read_register(vcpu->isa_data, (unsigned)offset >> 4);
}

static void page_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                       unsigned size, uint64_t value)
{
    (void)d, (void)region, (void)size;
    if (vcpu && page_answers(vcpu->isa_data) && !(offset & 0xf) && (offset >> 4) != REG_SELF_IPI)
        write_register(vcpu->isa_data, (unsigned)offset >> 4, (uint32_t)value);
}

static void page_destroy(struct device *d)
{
    heap_free(d);
}

/* Each vCPU reaches its own APIC only: nothing is shared that needs the device's lock. */
static const struct device_ops page_ops = {
    .name = "local APIC",
    .state = &state_none,
    .read = page_read,
    .write = page_write,
    .destroy = page_destroy,
    .lockless = true,
};

enum err lapic_add_page(struct vm *vm)
{
    struct device *d = heap_zalloc(sizeof(*d));

    if (!d)
        return ERR_NO_MEMORY;
    device_init(d, &page_ops, vm);
    return bus_add(
        &vm->mmio,
        &(struct bus_region){
            .base = LAPIC_BASE, .size = PAGE_SIZE, .device = d, .min_size = 4, .max_size = 4});
}

/* ---- MSRs ---- */

static bool write_base(struct lapic *l, uint64_t value)
{
    uint64_t modes = value & (LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC);

    /* The page cannot be moved, and x2APIC is left only through disabled (11.12.5). */
    if (modes == LAPIC_BASE_X2APIC || (value & ~(modes | LAPIC_BASE_BSP)) != LAPIC_BASE)
        return false;
    if (x2apic(l) && modes == LAPIC_BASE_ENABLE)
        return false;
    if (!(l->base & LAPIC_BASE_ENABLE) && (modes & LAPIC_BASE_X2APIC))
        return false;
    l->base = LAPIC_BASE | modes | (l->base & LAPIC_BASE_BSP);
    l->vcpu->irq_news = true;
    if (!modes)
        lapic_reset(l);
    return true;
}

bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value)
{
    unsigned reg = msr - LAPIC_MSR_FIRST;

    if (msr == MSR_APIC_BASE) {
        *value = l->base;
        return true;
    }
    if (msr == MSR_TSC_DEADLINE) {
        *value = READ_ONCE(l->tsc_deadline);
        return true;
    }
    if (!x2apic(l) || !(X2APIC_READABLE >> reg & 1))
        return false;
    *value = read_register(l, reg);
    if (reg == REG_ICR)
        *value |= (uint64_t)l->icr_high << 32;
    return true;
}

/* Bits whose setting faults in x2APIC mode (11.12.1.2). */
static uint64_t x2apic_reserved(unsigned reg)
{
    switch (reg) {
    case REG_TPR:
    case REG_SELF_IPI:
        return ~0xffULL;
    case REG_EOI:
    case REG_ESR:
        return UINT64_MAX;
    case REG_SVR:
        return ~(uint64_t)SVR_BITS;
    case REG_ICR:
        return ICR_RESERVED;
    case REG_INITIAL_COUNT:
        return BITS(63, 32);
    case REG_DIVIDE:
        return ~(uint64_t)DIVIDE_BITS;
    default:
        return ~(uint64_t)(lvt_bits[reg - REG_LVT_TIMER] | LVT_READ_ONLY);
    }
}

bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t value)
{
    unsigned reg = msr - LAPIC_MSR_FIRST;

    if (msr == MSR_APIC_BASE)
        return write_base(l, value);
    if (msr == MSR_TSC_DEADLINE) {
        timer_start_deadline(l, value);
        return true;
    }
    if (!x2apic(l) || !(X2APIC_WRITABLE >> reg & 1) || (value & x2apic_reserved(reg)))
        return false;
    if (reg == REG_ICR) {
        l->icr_high = (uint32_t)(value >> 32);
        l->icr_low = (uint32_t)value;
        lapic_send(l, (uint32_t)value, l->icr_high);
        return true;
    }
    write_register(l, reg, (uint32_t)value);
    return true;
}

/* ---- Saved state ---- */

static enum err lapic_loaded(void *object)
{
    struct lapic *l = object;

    if ((l->base & ~(LAPIC_BASE_BSP | LAPIC_BASE_X2APIC | LAPIC_BASE_ENABLE)) != LAPIC_BASE ||
        (l->base & (LAPIC_BASE_X2APIC | LAPIC_BASE_ENABLE)) == LAPIC_BASE_X2APIC || l->tpr > 0xff ||
        (l->svr & ~SVR_BITS) || (l->memory_eoi & 2) || l->memory_eoi_offered > 1 ||
        (l->divide & ~DIVIDE_BITS) || l->sipi_vector < -1 || l->sipi_vector > 0xff)
        return ERR_INVALID;
    for (unsigned i = 0; i < LAPIC_LVTS; i++)
        if (l->lvt[i] & ~lvt_bits[i])
            return ERR_INVALID;
    l->timer.deadline = l->timer_deadline ? l->timer_deadline : UINT64_MAX;
    l->vcpu->irq_news = true;
    return ERR_OK;
}

STATE_FIELDS(lapic_fields, STATE_FIELD(struct lapic, base, 1), STATE_FIELD(struct lapic, tpr, 1),
             STATE_FIELD(struct lapic, ldr, 1), STATE_FIELD(struct lapic, dfr, 1),
             STATE_FIELD(struct lapic, svr, 1), STATE_FIELD(struct lapic, esr, 1),
             STATE_FIELD(struct lapic, esr_pending, 1), STATE_FIELD(struct lapic, icr_low, 1),
             STATE_FIELD(struct lapic, icr_high, 1), STATE_ARRAY(struct lapic, lvt, 1),
             STATE_FIELD(struct lapic, divide, 1), STATE_FIELD(struct lapic, initial_count, 1),
             STATE_ARRAY(struct lapic, irr, 1), STATE_ARRAY(struct lapic, isr, 1),
             STATE_ARRAY(struct lapic, tmr, 1), STATE_FIELD(struct lapic, nmi_pending, 1),
             STATE_FIELD(struct lapic, init_pending, 1), STATE_FIELD(struct lapic, sipi_vector, 1),
             STATE_FIELD(struct lapic, timer_deadline, 1),
             STATE_FIELD(struct lapic, tsc_deadline, 1), STATE_FIELD(struct lapic, memory_eoi, 1),
             STATE_FIELD(struct lapic, memory_eoi_offered, 1));
const struct state_table lapic_state = {
    .name = "local APIC",
    .version = 1,
    .fields = lapic_fields,
    .field_count = ARRAY_SIZE(lapic_fields),
    .after_load = lapic_loaded,
};

/* ---- Life ---- */

void lapic_reset(struct lapic *l)
{
    timer_stop(l);
    l->esr_pending = 0;
    l->tpr = l->ldr = l->esr = l->icr_low = l->icr_high = l->divide = l->initial_count = 0;
    l->dfr = DFR_FLAT;
    l->svr = SVR_RESET;
    for (unsigned i = 0; i < ARRAY_SIZE(l->lvt); i++)
        l->lvt[i] = LVT_MASKED;
    for (unsigned i = 0; i < ARRAY_SIZE(l->irr); i++)
        l->irr[i] = l->isr[i] = l->tmr[i] = 0;
    l->nmi_pending = 0;
    l->memory_eoi = 0;
    l->memory_eoi_offered = 0;
    l->vcpu->irq_news = true;
}

enum err lapic_create(struct vcpu *v)
{
    struct lapic *l = heap_zalloc(sizeof(*l));

    if (!l)
        return ERR_NO_MEMORY;
    l->vcpu = v;
    l->base = LAPIC_BASE | LAPIC_BASE_ENABLE | (v->id == 0 ? LAPIC_BASE_BSP : 0);
    l->sipi_vector = -1;
    guest_timer_init(&l->timer, &v->vm->clock, timer_fire);
    lapic_reset(l);
    v->isa_data = l;
    return ERR_OK;
}

void lapic_destroy(struct vcpu *v)
{
    struct lapic *l = v->isa_data;

    guest_timer_destroy(&l->timer);
    heap_free(l);
    v->isa_data = NULL;
}
