/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Guest interrupt files of the host's IMSICs (RISC-V AIA 1.0, 3.6, 6.1). A vCPU of a machine with
 * AIA gets one of those of the CPU on which it runs, mapped where the guest's own file is: messages
 * of other vCPUs then reach it without an exit, those of devices by one store, and the guest claims
 * them itself. The file stays the vCPU's while it sleeps; hgeie then brings the news. When the vCPU
 * comes to another CPU its file's contents move with it to one there. A guest for all of whose
 * vCPUs there are not files enough on each CPU has software files (guest/imsic.c).
 *
 * A CPU's files are handed out, read and cleared on that CPU alone, masked: only there do the CSRs
 * reach them.
 */
#include "arch/riscv64/host/host_internal.h"
#include "hext.h"
#include "mm/second_stage.h"

#define FILES_MAX 63 /* VGEIN has six bits, and 0 is none */

/* Indirect registers of a file (3.8); arrays have 64 identities in each even register. */
#define EIDELIVERY  0x70
#define EITHRESHOLD 0x72
#define EIP0        0x80
#define EIE0        0xc0

struct guest_files {
    struct vcpu *owner[FILES_MAX + 1];
};

PER_CPU(static struct guest_files, guest_files);
static unsigned file_count; /* on every CPU */
static unsigned reserved;   /* atomic */

void files_probe(void)
{
    uint64_t flags = host_irq_save(), old = csr_swap(CSR_HGEIE, ~0UL), enabled;

    enabled = csr_swap(CSR_HGEIE, old);
    host_irq_restore(flags);
    file_count = MIN((unsigned)__builtin_popcountl(enabled), imsic_guest_files());
    if (imsic_guest_identities() < RISCV_IMSIC_IDS)
        file_count = 0;
}

/* Every vCPU may come to every CPU: a file is kept for each of them there. */
bool files_reserve(unsigned vcpus)
{
    unsigned before = __atomic_fetch_add(&reserved, vcpus, __ATOMIC_SEQ_CST);

    if (before + vcpus <= file_count)
        return true;
    __atomic_fetch_sub(&reserved, vcpus, __ATOMIC_SEQ_CST);
    return false;
}

void files_unreserve(unsigned vcpus)
{
    __atomic_fetch_sub(&reserved, vcpus, __ATOMIC_SEQ_CST);
}

unsigned files_count(void)
{
    return file_count;
}

void files_cpu_enable(void)
{
    if (file_count)
        csr_set(CSR_HIE, BIT(IRQ_S_GEXT));
}

/* ---- The registers of a file. On its CPU, masked. ---- */

struct file_window {
    uint64_t hstatus, select;
};

static struct file_window window_open(unsigned file)
{
    struct file_window w = {.hstatus = csr_read(CSR_HSTATUS)};

    csr_write(CSR_HSTATUS,
              (w.hstatus & ~HSTATUS_VGEIN_MASK) | (uint64_t)file << HSTATUS_VGEIN_SHIFT);
    w.select = csr_read(CSR_VSISELECT);
    return w;
}

static void window_close(const struct file_window *w)
{
    csr_write(CSR_VSISELECT, w->select);
    csr_write(CSR_HSTATUS, w->hstatus);
}

static uint64_t file_swap(uint64_t reg, uint64_t value)
{
    csr_write(CSR_VSISELECT, reg);
    return csr_swap(CSR_VSIREG, value);
}

/* Takes what the file holds, and leaves it empty. */
static void file_take(unsigned file, struct riscv_imsic_regs *regs)
{
    struct file_window w = window_open(file);

    *regs = (struct riscv_imsic_regs){.delivery = file_swap(EIDELIVERY, 0) & 1,
                                      .threshold = file_swap(EITHRESHOLD, 0) & RISCV_IMSIC_IDS};
    for (unsigned i = 0; i <= imsic_guest_identities() / 64; i++) {
        uint64_t enabled = file_swap(EIE0 + 2 * i, 0), pending = file_swap(EIP0 + 2 * i, 0);

        if (i < RISCV_IMSIC_WORDS) {
            regs->enabled[i] = enabled;
            regs->pending[i] = pending;
        }
    }
    window_close(&w);
}

/* Into a file that may have got messages already. */
static void file_put(unsigned file, const struct riscv_imsic_regs *regs)
{
    struct file_window w = window_open(file);

    for (unsigned i = 0; i < RISCV_IMSIC_WORDS; i++) {
        csr_write(CSR_VSISELECT, EIP0 + 2 * i);
        csr_set(CSR_VSIREG, regs->pending[i]);
        (void)file_swap(EIE0 + 2 * i, regs->enabled[i]);
    }
    (void)file_swap(EITHRESHOLD, regs->threshold);
    (void)file_swap(EIDELIVERY, regs->delivery);
    window_close(&w);
}

