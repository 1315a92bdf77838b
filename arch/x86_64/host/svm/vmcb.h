/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The virtual machine control block: AMD APM volume 2, appendix B; intercepts and exit codes:
 * chapter 15 and appendix C. */
#ifndef X86_HOST_SVM_VMCB_H
#define X86_HOST_SVM_VMCB_H

#include "kernel/types.h"

/* Save-area segment: attributes hold descriptor bits 55..52 and 47..40 (15.5.1). */
struct vmcb_segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* Control area, table B-1. */
    uint16_t intercept_cr_read, intercept_cr_write; /* 000h */
    uint16_t intercept_dr_read, intercept_dr_write;
    uint32_t intercept_exceptions; /* 008h, a bit a vector */
    uint32_t intercept1;           /* 00ch, VMCB_I1_* */
    uint32_t intercept2;           /* 010h, VMCB_I2_* */
    uint32_t intercept3;           /* 014h */
    uint8_t reserved0[0x3c - 0x18];
    uint16_t pause_threshold, pause_count; /* 03ch */
    uint64_t io_map;                       /* 040h, physical address of 12 KiB (15.10.1) */
    uint64_t msr_map;                      /* 048h, of 8 KiB (15.11) */
    uint64_t tsc_offset;                   /* 050h */
    uint32_t asid;                         /* 058h, not 0 */
    uint8_t tlb_control;                   /* 05ch, VMCB_TLB_* */
    uint8_t reserved1[3];
    uint64_t virtual_interrupt; /* 060h, VMCB_V_* */
    uint64_t interrupt_state;   /* 068h, VMCB_SHADOW */
    uint64_t exit_code;         /* 070h, enum svm_exit */
    uint64_t exit_info1;
    uint64_t exit_info2;
    uint64_t exit_interrupt; /* 088h, like event */
    uint64_t nested_control; /* 090h, VMCB_NP_ENABLE */
    uint64_t avic_bar;
    uint64_t ghcb;
    uint64_t event;        /* 0a8h, VMCB_EVENT_* (15.20) */
    uint64_t nested_cr3;   /* 0b0h */
    uint64_t lbr_control;  /* 0b8h */
    uint64_t clean;        /* 0c0h (15.15) */
    uint64_t next_rip;     /* 0c8h, with NRIPS */
    uint8_t fetched_count; /* 0d0h, with decode assists */
    uint8_t fetched[15];
    uint8_t reserved2[0x400 - 0xe0];

    /* State save area, table B-2. */
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400h */
    uint8_t reserved3[0x4cb - 0x4a0];
    uint8_t cpl; /* 4cbh */
    uint32_t reserved4;
    uint64_t efer; /* 4d0h */
    uint8_t reserved5[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548h */
    uint8_t reserved6[0x5d8 - 0x580];
    uint64_t rsp; /* 5d8h */
    uint64_t s_cet, ssp, isst;
    uint64_t rax; /* 5f8h */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip,
        cr2;
    uint8_t reserved7[0x668 - 0x648];
    uint64_t pat; /* 668h */
    uint64_t debug_control, branch_from, branch_to, exception_from, exception_to;
    uint8_t reserved8[0x6e0 - 0x698];
    uint64_t spec_ctrl; /* 6e0h */
    uint8_t reserved9[0x1000 - 0x6e8];
};
_Static_assert(offsetof(struct vmcb, io_map) == 0x40, "table B-1");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "table B-1");
_Static_assert(offsetof(struct vmcb, event) == 0xa8, "table B-1");
_Static_assert(offsetof(struct vmcb, next_rip) == 0xc8, "table B-1");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "table B-2");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "table B-2");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "table B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "table B-2");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "table B-2");
_Static_assert(sizeof(struct vmcb) == 0x1000, "one page");

/* intercept1, 00ch. */
#define VMCB_I1_INTR     BIT(0)
#define VMCB_I1_NMI      BIT(1)
#define VMCB_I1_INIT     BIT(3)
#define VMCB_I1_VINTR    BIT(4)
#define VMCB_I1_RDPMC    BIT(15)
#define VMCB_I1_CPUID    BIT(18)
#define VMCB_I1_RSM      BIT(19)
#define VMCB_I1_IRET     BIT(20)
#define VMCB_I1_INTN     BIT(21)
#define VMCB_I1_INVD     BIT(22)
#define VMCB_I1_HLT      BIT(24)
#define VMCB_I1_INVLPGA  BIT(26)
#define VMCB_I1_IOIO     BIT(27)
#define VMCB_I1_MSR      BIT(28)
#define VMCB_I1_SHUTDOWN BIT(31)

/* intercept2, 010h. */
#define VMCB_I2_VMRUN       BIT(0)
#define VMCB_I2_VMMCALL     BIT(1)
#define VMCB_I2_VMLOAD      BIT(2)
#define VMCB_I2_VMSAVE      BIT(3)
#define VMCB_I2_STGI        BIT(4)
#define VMCB_I2_CLGI        BIT(5)
#define VMCB_I2_SKINIT      BIT(6)
#define VMCB_I2_WBINVD      BIT(9)
#define VMCB_I2_MONITOR     BIT(10)
#define VMCB_I2_MWAIT       BIT(11)
#define VMCB_I2_MWAIT_ARMED BIT(12)
#define VMCB_I2_XSETBV      BIT(13)
#define VMCB_I2_RDPRU       BIT(14)

