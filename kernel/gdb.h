/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The GDB remote serial protocol (GDB manual, appendix E): one session debugs one guest over a
 * link. A link is any transport of bytes: a serial port, the monitor's console, a socket. All-stop;
 * vCPUs are threads, numbered from 1.
 */
#ifndef KERNEL_GDB_H
#define KERNEL_GDB_H

#include "kernel/debug.h"
#include "kernel/lock.h"

#define GDB_PACKET_MAX 4096
#define GDB_RING_SIZE  8192
#define GDB_MEMORY_MAX ((GDB_PACKET_MAX - 16) / 2) /* bytes of memory in one packet */

/* ---- Packets ---- */

enum gdb_input {
    GDB_MORE,      /* nothing whole yet */
    GDB_PACKET,    /* text[0..length), NUL-terminated */
    GDB_BROKEN,    /* a packet whose sum is wrong, or too long */
    GDB_INTERRUPT, /* Ctrl-C */
    GDB_ACK,
    GDB_NAK,
};

struct gdb_packet {
    enum { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    uint8_t sum, sent_sum;
    bool too_long;
    size_t length;
    char text[GDB_PACKET_MAX + 1];
};
enum gdb_input gdb_packet_feed(struct gdb_packet *p, uint8_t byte);

/* What is being answered: framed and escaped by gdb_reply_finish(). */
struct gdb_reply {
    size_t length;
    char text[GDB_PACKET_MAX + 1];
};
void gdb_reply_printf(struct gdb_reply *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void gdb_reply_text(struct gdb_reply *r, const char *text);
void gdb_reply_hex(struct gdb_reply *r, const void *bytes, size_t size);
/* Raw bytes, with the protocol's escapes. */
void gdb_reply_binary(struct gdb_reply *r, const void *bytes, size_t size);

/* Reads hexadecimal digits from *text on; false: there is none, or too many. */
bool gdb_hex(const char **text, uint64_t *value) MUST_CHECK;
/* Pairs of digits, `size` bytes of them; false: they are not. */
bool gdb_hex_bytes(const char **text, uint8_t *bytes, size_t size) MUST_CHECK;

/* ---- Links ---- */

struct gdb_link {
    const char *name; /* "16550 at port 0x2f8" */
    /* From the session's thread. */
    void (*write)(struct gdb_link *link, const char *text, size_t length);
    struct wait_queue changed;
    struct spinlock lock;
    bool closed; /* the other side is gone */
    uint32_t head, tail;
    char ring[GDB_RING_SIZE]; /* what came; more than fits is lost: the sender's sum tells it */
};
void gdb_link_init(struct gdb_link *link, const char *name,
                   void (*write)(struct gdb_link *link, const char *text, size_t length));
/* Any context. */
void gdb_link_input(struct gdb_link *link, const char *text, size_t length);
void gdb_link_close(struct gdb_link *link);
void gdb_link_wake(struct gdb_link *link);
/* The next byte that came; -1: none. */
int gdb_link_get(struct gdb_link *link);
bool gdb_link_has_input(struct gdb_link *link);

/* Debugs `vm` until the debugger detaches or kills, the link closes, or the guest ends. Says in
 * `reason` why it could not begin. Thread context. */
enum err gdb_serve(struct gdb_link *link, struct vm *vm, struct out *reason) MUST_CHECK;

/* ---- Inside the session; also for tests, which run packets without a link ---- */

struct gdb_session {
    struct gdb_link *link;
    struct vm *vm;
    bool no_ack, physical, running, ended;
    unsigned thread, continue_thread; /* vCPU ids that H chose */
    struct debug_event last;
    uint8_t how[CONFIG_VCPUS_MAX]; /* enum debug_resume, of a command that lets it go */
    struct gdb_packet in;
    struct gdb_reply out;
    uint8_t bytes[GDB_MEMORY_MAX]; /* of memory, on their way */
};

/* Answers one packet in s->out. True: the guest is to go on as s->how says, and there is no answer
 * yet. Under vm->lock, while the guest is held. */
bool gdb_command(struct gdb_session *s, const char *packet);
/* The answer that says why it stopped. */
void gdb_reply_stop(struct gdb_session *s);

/* kernel/gdb_target.c: part [offset, offset + length) of a document. */
void gdb_read_target(struct gdb_session *s, uint64_t offset, uint64_t length);
void gdb_read_threads(struct gdb_session *s, uint64_t offset, uint64_t length);
void gdb_get_registers(struct gdb_session *s);
void gdb_set_registers(struct gdb_session *s, const char *hex);
void gdb_get_register(struct gdb_session *s, const char *text);
void gdb_set_register(struct gdb_session *s, const char *text);

/* kernel/gdb_monitor.c: `monitor` commands, a line of text. */
void gdb_monitor(struct gdb_session *s, const char *hex);

/* kernel/gdb_port.c. A thread that serves `link` for the guests that `gdb =` names. */
void gdb_port_start(struct gdb_link *link);

#endif
