/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The small parts of the chipset: ACPI power management block (ACPI 6.5, 4.8.3), reset ports, and
 * the pair of 8259 controllers as far as a kernel needs them to find its ISA interrupts: they are
 * programmed and masked, interrupts come through the I/O APIC.
 */
#include "arch/x86_64/guest/machine.h"

#include "mm/heap.h"

#define PM_TIMER_HZ       3579545ULL /* ACPI 6.5, 4.8.3.3 */
#define PM_TIMER_BITS     0xffffffffu
#define PM1_STATUS        0
#define PM1_ENABLE        2
#define PM1_TIMER         0x0001 /* status and enable bits: 4.8.3.1.1 */
#define PM1_GLOBAL        0x0020
#define PM1_POWER_BUTTON  0x0100
#define PM1_SLEEP_BUTTON  0x0200
#define PM1_RTC           0x0400 /* can be enabled; never comes */
#define PM1_STATUS_BITS   (PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_SLEEP_BUTTON | PM1_RTC)
#define PM1_SCI_ENABLE    0x0001
#define PM1_SLEEP_TYPE(v) (((v) >> 10) & 7)
#define PM1_SLEEP_ENABLE  0x2000

enum chipset_region {
    REGION_PM1_EVENT,
    REGION_PM1_CONTROL,
    REGION_PM_TIMER,
    REGION_KEYBOARD,
    REGION_DELAY,
    REGION_PIC_MASTER,
    REGION_PIC_SLAVE
};

struct chipset {
    struct device device;
    uint16_t pm1_status, pm1_enable, pm1_control;
    struct guest_irq sci;
    struct pic {
        uint8_t mask;
        uint8_t init_step; /* ICW that comes next: 0 none, 2, 3, 4 */
        bool needs_icw4;
    } pic[2];
};

static uint64_t pm_timer_read(const struct vm *vm)
{
    uint64_t ns = guest_clock_ns(&vm->clock);

    return (ns / NS_PER_SEC * PM_TIMER_HZ + ns % NS_PER_SEC * PM_TIMER_HZ / NS_PER_SEC) &
           PM_TIMER_BITS;
}

static uint64_t chipset_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                             unsigned size)
{
    struct chipset *c = container_of(d, struct chipset, device);

    (void)vcpu;
    switch (region) {
    case REGION_PM1_EVENT:
        return offset == PM1_ENABLE ? c->pm1_enable : offset == PM1_STATUS ? c->pm1_status : 0;
    case REGION_PM1_CONTROL:
        return c->pm1_control | PM1_SCI_ENABLE;
    case REGION_PM_TIMER:
        return pm_timer_read(d->vm) >> (8 * offset);
    case REGION_PIC_MASTER:
    case REGION_PIC_SLAVE:
        return offset == 1 ? c->pic[region - REGION_PIC_MASTER].mask : 0;
    case REGION_KEYBOARD:
    case REGION_DELAY:
        return 0;
    default:
        return BITS(8 * size - 1, 0);
    }
}

/* Initialization words (8259A data sheet): ICW1 on the even port begins, ICW2 to ICW4 follow on the
 * odd one; then OCW1 is the mask. */
static void pic_write(struct pic *p, uint64_t offset, uint8_t value)
{
    if (offset == 0) {
        if (value & 0x10) {
            p->init_step = 2;
            p->needs_icw4 = value & 1;
            p->mask = 0;
        }
        return;
    }
    switch (p->init_step) {
    case 2:
        p->init_step = 3;
        return;
    case 3:
        p->init_step = p->needs_icw4 ? 4 : 0;
        return;
    case 4:
        p->init_step = 0;
        return;
    default:
        p->mask = value;
    }
}

static void sci_update(struct chipset *c)
{
    guest_irq_set(&c->sci, c->pm1_status & c->pm1_enable);
}

static void pm1_event_write(struct chipset *c, uint64_t offset, uint16_t value)
{
    if (offset == PM1_ENABLE)
        c->pm1_enable = value & PM1_STATUS_BITS;
    else if (offset == PM1_STATUS)
        c->pm1_status &= (uint16_t)~value;
    sci_update(c);
}

/* 4.8.2.2.1.1: the guest sees it by its SCI, if it enabled that. */
bool x86_power_button(struct vm *vm)
{
    struct chipset *c = x86_machine(vm)->chipset;
    bool listens;

    spin_lock(&c->device.lock);
    listens = c->pm1_enable & PM1_POWER_BUTTON;
    if (listens)
        c->pm1_status |= PM1_POWER_BUTTON;
    sci_update(c);
    spin_unlock(&c->device.lock);
    return listens;
}

