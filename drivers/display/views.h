/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Which console the screen shows, and so where its keyboard types. Thread context. */
#ifndef DRIVERS_DISPLAY_VIEWS_H
#define DRIVERS_DISPLAY_VIEWS_H

#include "kernel/types.h"

/* 0: the monitor; else the console of guest number `view`, in the order of the configuration. What
 * there is not is not shown. */
void views_show(unsigned view);
/* The next one (by = 1) or the one before (-1), around. */
void views_step(int by);
/* The screen shows a guest: *application_keys is its terminal's mode. */
bool views_guest_shown(bool *application_keys);
/* Types to that guest. */
void views_type(const char *text, size_t length);

#endif
