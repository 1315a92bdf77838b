/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What a trap out of a guest means (RISC-V Privileged 1.13, 21.6): scause, stval, htval and htinst
 * become an exit. */
#include "hext.h"
#include "mm/page_table.h"

/* htinst of an implicit access of the guest's page-table walk (21.6.3, table 21.6). */
#define HTINST_PSEUDO_READ  0x3000UL
#define HTINST_PSEUDO_WRITE 0x3020UL

/* hlvx.hu: two bytes as the guest would fetch them. False when that faults. Masked: the trap vector
 * is borrowed. */
static bool fetch_half(uint64_t va, uint32_t *half)
{
    uint64_t ok, value;

    __asm__ volatile("   la    t0, 1f\n"
                     "   csrrw t0, stvec, t0\n"
                     "   li    %0, 0\n"
                     "   .insn r 0x73, 4, 0x32, %1, %2, x3\n" /* hlvx.hu */
                     "   li    %0, 1\n"
                     "   .balign 4\n"
                     "1: csrw  stvec, t0\n"
                     : "=&r"(ok), "=&r"(value)
                     : "r"(va)
                     : "t0", "memory");
    *half = (uint32_t)value;
    return ok;
}

uint32_t hext_fetch_instruction(uint64_t pc)
{
    uint32_t low, high = 0;

    if (!fetch_half(pc, &low))
        return 0;
    if ((low & 3) == 3 && !fetch_half(pc + 2, &high))
        return 0;
    return high << 16 | low;
}

static void exit_memory(struct vm_exit *exit, const struct riscv_state *s, uint64_t cause)
{
    uint64_t htinst = csr_read(CSR_HTINST), stval = csr_read(stval);

    exit->kind = EXIT_MEMORY;
    exit->memory.gpa = GPA(csr_read(CSR_HTVAL) << 2 | (stval & 3));
    exit->memory.gva = stval;
    exit->memory.gva_valid = true;
    exit->memory.operand_valid = false;
    exit->memory.instruction_length = 0;
    exit->memory.instruction = 0;
    exit->memory.access = cause == CAUSE_FETCH_GUEST  ? PT_EXEC
                          : cause == CAUSE_LOAD_GUEST ? PT_READ
                                                      : PT_WRITE;
    if (htinst == HTINST_PSEUDO_READ || htinst == HTINST_PSEUDO_WRITE) {
        exit->memory.access = htinst == HTINST_PSEUDO_READ ? PT_READ : PT_WRITE;
        return;
    }
    if (cause == CAUSE_FETCH_GUEST)
        return;
    if (htinst & 1) {
        struct riscv_access a;

        exit->memory.instruction = (uint32_t)htinst;
        if (riscv_decode_transformed((uint32_t)htinst, &a)) {
            exit->memory.operand_valid = true;
            exit->memory.size = a.size;
            exit->memory.reg = a.reg;
            exit->memory.sign_extend = a.sign_extend;
            exit->memory.reg_64bit = true;
            exit->memory.instruction_length = a.length;
        }
        return;
    }
    exit->memory.instruction = hext_fetch_instruction(s->pc);
}

void hext_exit_synchronous(struct vm_exit *exit, const struct riscv_state *s, uint64_t cause)
{
    switch (cause) {
    case CAUSE_FETCH_GUEST:
    case CAUSE_LOAD_GUEST:
    case CAUSE_STORE_GUEST:
        exit_memory(exit, s, cause);
        break;
    case CAUSE_ECALL_VS:
        exit->kind = EXIT_HYPERCALL;
        exit->hypercall.number = 0;
        exit->hypercall.smc = false;
        break;
    case CAUSE_BREAKPOINT: /* while a debugger has points (hext_load()) */
        exit->kind = EXIT_DEBUG;
        exit->debug.what = EXIT_DEBUG_BREAKPOINT;
        break;
    case CAUSE_VIRTUAL:
    case CAUSE_ILLEGAL: {
        uint64_t instruction = csr_read(stval);

        exit->kind = EXIT_ISA;
        exit->isa.reason = cause;
        exit->isa.info[0] = instruction ? instruction : hext_fetch_instruction(s->pc);
        break;
    }
    default:
        exit->kind = EXIT_FATAL;
        exit->fatal.text = "the guest caused an exception that it should have handled itself";
        exit->fatal.code = cause;
    }
}
