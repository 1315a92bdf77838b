/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What runner.c needs of aarch64. */
#ifndef RUNNER_ARCH_H
#define RUNNER_ARCH_H

#define FPSIMD_MAGIC 0x46508001u
#define NZCV_SHIFT   28

/* arch/arm64's signal frame, as the kernel's uapi headers describe it. */
struct ucontext {
    u64 flags;
    void *link;
    struct {
        void *sp;
        int flags;
        u64 size;
    } stack;
    u64 sigmask[16];
    struct {
        u64 fault_address, x[32], pc, pstate; /* x[31]: sp */
        unsigned char records[4096] __attribute__((aligned(16)));
    } context __attribute__((aligned(16)));
};

struct fpsimd_context {
    unsigned magic, size, fpsr, fpcr;
    u64 v[64];
};

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    register long x8 __asm__("x8") = number;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8)
                     : "memory");
    return x0;
}

static void copy(u64 *to, const u64 *from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        to[i] = from[i];
}

static struct fpsimd_context *vectors(const struct ucontext *uc)
{
    unsigned char *p = (unsigned char *)uc->context.records;

    while (((struct fpsimd_context *)p)->magic != FPSIMD_MAGIC)
        p += ((struct fpsimd_context *)p)->size;
    return (struct fpsimd_context *)p;
}

static void registers_get(const struct ucontext *uc, struct case_state *s)
{
    const struct fpsimd_context *v = vectors(uc);

    copy(s->x, uc->context.x, 32);
    s->pc = uc->context.pc;
    copy(s->v, v->v, 64);
    s->control[0] = uc->context.pstate >> NZCV_SHIFT & 15;
    s->control[1] = v->fpcr;
    s->control[2] = v->fpsr;
}

static void registers_set(struct ucontext *uc, const struct case_state *s)
{
    struct fpsimd_context *v = vectors(uc);

    copy(uc->context.x, s->x, 32);
    uc->context.pc = s->pc;
    copy(v->v, s->v, 64);
    uc->context.pstate = (uc->context.pstate & ~(15ull << NZCV_SHIFT)) | s->control[0]
                                                                             << NZCV_SHIFT;
    v->fpcr = (unsigned)s->control[1];
    v->fpsr = (unsigned)s->control[2];
}

__attribute__((noinline)) static void breakpoint(void)
{
    /* The reservation that the case before may have left ends. */
    __asm__ volatile("clrex\n\tdsb ish\n\tisb\n\tbrk 0" ::: "memory");
}

#endif
