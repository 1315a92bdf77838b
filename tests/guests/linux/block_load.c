/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A load for block devices, run in Debian guests by bench.py; no C library, so that one compiler is
 * all it takes.
 *
 *   block_load fill DEVICE MIB                 writes all of it
 *   block_load random DEVICE MIB REQUESTS DEPTH
 *                        reads 4 KiB at random places around the page cache, DEPTH of them on their
 *                        way; each one that comes back is followed by the next at once, in a system
 *                        call of its own (what fio does by default)
 *   block_load read DEVICE MIB DEPTH           reads all of it in order by 256 KiB, likewise
 *   block_load copy MIB                        copies memory that was touched before, by 256 KiB
 *
 * Each prints "block_load: COUNT requests, NS ns".
 */
#include <linux.h>

#define PIECE         (256ul << 10)
#define RANDOM_PIECE  4096ul
#define DEPTH_MAX     64
#define MIB           (1ul << 20)
#define CURRENT       (-100) /* AT_FDCWD */
#define OPEN_WRITE    2      /* O_RDWR */
#define MONOTONIC     1
#define COMMAND_READ  0
#define COMMAND_WRITE 1

/* Linux's struct iocb and struct io_event (linux/aio_abi.h), little endian. */
struct request {
    unsigned long data;
    unsigned key, flags;
    unsigned short command, priority;
    unsigned file;
    unsigned long buffer, bytes, offset, reserved;
    unsigned more_flags, event_file;
};

struct event {
    unsigned long data, request;
    long result, result2;
};

struct load {
    unsigned command;
    long file;
    unsigned long context, size, piece, requests, sent, next, depth;
    char *buffers;        /* `depth` pieces */
    unsigned long random; /* state; 0: in order */
    struct request request[DEPTH_MAX];
};

static struct load load;

void *memset(void *to, int value, unsigned long size);
void *memset(void *to, int value, unsigned long size)
{
    for (volatile char *at = to; size--; at++)
        *at = (char)value;
    return to;
}

static long length_of(const char *text)
{
    long n = 0;

    while (text[n])
        n++;
    return n;
}

static void print(const char *text)
{
    linux_call(SYS_WRITE, 1, (long)text, length_of(text), 0, 0, 0);
}

static void print_number(unsigned long value)
{
    char digits[24], *at = digits + sizeof(digits) - 1;

    *at = 0;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    print(at);
}

static void leave(int status)
{
    for (;;)
        linux_call(SYS_EXIT_GROUP, status, 0, 0, 0, 0, 0);
}

static void fail(const char *what)
{
    print("block_load: cannot ");
    print(what);
    print("\n");
    leave(1);
}

static unsigned long number(const char *text)
{
    unsigned long value = 0;

    for (; text && *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (unsigned long)(*text - '0');
    return value;
}

static unsigned long now_ns(void)
{
    long time[2];

    linux_call(SYS_CLOCK_GETTIME, MONOTONIC, (long)time, 0, 0, 0, 0);
    return (unsigned long)time[0] * 1000000000ul + (unsigned long)time[1];
}

/* Memory that was written to. */
static char *memory(unsigned long size)
{
    /* PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS */
    long at = linux_call(SYS_MMAP, 0, (long)size, 3, 0x22, -1, 0);

    if (at < 0 && at > -4096)
        fail("get memory");
    for (unsigned long i = 0; i < size; i += 8)
        *(volatile unsigned long *)(at + (long)i) = i * 0x9e3779b97f4a7c15ul;
    return (char *)at;
}

static unsigned long next_offset(struct load *l)
{
    unsigned long at = l->next;

    if (l->random) {
        l->random = l->random * 6364136223846793005ul + 1442695040888963407ul; /* Knuth's MMIX */
        return (l->random >> 33) % (l->size / l->piece) * l->piece;
    }
    l->next = at + l->piece < l->size ? at + l->piece : 0;
    return at;
}

static void send(struct load *l, unsigned slot)
{
    struct request *r = &l->request[slot];
    long list[1] = {(long)r};

    *r = (struct request){.data = slot,
                          .command = (unsigned short)l->command,
                          .file = (unsigned)l->file,
                          .buffer = (unsigned long)l->buffers + slot * l->piece,
                          .bytes = l->piece,
                          .offset = next_offset(l)};
    if (linux_call(SYS_IO_SUBMIT, (long)l->context, 1, (long)list, 0, 0, 0) != 1)
        fail("submit a request");
    l->sent++;
}

static unsigned long run(struct load *l)
{
    unsigned long done = 0, began;

    l->buffers = memory(l->depth * l->piece);
    if (linux_call(SYS_IO_SETUP, DEPTH_MAX, (long)&l->context, 0, 0, 0, 0))
        fail("make a context for requests");
    began = now_ns();
    while (l->sent < l->depth && l->sent < l->requests)
        send(l, (unsigned)l->sent);
    while (done < l->requests) {
        struct event e;

        if (linux_call(SYS_IO_GETEVENTS, (long)l->context, 1, 1, (long)&e, 0, 0) != 1 ||
            e.result != (long)l->piece)
            fail("complete a request");
        done++;
        if (l->sent < l->requests)
            send(l, (unsigned)e.data);
    }
    return now_ns() - began;
}

static void report(unsigned long requests, unsigned long ns)
{
    print("block_load: ");
    print_number(requests);
    print(" requests, ");
    print_number(ns);
    print(" ns\n");
}

static void copy(unsigned long size)
{
    char *from = memory(size), *to = memory(PIECE);
    unsigned long began = now_ns();

    for (unsigned long at = 0; at < size; at += PIECE)
        copy_memory(to, from + at, PIECE);
    report(size / PIECE, now_ns() - began);
}

static void transfer(char kind, char *const *arguments)
{
    struct load *l = &load;

    l->file =
        linux_call(SYS_OPENAT, CURRENT, (long)arguments[0], OPEN_WRITE | OPEN_DIRECT, 0, 0, 0);
    if (l->file < 0)
        fail("open the device");
    l->size = number(arguments[1]) * MIB;
    l->piece = PIECE;
    l->requests = l->size / PIECE;
    l->depth = 4;
    l->command = kind == 'f' ? COMMAND_WRITE : COMMAND_READ;
    if (kind == 'r') {
        l->piece = RANDOM_PIECE;
        l->requests = number(arguments[2]);
        l->depth = number(arguments[3]);
        l->random = 1;
    }
    if (l->depth > DEPTH_MAX || !l->size)
        fail("use these arguments");
    report(l->requests, run(l));
}

void program_main(const long *stack);
void program_main(const long *stack)
{
    long count = stack[0];
    char *const *arguments = (char *const *)(stack + 1);
    char kind =
        count > 2 ? arguments[1][0] == 'r' && arguments[1][1] == 'e' ? 's' : arguments[1][0] : 0;

    if (kind == 'c')
        copy(number(arguments[2]) * MIB);
    else if ((kind == 'f' || kind == 's') && count == 4)
        transfer(kind, arguments + 2);
    else if (kind == 'r' && count == 6)
        transfer(kind, arguments + 2);
    else
        fail("understand the command");
    leave(0);
}

PROGRAM_ENTRY;
