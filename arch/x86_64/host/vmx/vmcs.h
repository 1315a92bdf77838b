/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The virtual machine control structure and what surrounds it: Intel SDM volume 3C, chapters 25 to
 * 28, field encodings of appendix B, capability MSRs of appendix A. */
#ifndef X86_HOST_VMX_VMCS_H
#define X86_HOST_VMX_VMCS_H

#include "kernel/types.h"

/* Appendix B. */
enum vmcs_field {
    VMCS_VPID = 0x0000,

    VMCS_GUEST_SELECTOR = 0x0800, /* + 2 a segment: ES CS SS DS FS GS LDTR TR */
    VMCS_GUEST_INTERRUPT_STATUS = 0x0810,
    VMCS_HOST_ES = 0x0c00,
    VMCS_HOST_CS = 0x0c02,
    VMCS_HOST_SS = 0x0c04,
    VMCS_HOST_DS = 0x0c06,
    VMCS_HOST_FS = 0x0c08,
    VMCS_HOST_GS = 0x0c0a,
    VMCS_HOST_TR = 0x0c0c,

    VMCS_IO_BITMAP_A = 0x2000,
    VMCS_IO_BITMAP_B = 0x2002,
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_EXIT_MSR_STORE = 0x2006,
    VMCS_EXIT_MSR_LOAD = 0x2008,
    VMCS_ENTRY_MSR_LOAD = 0x200a,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_VIRTUAL_APIC = 0x2012,
    VMCS_EPT_POINTER = 0x201a,
    VMCS_EOI_EXITS = 0x201c, /* + 2 each, four of 64 vectors */
    VMCS_TSC_MULTIPLIER = 0x2032,
    VMCS_GUEST_PHYSICAL = 0x2400,

    VMCS_LINK_POINTER = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_GUEST_PDPTE0 = 0x280a, /* + 2 each, four of them */
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,

    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PRIMARY_CONTROLS = 0x4002,
    VMCS_EXCEPTIONS = 0x4004,
    VMCS_PF_MASK = 0x4006,
    VMCS_PF_MATCH = 0x4008,
    VMCS_CR3_TARGETS = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_MSR_STORE_COUNT = 0x400e,
    VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_ERROR_CODE = 0x4018,
    VMCS_ENTRY_LENGTH = 0x401a,
    VMCS_TPR_THRESHOLD = 0x401c,
    VMCS_SECONDARY_CONTROLS = 0x401e,

    VMCS_INSTRUCTION_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_EXIT_ERROR_CODE = 0x4406,
    VMCS_VECTORING_EVENT = 0x4408,
    VMCS_VECTORING_ERROR_CODE = 0x440a,
    VMCS_EXIT_LENGTH = 0x440c,
    VMCS_EXIT_INSTRUCTION = 0x440e,

    VMCS_GUEST_LIMIT = 0x4800, /* + 2 a segment, as selectors; then GDTR and IDTR */
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ACCESS = 0x4814, /* + 2 a segment */
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VMCS_GUEST_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,
    VMCS_PREEMPTION_TIMER = 0x482e,
    VMCS_HOST_SYSENTER_CS = 0x4c00,

    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_QUALIFICATION = 0x6400,
    VMCS_GUEST_LINEAR = 0x640a,

    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_BASE = 0x6806, /* + 2 a segment */
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14,
    VMCS_HOST_RIP = 0x6c16,
};

/* A segment's field of one kind; `index` as enum x86_segment_index counts. */
#define VMCS_SEGMENT(first, index) ((uint32_t)(first) + 2 * (uint32_t)(index))

/* Pin-based controls: 25.6.1. */
#define VMX_PIN_EXTERNAL_INTERRUPT BIT(0)
#define VMX_PIN_NMI                BIT(3)
#define VMX_PIN_VIRTUAL_NMI        BIT(5)
#define VMX_PIN_PREEMPTION_TIMER   BIT(6)
#define VMX_PIN_POSTED_INTERRUPTS  BIT(7)

