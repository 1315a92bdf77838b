/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The time CSR as clock, and its interrupt: by Sstc's stimecmp where the ISA string offers it, else
 * by SBI calls. */
#include "host_internal.h"
#include "isa.h"
#include "kernel/log.h"
#include "kernel/timer.h"
#include "sbi.h"

static bool sstc;

enum err clocksource_init(void)
{
    if (!cpus_timebase_hz()) {
        log_error("neither RHCT nor device tree says how fast the time counter runs: the firmware "
                  "must give timebase-frequency");
        return ERR_UNSUPPORTED;
    }
    sstc = cpu_boot()->host.features & BIT(ISA_SSTC);
    if (!sstc && !sbi_has(SBI_EXT_TIME)) {
        log_error("no timer: neither Sstc nor the SBI TIME extension is there");
        return ERR_UNSUPPORTED;
    }
    return ERR_OK;
}

uint64_t host_counter_hz(void)
{
    return cpus_timebase_hz();
}

const char *host_clock_name(void)
{
    return sstc ? "time CSR, Sstc timer" : "time CSR, SBI timer";
}

void host_timer_arm(uint64_t deadline)
{
    if (sstc)
        csr_write(CSR_STIMECMP, deadline);
    else
        sbi_call(SBI_EXT_TIME, SBI_TIME_SET, deadline, 0, 0, 0);
}

void clocksource_cpu_init(void)
{
    host_timer_arm(UINT64_MAX);
}

void clocksource_interrupt(void)
{
    host_timer_arm(UINT64_MAX); /* takes the interrupt back; the core arms it anew */
    timer_interrupt();
}
