/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The canonical state of an x86_64 vCPU, whatever engine runs it (contract 3). Register layouts as
 * in Intel SDM vol. 3. */
#ifndef ARCH_X86_64_GUEST_STATE_H
#define ARCH_X86_64_GUEST_STATE_H

#include "kernel/vcpu.h"

/* Groups for vcpu_need() and vcpu_dirty(). */
enum x86_group {
    X86_GPR = 1u << 0,      /* gpr[] (RSP included) */
    X86_RIP = 1u << 1,      /* rip, rflags, interrupt_shadow */
    X86_SEGMENTS = 1u << 2, /* segments[] but CS and SS, gdtr, idtr */
    X86_CONTROL = 1u << 3,  /* cr0, cr2, cr3, cr4, efer */
    X86_MSRS = 1u << 4,     /* star .. pat */
    X86_DEBUG = 1u << 5,    /* dr[] */
    X86_EVENT = 1u << 6,    /* event, pending_interrupt, pending_nmi, nmi_masked, tpr */
    X86_TSC = 1u << 7,      /* tsc_offset */
    X86_FPU = 1u << 8,      /* xcr0, fpu */
    X86_CODE = 1u << 9,     /* segments[] of CS and SS, whose DPL is the privilege level */
};

/* Numbers as instructions encode them. */
enum x86_gpr { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI };
enum x86_segment_index {
    X86_ES,
    X86_CS,
    X86_SS,
    X86_DS,
    X86_FS,
    X86_GS,
    X86_LDTR,
    X86_TR,
    X86_SEGMENT_COUNT
};

struct x86_segment {
    uint64_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint16_t selector;
    uint16_t attributes; /* descriptor bits 55..52 and 47..40: G D L AVL in 11..8, P DPL S type
                            in 7..0 */
};

/* An event to deliver at the next entry; or, after an exit that interrupted a delivery, the one to
 * deliver again. */
struct x86_event {
    bool valid;
    uint8_t vector;
    uint8_t type; /* enum x86_event_type */
    bool has_error;
    uint32_t error;
};
enum x86_event_type {
    X86_EVENT_INTERRUPT = 0,
    X86_EVENT_NMI = 2,
    X86_EVENT_EXCEPTION = 3,
    X86_EVENT_SOFTWARE = 4
};

#define X86_CODE_PAGES    16
#define X86_FPU_AREA_SIZE 4096 /* XSAVE area; the features offered to guests fit */

struct x86_state {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    bool interrupt_shadow; /* after STI or MOV SS */
    bool nmi_masked;
    struct x86_segment segments[X86_SEGMENT_COUNT];
    struct {
        uint64_t base;
        uint16_t limit;
    } gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_aux, spec_ctrl;
    uint64_t dr[4], dr6, dr7;
    struct x86_event event;
    /* Interrupts, refilled by before_run(): the vector that the local APIC wants delivered (-1:
     * none). When the guest takes it, the engine calls x86_interrupt_accepted(); while it cannot,
     * the engine asks the hardware for a window. */
    int pending_interrupt;
    bool pending_nmi;
    /* What the CPU tells of the instruction that exited; 0: nothing. */
    uint8_t exit_length;   /* bytes */
    uint8_t fetched_count; /* bytes at RIP in `fetched` */
    uint8_t fetched[15];
    /* Where x86_skip_opcode() last found RIP's pages, by their low bits. Hints: bytes are checked.
     */
    struct x86_code_page {
        uint64_t last; /* RIP of its last byte; 0: none */
        gpa_t gpa;
    } code_pages[X86_CODE_PAGES];
    uint8_t tpr;         /* CR8: task priority, bits 3..0 */
    uint64_t tsc_offset; /* added to the counter of the VM's clock */
    uint64_t xcr0;
    uint8_t fpu[X86_FPU_AREA_SIZE] __attribute__((aligned(64)));
};

#define X86_CR0_PE         BIT(0)
#define X86_CR0_ET         BIT(4)
#define X86_CR0_NE         BIT(5)
#define X86_CR0_WP         BIT(16)
#define X86_CR0_NW         BIT(29)
#define X86_CR0_CD         BIT(30)
#define X86_CR0_PG         BIT(31)
#define X86_CR4_PAE        BIT(5)
#define X86_EFER_SCE       BIT(0)
#define X86_EFER_LME       BIT(8)
#define X86_EFER_LMA       BIT(10)
#define X86_EFER_NXE       BIT(11)
#define X86_ATTR_LONG      BIT(9)  /* L of a code segment's attributes */
#define X86_ATTR_DEFAULT32 BIT(10) /* D */

