/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A guest's console: between its serial device and `vm console`. Output is kept in a ring (also
 * after the guest has stopped); while somebody is attached the guest is slowed to what the consoles
 * take, instead of losing text.
 */
#ifndef KERNEL_GUEST_CONSOLE_H
#define KERNEL_GUEST_CONSOLE_H

#include "kernel/lock.h"

struct guest_console;

/* What the device offers, both functions; called without the console's lock, in thread context. */
struct guest_console_device {
    void (*input_ready)(void *arg);  /* there is something for guest_console_get() */
    void (*output_ready)(void *arg); /* guest_console_put() takes bytes again */
    void *arg;
};

enum err guest_console_create(struct guest_console **out) MUST_CHECK;
/* Connects the device of a started VM; NULL disconnects, and waits until the device is not being
 * called. Thread context, without the device's lock. */
void guest_console_connect(struct guest_console *c, const struct guest_console_device *device);

/* Device side. put: false when it has no room now (output_ready will come). get: -1 when nothing
 * was typed. */
bool guest_console_put(struct guest_console *c, uint8_t byte);
/* Several bytes at once; returns how many it took: fewer when it has no room. */
size_t guest_console_write(struct guest_console *c, const char *text, size_t size);
bool guest_console_has_room(struct guest_console *c);
int guest_console_get(struct guest_console *c);
bool guest_console_has_input(struct guest_console *c);
/* Bytes that the device put since it was connected. */
uint32_t guest_console_written(const struct guest_console *c);

/* For a screen that follows the console: copies what the ring has from position *at on, at most
 * `size` bytes, and moves *at behind it; text that is not kept any more is skipped. */
size_t guest_console_read(struct guest_console *c, uint32_t *at, char *text, size_t size);
/* Position behind the last byte. */
uint32_t guest_console_end(const struct guest_console *c);
/* Somebody is attached by a session. */
bool guest_console_attached(const struct guest_console *c);
/* Types to the guest, with or without a session. Thread context, without locks of devices. */
void guest_console_type(struct guest_console *c, const char *text, size_t length);

/* Runs a session on the hypervisor's consoles until Ctrl-] is typed: prints what the ring still
 * has, then what comes. */
void guest_console_session(struct guest_console *c, const char *name);
/* Waits until a session has printed all that was written so far, or was left. Thread context. */
void guest_console_drain(struct guest_console *c);

#endif
