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

enum exit_action arm_mmio(struct vcpu *v, const struct vm_exit *exit)
{
    struct bus *bus = &v->vm->mmio;
    unsigned size = exit->memory.size;

    if (!exit->memory.operand_valid) {
        log_guest(v->vm, LOG_WARN, "%s at 0x%llx (guest address 0x%llx), where there is no memory",
                  exit->memory.access == PT_EXEC ? "execution"
                                                 : "an access that cannot be emulated",
                  (unsigned long long)arm_state(v)->pc, (unsigned long long)exit->memory.gpa.v);
        arm_inject_abort(v, exit->memory.gva, exit->memory.access == PT_EXEC);
        return ACTION_RESUME;
    }
    if (exit->memory.access == PT_WRITE)
        bus_write(bus, v, exit->memory.gpa.v, size,
                  extend(arm_get_x(v, exit->memory.reg), size, false, true));
    else
        arm_set_x(v, exit->memory.reg,
                  extend(bus_read(bus, v, exit->memory.gpa.v, size), size, exit->memory.sign_extend,
                         exit->memory.reg_64bit || !exit->memory.sign_extend));
    arm_state(v)->pc += 4;
    return ACTION_RESUME;
}