#define X86_RFLAGS_FIXED BIT(1)
#define X86_RFLAGS_TF    BIT(8)
#define X86_RFLAGS_IF    BIT(9)
#define X86_RFLAGS_RF    BIT(16)
#define X86_PAT_RESET    0x0007040600070406ULL

/* Values of vm_exit.isa.reason that engines for this ISA use with EXIT_ISA. */
enum x86_isa_exit {
    X86_EXIT_CPUID, /* leaf in EAX, subleaf in ECX */
    X86_EXIT_INVD,  /* INVD, WBINVD: nothing to do but skip them */
    X86_EXIT_WBINVD,
    X86_EXIT_XSETBV,         /* ECX, EDX:EAX */
    X86_EXIT_UNDEFINED,      /* #UD, or an instruction that this machine does not offer */
    X86_EXIT_CR8,            /* tpr changed */
    X86_EXIT_CONTROL,        /* a write of CR0 or CR4, which the engine has carried out */
    X86_EXIT_DEBUG_REGISTER, /* MOV to or from one, while they are a debugger's */
    X86_EXIT_SHADOW,         /* a host interrupt right after an STI */
    X86_EXIT_EOI,            /* the CPU ended the level interrupt of vector info[0] */
};
/* Engines leave RIP at the instruction that exited and tell its length in `exit_length` where the
 * CPU does; the functions below advance it. */
#define X86_OPCODE_HLT     0xf4u, 1
#define X86_OPCODE_CPUID   0xa20fu, 2
#define X86_OPCODE_RDMSR   0x320fu, 2
#define X86_OPCODE_WRMSR   0x300fu, 2
#define X86_OPCODE_INVD    0x080fu, 2
#define X86_OPCODE_WBINVD  0x090fu, 2
#define X86_OPCODE_XSETBV  0xd1010fu, 3
#define X86_OPCODE_VMCALL  0xc1010fu, 3
#define X86_OPCODE_VMMCALL 0xd9010fu, 3
/* Past an instruction of `length` bytes, which was carried out in the guest's stead: with RFLAGS.TF
 * the guest's single-step trap follows. */
void x86_skip(struct vcpu *v, unsigned length);
/* A repeated instruction made one of its turns: the trap comes after each. */
void x86_single_step(struct vcpu *v);
/* Past the instruction that exited, `opcode` of `size` bytes (X86_OPCODE_*; the first byte lowest)
 * with whatever prefixes it has. */
void x86_skip_opcode(struct vcpu *v, uint32_t opcode, unsigned size);

static inline struct x86_state *x86_state(struct vcpu *v)
{
    return v->state;
}

/* The engine delivered pending_interrupt: the local APIC moves it from requested to in service.
 * Masked, from run(). */
void x86_interrupt_accepted(struct vcpu *v);
/* The local APIC's part that CPUs with virtual interrupt delivery do themselves, as in its
 * registers: while such an engine has it, what is requested is nowhere else. */
#define X86_APIC_WORDS 8
struct x86_interrupts {
    uint32_t requested[X86_APIC_WORDS], in_service[X86_APIC_WORDS];
    uint32_t level[X86_APIC_WORDS]; /* their ends must be told: X86_EXIT_EOI */
    uint8_t tpr;
    bool x2apic; /* the guest reaches the registers as MSRs */
};
/* Before an entry with X86_EVENT dirty, and after its exit; masked, from run(). `delivered`: to the
 * guest in between. */
void x86_interrupts_lend(struct vcpu *v, struct x86_interrupts *i);
void x86_interrupts_return(struct vcpu *v, const struct x86_interrupts *i, unsigned delivered);
/* The guest wrote `tpr` to CR8 without an exit. Masked, from run(). */
void x86_tpr_changed(struct vcpu *v, uint8_t tpr);
/* Makes the next entry deliver exception `vector`. */
void x86_inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error);
void x86_inject_page_fault(struct vcpu *v, uint64_t address, bool write);

#endif
