/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Code that debug.c steps through and breaks into, with the places where it must be seen. */

#define SPSR_STEP    ((1 << 21) | 0x1c5) /* SS; EL1h, interrupts masked, debug exceptions not */
#define PSCI_VERSION 0x84000000

    .text
/* SPSR has the step, so that the first instruction at \place is stepped over. */
    .macro STEP_INTO place
    adr x9, \place
    msr elr_el1, x9
    ldr x9, =SPSR_STEP
    msr spsr_el1, x9
    eret
    .endm

/* void step_exits(uint64_t reg): instructions that a hypervisor may carry out; `reg`: a device register. MDSCR_EL1.SS is set and an
 * interrupt is pending. */
    .globl step_exits, step_exits_places, step_exits_end, step_exits_stop
step_exits:
    STEP_INTO 10f
10: nop
11: ldr w9, [x0]
12: str w9, [x0]
13: mrs x9, id_aa64pfr0_el1
14: mrs x9, cntp_ctl_el0
15: msr cntp_ctl_el0, xzr
16: wfi
17: ldr w0, =PSCI_VERSION
18: hvc #0
19: nop
step_exits_stop:
    ret

/* void step_smc(void) */
    .globl step_smc, step_smc_places, step_smc_end, step_smc_stop
step_smc:
    ldr w0, =PSCI_VERSION
    STEP_INTO 20f
20: smc #0
21: nop
step_smc_stop:
    ret

    .globl brk_here, break_here, break_first, break_second, watch_here, watch_store, watch_load
brk_here:
    brk #0x77
    ret
break_here:
    nop
break_first:
    mrs x9, id_aa64pfr0_el1
break_second:
    nop
    ret

/* void watch_here(uint64_t *watched) */
watch_here:
watch_store:
    str x0, [x0]
watch_load:
    ldr x9, [x0]
    ret
    .ltorg

    .section .rodata
    .balign 8
step_exits_places:
    .quad 11b, 12b, 13b, 14b, 15b, 16b, 17b, 18b, 19b, step_exits_stop
step_exits_end:
step_smc_places:
    .quad 21b, step_smc_stop
step_smc_end:
