/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Consoles: serial ports and the screen. All of them show the same: log lines and the monitor's
 * session, or, when a guest's console is attached, that guest's output. Input of any console goes
 * to the one monitor session.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include "kernel/log.h"

struct console {
    const char *name; /* "16550 at port 0x3f8", "screen 1280x800" */
    /* Writes bytes (UTF-8, LF ends lines: the driver adds CR where its device wants it). Called
     * under the consoles' lock, interrupts masked; also by panic() without any lock. Must not sleep
     * or allocate. */
    void (*write)(struct console *c, const char *text, size_t length);
    /* Shows what write() put off (a screen that scrolls), or NULL. Called as write() is. True when
     * more is to be expected soon. */
    bool (*refresh)(struct console *c);
    /* Before each refresh(), without any lock, thread context: gets what it shows that write() did
     * not bring; or NULL. */
    void (*feed)(struct console *c);
    /* For panic(), without locks: from now on it shows what write() brings; or NULL. */
    void (*front)(struct console *c);
    bool is_screen; /* gets colours; has no input of its own */
    struct console *next;
};

/* Adds a console (for good) and replays the log ring on it. */
void console_add(struct console *c);
/* Any context but NMI. */
void console_write(const char *text, size_t length);
/* A sink that is console_write(). */
struct out *console_out(void);

/* For the log: shows whole lines (LF at the end) of `level` on all consoles, unless the
 * configuration or console_hold_log() says otherwise. Screens get colours. The line that is being
 * edited is drawn again below. Any context but NMI. */
void console_write_log(enum log_level level, const char *text, size_t length);
/* While true, log lines go to the ring only (a guest's console is attached); panics still come
 * through. */
void console_hold_log(bool hold);
#define CONSOLE_ERASE_LINE "\r\033[K"

/* The text from the prompt to the cursor that stands in the last line while a line is edited;
 * length 0: none. Nothing is written: console_write() shows it, before. False: a line of the log
 * came since console_log_lines() was `since`, and below it stands what was the text until now. */
bool console_set_edit_line(const char *text, size_t length, unsigned since) MUST_CHECK;
/* How many lines of the log were shown; it may wrap. */
unsigned console_log_lines(void);

/* From a driver's receive interrupt: `length` bytes typed. */
void console_input(const char *text, size_t length);
/* Waits for the next input byte; thread context, one thread only. deadline as thread_sleep_until();
 * -1 when it passed. */
int console_read(uint64_t deadline);
/* From now on what is typed goes to `input`, in the context of console_input() and without locks;
 * NULL: to console_read() again. */
void console_capture(void (*input)(const char *text, size_t length, void *arg), void *arg);

/* Calls every console's refresh(): whether one of them said true. */
bool console_refresh(void);
/* Starts the thread that does so from time to time. */
void console_refresh_start(void);

/* Runs `fn` while no console is written to or refreshed: under their lock, interrupts masked. */
void console_exclusive(void (*fn)(void *arg), void *arg);

/* For panic(): every console, no locks. */
void console_panic_write(const char *text, size_t length);
void console_for_each(void (*fn)(struct console *c, void *arg), void *arg);

#endif