static void pm1_control_write(struct chipset *c, uint16_t value)
{
    c->pm1_control = value & (uint16_t)~PM1_SLEEP_ENABLE;
    if ((value & PM1_SLEEP_ENABLE) && PM1_SLEEP_TYPE(value) == SLEEP_TYPE_S5)
        vm_poweroff(c->device.vm);
}

static void chipset_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                          unsigned size, uint64_t value)
{
    struct chipset *c = container_of(d, struct chipset, device);

    (void)vcpu, (void)size;
    switch (region) {
    case REGION_PM1_EVENT:
        pm1_event_write(c, offset, (uint16_t)value);
        break;
    case REGION_PM1_CONTROL:
        pm1_control_write(c, (uint16_t)value);
        break;
    case REGION_KEYBOARD:
        if ((uint8_t)value == KEYBOARD_RESET)
            vm_reset(d->vm);
        break;
    case REGION_PIC_MASTER:
    case REGION_PIC_SLAVE:
        pic_write(&c->pic[region - REGION_PIC_MASTER], offset, (uint8_t)value);
        break;
    default:
        break;
    }
}

static void chipset_reset(struct device *d)
{
    struct chipset *c = container_of(d, struct chipset, device);

    c->pm1_status = c->pm1_enable = c->pm1_control = 0;
    sci_update(c);
    c->pic[0] = c->pic[1] = (struct pic){.mask = 0xff};
}

static void chipset_destroy(struct device *d)
{
    heap_free(container_of(d, struct chipset, device));
}

static enum err chipset_loaded(void *object)
{
    struct chipset *c = object;

    if ((c->pm1_status | c->pm1_enable) & ~PM1_STATUS_BITS)
        return ERR_INVALID;
    sci_update(c);
    return ERR_OK;
}

#define PIC_STATE(n)                                                                               \
    STATE_FIELD(struct chipset, pic[n].mask, 1), STATE_FIELD(struct chipset, pic[n].init_step, 1), \
        STATE_FIELD(struct chipset, pic[n].needs_icw4, 1)

STATE_TABLE_HOOKS(chipset_state, "chipset", 1, NULL, chipset_loaded,
                  STATE_FIELD(struct chipset, pm1_status, 1),
                  STATE_FIELD(struct chipset, pm1_enable, 1),
                  STATE_FIELD(struct chipset, pm1_control, 1), PIC_STATE(0), PIC_STATE(1));

static const struct device_ops chipset_ops = {
    .name = "chipset",
    .read = chipset_read,
    .write = chipset_write,
    .reset = chipset_reset,
    .destroy = chipset_destroy,
    .state = &chipset_state,
    .state_offset = offsetof(struct chipset, device),
};

enum err x86_chipset_create(struct vm *vm)
{
    static const struct {
        uint16_t port, count;
        uint8_t index, max_size;
    } regions[] = {
        {PORT_PM1_EVENT, 4, REGION_PM1_EVENT, 2}, {PORT_PM1_CONTROL, 2, REGION_PM1_CONTROL, 2},
        {PORT_PM_TIMER, 4, REGION_PM_TIMER, 4},   {PORT_KEYBOARD, 1, REGION_KEYBOARD, 1},
        {PORT_DELAY, 1, REGION_DELAY, 1},         {PORT_PIC_MASTER, 2, REGION_PIC_MASTER, 1},
        {PORT_PIC_SLAVE, 2, REGION_PIC_SLAVE, 1},
    };
    struct chipset *c = heap_zalloc(sizeof(*c));
    enum err e = ERR_OK;

    if (!c)
        return ERR_NO_MEMORY;
    device_init(&c->device, &chipset_ops, vm);
    guest_irq_init(&c->sci, vm, PIN_SCI);
    x86_machine(vm)->chipset = c;
    chipset_reset(&c->device);
    for (unsigned i = 0; e == ERR_OK && i < ARRAY_SIZE(regions); i++)
        e = bus_add(&vm->ports, &(struct bus_region){.base = regions[i].port,
                                                     .size = regions[i].count,
                                                     .device = &c->device,
                                                     .index = regions[i].index,
                                                     .min_size = 1,
                                                     .max_size = regions[i].max_size});
    return e;
}
