/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Debugging of guests, below any protocol: holding a guest's vCPUs at a safe point, stepping them,
 * breakpoints and watchpoints, registers by name, memory by virtual address.
 *
 * A guest is held by vm_pause_by(VM_PAUSE_DEBUGGER): every vCPU waits outside of the guest, its
 * state is canonical. A vCPU that comes to a breakpoint or ends its step notes why, tells the
 * debugger, and waits (`hold`) until the debugger lets it go on; the debugger then holds the others
 * too. Everything here but the calls for vCPU threads and engines is for a held guest, under
 * vm->lock.
 *
 * Software breakpoints are written into guest memory by guest_copy_to() and recognised by their
 * guest-physical address; breakpoints that the guest's own debugger set go to the guest. Hardware
 * ones are data here: an engine reads vm->debug->points when it writes its debug registers.
 *
 * A step is VCPU_REQUEST_STEP, which stays set: so every entry goes the slow way, where the vCPU
 * begins the step (guest_isa.debug->step_begin) or sees that it ended, because the engine said so
 * (EXIT_DEBUG) or an emulated instruction has moved the PC. Interrupts wait meanwhile.
 */
#ifndef KERNEL_DEBUG_H
#define KERNEL_DEBUG_H

#include "kernel/engine.h"
#include "kernel/lock.h"

struct vm;
struct vcpu;

/* ---- What a guest ISA tells of itself ---- */

struct debug_register {
    const char *name;
    const char *type; /* of the target description; NULL: an integer of `bits` */
    uint16_t bits;    /* as the debugger sees it */
    uint8_t size;     /* bytes in canonical state; 0: by debug_isa.get and set, with `at` as id */
    bool fixed;       /* cannot be written */
    uint32_t at;      /* offset in canonical state */
};

struct debug_feature {
    const char *name;  /* as debuggers know it: "org.gnu.gdb.riscv.cpu" */
    const char *types; /* XML that defines types of its own, or NULL */
    const struct debug_register *registers;
    unsigned count;
    bool rarely; /* fetched one by one only: not among the registers that each stop transfers */
    bool (*is_there)(const struct vcpu *v); /* NULL: in every guest; else it is `rarely` fetched */
};

#define DEBUG_CODE_MAX 4 /* bytes of a breakpoint instruction */

struct debug_isa {
    const char *architecture; /* as debuggers name it: "i386:x86-64" */
    const struct debug_feature *features;
    unsigned feature_count;
    unsigned pc, sp, fp; /* numbers of registers, counted through all features */
    /* Registers that do not lie in canonical state as they are shown. NULL: there is none. */
    void (*get)(struct vcpu *v, uint32_t id, uint8_t *bytes);
    void (*set)(struct vcpu *v, uint32_t id, const uint8_t *bytes);
    /* After any register was written. NULL: nothing to do. */
    void (*changed)(struct vcpu *v);
    /* The walk that an access of the guest would take now, but for permissions. */
    bool (*translate)(struct vcpu *v, uint64_t va, gpa_t *gpa);
    /* The breakpoint instruction of `kind` (gdb's number: its size in bytes); its size, 0: there is
     * none of this kind. */
    unsigned (*breakpoint)(unsigned kind, uint8_t code[DEBUG_CODE_MAX]);
    /* The guest executed a breakpoint of its own: it takes the exception. On the vCPU's thread. */
    void (*reflect)(struct vcpu *v, const struct vm_exit *exit);
    /* On the vCPU's thread, masked: state that makes the next entry a step (true: the instruction
     * was carried out here), and what undoes it. NULL: the engine does all of it. */
    bool (*step_begin)(struct vcpu *v);
    void (*step_end)(struct vcpu *v);
    /* After a step that the engine ended, before step_end, interrupts on; or NULL. */
    void (*stepped)(struct vcpu *v);
    /* Frame records: offsets from the frame pointer to the caller's frame pointer and to the
     * return address. */
    int frame_next, frame_return;
    /* Does a call end these `size` bytes of code? Where code has no frame records, what lies on
     * the stack and stands behind a call is taken for a return address. NULL: there are records. */
    bool (*after_call)(const uint8_t *code, size_t size);
    /* Bits that all addresses of kernel code have set; in return addresses a signature may stand
     * there. 0: none. */
    uint64_t signature;
};

/* ---- Points ---- */

enum debug_point_kind { POINT_BREAK, POINT_WRITE, POINT_READ, POINT_ACCESS };

struct debug_point {
    enum debug_point_kind kind;
    uint64_t address, size;
};

#define DEBUG_POINTS  16
#define DEBUG_PATCHES 256

enum debug_reason {
    DEBUG_ASKED, /* by the debugger, or it has just come */
    DEBUG_STEPPED,
    DEBUG_BREAKPOINT, /* in software */
    DEBUG_POINT,      /* in hardware: `point` */
    DEBUG_CRASHED,    /* the guest cannot go on: vm->reason */
};