/* tlb_control, 15.16. */
#define VMCB_TLB_FLUSH_ALL  1
#define VMCB_TLB_FLUSH_ASID 3 /* FlushByASID */

/* virtual_interrupt, 15.21. */
#define VMCB_V_TPR(v)         ((v)&0xff)
#define VMCB_V_IRQ            BIT(8)
#define VMCB_V_PRIORITY_SHIFT 16
#define VMCB_V_IGNORE_TPR     BIT(20)
#define VMCB_V_MASKING        BIT(24)
#define VMCB_V_VECTOR_SHIFT   32
#define VMCB_V_VECTOR         (0xffULL << VMCB_V_VECTOR_SHIFT)

/* clean, 15.15.3: what the CPU may keep from the last entry. */
#define VMCB_CLEAN_INTERCEPTS BIT(0) /* and the TSC offset */
#define VMCB_CLEAN_MAPS       BIT(1)
#define VMCB_CLEAN_ASID       BIT(2)
#define VMCB_CLEAN_TPR        BIT(3) /* all of virtual_interrupt */
#define VMCB_CLEAN_NP         BIT(4) /* nested paging, PAT */
#define VMCB_CLEAN_CR         BIT(5) /* CR0, CR3, CR4, EFER */
#define VMCB_CLEAN_DR         BIT(6)
#define VMCB_CLEAN_DT         BIT(7) /* GDTR, IDTR */
#define VMCB_CLEAN_SEGMENTS   BIT(8) /* ES, CS, SS, DS and CPL */
#define VMCB_CLEAN_CR2        BIT(9)
#define VMCB_CLEAN_ALL        BITS(9, 0)

#define VMCB_SHADOW    BIT(0) /* interrupt_state */
#define VMCB_NP_ENABLE BIT(0) /* nested_control */

/* event and exit_interrupt: 15.20, 15.7.2. Types as in enum x86_event_type. */
#define VMCB_EVENT_VECTOR(e)   ((uint8_t)(e))
#define VMCB_EVENT_TYPE_SHIFT  8
#define VMCB_EVENT_TYPE(e)     ((uint8_t)((e) >> VMCB_EVENT_TYPE_SHIFT & 7))
#define VMCB_EVENT_HAS_ERROR   BIT(11)
#define VMCB_EVENT_VALID       BIT(31)
#define VMCB_EVENT_ERROR_SHIFT 32

/* Exit codes: appendix C. */
enum svm_exit {
    SVM_EXIT_DR = 0x20, /* reads, then writes, + number */
    SVM_EXIT_DR_LAST = 0x3f,
    SVM_EXIT_EXCEPTION = 0x40, /* + vector */
    SVM_EXIT_EXCEPTION_LAST = 0x5f,
    SVM_EXIT_INTR = 0x60,
    SVM_EXIT_NMI = 0x61,
    SVM_EXIT_INIT = 0x63,
    SVM_EXIT_VINTR = 0x64,
    SVM_EXIT_CPUID = 0x72,
    SVM_EXIT_IRET = 0x74,
    SVM_EXIT_INTN = 0x75,
    SVM_EXIT_INVD = 0x76,
    SVM_EXIT_HLT = 0x78,
    SVM_EXIT_IOIO = 0x7b,
    SVM_EXIT_MSR = 0x7c,
    SVM_EXIT_SHUTDOWN = 0x7f,
    SVM_EXIT_VMMCALL = 0x81,
    SVM_EXIT_WBINVD = 0x89,
    SVM_EXIT_XSETBV = 0x8d,
    SVM_EXIT_NPF = 0x400,
};
/* -1; some emulations write 32 bits of it only. */
#define SVM_EXIT_INVALID(code) ((uint32_t)(code) == UINT32_MAX)

/* exit_info1 of IOIO: 15.10.2. */
#define SVM_IOIO_IN         BIT(0)
#define SVM_IOIO_STRING     BIT(2)
#define SVM_IOIO_REPEAT     BIT(3)
#define SVM_IOIO_SIZE(i)    ((uint8_t)((i) >> 4 & 7))       /* 1, 2 or 4 bytes */
#define SVM_IOIO_ADDRESS(i) ((uint8_t)(((i) >> 7 & 7) * 2)) /* 2, 4 or 8 bytes */
#define SVM_IOIO_SEGMENT(i) ((uint8_t)((i) >> 10 & 7))      /* with decode assists */
#define SVM_IOIO_PORT(i)    ((uint16_t)((i) >> 16))

/* exit_info1 of NPF: 15.25.6. */
#define SVM_NPF_WRITE BIT(1)
#define SVM_NPF_FETCH BIT(4)

#define VMCB_FETCHED_COUNT(c) ((uint8_t)((c)&0xf)) /* 15.8.4 */

/* CPUID 8000000Ah. */
#define CPUID_SVM            0x8000000au
#define CPUID_SVM_NP         BIT(0)
#define CPUID_SVM_NRIPS      BIT(3)
#define CPUID_SVM_CLEAN      BIT(5)
#define CPUID_SVM_FLUSH_ASID BIT(6)
#define CPUID_SVM_DECODE     BIT(7)
#define CPUID_SVM_TSC_RATE   BIT(4)
#define CPUID_SVM_PAUSE      BIT(10)
#define CPUID_SVM_VGIF       BIT(16)

#endif
