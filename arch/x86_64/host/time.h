/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The TSC as the clock, and the local APIC's timer. */
#ifndef X86_HOST_TIME_H
#define X86_HOST_TIME_H

#include "kernel/host.h"

/* Finds the frequencies and sets the timer up. ERR_UNSUPPORTED when nothing tells or measures the
 * TSC. */
enum err time_init(void) MUST_CHECK;

#endif
