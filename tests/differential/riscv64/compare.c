/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Random riscv64 code in the interpreter, as emitted code of this host, and under qemu-user: every
 * register, the floating-point flags, memory, the program counter and what ended the code are
 * equal.
 *
 *   compare RUNNER [CASES [SEED [ENGINE]]]     RUNNER: the command that starts the runner
 *                                              ENGINE: interp, jit, jit-v2 or all
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/riscv64/guest/lift.h"
#include "dbt/interp.h"
#include "dbt/pass.h"
#include "mm/heap.h"
#include "tests/differential/case.h"
#include "tests/hosted/code_memory.h"

#define INSNS_PER_CASE 60
#define EBREAK         0x00100073u
#define FRM_SHIFT      5

static uint64_t random_state;

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static unsigned below(unsigned n)
{
    return (unsigned)((random64() >> 16) % n);
}

/* ---- The interpreter's side: the heap is the C library's ---- */

void *heap_zalloc(size_t size)
{
    return calloc(1, size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static uint8_t code[2 * IR_PAGE_SIZE], data[CASE_DATA_SIZE];
static uint64_t executed;

static bool inside(uint64_t va, unsigned size, uint64_t base, uint64_t length)
{
    return va - base < length && length - (va - base) >= size;
}

static bool reach(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access,
                  uint8_t **p)
{
    if (inside(va, size, CASE_DATA, CASE_DATA_SIZE)) {
        *p = data + (va - CASE_DATA);
        return true;
    }
    if (access == DBT_READ && inside(va, size, CASE_CODE, IR_PAGE_SIZE)) {
        *p = code + (va - CASE_CODE);
        return true;
    }
    /* Of an access across the end, the first byte that cannot be reached counts. */
    if (va < CASE_DATA + CASE_DATA_SIZE && va >= CASE_DATA)
        va = CASE_DATA + CASE_DATA_SIZE;
    f->fault = (struct dbt_fault){.address = va, .access = access};
    return false;
}

bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    uint8_t *p;

    if (!reach(f, va, size, DBT_READ, &p))
        return false;
    *value = 0;
    memcpy(value, p, size);
    return true;
}

bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value)
{
    uint8_t *p;

    if (!reach(f, va, size, DBT_WRITE, &p))
        return false;
    memcpy(p, &value, size);
    return true;
}

void *dbt_memory_atomic(struct dbt_frame *f, uint64_t va, unsigned size, bool *mmio)
{
    uint8_t *p;

    *mmio = false;
    if (!IS_ALIGNED(va, size)) {
        f->fault = (struct dbt_fault){.address = va, .access = DBT_WRITE, .misaligned = true};
        return NULL;
    }
    return reach(f, va, size, DBT_WRITE, &p) ? p : NULL;
}

bool dbt_memory_probe(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    uint8_t *p;

    return reach(f, va, size, access, &p);
}

static struct dbt_frame *frame;
static struct interp_scratch *scratch;
static struct pass_scratch *passes;
static struct ir_unit unit;

static struct rv_frame *guest(void)
{
    return (struct rv_frame *)frame->cells;
}

