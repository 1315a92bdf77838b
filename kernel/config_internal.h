/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the parts of the parser of ennead.ini share. */
#ifndef KERNEL_CONFIG_INTERNAL_H
#define KERNEL_CONFIG_INTERNAL_H

#include "kernel/config.h"

/* Logs a mistake in `line` and counts it; `section`, when there is one, is disabled with the first
 * of its mistakes as reason. */
void config_mistake(struct config *c, struct config_named *section, unsigned line, const char *fmt,
                    ...) PRINTF_LIKE(4, 5);
bool config_name_valid(const char *name);

/* After all sections were read: what names stand for, and whether sections get along. */
void config_link(struct config *c);

#endif
