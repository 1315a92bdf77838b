/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Random guest code in the interpreter, as emitted code of this host, and under qemu-user: every
 * register, the floating-point flags, memory, the program counter and what ended the code are
 * equal. What the guest's ISA is it finds in guest_cases.
 *
 *   compare RUNNER [CASES [SEED [ENGINE [SET [LEAST]]]]]
 *   compare --departures                                   prints departures.def as a table
 *   compare --host-code           code of the host for the units on the standard input, one a line:
 *                                 the bytes in hexadecimal; by look-ups, then by page tables
 *       RUNNER: the command that starts the runner
 *       ENGINE: interp, jit, jit-v2 or all
 *       SET: a part of the instructions; all: all of them; pages: all, with pages that may not be
 *       read or written
 *       LEAST: so many sets of operands each line of the table must have had
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbt/pass.h"
#include "mm/heap.h"
#include "tests/differential/compare.h"
#include "tests/hosted/code_memory.h"

static uint64_t random_state;

uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

unsigned below(unsigned n)
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
static unsigned long long rights[CASE_PAGES]; /* of the data */
static uint64_t executed;

static bool inside(uint64_t va, unsigned size, uint64_t base, uint64_t length)
{
    return va - base < length && length - (va - base) >= size;
}

/* Of `size` bytes of the data from va on, how many may be accessed before the first that may not.
 */
static unsigned allowed(uint64_t va, unsigned size, enum dbt_access access)
{
    unsigned wanted = access == DBT_WRITE ? CASE_READ_WRITE : CASE_READ, n = 0;

    while (n < size && inside(va + n, 1, CASE_DATA, CASE_DATA_SIZE) &&
           (rights[(va + n - CASE_DATA) / CASE_PAGE_SIZE] & wanted) == wanted)
        n++;
    return n;
}