/* A store-conditional without a reservation: it fails. False: another instruction, which traps. */
static bool interpret(uint32_t word)
{
    enum rv_insn_id id = rv_decode(word, RV_EXT_ALL);

    if (id != RV_INSN_sc_w && id != RV_INSN_sc_d)
        return false;
    guest()->reserved_address = RV_NO_RESERVATION;
    if (rv_rd(word))
        guest()->x[rv_rd(word)] = 1;
    frame->pc += 4;
    frame->count++;
    return true;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static struct dbt_tlb_entry tlb[4];
static const struct interp_guest interp = {.fp = DBT_FP_RISCV};

/* What finds its page is done inline, the rest in dbt_memory_*: both have their turn. */
static void fill_tlb(unsigned pages)
{
    for (unsigned i = 0; i < ARRAY_SIZE(tlb); i++)
        tlb[i] = (struct dbt_tlb_entry){{DBT_TLB_NONE, DBT_TLB_NONE, DBT_TLB_NONE}, 0};
    for (unsigned i = 0; i < CASE_DATA_SIZE / IR_PAGE_SIZE; i++) {
        uint64_t va = CASE_DATA + i * IR_PAGE_SIZE;

        if (pages & 1u << i)
            tlb[va / IR_PAGE_SIZE % ARRAY_SIZE(tlb)] =
                (struct dbt_tlb_entry){{va, va, va}, (uintptr_t)data - CASE_DATA};
    }
    frame->tlb = tlb;
    frame->tlb_mask = sizeof(tlb) - sizeof(tlb[0]);
}

/* The unit at frame->pc. */
static void make_unit(uint32_t mode, bool optimise)
{
    struct dbt_source source = {.page = code,
                                .offset = (unsigned)(frame->pc - CASE_CODE),
                                .features = RV_EXT_ALL,
                                .max_insns = 64};
    char said[200];
    struct out_buffer why;

    if (source.offset >= CASE_CODE_SIZE)
        fail("the code ran away");
    out_buffer_init(&why, said, sizeof(said));
    ir_unit_reset(&unit, rv_frontend.dialect, mode);
    rv_frontend.translate(&unit, &source);
    if (ir_verify(&unit, &why.out) != ERR_OK)
        fail(said);
    if (optimise) {
        pass_simplify(passes, &unit);
        pass_dead(passes, &unit);
        if (ir_verify(&unit, &why.out) != ERR_OK)
            fail(said);
    }
}

static enum dbt_exit interpret_unit(void)
{
    static struct interp_op ops[4 * IR_OPS_MAX];
    struct interp_unit threaded;

    if (interp_lower(scratch, &unit, ops, ARRAY_SIZE(ops), &threaded) != ERR_OK)
        fail("lowering failed");
    return interp_run(frame, &threaded, &interp);
}

/* ---- Emitted code: a block for each place in the page, linked as they are run ---- */

static struct jit {
    const struct dbt_emitter *emitter;
    struct emitter *e;
    struct dbt_cache cache;
    struct dbt_stubs stubs;
    struct dbt_code blocks[CASE_CODE_SIZE];
} jits[DBT_LEVEL_COUNT];
static unsigned emitted_units, interpreted_units;

static void jit_create(struct jit *j, const struct dbt_emitter *emitter, enum dbt_level level)
{
    j->emitter = emitter;
    j->e = emitter->create(rv_frontend.dialect, &interp, level);
    if (!j->e || !code_memory_create(&j->cache, MIB(2), 1024) ||
        emitter->stubs(j->e, dbt_cache_room(&j->cache), &j->stubs) != ERR_OK)
        fail("no memory for emitted code");
    dbt_cache_reserve(&j->cache, j->stubs.size);
}

static void jit_reset(struct jit *j)
{
    struct dbt_cache c = j->cache;

    dbt_cache_init(&j->cache, c.write, c.exec, c.size, c.links, c.link_count);
    dbt_cache_reserve(&j->cache, j->stubs.size);
    memset(j->blocks, 0, sizeof(j->blocks));
}

/* The code at frame->pc; NULL: not for this unit. */
static struct dbt_code *jit_block(struct jit *j, uint32_t mode, bool optimise)
{
    struct dbt_code *block = &j->blocks[(frame->pc - CASE_CODE) % CASE_CODE_SIZE];
    struct dbt_emitted emitted;
    enum err e;

    if (block->entry)
        return block;
    make_unit(mode, optimise);
    e = j->emitter->emit(j->e, &unit, dbt_cache_room(&j->cache), &emitted);
    if (e == ERR_UNSUPPORTED) {
        interpreted_units++;
        return NULL;
    }
    if (e != ERR_OK)
        fail("emitting failed");
    emitted_units++;
    dbt_cache_commit(&j->cache, block, emitted.size, emitted.link_count);
    return block;
}

static enum dbt_exit run_unit(struct jit *j, uint32_t mode, bool optimise)
{
    static struct dbt_link *last;
    struct dbt_code *block = j ? jit_block(j, mode, optimise) : NULL;
    enum dbt_exit how;

    if (!j)
        make_unit(mode, optimise);
    if (block && last && last->target == (int32_t)(frame->pc - CASE_CODE))
        dbt_link_to(last, block, frame->pc_base ^ frame->context[DBT_CONTEXT_SPACE]);
    frame->detail = 0;
    how = block ? j->stubs.enter(frame, block->entry) : interpret_unit();
    last = block && how == DBT_EXIT_LINK ? (struct dbt_link *)(uintptr_t)frame->detail : NULL;
    return how;
}

static void run_here(struct jit *j, const struct case_in *in, struct case_out *out, bool optimise)
{
    uint32_t mode = (uint32_t)((in->state.fcsr >> FRM_SHIFT & 7) << RV_MODE_FRM_SHIFT |
                               RV_FS_DIRTY << RV_MODE_FS_SHIFT | DBT_MODE_COUNT);
    enum dbt_exit how;

    memcpy(code, in->code, CASE_CODE_SIZE);
    memcpy(data, in->data, sizeof(data));
    memcpy(guest()->x, in->state.x, sizeof(guest()->x));
    memcpy(guest()->f, in->state.f, sizeof(guest()->f));
    guest()->reserved_address = RV_NO_RESERVATION;
    frame->fp_flags = 0;
    frame->pc = in->state.x[0];
    frame->count = 0;
    frame->pc_base = CASE_CODE;
    if (j)
        jit_reset(j);
    do {
        how = run_unit(j, mode, optimise);
    } while (how == DBT_EXIT_LINK ||
             (how == DBT_EXIT_LEAVE && frame->reason == IR_LEAVE_INTERPRET &&
              interpret((uint32_t)frame->detail)));
    executed += frame->count;
    memcpy(out->state.x, guest()->x, sizeof(guest()->x));
    memcpy(out->state.f, guest()->f, sizeof(guest()->f));
    out->state.x[0] = frame->pc;
    out->state.fcsr = in->state.fcsr | (frame->fp_flags & 31);
    memcpy(out->data, data, sizeof(data));
    out->signal = how == DBT_EXIT_FAULT                 ? frame->fault.misaligned ? SIGBUS : SIGSEGV
                  : frame->reason == IR_LEAVE_INTERPRET ? SIGTRAP
                                                        : SIGILL;
    out->address = how == DBT_EXIT_FAULT ? frame->fault.address : frame->pc;
}

/* ---- Random cases ---- */

/* Registers that hold addresses in the data; others take values. */
static const uint8_t bases[] = {2, 8, 9}; /* compressed instructions reach these */

static bool is_base(unsigned r)
{
    return r == bases[0] || r == bases[1] || r == bases[2];
}

static uint64_t random_value(void)
{
    switch (below(6)) {
    case 0:
        return random64() >> below(64);
    case 1:
        return (uint64_t)(int64_t)(int32_t)random64();
    case 2:
        return (uint64_t)((int64_t)below(9) - 4);
    case 3:
        return BIT(below(64)) - below(2);
    default:
        return random64();
    }
}

static uint64_t random_float(void)
{
    static const uint64_t edges[] = {0x7ff0000000000000,
                                     0x7ff8000000000000,
                                     0x7ff0000000000001,
                                     0,
                                     1,
                                     0x000fffffffffffff,
                                     0x0010000000000000,
                                     0x7fefffffffffffff,
                                     0x3ff0000000000000,
                                     0x3ff8000000000000,
                                     0x43e0000000000000,
                                     0x41dfffffffc00000,
                                     0x43f0000000000000};
    static const uint32_t edges32[] = {0x7f800000, 0x7fc00000, 0x7f800001, 0,          1,
                                       0x007fffff, 0x00800000, 0x7f7fffff, 0x3f800000, 0x3fc00000,
                                       0x4f000000, 0x5f000000, 0x4effffff};

    switch (below(8)) {
    case 0:
    case 1:
        return edges[below(ARRAY_SIZE(edges))] | random64() << 63;
    case 2:
    case 3:
        return edges32[below(ARRAY_SIZE(edges32))] | (random64() & 0x80000000) | 0xffffffff00000000;
    case 4: /* near 1, where results meet */
        return (random64() & 0x800fffffffffffff) | (uint64_t)(1023 - 4 + below(8)) << 52;
    case 5:
        return (random64() & 0x807fffff) | (uint64_t)(127 - 4 + below(8)) << 23 |
               0xffffffff00000000;
    case 6:
        return random64() | 0xffffffff00000000;
    default:
        return random64();
    }
}

static bool wanted(enum rv_insn_id id)
{
    switch (rv_insns[id].extension) {
    case RV_EXT_S:
    case RV_EXT_SVINVAL:
    case RV_EXT_ZICSR:
    case RV_EXT_ZIFENCEI:
        return false;
    default:
        return id != RV_INSN_ecall && id != RV_INSN_ebreak && id != RV_INSN_jalr;
    }
}

/* A random instruction `id`: random operands, addresses and targets that mostly make sense. */
static uint32_t random_insn(enum rv_insn_id id)
{
    const struct rv_insn *insn = &rv_insns[id];
    uint32_t w = insn->match | ((uint32_t)random64() & ~insn->mask);
    uint32_t base = bases[below(ARRAY_SIZE(bases))];

    switch (insn->format) {
    case RV_FORMAT_L:
    case RV_FORMAT_S:
    case RV_FORMAT_FL:
    case RV_FORMAT_FS:
    case RV_FORMAT_AMO:
    case RV_FORMAT_LR:
        if (below(400))
            w = (w & ~(31u << 15)) | base << 15;
        break;
    case RV_FORMAT_B: /* aim() fills the target in */
        w &= 0x01fff07f;
        break;
    case RV_FORMAT_J:
        w &= 0xfff;
        break;
    case RV_FORMAT_F4:
    case RV_FORMAT_F:
    case RV_FORMAT_F1:
    case RV_FORMAT_FXI:
    case RV_FORMAT_FIX:
        if (below(200) && (rv_rm(w) == 5 || rv_rm(w) == 6))
            w |= 7u << 12;
        break;
    default:
        break;
    }
    /* Addresses stay most of the time. */
    if (insn->format != RV_FORMAT_S && insn->format != RV_FORMAT_B &&
        insn->format != RV_FORMAT_FS && is_base(rv_rd(w)) && below(300))
        w ^= 16u << 7;
    return w;
}

/* A compressed one that neither jumps nor changes the addresses nor needs the stack. */
static bool random_compressed(uint16_t *c)
{
    uint32_t w;
    enum rv_insn_id id;

    *c = (uint16_t)random64();
    if (rv_length(*c) != 2)
        return false;
    w = rv_expand(*c);
    id = rv_decode(w, RV_EXT_ALL);
    if (id == RV_INSN_ILLEGAL || !wanted(id) || rv_insns[id].format == RV_FORMAT_J ||
        rv_insns[id].format == RV_FORMAT_B)
        return false;
    switch (rv_insns[id].format) {
    case RV_FORMAT_S:
    case RV_FORMAT_FS:
    case RV_FORMAT_FL:
        return is_base(rv_rs1(w));
    case RV_FORMAT_L:
        return is_base(rv_rs1(w)) && !is_base(rv_rd(w));
    default:
        return !is_base(rv_rd(w));
    }
}

/* Sends the branches at the places `starts` to later instructions, at most 30 bytes ahead. */
static void aim(struct case_in *in, const uint16_t *starts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned near = 0, ahead;
        enum rv_insn_id id;
        uint32_t w;

        memcpy(&w, in->code + starts[i], sizeof(w));
        id = rv_length((uint16_t)w) == 4 ? rv_decode(w, RV_EXT_ALL) : RV_INSN_ILLEGAL;
        if (id == RV_INSN_ILLEGAL ||
            (rv_insns[id].format != RV_FORMAT_B && rv_insns[id].format != RV_FORMAT_J))
            continue;
        while (i + near + 1 < count && starts[i + near + 1] - starts[i] <= 30)
            near++;
        ahead = near ? (unsigned)(starts[i + 1 + below(near)] - starts[i]) : 4u;
        w |= rv_insns[id].format == RV_FORMAT_B ? (ahead & 30) << 7 : ahead >> 1 << 21;
        memcpy(in->code + starts[i], &w, sizeof(w));
    }
}

