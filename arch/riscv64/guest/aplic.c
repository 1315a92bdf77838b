/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A guest's advanced platform-level interrupt controller (RISC-V AIA 1.0, chapter 4): one
 * supervisor domain in MSI mode. Wired sources become messages to the harts' IMSIC files, whose
 * pages are a region of this device too.
 */
#include "arch/riscv64/guest/machine.h"
#include "mm/heap.h"

#define APLIC_WORDS (RISCV_PINS / 32)

enum aplic_region { REGION_APLIC, REGION_IMSIC };

/* Memory map of a domain (4.5). */
#define DOMAINCFG     0x0000UL
#define SOURCECFG     0x0000UL /* + 4 * source, from 1 on; as the targets */
#define SETIP         0x1c00UL
#define SETIPNUM      0x1cdcUL
#define IN_CLRIP      0x1d00UL
#define CLRIPNUM      0x1ddcUL
#define SETIE         0x1e00UL
#define SETIENUM      0x1edcUL
#define CLRIE         0x1f00UL
#define CLRIENUM      0x1fdcUL
#define SETIPNUM_LE   0x2000UL
#define SETIPNUM_BE   0x2004UL
#define GENMSI        0x3000UL
#define TARGET        0x3000UL
#define NUMBER_OFFSET 0xdcUL /* of the ...NUM register of each array */
#define ARRAY_MASK    0xffUL
#define ARRAY_OF(reg) ((reg) & ~ARRAY_MASK)

#define DOMAINCFG_FIXED 0x80000004u /* MSI delivery, little endian */
#define DOMAINCFG_IE    0x100u
#define SOURCECFG_MODE  7u
#define TARGET_IDENTITY 0x7ffu
#define TARGET_HART     18
#define TARGET_BITS     0xfffc07ffu /* hart and identity: harts have no guests here */

/* Source modes (4.5.2). */
enum source_mode { INACTIVE = 0, DETACHED = 1, EDGE1 = 4, EDGE0 = 5, LEVEL1 = 6, LEVEL0 = 7 };

/* Identities in a file's page (3.5). */
#define SETEIPNUM_LE 0UL
#define SETEIPNUM_BE 4UL

struct riscv_aplic {
    struct device device;
    struct spinlock lock;
    uint32_t domaincfg; /* DOMAINCFG_IE or 0 */
    uint32_t sourcecfg[RISCV_PINS], target[RISCV_PINS];
    uint32_t pending[APLIC_WORDS], enabled[APLIC_WORDS], level[APLIC_WORDS];
    uint32_t genmsi;
};

LOCK_CLASS(aplic_class, "guest APLIC", RANK_IRQCHIP);

static bool bit(const uint32_t *words, unsigned n)
{
    return words[n / 32] >> n % 32 & 1;
}

static void set_bit(uint32_t *words, unsigned n, bool value)
{
    words[n / 32] = (words[n / 32] & ~(1u << n % 32)) | (uint32_t)value << n % 32;
}

static bool is_level(const struct riscv_aplic *a, unsigned source)
{
    return a->sourcecfg[source] >= LEVEL1;
}

/* The rectified input value (4.5.2). */
static bool rectified(const struct riscv_aplic *a, unsigned source)
{
    switch (a->sourcecfg[source]) {
    case EDGE1:
    case LEVEL1:
        return bit(a->level, source);
    case EDGE0:
    case LEVEL0:
        return !bit(a->level, source);
    default:
        return false;
    }
}

static void send(const struct riscv_aplic *a, uint32_t target, const struct vcpu *by)
{
    struct vm *vm = a->device.vm;
    uint32_t hart = target >> TARGET_HART;

    if (vm->vcpus && hart < vm->vcpu_count && vm->vcpus[hart])
        riscv_imsic_send(vm->vcpus[hart], target & TARGET_IDENTITY, by);
}

/* Pending and enabled sources leave as messages, and are pending no more (4.8). */
static void forward(struct riscv_aplic *a, const struct vcpu *by)
{
    if (!a->domaincfg)
        return;
    for (unsigned w = 0; w < APLIC_WORDS; w++) {
        uint32_t ready = a->pending[w] & a->enabled[w];

        a->pending[w] &= ~ready;
        for (; ready; ready &= ready - 1)
            send(a, a->target[w * 32 + (unsigned)__builtin_ctz(ready)], by);
    }
}

static bool exists(uint64_t source)
{
    return source > 0 && source < RISCV_PINS;
}

