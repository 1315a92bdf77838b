/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Names of x86 control registers, model-specific registers and CPUID bits. Sections are those of
 * the Intel SDM (volume 3, volume 4 for MSRs, volume 2 for CPUID) and the AMD APM (volume 2). Also
 * included from assembly.
 */
#ifndef X86_HOST_REGISTERS_H
#define X86_HOST_REGISTERS_H

/* Selectors of the kernel's GDT. */
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18
/* Of caged code, with its privilege level. */
#define SELECTOR_CAGE_DATA 0x2b
#define SELECTOR_CAGE_CODE 0x33

/* Control registers: SDM 3, 2.5. */
#define CR0_PE (1 << 0)
#define CR0_MP (1 << 1)
#define CR0_EM (1 << 2)
#define CR0_TS (1 << 3)
#define CR0_ET (1 << 4)
#define CR0_NE (1 << 5)
#define CR0_WP (1 << 16)
#define CR0_AM (1 << 18)
#define CR0_NW (1 << 29)
#define CR0_CD (1 << 30)
#define CR0_PG (1 << 31)

#define CR4_DE         (1 << 3)
#define CR4_PSE        (1 << 4)
#define CR4_PAE        (1 << 5)
#define CR4_MCE        (1 << 6)
#define CR4_PGE        (1 << 7)
#define CR4_OSFXSR     (1 << 9)
#define CR4_OSXMMEXCPT (1 << 10)
#define CR4_UMIP       (1 << 11)
#define CR4_LA57       (1 << 12)
#define CR4_PCIDE      (1 << 17)
#define CR4_OSXSAVE    (1 << 18)
#define CR4_SMEP       (1 << 20)
#define CR4_SMAP       (1 << 21)

#define RFLAGS_CF (1 << 0)
#define RFLAGS_IF (1 << 9)
#define RFLAGS_DF (1 << 10)
#define RFLAGS_AC (1 << 18)

#define XCR0_X87 (1 << 0)
#define XCR0_SSE (1 << 1)
#define XCR0_AVX (1 << 2)

/* Model-specific registers: SDM 4, chapter 2; APM 2, appendix A. */
#define MSR_APIC_BASE         0x01b
#define MSR_FEATURE_CONTROL   0x03a
#define MSR_SPEC_CTRL         0x048
#define MSR_PRED_CMD          0x049
#define MSR_MTRR_CAP          0x0fe
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_FLUSH_CMD         0x10b
#define MSR_SYSENTER_CS       0x174
#define MSR_SYSENTER_ESP      0x175
#define MSR_SYSENTER_EIP      0x176
#define MSR_MTRR_PHYS_BASE0   0x200
#define MSR_MTRR_FIX64K       0x250
#define MSR_MTRR_FIX16K_80000 0x258
#define MSR_MTRR_FIX16K_A0000 0x259
#define MSR_MTRR_FIX4K_C0000  0x268
#define MSR_PAT               0x277
#define MSR_MTRR_DEF_TYPE     0x2ff
#define MSR_TSC_DEADLINE      0x6e0
#define MSR_X2APIC            0x800
#define MSR_EFER              0xc0000080
#define MSR_STAR              0xc0000081
#define MSR_LSTAR             0xc0000082
#define MSR_CSTAR             0xc0000083
#define MSR_SFMASK            0xc0000084
#define MSR_FS_BASE           0xc0000100
#define MSR_GS_BASE           0xc0000101
#define MSR_KERNEL_GS_BASE    0xc0000102
#define MSR_TSC_AUX           0xc0000103
#define MSR_AMD_DE_CFG        0xc0011029
#define MSR_VM_CR             0xc0010114
#define MSR_VM_HSAVE_PA       0xc0010117

#define EFER_SCE   (1 << 0)
#define EFER_LME   (1 << 8)
#define EFER_LMA   (1 << 10)
#define EFER_NXE   (1 << 11)
#define EFER_SVME  (1 << 12)
#define EFER_LMSLE (1 << 13)
#define EFER_FFXSR (1 << 14)

#define APIC_BASE_BSP    (1 << 8)
#define APIC_BASE_X2APIC (1 << 10)
#define APIC_BASE_ENABLE (1 << 11)

#define FEATURE_CONTROL_LOCK         (1 << 0)
#define FEATURE_CONTROL_VMX          (1 << 2) /* outside SMX */
#define VM_CR_SVMDIS                 (1 << 4) /* APM 2, 15.30.1 */
#define VM_CR_LOCK                   (1 << 3)
#define AMD_DE_CFG_LFENCE_SERIALIZES (1 << 1)

#define MTRR_CAP_COUNT(cap)  ((cap)&0xff)
#define MTRR_CAP_FIXED       (1 << 8)
#define MTRR_DEF_TYPE_FIXED  (1 << 10)
#define MTRR_DEF_TYPE_ENABLE (1 << 11)

/* IA32_ARCH_CAPABILITIES. */
#define ARCH_CAP_RDCL_NO       (1 << 0)
#define ARCH_CAP_IBRS_ALL      (1 << 1)
#define ARCH_CAP_SKIP_L1DFLUSH (1 << 3)
#define ARCH_CAP_MDS_NO        (1 << 5)
#define ARCH_CAP_TAA_NO        (1 << 8)

/* Vectors. 0x00 to 0x1f are the CPU's, 0x20 to 0x2f the silenced 8259s' own. */
#define VECTOR_PIC        0x20
#define VECTOR_PIC_END    0x30
#define VECTOR_IRQ_FIRST  0x30
#define VECTOR_IRQ_END    0xe0
#define VECTOR_GATE       0xe0 /* of cages: X86_GATE_VECTOR */
#define VECTOR_TIMER      0xef
#define VECTOR_RESCHEDULE 0xf0
#define VECTOR_CALL       0xf1
#define VECTOR_TLB        0xf2
#define VECTOR_ERROR      0xfe
#define VECTOR_SPURIOUS   0xff

#define EXCEPTION_DB  1
#define EXCEPTION_NMI 2
#define EXCEPTION_BP  3
#define EXCEPTION_UD  6
#define EXCEPTION_DF  8
#define EXCEPTION_SS  12
#define EXCEPTION_GP  13
#define EXCEPTION_PF  14
#define PF_PRESENT    BIT(0) /* of its error code */
#define PF_WRITE      BIT(1)
#define PF_FETCH      BIT(4)
#define EXCEPTION_MC  18

/* Interrupt stack table slots, 1 to 7 as the IDT counts them. */
#define IST_NMI           1
#define IST_DOUBLE_FAULT  2
#define IST_MACHINE_CHECK 3

#endif