static void make_case(struct case_in *in, unsigned number)
{
    uint16_t starts[2 * INSNS_PER_CASE];
    unsigned at = 0, count = 0;

    memset(in, 0, sizeof(*in));
    in->state.x[0] = CASE_CODE;
    for (unsigned r = 1; r < 32; r++)
        in->state.x[r] = is_base(r) ? CASE_DATA + 2048 + 8 * below(64) : random_value();
    for (unsigned r = 0; r < 32; r++)
        in->state.f[r] = random_float();
    in->state.fcsr = (below(30) ? below(5) : below(8)) << FRM_SHIFT | (below(4) ? 0 : below(32));
    for (unsigned i = 0; i < CASE_DATA_SIZE; i += 8) {
        uint64_t v = random_float();

        memcpy(in->data + i, &v, sizeof(v));
    }
    while (at < 4 * INSNS_PER_CASE) {
        uint16_t c;
        /* Every line of the table has its turn; the rest by chance. */
        enum rv_insn_id id = at == 0 ? number % RV_INSN_COUNT : below(RV_INSN_COUNT);

        if (at && below(4) == 0) {
            if (!random_compressed(&c))
                continue;
            memcpy(in->code + at, &c, 2);
            starts[count++] = (uint16_t)at;
            at += 2;
        } else if (wanted(id)) {
            uint32_t w = random_insn(id);

            memcpy(in->code + at, &w, 4);
            starts[count++] = (uint16_t)at;
            at += 4;
        } else if (at == 0) {
            number++;
        }
    }
    aim(in, starts, count);
    for (; at + 4 <= CASE_CODE_SIZE; at += 4) {
        uint32_t w = EBREAK;

        memcpy(in->code + at, &w, 4);
    }
}

