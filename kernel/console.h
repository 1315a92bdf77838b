/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Consoles: serial ports and the screen. All of them show the same: log lines and the monitor's session, or, when a guest's console is
 * attached, that guest's output. Input of any console goes to the one monitor session.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include "kernel/log.h"

struct console {
    const char *name; /* "16550 at port 0x3f8", "screen 1280x800" */
    /* Writes bytes (UTF-8, LF ends lines: the driver adds CR where its device wants it). Called under the console's lock,
     * interrupts masked; also by panic() without any lock. Must not sleep or allocate. */
    void (*write)(struct console *c, const char *text, size_t length);
    bool is_screen; /* gets colours; has no input of its own */
    struct console *next;
};

/* Adds a console and replays the log ring on it. */
void console_add(struct console *c);
void console_write(const char *text, size_t length);
/* For log.c: as console_write(), but nothing while console_hold_log(true). */
void console_log(const char *text, size_t length);
/* From a driver's receive interrupt: `length` bytes typed. */
void console_input(const char *text, size_t length);
/* Waits for the next input byte; thread context. deadline as thread_sleep_until(); -1 when it passed. */
int console_read(uint64_t deadline);
/* While true, log lines go to the ring only (a guest's console is attached); panics still come through. */
void console_hold_log(bool hold);
/* For panic(): every console, no locks. */
void console_panic_write(const char *text, size_t length);
void console_for_each(void (*fn)(struct console *c, void *arg), void *arg);

#endif