/* ---- Handing out ---- */

/* 0: none is free. On this CPU, masked; empty. */
static unsigned file_alloc(struct vcpu *v)
{
    struct guest_files *files = this_cpu_ptr(guest_files);
    struct riscv_imsic_regs old;

    for (unsigned i = 1; i <= file_count && this_cpu()->host.imsic; i++) {
        if (files->owner[i])
            continue;
        files->owner[i] = v;
        file_take(i, &old);
        return i;
    }
    return 0;
}

struct give_back {
    unsigned file;
    struct riscv_imsic_regs regs; /* what it held */
};

/* On the file's CPU, in interrupt context. */
static void file_give_back(void *arg)
{
    struct give_back *g = arg;

    csr_clear(CSR_HGEIE, BIT(g->file));
    file_take(g->file, &g->regs);
    this_cpu_ptr(guest_files)->owner[g->file] = NULL;
}

static gpa_t guest_page(const struct vcpu *v)
{
    return GPA(RISCV_IMSIC_BASE + v->id * PAGE_SIZE);
}

/* Where the file's page is, for the hypervisor. */
static volatile uint32_t *file_page(unsigned file)
{
    return this_cpu()->host.imsic + file * (PAGE_SIZE / sizeof(uint32_t));
}

/* Messages go to file `to` of this CPU from here on, or to the software file (0). What the old one
 * held comes back. */
static struct riscv_imsic_regs redirect(struct vcpu *v, struct hext_vcpu *h, unsigned to)
{
    struct give_back g = {.file = h->file};
    enum err e = second_stage_unmap(v->vm->stage2, guest_page(v), PAGE_SIZE);

    if (to)
        riscv_imsic_attach(v, file_page(to), &g.regs);
    else
        riscv_imsic_detach(v);
    /* Without the page in the guest's tables its stores exit, and arrive all the same. */
    if (to && e == ERR_OK)
        e = second_stage_map_device(v->vm->stage2, guest_page(v),
                                    HPA(this_cpu()->host.external_base + to * PAGE_SIZE),
                                    PAGE_SIZE);
    if (e != ERR_OK)
        log_warn("%s: no memory to map the interrupt file of vCPU %u: messages to it are slower",
                 v->vm->name, v->id);
    if (h->file)
        cpu_call(h->file_cpu, file_give_back, &g, true);
    h->file = to;
    h->file_cpu = to ? this_cpu() : NULL;
    h->hstatus = (h->hstatus & ~HSTATUS_VGEIN_MASK) | (uint64_t)h->file << HSTATUS_VGEIN_SHIFT;
    return g.regs;
}

void files_settle(struct vcpu *v, struct hext_vcpu *h)
{
    struct riscv_imsic_regs regs;
    unsigned file;

    if (!riscv_machine(v->vm)->file_pending || (h->file && h->file_cpu == this_cpu()))
        return;
    file = file_alloc(v);
    if (!file)
        return; /* this CPU has none: it lacks an IMSIC of its own */
    regs = redirect(v, h, file);
    file_put(file, &regs);
}

/* ---- Around the vCPU's time on a CPU ---- */

void files_load(const struct hext_vcpu *h)
{
    if (h->file && h->file_cpu == this_cpu())
        csr_clear(CSR_HGEIE, BIT(h->file));
}

/* While it is away, an interrupt of its file wakes it. */
void files_put(const struct hext_vcpu *h)
{
    if (h->file && h->file_cpu == this_cpu())
        csr_set(CSR_HGEIE, BIT(h->file));
}

bool files_pending(const struct vcpu *v)
{
    const struct hext_vcpu *h = v->engine_data;

    return h->file && h->file_cpu == this_cpu() && csr_read(CSR_HGEIP) & BIT(h->file);
}

void irq_guest_external(void)
{
    const struct guest_files *files = this_cpu_ptr(guest_files);
    uint64_t news = csr_read(CSR_HGEIP) & csr_read(CSR_HGEIE);

    csr_clear(CSR_HGEIE, news);
    for (; news; news &= news - 1) {
        struct vcpu *v = files->owner[__builtin_ctzl(news)];

        if (v)
            vcpu_request(v, VCPU_REQUEST_IRQ);
    }
}

void files_drop(struct vcpu *v)
{
    struct hext_vcpu *h = v->engine_data;

    if (h->file)
        (void)redirect(v, h, 0);
}

void files_release(struct vcpu *v)
{
    struct hext_vcpu *h = v->engine_data;
    struct riscv_imsic_regs regs;

    if (!h->file)
        return;
    regs = redirect(v, h, 0);
    riscv_imsic_merge(v, &regs);
}