/* Primary processor-based controls: 25.6.2. */
#define VMX_CPU_IRQ_WINDOW       BIT(2)
#define VMX_CPU_TSC_OFFSET       BIT(3)
#define VMX_CPU_HLT              BIT(7)
#define VMX_CPU_MWAIT            BIT(10)
#define VMX_CPU_RDPMC            BIT(11)
#define VMX_CPU_CR3_LOAD         BIT(15)
#define VMX_CPU_CR3_STORE        BIT(16)
#define VMX_CPU_CR8_LOAD         BIT(19)
#define VMX_CPU_CR8_STORE        BIT(20)
#define VMX_CPU_TPR_SHADOW       BIT(21)
#define VMX_CPU_NMI_WINDOW       BIT(22)
#define VMX_CPU_MOV_DR           BIT(23)
#define VMX_CPU_UNCONDITIONAL_IO BIT(24)
#define VMX_CPU_IO_BITMAPS       BIT(25)
#define VMX_CPU_MSR_BITMAPS      BIT(28)
#define VMX_CPU_MONITOR          BIT(29)
#define VMX_CPU_SECONDARY        BIT(31)

/* Secondary processor-based controls. */
#define VMX_CPU2_VIRTUAL_APIC     BIT(0)
#define VMX_CPU2_EPT              BIT(1)
#define VMX_CPU2_RDTSCP           BIT(3)
#define VMX_CPU2_X2APIC           BIT(4)
#define VMX_CPU2_VPID             BIT(5)
#define VMX_CPU2_WBINVD           BIT(6)
#define VMX_CPU2_UNRESTRICTED     BIT(7)
#define VMX_CPU2_APIC_REGISTERS   BIT(8)
#define VMX_CPU2_VIRTUAL_DELIVERY BIT(9)
#define VMX_CPU2_PML              BIT(17)
#define VMX_CPU2_TSC_SCALING      BIT(25)

/* VM-exit controls: 25.7.1. */
#define VMX_EXIT_SAVE_DEBUG BIT(2)
#define VMX_EXIT_HOST_64    BIT(9)
#define VMX_EXIT_ACK        BIT(15)
#define VMX_EXIT_SAVE_PAT   BIT(18)
#define VMX_EXIT_LOAD_PAT   BIT(19)
#define VMX_EXIT_SAVE_EFER  BIT(20)
#define VMX_EXIT_LOAD_EFER  BIT(21)

/* VM-entry controls: 25.8.1. */
#define VMX_ENTRY_LOAD_DEBUG BIT(2)
#define VMX_ENTRY_LONG_MODE  BIT(9)
#define VMX_ENTRY_LOAD_PAT   BIT(14)
#define VMX_ENTRY_LOAD_EFER  BIT(15)

/* Events, in and out: 25.8.3, 25.9.2, 25.9.3. Types as in enum x86_event_type. */
#define VMX_EVENT_VECTOR(e)     ((uint8_t)(e))
#define VMX_EVENT_TYPE_SHIFT    8
#define VMX_EVENT_TYPE(e)       ((uint8_t)((e) >> VMX_EVENT_TYPE_SHIFT & 7))
#define VMX_EVENT_HAS_ERROR     BIT(11)
#define VMX_EVENT_UNBLOCKED_NMI BIT(12) /* by an IRET, in exit information */
#define VMX_EVENT_RESERVED      BITS(30, 12)
#define VMX_EVENT_VALID         BIT(31)

/* Guest interruptibility: 25.4.2. */
#define VMX_BLOCKING_STI    BIT(0)
#define VMX_BLOCKING_MOV_SS BIT(1)
#define VMX_BLOCKING_NMI    BIT(3)
#define VMX_PENDING_BS      BIT(14) /* of the pending debug exceptions */

/* The virtual-APIC page: registers are 16 bytes apart (30.1.1). */
#define VMX_APIC_TPR    0x80
#define VMX_APIC_ISR(n) (0x100 + 0x10 * (n))
#define VMX_APIC_IRR(n) (0x200 + 0x10 * (n))

/* Guest interrupt status: highest vector requested, and in service (25.4.2). */
#define VMX_STATUS_RVI(vector) ((uint32_t)(vector))
#define VMX_STATUS_SVI(vector) ((uint32_t)(vector) << 8)

#define VMX_ACCESS_UNUSABLE BIT(16)

