/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Between the files of a terminal. */
#ifndef DRIVERS_DISPLAY_TERMINAL_INTERNAL_H
#define DRIVERS_DISPLAY_TERMINAL_INTERNAL_H

#include "drivers/display/terminal.h"

#define TERMINAL_DEFAULT_PEN ((struct terminal_pen){.foreground = 7})

/* Parameter `index` of the sequence, or `fallback` when it is missing or 0. */
unsigned terminal_parameter(const struct terminal *t, unsigned index, unsigned fallback);
/* SGR with the parameters of the sequence. */
void terminal_select_rendition(struct terminal *t);

#endif
