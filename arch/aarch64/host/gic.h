/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Registers of the GIC, version 2 to 4, and what its drivers share. Sections are those of IHI
 * 0069H, for version 2 of IHI 0048B. */
#ifndef ARCH_AARCH64_HOST_GIC_H
#define ARCH_AARCH64_HOST_GIC_H

#include "kernel/host.h"

/* Distributor, 12.9. The registers from IGROUPR to ICFGR lie at the same offsets in a
 * redistributor's SGI frame. */
#define GICD_SIZE       0x10000
#define GICD_CTLR       0x0000
#define GICD_TYPER      0x0004
#define GICD_IGROUPR    0x0080
#define GICD_ISENABLER  0x0100
#define GICD_ICENABLER  0x0180
#define GICD_ICPENDR    0x0280
#define GICD_ISACTIVER  0x0300
#define GICD_ICACTIVER  0x0380
#define GICD_IPRIORITYR 0x0400
#define GICD_ICFGR      0x0c00
#define GICD_IGRPMODR   0x0d00
#define GICD_IROUTER    0x6000 /* 8 bytes each, indexed by interrupt id */
#define GICD_PIDR2      0xffe8

#define GICD_CTLR_GROUP1 (1u << 1) /* EnableGrp1NS, or EnableGrp1 with one security state */
#define GICD_CTLR_ARE    (1u << 4)
#define GICD_CTLR_RWP    (1u << 31)

/* Redistributor, 12.11 */
#define GICR_STRIDE   0x20000 /* RD and SGI frames; twice that with virtual LPIs */
#define GICR_SGI_BASE 0x10000
#define GICR_CTLR     0x0000
#define GICR_TYPER    0x0008
#define GICR_WAKER    0x0014

#define GICR_CTLR_RWP       (1u << 3)
#define GICR_TYPER_VLPIS    (1u << 1)
#define GICR_TYPER_LAST     (1u << 4)
#define GICR_WAKER_SLEEP    (1u << 1)
#define GICR_WAKER_CHILDREN (1u << 2)

#define GIC_SPI_END             1020u
#define GIC_SPURIOUS_FIRST      1020u
#define GIC_SPURIOUS_LAST       1023u
#define GIC_PRIORITY_ALL        0xa0a0a0a0u
#define GIC_MAINTENANCE_DEFAULT 25u /* Base System Architecture (DEN0094) */

/* CPU interface, 12.2: by encoding, as older assemblers lack the names. */
#define ICC_IAR1_EL1    S3_0_C12_C12_0
#define ICC_EOIR1_EL1   S3_0_C12_C12_1
#define ICC_BPR1_EL1    S3_0_C12_C12_3
#define ICC_CTLR_EL1    S3_0_C12_C12_4
#define ICC_SRE_EL1     S3_0_C12_C12_5
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICC_PMR_EL1     S3_0_C4_C6_0
#define ICC_SGI1R_EL1   S3_0_C12_C11_5
#define ICC_SRE_EL2     S3_4_C12_C9_5
#define ICC_DIR_EL1     S3_0_C12_C11_1

#define ICC_CTLR_EOIMODE (1u << 1)

#define ICC_SRE_SRE    (1u << 0)
#define ICC_SRE_DFB    (1u << 1)
#define ICC_SRE_DIB    (1u << 2)
#define ICC_SRE_ENABLE (1u << 3)

/* Shifts of ICC_SGI1R_EL1's fields */
#define SGI1R_AFF1  16
#define SGI1R_INTID 24
#define SGI1R_AFF2  32
#define SGI1R_RS    44
#define SGI1R_AFF3  48

/* Version 2: distributor (4.3), CPU interface (4.4) */
#define GICD_SIZE_V2      0x1000
#define GICD_ITARGETSR    0x0800
#define GICD_SGIR         0x0f00
#define GICD_SGIR_TARGETS 16
#define GICD_CTLR_ENABLE  (1u << 0)
#define GICC_SIZE         0x2000
#define GICC_CTLR         0x0000
#define GICC_PMR          0x0004
#define GICC_BPR          0x0008
#define GICC_IAR          0x000c
#define GICC_EOIR         0x0010
#define GICC_IIDR         0x00fc
#define GICC_DIR          0x1000
#define GICC_CTLR_ENABLE  (1u << 0)
#define GICC_CTLR_EOIMODE (1u << 9)
#define GICC_IAR_ID       0x3ffu
#define GICC_PMR_ALL      0xffu

/* Version 2: what a hypervisor says to the virtual CPU interface (5.3) */
#define GICH_SIZE 0x1000
#define GICH_HCR  0x000
#define GICH_VTR  0x004
#define GICH_VMCR 0x008
#define GICH_APR  0x0f0
#define GICH_LR   0x100

/* One version's. On the CPU that it is about, masked where interrupts are concerned. */
struct gic_driver {
    void (*distributor_init)(void);
    enum err (*cpu_init)(struct cpu *cpu);
    /* Takes and handles everything that is pending. */
    void (*handle)(void);
    void (*send_ipi)(const struct cpu *cpu, enum host_ipi kind);
    /* Shared interrupt `irq` goes to `cpu` from now on. */
    void (*route)(unsigned irq, const struct cpu *cpu);
    /* Waits until a masked interrupt cannot come any more. */
    void (*masked)(void);
    /* Where this CPU's private interrupts are: laid out like the distributor. */
    char *(*private_registers)(void);
};
extern const struct gic_driver gic_v2, gic_v3;

/* A range of redistributors, mapped. */
struct gicr_range {
    char *base;
    uint64_t size;
};

struct gic {
    const struct gic_driver *driver;
    char *distributor;
    unsigned lines; /* interrupt ids from 0 that exist */
    unsigned architecture;
    unsigned maintenance;
    struct gicr_range *ranges; /* version 3 */
    unsigned range_count;
    char *cpu_interface;     /* version 2: GICC */
    char *virtual_control;   /* GICH, NULL: there is none */
    hpa_t virtual_interface; /* GICV, of the same size as GICC */
};
extern struct gic gic;

/* gicv2m.c: messages, where the machine has such a frame. */
void gicv2m_init(void);
enum err gicv2m_message(struct cpu *cpu, unsigned *irq, struct host_message *m) MUST_CHECK;

static inline bool gic_is_v2(void)
{
    return gic.architecture == 1 || gic.architecture == 2;
}

/* An interrupt that is no IPI. False: it stays active until the guest ends it. */
bool gic_dispatch(unsigned irq);

#endif
