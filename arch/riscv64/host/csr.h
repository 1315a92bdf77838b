/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Control and status registers by number, with their bits: RISC-V Privileged Architecture 1.13
 * (chapters 3, 12 and 21), Sstc, AIA 1.0. By number, because compilers older than the extensions do
 * not know the names. Also read by assembly.
 */
#ifndef ARCH_RISCV64_HOST_CSR_H
#define ARCH_RISCV64_HOST_CSR_H

/* Supervisor (12.1). */
#define CSR_SSTATUS    0x100
#define CSR_SIE        0x104
#define CSR_STVEC      0x105
#define CSR_SCOUNTEREN 0x106
#define CSR_SENVCFG    0x10a
#define CSR_SSTATEEN0  0x10c
#define CSR_SSCRATCH   0x140
#define CSR_SEPC       0x141
#define CSR_SCAUSE     0x142
#define CSR_STVAL      0x143
#define CSR_SIP        0x144
#define CSR_STIMECMP   0x14d /* Sstc */
#define CSR_SISELECT   0x150 /* AIA 2.1 */
#define CSR_SIREG      0x151
#define CSR_STOPEI     0x15c
#define CSR_STOPI      0xdb0
#define CSR_SATP       0x180
#define CSR_TIME       0xc01
#define CSR_FCSR       0x003
#define CSR_VSTART     0x008
#define CSR_VXSAT      0x009
#define CSR_VXRM       0x00a
#define CSR_VCSR       0x00f
#define CSR_VL         0xc20
#define CSR_VTYPE      0xc21
#define CSR_VLENB      0xc22

/* Hypervisor (21.2). */
#define CSR_HSTATUS    0x600
#define CSR_HEDELEG    0x602
#define CSR_HIDELEG    0x603
#define CSR_HIE        0x604
#define CSR_HTIMEDELTA 0x605
#define CSR_HCOUNTEREN 0x606
#define CSR_HGEIE      0x607
#define CSR_HVIEN      0x608
#define CSR_HVICTL     0x609
#define CSR_HENVCFG    0x60a
#define CSR_HSTATEEN0  0x60c
#define CSR_HTVAL      0x643
#define CSR_HIP        0x644
#define CSR_HVIP       0x645
#define CSR_HTINST     0x64a
#define CSR_HGATP      0x680
#define CSR_HGEIP      0xe12

/* Virtual supervisor (21.2.11 and on). */
#define CSR_VSSTATUS  0x200
#define CSR_VSIE      0x204
#define CSR_VSTVEC    0x205
#define CSR_VSSCRATCH 0x240
#define CSR_VSEPC     0x241
#define CSR_VSCAUSE   0x242
#define CSR_VSTVAL    0x243
#define CSR_VSIP      0x244
#define CSR_VSTIMECMP 0x24d /* Sstc */
#define CSR_VSISELECT 0x250 /* AIA 2.3 */
#define CSR_VSIREG    0x251
#define CSR_VSTOPEI   0x25c
#define CSR_VSATP     0x280

/* sstatus (12.1.1) and vsstatus. */
#define SSTATUS_SIE        0x2UL
#define SSTATUS_SPIE       0x20UL
#define SSTATUS_SPP        0x100UL
#define SSTATUS_SPP_SHIFT  8
#define SSTATUS_VS_MASK    0x600UL
#define SSTATUS_VS_INITIAL 0x200UL
#define SSTATUS_VS_CLEAN   0x400UL
#define SSTATUS_VS_DIRTY   0x600UL
#define SSTATUS_FS_MASK    0x6000UL
#define SSTATUS_FS_INITIAL 0x2000UL
#define SSTATUS_FS_CLEAN   0x4000UL
#define SSTATUS_FS_DIRTY   0x6000UL
#define SSTATUS_SUM        0x40000UL
#define SSTATUS_MXR        0x80000UL
#define SSTATUS_UXL_64     0x200000000UL
#define SSTATUS_SD         0x8000000000000000UL

/* Interrupts: bit numbers of sie, sip, hie, hip and causes (12.1.3, 21.2.3). */
#define IRQ_S_SOFT   1
#define IRQ_VS_SOFT  2
#define IRQ_S_TIMER  5
#define IRQ_VS_TIMER 6
#define IRQ_S_EXT    9
#define IRQ_VS_EXT   10
#define IRQ_S_GEXT   12

/* scause (12.1.8, 21.5.2). */
#define SCAUSE_INTERRUPT       0x8000000000000000UL
#define CAUSE_FETCH_MISALIGNED 0
#define CAUSE_FETCH_ACCESS     1
#define CAUSE_ILLEGAL          2
#define CAUSE_BREAKPOINT       3
#define CAUSE_LOAD_MISALIGNED  4
#define CAUSE_LOAD_ACCESS      5
#define CAUSE_STORE_MISALIGNED 6
#define CAUSE_STORE_ACCESS     7
#define CAUSE_ECALL_U          8
#define CAUSE_ECALL_S          9
#define CAUSE_ECALL_VS         10
#define CAUSE_FETCH_PAGE       12
#define CAUSE_LOAD_PAGE        13
#define CAUSE_STORE_PAGE       15
#define CAUSE_FETCH_GUEST      20
#define CAUSE_LOAD_GUEST       21
#define CAUSE_VIRTUAL          22
#define CAUSE_STORE_GUEST      23