static void write_sourcecfg(struct riscv_aplic *a, unsigned source, uint32_t value)
{
    static const uint8_t legal =
        1u << INACTIVE | 1u << DETACHED | 1u << EDGE1 | 1u << EDGE0 | 1u << LEVEL1 | 1u << LEVEL0;
    uint32_t mode = value & SOURCECFG_MODE;

    /* No other domain: delegation (bit 10) reads as zero, and so does all else then. */
    a->sourcecfg[source] = value & ~SOURCECFG_MODE || !(legal >> mode & 1) ? INACTIVE : mode;
    if (a->sourcecfg[source] == INACTIVE) {
        set_bit(a->pending, source, false);
        set_bit(a->enabled, source, false);
        a->target[source] = 0;
    } else if (is_level(a, source)) {
        set_bit(a->pending, source, rectified(a, source));
    }
}

/* By software (4.7): a level source follows its line. */
static void set_pending(struct riscv_aplic *a, uint64_t source, bool value)
{
    if (!exists(source) || a->sourcecfg[source] == INACTIVE)
        return;
    if (!value || !is_level(a, (unsigned)source) || rectified(a, (unsigned)source))
        set_bit(a->pending, (unsigned)source, value);
}

static void set_enabled(struct riscv_aplic *a, uint64_t source, bool value)
{
    if (exists(source) && a->sourcecfg[source] != INACTIVE)
        set_bit(a->enabled, (unsigned)source, value);
}

/* A register of one of the four bit arrays: of one source by number, or of 32 at once. */
static void write_array(struct riscv_aplic *a, uint64_t offset, uint32_t value)
{
    uint64_t array = ARRAY_OF(offset), at = offset & ARRAY_MASK;
    void (*set)(struct riscv_aplic *, uint64_t, bool) =
        array == SETIP || array == IN_CLRIP ? set_pending : set_enabled;
    bool to = array == SETIP || array == SETIE;

    if (at == NUMBER_OFFSET) {
        set(a, value, to);
        return;
    }
    for (; value; value &= value - 1)
        set(a, at * 8 + (unsigned)__builtin_ctz(value), to);
}

static void write_aplic(struct riscv_aplic *a, uint64_t offset, uint32_t value,
                        const struct vcpu *by)
{
    if (offset == DOMAINCFG)
        a->domaincfg = value & DOMAINCFG_IE;
    else if (exists(offset / 4))
        write_sourcecfg(a, (unsigned)offset / 4, value);
    else if (offset >= SETIP && offset < SETIPNUM_LE)
        write_array(a, offset, value);
    else if (offset == SETIPNUM_LE)
        set_pending(a, value, true);
    else if (offset == SETIPNUM_BE)
        set_pending(a, __builtin_bswap32(value), true);
    else if (offset == GENMSI)
        send(a, a->genmsi = value & TARGET_BITS, by);
    else if (offset > TARGET && exists((offset - TARGET) / 4) &&
             a->sourcecfg[(offset - TARGET) / 4] != INACTIVE)
        a->target[(offset - TARGET) / 4] = value & TARGET_BITS;
}

static uint32_t read_inputs(const struct riscv_aplic *a, uint64_t word)
{
    uint32_t value = 0;

    for (unsigned n = 0; n < 32; n++)
        value |= (uint32_t)rectified(a, (unsigned)word * 32 + n) << n;
    return value;
}

static uint32_t read_aplic(const struct riscv_aplic *a, uint64_t offset)
{
    uint64_t word = (offset & ARRAY_MASK) / 4;

    if (offset == DOMAINCFG)
        return DOMAINCFG_FIXED | a->domaincfg;
    if (exists(offset / 4))
        return a->sourcecfg[offset / 4];
    if (offset == GENMSI)
        return a->genmsi;
    if (offset > TARGET)
        return exists((offset - TARGET) / 4) ? a->target[(offset - TARGET) / 4] : 0;
    if (word >= APLIC_WORDS)
        return 0;
    switch (ARRAY_OF(offset)) {
    case SETIP:
        return a->pending[word];
    case IN_CLRIP:
        return read_inputs(a, word);
    case SETIE:
        return a->enabled[word];
    default:
        return 0;
    }
}

static uint64_t aplic_read(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                           unsigned size)
{
    struct riscv_aplic *a = container_of(d, struct riscv_aplic, device);
    uint64_t flags, value;

    (void)v;
    (void)size;
    if (region == REGION_IMSIC)
        return 0;
    flags = spin_lock_irq(&a->lock);
    value = read_aplic(a, offset);
    spin_unlock_irq(&a->lock, flags);
    return value;
}

static void write_imsic(const struct vm *vm, uint64_t offset, uint32_t value, const struct vcpu *by)
{
    uint64_t hart = offset / PAGE_SIZE;

    if (hart >= vm->vcpu_count)
        return;
    if (offset % PAGE_SIZE == SETEIPNUM_LE)
        riscv_imsic_send(vm->vcpus[hart], value, by);
    else if (offset % PAGE_SIZE == SETEIPNUM_BE)
        riscv_imsic_send(vm->vcpus[hart], __builtin_bswap32(value), by);
}

