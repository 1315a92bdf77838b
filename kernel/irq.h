/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Host interrupt lines: who handles which, and how often it came. */
#ifndef KERNEL_IRQ_H
#define KERNEL_IRQ_H

#include "kernel/host.h"

/* Registers `handler` for line `irq` (numbered as host_irq_route() says) and unmasks it. `name` is
 * kept, not copied. Level lines: the handler must quiet its device. Several handlers may share a
 * level line. */
enum err irq_register(unsigned irq, enum irq_trigger trigger, void (*handler)(void *arg), void *arg,
                      const char *name) MUST_CHECK;
/* The same for a new message, which the device is to be given (`m`). ERR_UNSUPPORTED: the machine
 * has none. */
enum err irq_register_message(void (*handler)(void *arg), void *arg, const char *name,
                              struct host_message *m) MUST_CHECK;
/* Called by the host's interrupt code, masked; unknown lines are masked and logged once. */
void irq_dispatch(unsigned irq);
/* A table of lines, handlers and counts, for the monitor. */
void irq_report(struct out *out);
struct json;
void irq_report_json(struct json *j);

#endif
