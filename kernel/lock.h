/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Locks. Spinlocks are FIFO-fair and mask preemption; the _irq forms mask interrupts too (for data
 * that interrupt handlers touch). A mutex sleeps; it may not be taken in interrupt context or under
 * a spinlock.
 *
 * Order: every lock has a class with a rank; a CPU (spinlock) or thread (mutex) may only take a
 * lock of a higher rank than all those it holds (equal ranks only through spin_lock_nested()).
 * DEBUG=1 builds check owner and order and panic on a violation, with both names. Ranks, outermost
 * first, are the enum below: add a class where it belongs.
 */
#ifndef KERNEL_LOCK_H
#define KERNEL_LOCK_H

#include "kernel/host.h"

enum lock_rank {
    RANK_VM_LIST,       /* the table of VMs (mutex) */
    RANK_VM,            /* a VM's life cycle and memory map (mutex) */
    RANK_SCREEN,        /* which console the screen shows (mutex) */
    RANK_DISK_LIST,     /* the list of guests' disks */
    RANK_DEVICE,        /* a guest device */
    RANK_QUEUE,         /* a virtqueue */
    RANK_SWITCH_LIST,   /* the list of virtual switches (mutex) */
    RANK_SWITCH,        /* ports of a virtual switch */
    RANK_QUEUE_RX,      /* a receive queue of a network device, filled by the one that sends */
    RANK_NET_FILTER,    /* what a network card receives */
    RANK_PCI,           /* configuration space of a guest's PCI function */
    RANK_PCI_MAP,       /* what a guest's PCI host bridge decodes */
    RANK_GUEST_PIN,     /* levels of a guest's interrupt pins */
    RANK_IRQCHIP,       /* a guest's interrupt controller */
    RANK_IRQCHIP_CPU,   /* a vCPU's part of it */
    RANK_GUEST_CONSOLE, /* a guest console's rings */
    RANK_CRASH,         /* how guests crashed */
    RANK_DEBUG_EVENT,   /* why a debugged guest stopped */
    RANK_GDB_LINK,      /* what a debugger has sent */
    RANK_THREAD_LIST,   /* the list of all threads (mutex) */
    RANK_CONSOLE_LIST,  /* consoles and monitor sessions */
    RANK_KERNEL_MAP,    /* the kernel's page tables */
    RANK_SECOND_STAGE,  /* a VM's second-stage tables */
    RANK_CODE,          /* a VM's translations */
    RANK_HEAP,
    RANK_SCRUB,      /* blocks that are to be scrubbed, and those that were */
    RANK_PAGE_CACHE, /* a CPU's own part of the page allocator */
    RANK_PAGES,      /* the page allocator's shared part */
    RANK_TIMER,      /* a CPU's timer queue */
    RANK_WAIT,       /* a wait queue */
    RANK_RUN_QUEUE,  /* a CPU's run queue */
    RANK_IRQ,        /* host interrupt tables */
    RANK_IRQ_CHIP,   /* registers of the host interrupt controller */
    RANK_RANDOM,     /* the random number generator */
    RANK_LOG,        /* the log ring */
    RANK_CONSOLE,    /* a console device's registers */
};

struct lock_class {
    const char *name;
    enum lock_rank rank;
};

struct spinlock {
    uint32_t next, owner; /* tickets */
    const struct lock_class *class;
#if DEBUG
    struct cpu *holder;
    const void *holder_pc;
    bool in_interrupt,
        interruptible; /* was taken in an interrupt; with interrupts on: both is a deadlock */
#endif
};

#define SPINLOCK_INIT(class_) \
    {                         \
        .class = (class_)     \
    }
#define LOCK_CLASS(id, text, rank_) \
    static const struct lock_class id = {.name = (text), .rank = (rank_)}

void spin_init(struct spinlock *l, const struct lock_class *class);
void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
bool spin_trylock(struct spinlock *l);
/* Masks interrupts first; the return value goes to spin_unlock_irq(). */
uint64_t spin_lock_irq(struct spinlock *l) MUST_CHECK;
void spin_unlock_irq(struct spinlock *l, uint64_t flags);
/* For a second lock of the same rank; the caller orders them by address. */
void spin_lock_nested(struct spinlock *l);

struct thread;
struct wait_queue {
    struct spinlock lock;
    struct thread *first, *last;
};
void wait_queue_init(struct wait_queue *q);

struct mutex {
    struct thread *owner;
    struct wait_queue waiters;
    const struct lock_class *class;
#if DEBUG
    struct mutex *held_next; /* of those that `owner` holds */
#endif
};
void mutex_init(struct mutex *m, const struct lock_class *class);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_trylock(struct mutex *m);

/* Around the body of an interrupt, for the checks of lock order (what the interrupted code holds
 * does not count). */
#if DEBUG
unsigned lock_interrupt_enter(void);
void lock_interrupt_leave(unsigned state);
/* Panics where a thread may not wait; `what` it does: "sleeps". */
void lock_check_sleep(const char *what);
#else
static inline void lock_check_sleep(const char *what)
{
    (void)what;
}
static inline unsigned lock_interrupt_enter(void)
{
    return 0;
}
static inline void lock_interrupt_leave(unsigned state)
{
    (void)state;
}
#endif

#endif