static void aplic_write(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                        unsigned size, uint64_t value)
{
    struct riscv_aplic *a = container_of(d, struct riscv_aplic, device);
    uint64_t flags;

    (void)size;
    if (region == REGION_IMSIC) {
        write_imsic(d->vm, offset, (uint32_t)value, v);
        return;
    }
    flags = spin_lock_irq(&a->lock);
    write_aplic(a, offset, (uint32_t)value, v);
    forward(a, v);
    spin_unlock_irq(&a->lock, flags);
}

static void aplic_set_pin(struct vm *vm, unsigned pin, bool level)
{
    struct riscv_aplic *a = riscv_machine(vm)->aplic;
    uint64_t flags;
    bool before;

    if (!exists(pin))
        return;
    flags = spin_lock_irq(&a->lock);
    before = rectified(a, pin);
    set_bit(a->level, pin, level);
    if (rectified(a, pin) && !before)
        set_bit(a->pending, pin, true);
    else if (is_level(a, pin) && !rectified(a, pin))
        set_bit(a->pending, pin, false);
    forward(a, NULL);
    spin_unlock_irq(&a->lock, flags);
}

static void aplic_msi(struct vm *vm, uint64_t address, uint32_t data)
{
    if (vm->vcpus && address - RISCV_IMSIC_BASE < vm->vcpu_count * PAGE_SIZE)
        write_imsic(vm, address - RISCV_IMSIC_BASE, data, NULL);
}

static void aplic_reset(struct device *d)
{
    struct riscv_aplic *a = container_of(d, struct riscv_aplic, device);
    uint64_t flags = spin_lock_irq(&a->lock);

    a->domaincfg = a->genmsi = 0;
    for (unsigned i = 0; i < RISCV_PINS; i++)
        a->sourcecfg[i] = a->target[i] = 0;
    for (unsigned w = 0; w < APLIC_WORDS; w++)
        a->pending[w] = a->enabled[w] = 0;
    spin_unlock_irq(&a->lock, flags);
}

static void aplic_destroy(struct device *d)
{
    heap_free(container_of(d, struct riscv_aplic, device));
}

static enum err aplic_loaded(void *object)
{
    const struct riscv_aplic *a = object;

    for (unsigned i = 0; i < RISCV_PINS; i++)
        if (a->sourcecfg[i] > LEVEL0 || a->target[i] & ~TARGET_BITS)
            return ERR_INVALID;
    return a->domaincfg & ~DOMAINCFG_IE || a->sourcecfg[0] || (a->enabled[0] | a->pending[0]) & 1
               ? ERR_INVALID
               : ERR_OK;
}

STATE_TABLE_HOOKS(
    aplic_state, "aplic", 1, NULL, aplic_loaded, STATE_FIELD(struct riscv_aplic, domaincfg, 1),
    STATE_ARRAY(struct riscv_aplic, sourcecfg, 1), STATE_ARRAY(struct riscv_aplic, target, 1),
    STATE_ARRAY(struct riscv_aplic, pending, 1), STATE_ARRAY(struct riscv_aplic, enabled, 1),
    STATE_ARRAY(struct riscv_aplic, level, 1), STATE_FIELD(struct riscv_aplic, genmsi, 1));

static const struct device_ops aplic_ops = {
    .name = "APLIC",
    .read = aplic_read,
    .write = aplic_write,
    .reset = aplic_reset,
    .destroy = aplic_destroy,
    .lockless = true,
    .state = &aplic_state,
    .state_offset = offsetof(struct riscv_aplic, device),
};

static const struct irqchip_ops aplic_irqchip = {
    .name = "APLIC and IMSIC", .pins = RISCV_PINS, .set_pin = aplic_set_pin, .msi = aplic_msi};

enum err riscv_aplic_create(struct vm *vm)
{
    struct riscv_aplic *a = heap_zalloc(sizeof(*a));
    struct bus_region registers = {.base = RISCV_APLIC_BASE,
                                   .size = RISCV_APLIC_SIZE,
                                   .index = REGION_APLIC,
                                   .min_size = 4,
                                   .max_size = 4};
    struct bus_region files = {.base = RISCV_IMSIC_BASE,
                               .size = vm->config->cpus * PAGE_SIZE,
                               .index = REGION_IMSIC,
                               .min_size = 4,
                               .max_size = 4};
    enum err e;

    if (!a)
        return ERR_NO_MEMORY;
    spin_init(&a->lock, &aplic_class);
    device_init(&a->device, &aplic_ops, vm);
    riscv_machine(vm)->aplic = a;
    vm->irqchip = &aplic_irqchip;
    registers.device = files.device = &a->device;
    e = bus_add(&vm->mmio, &registers);
    return e == ERR_OK ? bus_add(&vm->mmio, &files) : e;
}
