/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Log lines that guests cause: a few a second for each VM. */
#include "kernel/log.h"
#include "kernel/timer.h"
#include "kernel/vm.h"

#define GUEST_LINES 10 /* a second */

/* True when `vm` may say another line in this second; tells how many it could not say in the last.
 */
static bool guest_may_log(struct vm *vm)
{
    uint64_t now = clock_ns(), window = READ_ONCE(vm->log_window_ns);
    if (now - window >= NS_PER_SEC &&
        __atomic_compare_exchange_n(&vm->log_window_ns, &window, now, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
        uint32_t dropped = __atomic_exchange_n(&vm->log_dropped, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&vm->log_lines, 0, __ATOMIC_RELAXED);
        if (dropped)
            log_warn("%s: %u more lines were suppressed", vm->name, (unsigned)dropped);
    }
    if (__atomic_fetch_add(&vm->log_lines, 1, __ATOMIC_RELAXED) < GUEST_LINES)
        return true;
    __atomic_fetch_add(&vm->log_dropped, 1, __ATOMIC_RELAXED);
    return false;
}

void log_guest(struct vm *vm, enum log_level level, const char *fmt, ...)
{
    if (!guest_may_log(vm))
        return;
    va_list args;
    va_start(args, fmt);
    log_vprint((level < LOG_WARN ? LOG_WARN : level), vm->name, fmt, args);
    va_end(args);
}