/* ---- Comparison ---- */

static void report(const struct case_in *in, const struct case_out *here,
                   const struct case_out *there)
{
    FILE *f = fopen("case.bin", "wb");

    for (unsigned i = 0; i < 32; i++) {
        if (here->state.x[i] != there->state.x[i])
            fprintf(stderr, "%s%u: %016llx, qemu %016llx (was %016llx)\n", i ? "x" : "pc ", i,
                    here->state.x[i], there->state.x[i], in->state.x[i]);
        if (here->state.f[i] != there->state.f[i])
            fprintf(stderr, "f%u: %016llx, qemu %016llx (was %016llx)\n", i, here->state.f[i],
                    there->state.f[i], in->state.f[i]);
    }
    fprintf(stderr, "fcsr %llx, qemu %llx; signal %llu, qemu %llu; address %llx, qemu %llx\n",
            here->state.fcsr, there->state.fcsr, here->signal, there->signal, here->address,
            there->address);
    for (unsigned i = 0; i < CASE_DATA_SIZE; i++)
        if (here->data[i] != there->data[i])
            fprintf(stderr, "data[%u]: %02x, qemu %02x\n", i, here->data[i], there->data[i]);
    if (f) {
        fwrite(in->code, CASE_CODE_SIZE, 1, f);
        fclose(f);
        fprintf(stderr, "the code is in case.bin: objdump -b binary -m riscv:rv64 -D case.bin\n");
    }
}

