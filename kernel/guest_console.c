/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A guest's console: two rings between its serial device and a session on the hypervisor's
 * consoles. */
#include "kernel/guest_console.h"

#include "kernel/console.h"
#include "kernel/thread.h"
#include "mm/heap.h"

#define OUTPUT_SIZE (64 * 1024) /* powers of two */
#define INPUT_SIZE  1024
#define CHUNK       512
#define ESCAPE_KEY  0x1d /* Ctrl-] */

struct guest_console {
    struct spinlock lock;
    struct guest_console_device device;
    bool connected;
    struct thread *session; /* the attached monitor thread, or NULL */
    bool leave;             /* the escape key was typed */
    bool left;              /* there was a session, and there is none */
    bool output_blocked;    /* the device waits for room */
    bool input_new;         /* the device was not told yet of what was typed */
    unsigned calling;       /* threads that are in one of the device's functions */
    uint32_t out_head, out_shown,
        out_tail;         /* written by the device; shown to the session; oldest kept */
    uint32_t out_printed; /* by a session */
    struct wait_queue printed;
    uint32_t in_head, in_tail;
    uint32_t out_start; /* out_head when the device was connected */
    char output[OUTPUT_SIZE];
    char input[INPUT_SIZE];
};

LOCK_CLASS(guest_console_class, "guest console", RANK_GUEST_CONSOLE);

enum err guest_console_create(struct guest_console **out)
{
    struct guest_console *c = heap_zalloc(sizeof(*c));

    if (!c)
        return ERR_NO_MEMORY;
    spin_init(&c->lock, &guest_console_class);
    wait_queue_init(&c->printed);
    *out = c;
    return ERR_OK;
}

void guest_console_connect(struct guest_console *c, const struct guest_console_device *device)
{
    uint64_t flags = spin_lock_irq(&c->lock);

    c->connected = false;
    while (c->calling) { /* afterwards the old device may be freed */
        spin_unlock_irq(&c->lock, flags);
        thread_yield();
        flags = spin_lock_irq(&c->lock);
    }
    c->connected = device != NULL;
    if (device) {
        c->device = *device;
        c->out_start = c->out_head;
    }
    c->in_head = c->in_tail = 0;
    c->output_blocked = false;
    spin_unlock_irq(&c->lock, flags);
}

/* With a session the ring may not overtake what was shown; without one the oldest text goes. Under
 * the lock. */
static bool has_room(const struct guest_console *c)
{
    return !c->session || c->out_head - c->out_shown < OUTPUT_SIZE;
}

size_t guest_console_write(struct guest_console *c, const char *text, size_t size)
{
    uint64_t flags = spin_lock_irq(&c->lock);
    bool first = c->out_head == c->out_shown;
    struct thread *session = c->session;
    size_t n = 0;

    while (n < size && has_room(c)) {
        c->output[c->out_head++ % OUTPUT_SIZE] = text[n++];
        if (c->out_head - c->out_tail > OUTPUT_SIZE)
            c->out_tail = c->out_head - OUTPUT_SIZE;
        if (!session)
            c->out_shown = c->out_head;
    }
    c->output_blocked |= n < size;
    spin_unlock_irq(&c->lock, flags);
    if (session && first)
        thread_wake(session);
    return n;
}

bool guest_console_put(struct guest_console *c, uint8_t byte)
{
    char text = (char)byte;

    return guest_console_write(c, &text, 1) == 1;
}

bool guest_console_has_room(struct guest_console *c)
{
    uint64_t flags = spin_lock_irq(&c->lock);
    bool room = has_room(c);

    c->output_blocked |= !room;
    spin_unlock_irq(&c->lock, flags);
    return room;
}

int guest_console_get(struct guest_console *c)
{
    uint64_t flags = spin_lock_irq(&c->lock);
    int byte = -1;

    if (c->in_head != c->in_tail)
        byte = (uint8_t)c->input[c->in_tail++ % INPUT_SIZE];
    spin_unlock_irq(&c->lock, flags);
    return byte;
}

bool guest_console_has_input(struct guest_console *c)
{
    return READ_ONCE(c->in_head) != READ_ONCE(c->in_tail);
}

size_t guest_console_read(struct guest_console *c, uint32_t *at, char *text, size_t size)
{
    uint64_t flags = spin_lock_irq(&c->lock);
    size_t n = 0;

    if (c->out_head - *at > c->out_head - c->out_tail)
        *at = c->out_tail;
    while (n < size && *at != c->out_head)
        text[n++] = c->output[(*at)++ % OUTPUT_SIZE];
    spin_unlock_irq(&c->lock, flags);
    return n;
}

uint32_t guest_console_end(const struct guest_console *c)
{
    return READ_ONCE(c->out_head);
}

bool guest_console_attached(const struct guest_console *c)
{
    return READ_ONCE(c->session) != NULL;
}

