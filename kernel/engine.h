/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Contract 3, engines: what runs a vCPU (svm, vmx, el2, hext; later jit, interp), and the exits
 * that it returns with.
 *
 * The architectural state of a vCPU has one canonical form per guest ISA (struct x86_state,
 * arm_state, riscv_state in arch/<isa>/guest/state.h), whatever engine runs it. Between load and
 * put an engine may keep parts of it in the hardware: the cache of kernel/vcpu.h (vcpu_need,
 * vcpu_dirty) says which groups of the canonical state are valid and which must be written back
 * before the next entry. Shared guest code acts on canonical state only.
 */
#ifndef KERNEL_ENGINE_H
#define KERNEL_ENGINE_H

#include "kernel/config.h"
#include "kernel/table.h"
#include "kernel/types.h"

struct guest_isa;
struct json;
struct out;
struct pt_format;
struct vcpu;
struct vm;

/* Why a guest stopped running for a moment. Everything that only one ISA knows is EXIT_ISA. */
enum exit_kind {
    EXIT_INTERRUPT,    /* a host interrupt or a kick; already taken or about to be */
    EXIT_MEMORY,       /* second-stage fault: RAM to map, or MMIO */
    EXIT_PORT,         /* x86 port access */
    EXIT_HYPERCALL,    /* vmcall, hvc, smc, ecall */
    EXIT_IDLE,         /* hlt, wfi: nothing to do until an interrupt */
    EXIT_REGISTER,     /* trapped MSR, system register or CSR */
    EXIT_ISA,          /* CPUID, control registers, INVLPG and others: to guest_isa->handle_exit */
    EXIT_IRQ_WINDOW,   /* the guest can take an interrupt now */
    EXIT_DEBUG,        /* breakpoint or single step that the hypervisor asked for */
    EXIT_FATAL,        /* triple fault and its like: the guest cannot go on; `text` says why */
    EXIT_ENTRY_FAILED, /* the hardware refused the state: `text` names the field */
    EXIT_KIND_COUNT
};

/* For people: "memory". */
const char *exit_kind_name(enum exit_kind kind);

struct vm_exit {
    enum exit_kind kind;
    union {
        struct {
            gpa_t gpa;
            uint64_t gva;   /* valid when gva_valid */
            uint8_t access; /* PT_READ, PT_WRITE or PT_EXEC */
            bool gva_valid;
            bool operand_valid; /* the hardware decoded the access: the next four are filled */
            uint8_t size;       /* bytes */
            uint8_t reg;        /* number of the general register */
            bool sign_extend;
            bool reg_64bit;             /* extend to 64 bits (Arm ESR.SF) */
            uint8_t instruction_length; /* bytes, 0 when unknown */
            uint32_t instruction;       /* as the hardware gives it (htinst), 0 when it does not */
        } memory;
        struct {
            uint16_t port;
            uint8_t size; /* 1, 2, 4 */
            bool in;
            bool string, repeat;
            uint8_t segment, address_size; /* of string forms, 0xff when unknown */
            uint64_t next_pc;              /* 0 when unknown */
        } port;
        struct {
            uint64_t number; /* hvc/smc immediate or 0 */
            bool smc;
        } hypercall;
        struct {
            uint64_t number; /* MSR number, Arm ESR ISS encoding, CSR number */
            uint64_t value;  /* of a write */
            bool write;
            uint8_t reg;          /* general register of the transfer (Arm, RISC-V) */
            uint32_t instruction; /* when the hardware gives it */
        } reg;
        struct {
            uint64_t reason; /* the engine's raw exit code */
            uint64_t info[3];
        } isa;
        struct {
            enum { EXIT_DEBUG_BREAKPOINT, EXIT_DEBUG_STEP, EXIT_DEBUG_POINT } what;
            unsigned point;    /* number of it in vm->debug->points */
            uint64_t address;  /* of the access, when a watchpoint was hit */
            uint64_t syndrome; /* as the CPU gives it, for debug_isa.reflect */
        } debug;
        struct {
            const char *text;
            uint64_t code;
        } fatal;
    };
};