static bool equal(const struct case_out *a, const struct case_out *b)
{
    if (memcmp(&a->state, &b->state, sizeof(a->state)) != 0 || a->signal != b->signal)
        return false;
    /* Of an address that the host calls non-canonical its kernel does not say which it was. */
    if (a->signal == SIGSEGV && (a->address + 8) >> 47 == 0 && a->address != b->address)
        return false;
    return memcmp(a->data, b->data, sizeof(a->data)) == 0;
}

enum which { WITH_INTERP = 1, WITH_JIT = 2, WITH_JIT_V2 = 4 };

static enum which which_engines(const char *name)
{
    return strcmp(name, "interp") == 0   ? WITH_INTERP
           : strcmp(name, "jit") == 0    ? WITH_JIT
           : strcmp(name, "jit-v2") == 0 ? WITH_JIT_V2
                                         : WITH_INTERP | WITH_JIT | WITH_JIT_V2;
}

static void set_up(void)
{
    frame = calloc(1, interp_frame_size(rv_frontend.dialect));
    scratch = interp_scratch_create();
    passes = pass_scratch_create();
    if (!frame || !scratch || !passes || ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK)
        fail("no memory");
    dbt_returns_empty(frame, return_stack_create());
    frame->jumps = calloc(DBT_JUMPS, sizeof(*frame->jumps));
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        for (unsigned level = 0; level <= emitter->host_level(); level++)
            jit_create(&jits[level], emitter, level);
    }
}

