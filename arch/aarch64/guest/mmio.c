/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Device accesses: from the syndrome where the hardware decoded them, else from the instruction. */
#include "arch/aarch64/guest/machine.h"
#include "kernel/log.h"
#include "mm/page_table.h"

static uint64_t extend(uint64_t value, unsigned size, bool sign, bool to_64)
{
    unsigned shift = 64 - 8 * size;

    if (sign)
        value = (uint64_t)((int64_t)(value << shift) >> shift);
    return to_64 ? value : (uint32_t)value;
}

/* ---- Forms without a syndrome: pairs, and addresses that are written back (C4.1.94) ---- */

struct operand {
    unsigned size, count; /* bytes each; registers */
    unsigned reg[2];
    unsigned base; /* register to write back, 31: the stack pointer */
    int64_t step;  /* what is added to it; 0: nothing */
    bool load, sign, to_64;
};

static int64_t signed_field(uint32_t insn, unsigned lo, unsigned width)
{
    return (int64_t)((uint64_t)insn << (64 - lo - width)) >> (64 - width);
}

/* LDP, STP, LDNP, STNP, LDPSW: opc, 101, V = 0, form, L, imm7, Rt2, Rn, Rt */
static bool decode_pair(uint32_t insn, struct operand *o)
{
    unsigned opc = insn >> 30, form = insn >> 23 & 3;

    if ((insn & 0x3e000000) != 0x28000000 || opc == 3)
        return false;
    *o = (struct operand){
        .size = opc == 2 ? 8 : 4,
        .count = 2,
        .reg = {insn & 31, insn >> 10 & 31},
        .base = insn >> 5 & 31,
        .load = insn >> 22 & 1,
        .sign = opc == 1,
        .to_64 = opc != 0,
    };
    if (form & 1) /* post-index or pre-index */
        o->step = signed_field(insn, 15, 7) * (int64_t)o->size;
    return true;
}

/* LDR, STR and their like with post-index or pre-index: size, 111, V = 0, 00, opc, 0, imm9, form,
 * Rn, Rt */
static bool decode_single(uint32_t insn, struct operand *o)
{
    unsigned opc = insn >> 22 & 3;

    if ((insn & 0x3f200400) != 0x38000400)
        return false;
    *o = (struct operand){
        .size = 1u << (insn >> 30),
        .count = 1,
        .reg = {insn & 31},
        .base = insn >> 5 & 31,
        .step = signed_field(insn, 12, 9),
        .load = opc != 0,
        .sign = opc >= 2,
        .to_64 = opc != 3,
    };
    return true;
}

static void write_back(struct vcpu *v, const struct operand *o)
{
    struct arm_state *s = v->state;

    if (!o->step)
        return;
    if (o->base != 31) {
        s->x[o->base] += (uint64_t)o->step;
        return;
    }
    vcpu_dirty(v, ARM_SYSTEM);
    if ((s->pstate & ARM_PSTATE_MODE) == ARM_PSTATE_EL1H)
        s->sys.sp_el1 += (uint64_t)o->step;
    else
        s->sys.sp_el0 += (uint64_t)o->step;
}

/* The fault names the first byte of a pair when both lie on one page, which devices' registers do.
 */
static bool by_instruction(struct vcpu *v, const struct vm_exit *exit)
{
    struct bus *bus = &v->vm->mmio;
    struct operand o;
    uint64_t gpa;
    uint32_t insn;

    if (exit->memory.access == PT_EXEC || !exit->memory.gva_valid ||
        !arm_translate(v, arm_state(v)->pc, &gpa) ||
        guest_copy_from(v->vm->memory, GPA(gpa), &insn, sizeof(insn)) != ERR_OK)
        return false;
    if (!decode_pair(insn, &o) && !decode_single(insn, &o))
        return false;
    for (unsigned i = 0; i < o.count; i++) {
        uint64_t at = exit->memory.gpa.v + (uint64_t)i * o.size;

        if (o.load)
            arm_set_x(v, o.reg[i], extend(bus_read(bus, v, at, o.size), o.size, o.sign, o.to_64));
        else
            bus_write(bus, v, at, o.size, extend(arm_get_x(v, o.reg[i]), o.size, false, true));
    }
    write_back(v, &o);
    arm_advance(v);
    return true;
}

static enum exit_action abort_guest(struct vcpu *v, const struct vm_exit *exit)
{
    uint64_t pc = arm_state(v)->pc;
    bool fetch = exit->memory.access == PT_EXEC;

    if (fetch && arm_vector_is(v, pc)) {
        vm_fail(v->vm,
                "its exception vector 0x%llx lies at guest address 0x%llx, where there is no "
                "memory: it would fault for ever",
                (unsigned long long)pc, (unsigned long long)exit->memory.gpa.v);
        return ACTION_FAIL;
    }
    log_guest(v->vm, LOG_WARN, "%s at 0x%llx (guest address 0x%llx), where there is no memory",
              fetch ? "execution" : "an access that cannot be emulated", (unsigned long long)pc,
              (unsigned long long)exit->memory.gpa.v);
    arm_inject_abort(v, exit->memory.gva, fetch);
    return ACTION_RESUME;
}

enum exit_action arm_mmio(struct vcpu *v, const struct vm_exit *exit)
{
    struct bus *bus = &v->vm->mmio;
    unsigned size = exit->memory.size;

    if (!exit->memory.operand_valid && by_instruction(v, exit))
        return ACTION_RESUME;
    if (!exit->memory.operand_valid)
        return abort_guest(v, exit);
    if (exit->memory.access == PT_WRITE)
        bus_write(bus, v, exit->memory.gpa.v, size,
                  extend(arm_get_x(v, exit->memory.reg), size, false, true));
    else
        arm_set_x(v, exit->memory.reg,
                  extend(bus_read(bus, v, exit->memory.gpa.v, size), size, exit->memory.sign_extend,
                         exit->memory.reg_64bit || !exit->memory.sign_extend));
    arm_advance(v);
    return ACTION_RESUME;
}