struct engine {
    const char *name; /* "svm" */
    const char *isa;  /* name of the guest ISA that it runs: "x86_64"; NULL: all that have a
                         translator (guest_isa.translator) */
    int preference;   /* the highest that probes wins */

    /* Can this machine do it? On the boot CPU, once. When not, writes the reason in plain words. */
    enum err (*probe)(struct out *reason);
    /* Turns it on on the running CPU; called on every CPU once after a successful probe. */
    enum err (*cpu_enable)(void);
    /* One paragraph for `host`: what it has and what it lacks. */
    void (*report)(struct out *out);

    /* What the guest ISA's machine has to know of this engine, constant after the probe: its type
     * is the ISA's (arch/<isa>/guest/state.h). NULL function: nothing. */
    const void *(*traits)(void);
    /* Guests' counters may run at another rate than the host's. NULL: they may not. */
    bool (*scales_counter)(void);
    /* Format of the second stage for guest-physical addresses up to `limit` (exclusive): the
     * smallest that fits. NULL: cannot. */
    const struct pt_format *(*stage2_format)(uint64_t limit);
    enum err (*vm_init)(struct vm *vm); /* vm->memory and vm->stage2 exist; sets vm->engine_data */
    void (*vm_destroy)(struct vm *vm);
    enum err (*vcpu_init)(struct vcpu *vcpu); /* vcpu->state is reset; sets vcpu->engine_data */
    void (*vcpu_destroy)(struct vcpu *vcpu);

    /* At switches to and from the vCPU's thread, masked: put state on this CPU; take it away again.
     * put() returns the groups that it keeps where load() finds them, on whatever CPU: they stay as
     * valid and as dirty as they are, and load() says of those that it misses that they are dirty.
     * All others are canonical after put() and will be written before the next entry. */
    void (*load)(struct vcpu *vcpu);
    uint64_t (*put)(struct vcpu *vcpu);
    /* Runs the guest until an exit. Masked, loaded; returns masked. The canonical state's dirty
     * groups are written first; pending interrupts in it are injected as far as the guest can take
     * them. */
    void (*run)(struct vcpu *vcpu, struct vm_exit *exit);
    /* Fetches register groups of the hardware into the canonical state: called through vcpu_need().
     */
    void (*fetch)(struct vcpu *vcpu, uint64_t groups);
    /* Drops the VM's second-stage translations on this CPU: called before the next entry after
     * VCPU_REQUEST_FLUSH. */
    void (*flush)(struct vcpu *vcpu);
    /* Makes a vCPU that is in run() leave it soon; any context, any CPU. NULL: an IPI to its CPU
     * does. */
    void (*kick)(struct vcpu *vcpu);
    /* Adds what it counted to `vm stats`: whole lines. NULL: nothing. */
    void (*stats)(struct vm *vm, struct out *out);
    /* The same for programs: members of the record "engine". */
    void (*json)(struct vm *vm, struct json *j);
    /* How many hardware breakpoints or watchpoints a debugger may set (kernel/debug.h);
     * *shared: of both together. NULL: none. */
    unsigned (*debug_points)(bool watch, bool *shared);
    bool no_step; /* it tells breakpoints in memory, and cannot step: debuggers step by breakpoints
                   */
    /* Debug builds, for tests of EXIT_ENTRY_FAILED: makes the vCPU's entries illegal in way `kind`,
     * counted from 0, and returns what is wrong with them then; NULL: there is no such way. NULL
     * function: there is none at all. */
    const char *(*break_entry)(struct vcpu *vcpu, unsigned kind);
};
TABLE_DECLARE(engines, struct engine);

/* The best engine for `isa` of those that the choice allows. NULL when this machine has none; then
 * the reasons of those that failed go to `reason`. */
const struct engine *engine_find(const char *isa, enum config_engine choice, struct out *reason);
/* Why engine_find() found this one, in words that go on after a comma. */
void engine_explain(const struct engine *e, const char *isa, enum config_engine choice,
                    struct out *out);
/* Probes all engines, enables those that are there on all CPUs. */
void engine_init_all(void);
/* For `host`: each engine, available or why not. */
void engine_report_all(struct out *out);
void engine_json_all(struct json *j);

#endif