uint32_t guest_console_written(const struct guest_console *c)
{
    return READ_ONCE(c->out_head) - c->out_start;
}

/* From the consoles' input, also in interrupt context: bytes up to the escape key go to the guest,
 * by way of the session's thread. */
static void session_input(const char *text, size_t length, void *arg)
{
    struct guest_console *c = arg;
    uint64_t flags = spin_lock_irq(&c->lock);
    bool leave = false;

    for (size_t i = 0; i < length && !leave; i++) {
        leave = text[i] == ESCAPE_KEY;
        if (!leave && c->connected && c->in_head - c->in_tail < INPUT_SIZE) {
            c->input[c->in_head++ % INPUT_SIZE] = text[i];
            c->input_new = true;
        }
    }
    c->leave |= leave;
    if (c->session)
        thread_wake(c->session);
    spin_unlock_irq(&c->lock, flags);
}

/* The device, to be called without the lock until call_end(); under the lock, when connected. */
static struct guest_console_device call_begin(struct guest_console *c)
{
    c->calling++;
    return c->device;
}

static void call_end(struct guest_console *c)
{
    uint64_t flags = spin_lock_irq(&c->lock);

    c->calling--;
    spin_unlock_irq(&c->lock, flags);
}

/* Tells the guest's device what was typed. True when there was something. */
static bool session_deliver(struct guest_console *c)
{
    struct guest_console_device device = {0};
    uint64_t flags = spin_lock_irq(&c->lock);

    if (c->input_new && c->connected)
        device = call_begin(c);
    c->input_new = false;
    spin_unlock_irq(&c->lock, flags);
    if (!device.input_ready)
        return false;
    device.input_ready(device.arg);
    call_end(c);
    return true;
}

void guest_console_type(struct guest_console *c, const char *text, size_t length)
{
    struct guest_console_device device = {0};
    uint64_t flags = spin_lock_irq(&c->lock);

    for (size_t i = 0; i < length && c->connected && c->in_head - c->in_tail < INPUT_SIZE; i++)
        c->input[c->in_head++ % INPUT_SIZE] = text[i];
    if (c->connected)
        device = call_begin(c);
    spin_unlock_irq(&c->lock, flags);
    if (!device.input_ready)
        return;
    device.input_ready(device.arg);
    call_end(c);
}

/* Takes up to CHUNK bytes that were not shown yet; tells a waiting device that there is room again.
 */
static size_t session_take(struct guest_console *c, char *chunk)
{
    struct guest_console_device device = {0};
    uint64_t flags = spin_lock_irq(&c->lock);
    size_t n = 0;

    while (n < CHUNK && c->out_shown != c->out_head)
        chunk[n++] = c->output[c->out_shown++ % OUTPUT_SIZE];
    if (n && c->output_blocked && c->connected) {
        c->output_blocked = false;
        device = call_begin(c);
    }
    spin_unlock_irq(&c->lock, flags);
    if (device.output_ready) {
        device.output_ready(device.arg);
        call_end(c);
    }
    return n;
}

static void session_begin(struct guest_console *c)
{
    uint64_t flags = spin_lock_irq(&c->lock);

    c->session = thread_current();
    c->leave = c->left = false;
    c->out_shown = c->out_tail;
    spin_unlock_irq(&c->lock, flags);
    console_hold_log(true);
    console_capture(session_input, c);
}

static void session_end(struct guest_console *c)
{
    struct guest_console_device device = {0};
    uint64_t flags;

    console_capture(NULL, NULL);
    console_hold_log(false);
    flags = spin_lock_irq(&c->lock);
    c->session = NULL;
    c->left = true;
    c->out_shown = c->out_head;
    if (c->output_blocked && c->connected)
        device = call_begin(c);
    c->output_blocked = false;
    spin_unlock_irq(&c->lock, flags);
    wake_all(&c->printed);
    if (device.output_ready) {
        device.output_ready(device.arg);
        call_end(c);
    }
}

void guest_console_session(struct guest_console *c, const char *name)
{
    char chunk[CHUNK];
    struct out_buffer title;

    out_buffer_init(&title, chunk, sizeof(chunk));
    out_printf(&title.out, "Console of %s; Ctrl-] returns to the monitor.\n", name);
    console_write(chunk, title.used);
    session_begin(c);
    while (!READ_ONCE(c->leave)) {
        size_t n = session_take(c, chunk);

        if (n) {
            console_write(chunk, n);
            WRITE_ONCE(c->out_printed, c->out_shown);
            wake_all(&c->printed);
        } else if (!session_deliver(c))
            thread_sleep_until(UINT64_MAX);
    }
    session_end(c);
    console_write("\n", 1);
}

void guest_console_drain(struct guest_console *c)
{
    uint32_t end = READ_ONCE(c->out_head);

    wait_event(&c->printed, (int32_t)(READ_ONCE(c->out_printed) - end) >= 0 || READ_ONCE(c->left));
}