static bool reach(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access,
                  uint8_t **p)
{
    unsigned good;

    va &= guest_cases.address_bits;
    good = allowed(va, size, access);
    if (good == size) {
        *p = data + (va - CASE_DATA);
        return true;
    }
    if (access == DBT_READ && inside(va, size, CASE_CODE, IR_PAGE_SIZE)) {
        *p = code + (va - CASE_CODE);
        return true;
    }
    f->fault = (struct dbt_fault){.address = va + good, .access = access};
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

bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value)
{
    return write ? dbt_memory_write(f, va, size, *value) : dbt_memory_read(f, va, size, value);
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

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static struct dbt_tlb_entry tlb[4];

/* What finds its page is done inline, the rest in dbt_memory_*: both have their turn. */
static void fill_tlb(unsigned pages)
{
    for (unsigned i = 0; i < ARRAY_SIZE(tlb); i++)
        tlb[i] = (struct dbt_tlb_entry){{DBT_TLB_NONE, DBT_TLB_NONE, DBT_TLB_NONE}, 0};
    for (unsigned i = 0; i < CASE_DATA_SIZE / IR_PAGE_SIZE; i++) {
        uint64_t va = CASE_DATA + i * IR_PAGE_SIZE;

        if (pages & 1u << i && rights[i] & CASE_READ)
            tlb[va / IR_PAGE_SIZE % ARRAY_SIZE(tlb)] =
                (struct dbt_tlb_entry){{va, rights[i] == CASE_READ_WRITE ? va : DBT_TLB_NONE, va},
                                       (uintptr_t)data - CASE_DATA};
    }
    frame->tlb = tlb;
    frame->tlb_mask = sizeof(tlb) - sizeof(tlb[0]);
}

/* The unit at frame->pc. */
static void make_unit(uint32_t mode, bool optimise)
{
    struct dbt_source source = {.page = code,
                                .offset = (unsigned)(frame->pc - CASE_CODE),
                                .features = guest_cases.features,
                                .max_insns = 64,
                                .frame = frame};
    char said[200];
    struct out_buffer why;

    if (source.offset >= CASE_CODE_SIZE)
        fail("the code ran away");
    out_buffer_init(&why, said, sizeof(said));
    ir_unit_reset(&unit, guest_cases.frontend->dialect, mode);
    guest_cases.frontend->translate(&unit, &source);
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
    return interp_run(frame, &threaded, &guest_cases.interp);
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
    j->e = emitter->create(guest_cases.frontend->dialect, &guest_cases.interp, level);
    if (!j->e || !code_memory_create(&j->cache, MIB(2), 32768) ||
        emitter->stubs(j->e, dbt_cache_room(&j->cache), false, &j->stubs) != ERR_OK)
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

static enum case_next faulted(void)
{
    uint32_t word;

    if (!guest_cases.faulted)
        return CASE_FAULTS;
    memcpy(&word, code + (frame->pc - CASE_CODE), sizeof(word));
    return guest_cases.faulted(frame, word);
}

/* ---- What was asked ---- */

#define LINES_MAX 2048

/* Cases, each with operands of its own, in which a line of the table was executed. */
static struct asked {
    unsigned cases, last; /* the last one, from 1 */
} asked[LINES_MAX];

/* `count` instructions of case `number` were executed one after the other from `pc` on. */
static void note_asked(unsigned number, uint64_t pc, uint64_t count)
{
    while (count--) {
        const uint8_t *at = code + (pc - CASE_CODE);
        uint32_t word;
        unsigned line;

        memcpy(&word, at, sizeof(word));
        line = guest_cases.length(at) == sizeof(word) ? guest_cases.line(word)
                                                      : guest_cases.line_count;
        if (line < guest_cases.line_count && asked[line].last != number + 1) {
            asked[line].last = number + 1;
            asked[line].cases++;
        }
        pc += guest_cases.length(at);
    }
}

/* Says which line was asked least; false: it was not often enough. */
static bool report_asked(unsigned least)
{
    unsigned found = guest_cases.line_count, lines = 0, few = 0;

    for (unsigned i = 0; i < guest_cases.line_count; i++) {
        if (!guest_cases.line_wanted(i))
            continue;
        lines++;
        if (found == guest_cases.line_count || asked[i].cases < asked[found].cases)
            found = i;
        if (asked[i].cases < least) {
            few++;
            fprintf(stderr, "%s had %u sets of operands, fewer than %u\n", guest_cases.line_name(i),
                    asked[i].cases, least);
        }
    }
    if (lines)
        printf("%u lines of the table, least often %s: %u sets of operands\n", lines,
               guest_cases.line_name(found), asked[found].cases);
    return !few;
}

static void run_here(struct jit *j, const struct case_in *in, unsigned number, struct case_out *out,
                     bool optimise)
{
    uint32_t mode = guest_cases.mode(in) | DBT_MODE_COUNT;
    enum case_next next;
    enum dbt_exit how;

    memcpy(code, in->code, CASE_CODE_SIZE);
    memcpy(data, in->data, sizeof(data));
    frame->fp_flags = 0;
    guest_cases.enter(in, frame);
    frame->pc = in->state.pc;
    frame->count = 0;
    frame->pc_base = CASE_CODE;
    if (j)
        jit_reset(j);
    do {
        uint64_t pc = frame->pc, count = frame->count;

        how = run_unit(j, mode, optimise);
        next = how == DBT_EXIT_LINK    ? CASE_GOES_ON
               : how == DBT_EXIT_FAULT ? faulted()
               : frame->reason == IR_LEAVE_INTERPRET
                   ? guest_cases.interpret(frame, (uint32_t)frame->detail)
                   : CASE_ILLEGAL;
        if (!j) /* with what ended the case */
            note_asked(number, pc, frame->count - count + (next != CASE_GOES_ON));
    } while (next == CASE_GOES_ON);
    executed += frame->count;
    guest_cases.leave(in, frame, out);
    out->state.pc = frame->pc;
    memcpy(out->data, data, sizeof(data));
    out->signal = next == CASE_FAULTS  ? frame->fault.misaligned ? SIGBUS : SIGSEGV
                  : next == CASE_TRAPS ? SIGTRAP
                                       : SIGILL;
    out->address = next == CASE_FAULTS ? frame->fault.address : frame->pc;
}

/* ---- What QEMU does otherwise ---- */

static const struct {
    const char *name, *guest, *where, *what;
} departures[] = {
#define DEPARTURE(id, guest_, where_, what_) \
    [QEMU_##id] = {.name = #id, .guest = guest_, .where = where_, .what = what_},
#include "tests/differential/departures.def"
};
static unsigned departed[DEPARTURE_COUNT];

bool departs(enum departure d)
{
    departed[d]++;
    return true;
}

static void report_departures(void)
{
    for (unsigned i = 0; i < DEPARTURE_COUNT; i++)
        if (departed[i])
            printf("  for a departure of QEMU, %u times: %s\n", departed[i], departures[i].what);
}

/* The table as docs/testing.md has it. */
static void print_departures(void)
{
    for (unsigned i = 0; i < DEPARTURE_COUNT; i++)
        printf("| %s | %s | %s |\n", departures[i].guest, departures[i].what, departures[i].where);
}

/* ---- Random cases ---- */

static void random_rights(struct case_in *in)
{
    static const uint8_t pairs[][CASE_PAGES] = {
        {CASE_READ_WRITE, CASE_NONE}, {CASE_READ_WRITE, CASE_READ}, {CASE_READ, CASE_READ_WRITE},
        {CASE_NONE, CASE_READ_WRITE}, {CASE_READ, CASE_NONE},       {CASE_READ_WRITE, CASE_READ}};
    unsigned chosen = below(ARRAY_SIZE(pairs));

    for (unsigned i = 0; i < CASE_PAGES; i++)
        in->rights[i] = pairs[chosen][i];
}

bool has_bad_pages(const struct case_in *in)
{
    return in->rights[0] != CASE_READ_WRITE || in->rights[1] != CASE_READ_WRITE;
}

uint64_t random_base(const struct case_in *in, unsigned align)
{
    uint64_t middle = CASE_DATA + CASE_PAGE_SIZE / 2 + align * below(512 / align);

    if (!has_bad_pages(in))
        return middle;
    if (below(3) == 0) /* in a page that all accesses reach, if there is one */
        return in->rights[1] == CASE_READ_WRITE ? middle + CASE_PAGE_SIZE : middle;
    return CASE_DATA + CASE_PAGE_SIZE * (1 + below(8) / 7) - 128 + align * below(256 / align);
}

uint64_t random_value(void)
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

uint64_t random_float(void)
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

/* ---- Comparison ---- */

#define LONGEST_STORE 64 /* bytes by one instruction */

static void report_words(const char *name, unsigned count, const unsigned long long *here,
                         const unsigned long long *there, const unsigned long long *was)
{
    for (unsigned i = 0; i < count; i++)
        if (here[i] != there[i])
            fprintf(stderr, "%s[%u]: %016llx, qemu %016llx (was %016llx)\n", name, i, here[i],
                    there[i], was[i]);
}

static void save(const struct case_in *in)
{
    FILE *f = fopen("case.bin", "wb");

    if (!f)
        return;
    fwrite(in->code, CASE_CODE_SIZE, 1, f);
    fclose(f);
    fprintf(stderr, "the code is in case.bin: %s\n", guest_cases.disassemble);
}

static void report(const struct case_in *in, const struct case_out *here,
                   const struct case_out *there)
{
    fprintf(stderr, "pc %llx, qemu %llx; signal %llu, qemu %llu; address %llx, qemu %llx\n",
            here->state.pc, there->state.pc, here->signal, there->signal, here->address,
            there->address);
    report_words("x", 32, here->state.x, there->state.x, in->state.x);
    report_words("v", 64, here->state.v, there->state.v, in->state.v);
    report_words("w", 64, here->state.w, there->state.w, in->state.w);
    report_words("control", 5, here->state.control, there->state.control, in->state.control);
    for (unsigned i = 0; i < CASE_DATA_SIZE; i++)
        if (here->data[i] != there->data[i])
            fprintf(stderr, "data[%u]: %02x, qemu %02x\n", i, here->data[i], there->data[i]);
    save(in);
}

/* The same signal, and of a fault the same address? */
static bool equal_end(const struct case_out *a, const struct case_out *b)
{
    uint64_t differ = (a->address ^ b->address) & guest_cases.address_bits;
    bool strange = a->signal == SIGSEGV && (a->address + 8) >> 47 != 0; /* not canonical here */
    uint32_t word;

    if (strange && b->signal == SIGBUS && !b->address)
        return departs(QEMU_NO_ADDRESS);
    if (a->signal != b->signal || a->signal != SIGSEGV || !differ)
        return a->signal == b->signal;
    if (strange)
        return departs(QEMU_NO_ADDRESS);
    memcpy(&word, code + (a->state.pc - CASE_CODE) % CASE_CODE_SIZE, sizeof(word));
    return !(differ & guest_cases.fault_bits(word));
}

/* Do they differ where one store that faulted would have stored, only? */
static bool equal_but_for_store(const struct case_out *a, const struct case_out *b)
{
    uint64_t end = (a->address & guest_cases.address_bits) - CASE_DATA;
    uint32_t word;

    memcpy(&word, code + (a->state.pc - CASE_CODE) % CASE_CODE_SIZE, sizeof(word));
    if (a->signal != SIGSEGV || end % CASE_PAGE_SIZE || end > CASE_DATA_SIZE ||
        !guest_cases.stores_in_parts || !guest_cases.stores_in_parts(word))
        return false;
    for (uint64_t i = 0; i < CASE_DATA_SIZE; i++)
        if (a->data[i] != b->data[i] && (i >= end || end - i > LONGEST_STORE))
            return false;
    return departs(QEMU_STORES_IN_PARTS);
}

static bool equal_state(const struct case_out *a, const struct case_out *b)
{
    struct case_state s = a->state;
    uint32_t word;

    if (memcmp(&s, &b->state, sizeof(s)) == 0)
        return true;
    memcpy(&word, code + (s.pc - CASE_CODE) % CASE_CODE_SIZE, sizeof(word));
    if (a->signal != SIGSEGV || s.pc != b->state.pc || !guest_cases.forget_loaded)
        return false;
    guest_cases.forget_loaded(word, &s, &b->state);
    return memcmp(&s, &b->state, sizeof(s)) == 0 && departs(QEMU_LOADS_IN_PARTS);
}

static bool equal(const struct case_out *a, const struct case_out *b)
{
    return equal_state(a, b) && equal_end(a, b) &&
           (memcmp(a->data, b->data, sizeof(a->data)) == 0 || equal_but_for_store(a, b));
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
    frame = calloc(1, interp_frame_size(guest_cases.frontend->dialect));
    scratch = interp_scratch_create();
    passes = pass_scratch_create();
    if (!frame || !scratch || !passes || ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK)
        fail("no memory");
    frame->limit = UINT64_MAX;
    dbt_returns_empty(frame, return_stack_create());
    frame->jumps = calloc(DBT_JUMPS, sizeof(*frame->jumps));
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        for (unsigned level = 0; level <= emitter->host_level(); level++)
            jit_create(&jits[level], emitter, level);
    }
}

static void run_there(const struct case_in *in, struct case_out *out);

/* Where breakpoints cut the case short: the first instruction behind all those up to which nothing
 * differs. */
static void locate(struct jit *j, const struct case_in *in, bool optimise)
{
    static struct case_in part;
    static struct case_out here, there;
    unsigned length, culprit = 0;

    for (unsigned at = 0; at + 8 < CASE_CODE_SIZE; at += length) {
        length = guest_cases.length(in->code + at);
        part = *in;
        memcpy(part.code + at + length, &guest_cases.breakpoint, sizeof(guest_cases.breakpoint));
        run_there(&part, &there);
        run_here(j, &part, 0, &here, optimise);
        if (equal(&here, &there))
            culprit = at + length;
    }
    fprintf(stderr, "the instruction at offset %x makes the difference\n", culprit);
}

/* The case in one engine against what qemu said. */
static bool check(struct jit *j, const char *name, unsigned n, const struct case_in *in,
                  const struct case_out *there)
{
    static struct case_out here;

    memcpy(rights, in->rights, sizeof(rights));
    fill_tlb(n >> 1);
    run_here(j, in, n, &here, j || n & 1);
    if (equal(&here, there))
        return true;
    fprintf(stderr, "case %u, %s:\n", n, name);
    report(in, &here, there);
    locate(j, in, j || n & 1);
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

        if (n <= 0) {
            save(in);
            fail("the runner ended");
        }
        done += (size_t)n;
    }
}

/* Set "pages": a page of the data is not there, or only to be read. */
static void make(struct case_in *in, unsigned number, const char *set)
{
    memset(in, 0, sizeof(*in));
    for (unsigned i = 0; i < CASE_PAGES; i++)
        in->rights[i] = CASE_READ_WRITE;
    if (set && strcmp(set, "pages") == 0)
        random_rights(in);
    guest_cases.make(in, number, set);
}

static bool check_all(enum which which, unsigned n, const struct case_in *in,
                      const struct case_out *there)
{
    return (!(which & WITH_INTERP) || check(NULL, "interpreter", n, in, there)) &&
           (!(which & WITH_JIT) || check(&jits[DBT_LEVEL_V3], "level v3", n, in, there)) &&
           (!(which & WITH_JIT_V2) || check(&jits[DBT_LEVEL_BASE], "level v2", n, in, there));
}

/* QEMU says what the specification says, and all engines what QEMU says; each twice, as plain
 * interpretation and passes take turns. */
static bool check_named(enum which which)
{
    static struct case_in in;
    static struct case_out there;
    uint64_t result, flags;

    for (unsigned n = 0; n < 2 * guest_cases.named_count; n++) {
        const struct named_case *named = &guest_cases.named[n / 2];

        make(&in, n, NULL);
        memset(in.state.control, 0, sizeof(in.state.control));
        for (unsigned at = 0; at < CASE_CODE_SIZE; at += sizeof(guest_cases.breakpoint))
            memcpy(in.code + at, &guest_cases.breakpoint, sizeof(guest_cases.breakpoint));
        guest_cases.make_named(&in, named);
        run_there(&in, &there);
        guest_cases.result(&there, &result, &flags);
        if (result != named->result || flags != named->flags) {
            fprintf(stderr, "%s: %016llx, flags %llx, and qemu says %016llx, %llx\n", named->name,
                    (unsigned long long)named->result, (unsigned long long)named->flags,
                    (unsigned long long)result, (unsigned long long)flags);
            return false;
        }
        if (!check_all(which, n, &in, &there)) {
            fprintf(stderr, "%s\n", named->name);
            return false;
        }
    }
    return true;
}

/* The unit in `code` as code of this host, without what is seldom executed. */
static void print_host_code(struct jit *j, uint32_t mode, unsigned insns)
{
    static struct dbt_site sites[256];
    struct dbt_room room = dbt_cache_room(&j->cache);
    struct dbt_source source = {
        .page = code, .features = guest_cases.features, .max_insns = insns, .frame = frame};
    struct dbt_emitted emitted;

    room.base = room.exec;
    room.sites = sites;
    room.site_count = ARRAY_SIZE(sites);
    ir_unit_reset(&unit, guest_cases.frontend->dialect, mode);
    guest_cases.frontend->translate(&unit, &source);
    pass_simplify(passes, &unit);
    pass_dead(passes, &unit);
    if (j->emitter->emit(j->e, &unit, room, &emitted) != ERR_OK)
        fail("emitting failed");
    for (size_t i = 0; i < emitted.hot; i++)
        printf("%02x", room.write[i]);
    putchar('\n');
}

/* Lines of words in hexadecimal. */
static void host_code(void)
{
    static struct case_in in;
    static char line[1024];

    while (fgets(line, sizeof(line), stdin)) {
        unsigned insns = 0, at = 0;
        char *end = line;

        memset(code, 0, sizeof(code));
        for (;;) {
            char *begin = end;
            uint32_t word = (uint32_t)strtoul(begin, &end, 16);

            if (end == begin)
                break;
            memcpy(code + at, &word, sizeof(word));
            at += guest_cases.length(code + at);
            insns++;
        }
        print_host_code(&jits[DBT_LEVEL_V3], guest_cases.mode(&in), insns);
        print_host_code(&jits[DBT_LEVEL_V3], guest_cases.mode(&in) | DBT_MODE_WORDS, insns);
    }
}

int main(int argc, char **argv)
{
    unsigned cases = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 1000;
    static struct case_in in;
    static struct case_out there;
    unsigned which = which_engines(argc > 4 ? argv[4] : "all"), engines;

    if (argc == 2 && strcmp(argv[1], "--departures") == 0) {
        print_departures();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--host-code") == 0) {
        set_up();
        if (!jits[DBT_LEVEL_V3].e)
            fail("this host has no x86-64-v3");
        host_code();
        return 0;
    }
    if (argc < 2)
        fail("usage: compare RUNNER [CASES [SEED [ENGINE [SET [LEAST]]]]]");
    random_state = (argc > 3 ? strtoull(argv[3], NULL, 0) : 1) * 0x9e3779b97f4a7c15;
    signal(SIGPIPE, SIG_IGN);
    start_runner(argv[1]);
    set_up();
    which &= (jits[DBT_LEVEL_V3].e ? ~0u : ~(unsigned)WITH_JIT) &
             (jits[DBT_LEVEL_BASE].e ? ~0u : ~(unsigned)WITH_JIT_V2);
    engines = (unsigned)__builtin_popcount(which);
    if (!engines)
        fail("this host has no such engine");
    if (guest_cases.line_count > LINES_MAX)
        fail("the table has more lines than are counted");
    if (!check_named(which))
        return 1;
    executed = 0;
    for (unsigned n = 0; n < cases; n++) {
        make(&in, n, argc > 5 ? argv[5] : NULL);
        run_there(&in, &there);
        if (!check_all(which, n, &in, &there))
            return 1;
    }
    printf("%u cases, %llu instructions with each of %u engines: equal; %u units emitted, %u left "
           "to the interpreter\n",
           cases, (unsigned long long)executed / engines, engines, emitted_units,
           interpreted_units);
    report_departures();
    close(to_runner);
    wait(NULL);
    return !report_asked(argc > 6 ? (unsigned)strtoul(argv[6], NULL, 0) : 0);
}