/* The case in one engine against what qemu said. */
static bool check(struct jit *j, const char *name, unsigned n, const struct case_in *in,
                  const struct case_out *there)
{
    static struct case_out here;

    fill_tlb(n >> 1);
    run_here(j, in, &here, j || n & 1);
    here.state.x[0] = frame->pc;
    if (equal(&here, there))
        return true;
    fprintf(stderr, "case %u, %s:\n", n, name);
    report(in, &here, there);
    return false;
}

static int to_runner, from_runner;

static void start_runner(const char *command)
{
    int in[2], out[2];

    if (pipe(in) != 0 || pipe(out) != 0)
        fail("no pipes");
    if (fork() == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_runner = in[1];
    from_runner = out[0];
}

static void run_there(const struct case_in *in, struct case_out *out)
{
    size_t done = 0;

    if (write(to_runner, in, sizeof(*in)) != (ssize_t)sizeof(*in))
        fail("the runner took no case");
    while (done < sizeof(*out)) {
        ssize_t n = read(from_runner, (char *)out + done, sizeof(*out) - done);

        if (n <= 0)
            fail("the runner ended");
        done += (size_t)n;
    }
}

int main(int argc, char **argv)
{
    unsigned cases = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 1000;
    static struct case_in in;
    static struct case_out there;
    enum which which = which_engines(argc > 4 ? argv[4] : "all");

    if (argc < 2)
        fail("usage: compare RUNNER [CASES [SEED [ENGINE]]]");
    random_state = (argc > 3 ? strtoull(argv[3], NULL, 0) : 1) * 0x9e3779b97f4a7c15;
    signal(SIGPIPE, SIG_IGN);
    start_runner(argv[1]);
    set_up();
    for (unsigned n = 0; n < cases; n++) {
        make_case(&in, n);
        run_there(&in, &there);
        if ((which & WITH_INTERP && !check(NULL, "interpreter", n, &in, &there)) ||
            (which & WITH_JIT && jits[DBT_LEVEL_V3].e &&
             !check(&jits[DBT_LEVEL_V3], "level v3", n, &in, &there)) ||
            (which & WITH_JIT_V2 && jits[DBT_LEVEL_BASE].e &&
             !check(&jits[DBT_LEVEL_BASE], "level v2", n, &in, &there)))
            return 1;
    }
    printf("%u cases, %llu instructions: equal; %u units emitted, %u left to the interpreter\n",
           cases, (unsigned long long)executed, emitted_units, interpreted_units);
    close(to_runner);
    wait(NULL);
    return 0;
}