struct debug_event {
    bool there;
    enum debug_reason reason;
    unsigned vcpu;
    struct debug_point point;
};

struct debug_patch {
    uint64_t va, gpa;
    unsigned kind, size;
    uint8_t code[DEBUG_CODE_MAX], saved[DEBUG_CODE_MAX];
};

/* vm->debug: made when a debugger comes for the first time, and kept. */
struct vm_debug {
    bool attached;
    void (*notify)(void *arg); /* a vCPU has an event, or the guest ends. Any thread. */
    void *arg;
    struct spinlock lock; /* of `event` */
    struct debug_event event;
    uint32_t generation; /* of `points` */
    unsigned patch_count, point_count;
    struct debug_patch patches[DEBUG_PATCHES];
    struct debug_point points[DEBUG_POINTS];
};

/* In struct vcpu. */
struct vcpu_debug {
    bool hold;     /* waits for the debugger; written by its own thread and while the VM is held */
    bool began;    /* a step has begun at `pc` */
    bool stepped;  /* and ended: the engine said so */
    bool irq_news; /* of the vCPU, put off until the step's end */
    uint64_t pc;
    uint64_t saved[4]; /* of step_begin() for step_end() */
};

/* ---- For the debugger ---- */

/* Gives the VM its vm->debug, unless it has it; debug_attach() does. */
enum err debug_make(struct vm *vm) MUST_CHECK;

/* Takes the guest; it is being held when this returns. ERR_BUSY: somebody debugs it already;
 * ERR_STATE: it does not run; ERR_UNSUPPORTED: its ISA cannot be debugged. */
enum err debug_attach(struct vm *vm, void (*notify)(void *arg), void *arg) MUST_CHECK;
/* Removes all points and lets it run. */
void debug_detach(struct vm *vm);
/* Holds it, after an event or from outside. ERR_STATE: it has ended. */
enum err debug_hold(struct vm *vm) MUST_CHECK;
/* Takes the event, if there is one. */
bool debug_take_event(struct vm *vm, struct debug_event *event);

enum debug_resume { DEBUG_STAY, DEBUG_CONTINUE, DEBUG_STEP };
/* Lets each vCPU do what how[its id] says. Not under vm->lock. */
enum err debug_go(struct vm *vm, const uint8_t *how) MUST_CHECK;

/* Can its engine step, and does it tell breakpoints? Otherwise a debugger may look and change only.
 */
bool debug_has_engine(const struct vm *vm);
/* Under vm->lock, while it is held: */
bool debug_is_held(const struct vm *vm);
/* ERR_NOT_FOUND: no memory there; ERR_EXISTS: no room for more; ERR_UNSUPPORTED: the engine has no
 * such points. */
enum err debug_patch_add(struct vcpu *v, uint64_t va, unsigned kind) MUST_CHECK;
enum err debug_patch_remove(struct vm *vm, uint64_t va, unsigned kind) MUST_CHECK;
enum err debug_point_add(struct vm *vm, const struct debug_point *point) MUST_CHECK;
enum err debug_point_remove(struct vm *vm, const struct debug_point *point) MUST_CHECK;
/* `size` bytes by the vCPU's virtual addresses, or guest-physical ones. Breakpoints are not seen
 * and survive. Returns how many bytes there were. */
size_t debug_memory_read(struct vcpu *v, bool physical, uint64_t address, void *to, size_t size);
size_t debug_memory_write(struct vcpu *v, bool physical, uint64_t address, const void *from,
                          size_t size);

/* Register `number` of the ISA, NULL: there is none. */
const struct debug_register *debug_register_of(const struct debug_isa *isa, unsigned number);
/* Its value, little-endian, bits / 8 bytes. */
void debug_register_get(struct vcpu *v, const struct debug_register *r, uint8_t *bytes);
void debug_register_set(struct vcpu *v, const struct debug_register *r, const uint8_t *bytes);

/* ---- For vCPU threads and engines ---- */

/* VCPU_REQUEST_STEP is set, before an entry, masked: begins the step, or sees that it has ended:
 * true, and the vCPU is to park. */
bool debug_step_before_entry(struct vcpu *v);
/* EXIT_DEBUG. */
void debug_exit(struct vcpu *v, const struct vm_exit *exit);
/* The guest failed: true when a debugger looks at it now, the vCPU is to park. */
bool debug_crashed(struct vcpu *v);
/* The guest has ended or is being taken apart: points in its memory are gone. */
void debug_vm_ended(struct vm *vm);
/* The VM is about to start: its first vCPU waits for a debugger to let it. */
void debug_wait_for(struct vm *vm);
/* What an engine looks at when it writes its debug registers. */
bool debug_has_patches(const struct vm *vm);
unsigned debug_points(const struct vm *vm, const struct debug_point **points);

#endif
