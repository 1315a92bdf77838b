/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What runner.c needs of riscv64. */
#ifndef RUNNER_ARCH_H
#define RUNNER_ARCH_H

/* arch/riscv's signal frame, as the kernel's uapi headers describe it. */
struct ucontext {
    u64 flags;
    void *link;
    struct {
        void *sp;
        int flags;
        u64 size;
    } stack;
    u64 sigmask[16];
    u64 gregs[32] __attribute__((aligned(16))); /* [0]: pc */
    u64 fregs[32];
    unsigned fcsr;
};

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return a0;
}

static void copy(u64 *to, const u64 *from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        to[i] = from[i];
}

/* Vectors are not in the frame of qemu-user's signals: they are as the case left them. */
static void vectors_get(struct case_state *s)
{
    u64 *w = s->w;

    __asm__ volatile(
        ".option push\n\t.option arch, +v\n\t"
        "csrr %0, vtype\n\tcsrr %1, vl\n\tcsrr %2, vstart\n\tcsrr %3, vcsr\n\t"
        "csrw vstart, zero\n\t"
        "vs8r.v v0, (%4)\n\taddi %4, %4, 128\n\tvs8r.v v8, (%4)\n\taddi %4, %4, 128\n\t"
        "vs8r.v v16, (%4)\n\taddi %4, %4, 128\n\tvs8r.v v24, (%4)\n\t.option pop"
        : "=&r"(s->control[1]), "=&r"(s->control[2]), "=&r"(s->control[3]), "=&r"(s->control[4]),
          "+r"(w)
        :
        : "memory");
}

static void vectors_set(const struct case_state *s)
{
    const u64 *w = s->w;

    __asm__ volatile(
        ".option push\n\t.option arch, +v\n\tcsrw vstart, zero\n\t"
        "vl8re8.v v0, (%0)\n\taddi %0, %0, 128\n\tvl8re8.v v8, (%0)\n\taddi %0, %0, 128\n\t"
        "vl8re8.v v16, (%0)\n\taddi %0, %0, 128\n\tvl8re8.v v24, (%0)\n\t"
        "vsetvl zero, %1, %2\n\tcsrw vcsr, %3\n\tcsrw vstart, %4\n\t.option pop"
        : "+r"(w)
        : "r"(s->control[2]), "r"(s->control[1]), "r"(s->control[4]), "r"(s->control[3])
        : "memory");
}

static void registers_get(const struct ucontext *uc, struct case_state *s)
{
    copy(s->x, uc->gregs, 32);
    s->pc = s->x[0];
    s->x[0] = 0;
    copy(s->v, uc->fregs, 32);
    s->control[0] = uc->fcsr;
    vectors_get(s);
}

static void registers_set(struct ucontext *uc, const struct case_state *s)
{
    copy(uc->gregs, s->x, 32);
    uc->gregs[0] = s->pc;
    copy(uc->fregs, s->v, 32);
    uc->fcsr = (unsigned)s->control[0];
    vectors_set(s);
}

__attribute__((noinline)) static void breakpoint(void)
{
    static unsigned dummy;

    /* A store-conditional ends the reservation that the case before may have left. */
    __asm__ volatile("sc.w zero, zero, (%0)" ::"r"(&dummy) : "memory");
    __asm__ volatile("fence.i\n\t.option push\n\t.option norvc\n\tebreak\n\t.option pop" ::
                         : "memory");
}

#endif