/* satp, vsatp and hgatp (12.1.11, 21.2.10). */
#define ATP_MODE_SHIFT    60
#define ATP_MODE_BARE     0UL
#define ATP_MODE_SV39     8UL
#define ATP_MODE_SV48     9UL
#define ATP_MODE_SV57     10UL
#define ATP_PPN_MASK      0xfffffffffffUL
#define HGATP_VMID_SHIFT  44
#define HGATP_VMID_MASK   0x3fffUL
#define ATP_MODE_RESERVED 0xf000000000000000UL

/* hstatus (21.2.1). */
#define HSTATUS_GVA         0x40UL
#define HSTATUS_SPV         0x80UL
#define HSTATUS_SPVP        0x100UL
#define HSTATUS_SPVP_SHIFT  8
#define HSTATUS_HU          0x200UL
#define HSTATUS_VGEIN_SHIFT 12
#define HSTATUS_VGEIN_MASK  0x3f000UL
#define HSTATUS_VTVM        0x100000UL
#define HSTATUS_VTW         0x200000UL
#define HSTATUS_VTSR        0x400000UL
#define HSTATUS_VSXL_64     0x200000000UL

/* hvictl (AIA 6.3.3): IID 9, IPRIO 1. */
#define HVICTL_EXTERNAL (9UL << 16 | 1)

/* henvcfg (21.2.5). */
#define HENVCFG_FIOM       0x1UL
#define HENVCFG_CBIE_FLUSH 0x10UL /* cbo.inval acts as a flush */
#define HENVCFG_CBCFE      0x40UL
#define HENVCFG_CBZE       0x80UL
#define HENVCFG_ADUE       0x2000000000000000UL
#define HENVCFG_PBMTE      0x4000000000000000UL
#define HENVCFG_STCE       0x8000000000000000UL

/* hstateen0 (Smstateen 2.1). */
#define HSTATEEN0_AIA    0x1c00000000000000UL /* CSRIND, AIA, IMSIC: AIA 2.5 */
#define HSTATEEN0_ENVCFG 0x4000000000000000UL
#define HSTATEEN0_SE0    0x8000000000000000UL

#ifndef __ASSEMBLER__
#include <stdint.h>

#define CSR_STRING_(x) #x
#define CSR_STRING(x)  CSR_STRING_(x)

#define csr_read(csr)                                                               \
    ({                                                                              \
        uint64_t csr_value_;                                                        \
        __asm__ volatile("csrr %0, " CSR_STRING(csr) : "=r"(csr_value_)::"memory"); \
        csr_value_;                                                                 \
    })
#define csr_write(csr, value) \
    __asm__ volatile("csrw " CSR_STRING(csr) ", %0" ::"rK"((uint64_t)(value)) : "memory")
#define csr_swap(csr, value)                                 \
    ({                                                       \
        uint64_t csr_old_;                                   \
        __asm__ volatile("csrrw %0, " CSR_STRING(csr) ", %1" \
                         : "=r"(csr_old_)                    \
                         : "rK"((uint64_t)(value))           \
                         : "memory");                        \
        csr_old_;                                            \
    })
#define csr_set(csr, bits) \
    __asm__ volatile("csrs " CSR_STRING(csr) ", %0" ::"rK"((uint64_t)(bits)) : "memory")
#define csr_clear(csr, bits) \
    __asm__ volatile("csrc " CSR_STRING(csr) ", %0" ::"rK"((uint64_t)(bits)) : "memory")

/* Reads a CSR that may be missing: true, and the value, when it is there. Masked callers only: the
 * trap vector is borrowed. */
#define csr_probe(csr, value_out)                                             \
    ({                                                                        \
        uint64_t csr_ok_, csr_val_;                                           \
        __asm__ volatile("   la   t0, 1f\n"                                   \
                         "   csrrw t0, stvec, t0\n"                           \
                         "   li   %0, 0\n"                                    \
                         "   csrr %1, " CSR_STRING(csr) "\n"                  \
                                                        "   li   %0, 1\n"     \
                                                        "   .balign 4\n"      \
                                                        "1: csrw stvec, t0\n" \
                         : "=&r"(csr_ok_), "=&r"(csr_val_)                    \
                         :                                                    \
                         : "t0", "memory");                                   \
        *(value_out) = csr_val_;                                              \
        csr_ok_ != 0;                                                         \
    })
#endif

#endif