/* Exit reasons: appendix C. */
enum vmx_exit {
    VMX_EXIT_EXCEPTION_NMI = 0,
    VMX_EXIT_EXTERNAL_INTERRUPT = 1,
    VMX_EXIT_TRIPLE_FAULT = 2,
    VMX_EXIT_INIT = 3,
    VMX_EXIT_IRQ_WINDOW = 7,
    VMX_EXIT_NMI_WINDOW = 8,
    VMX_EXIT_TASK_SWITCH = 9,
    VMX_EXIT_CPUID = 10,
    VMX_EXIT_HLT = 12,
    VMX_EXIT_INVD = 13,
    VMX_EXIT_VMCALL = 18,
    VMX_EXIT_CR = 28,
    VMX_EXIT_MOV_DR = 29,
    VMX_EXIT_IO = 30,
    VMX_EXIT_RDMSR = 31,
    VMX_EXIT_WRMSR = 32,
    VMX_EXIT_INVALID_GUEST = 33,
    VMX_EXIT_MSR_LOADING = 34,
    VMX_EXIT_ENTRY_MACHINE_CHECK = 41,
    VMX_EXIT_TPR = 43,
    VMX_EXIT_EOI = 45,
    VMX_EXIT_EPT_VIOLATION = 48,
    VMX_EXIT_EPT_MISCONFIGURED = 49,
    VMX_EXIT_PREEMPTION_TIMER = 52,
    VMX_EXIT_WBINVD = 54,
    VMX_EXIT_XSETBV = 55,
};
#define VMX_EXIT_BASIC(reason) ((uint16_t)(reason))
#define VMX_EXIT_ENTRY_FAILURE BIT(31)

/* Exit qualifications: 28.2.1. */
#define VMX_IO_SIZE(q)        ((uint8_t)(((q)&7) + 1))
#define VMX_IO_IN             BIT(3)
#define VMX_IO_STRING         BIT(4)
#define VMX_IO_REPEAT         BIT(5)
#define VMX_IO_PORT(q)        ((uint16_t)((q) >> 16))
#define VMX_CR_NUMBER(q)      ((unsigned)((q)&0xf))
#define VMX_CR_ACCESS(q)      ((unsigned)((q) >> 4 & 3)) /* 0: MOV to CR */
#define VMX_CR_GPR(q)         ((unsigned)((q) >> 8 & 0xf))
#define VMX_EPT_WRITE         BIT(1)
#define VMX_EPT_FETCH         BIT(2)
#define VMX_EPT_UNBLOCKED_NMI BIT(12)
#define VMX_DEBUG_DR6         (BITS(3, 0) | BITS(14, 13)) /* of a #DB: as DR6 has them */

/* Capability MSRs: appendix A. */
#define MSR_VMX_BASIC      0x480
#define MSR_VMX_PIN        0x481
#define MSR_VMX_CPU        0x482
#define MSR_VMX_EXIT       0x483
#define MSR_VMX_ENTRY      0x484
#define MSR_VMX_MISC       0x485
#define MSR_VMX_CR0_FIXED0 0x486
#define MSR_VMX_CR0_FIXED1 0x487
#define MSR_VMX_CR4_FIXED0 0x488
#define MSR_VMX_CR4_FIXED1 0x489
#define MSR_VMX_CPU2       0x48b
#define MSR_VMX_EPT_VPID   0x48c
#define MSR_VMX_TRUE_PIN   0x48d
#define MSR_VMX_TRUE_CPU   0x48e
#define MSR_VMX_TRUE_EXIT  0x48f
#define MSR_VMX_TRUE_ENTRY 0x490

#define VMX_MISC_TIMER_RATE(m) \
    ((unsigned)((m)&0x1f)) /* TSC ticks of one of the timer, as a shift */
#define VMX_BASIC_REVISION(b)    ((uint32_t)((b)&BITS(30, 0)))
#define VMX_BASIC_SIZE(b)        ((uint32_t)((b) >> 32 & 0x1fff))
#define VMX_BASIC_ADDRESS_32     BIT(48)
#define VMX_BASIC_MEMORY_TYPE(b) ((unsigned)((b) >> 50 & 0xf))
#define VMX_BASIC_IO_INFORMATION BIT(54)
#define VMX_BASIC_TRUE_CONTROLS  BIT(55)

#define VMX_EPT_WALK_4         BIT(6)
#define VMX_EPT_WRITE_BACK     BIT(14)
#define VMX_EPT_2M             BIT(16)
#define VMX_EPT_1G             BIT(17)
#define VMX_EPT_INVEPT         BIT(20)
#define VMX_EPT_ACCESSED_DIRTY BIT(21)
#define VMX_EPT_INVEPT_SINGLE  BIT(25)
#define VMX_VPID_INVVPID       BIT(32)
#define VMX_VPID_SINGLE        BIT(41)

#define VMX_INV_SINGLE 1 /* INVEPT and INVVPID: one context */

/* EPTP: 25.6.11. */
#define VMX_EPTP_WRITE_BACK     6ULL
#define VMX_EPTP_WALK_4         (3ULL << 3)
#define VMX_EPTP_ACCESSED_DIRTY BIT(6)

#endif
