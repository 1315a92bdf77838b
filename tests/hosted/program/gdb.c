/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A TCP socket as the link to a debugger; one at a time, further ones wait. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "kernel/gdb.h"
#include "kernel/init.h"
#include "program.h"

#define INPUT_SIZE 4096

unsigned program_gdb_port;
static struct gdb_link tcp_link;
static int listener = -1;
static int connection = -1; /* atomic; -1: none */
static pthread_mutex_t input_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t input_room = PTHREAD_COND_INITIALIZER;
static char input[INPUT_SIZE];
static size_t input_used;
static bool hung_up;

/* A debugger that has gone is noticed by the thread that reads. */
static void send_all(struct gdb_link *unused, const char *text, size_t length)
{
    int fd = __atomic_load_n(&connection, __ATOMIC_ACQUIRE);

    (void)unused;
    while (length && fd >= 0) {
        ssize_t done = send(fd, text, length, MSG_NOSIGNAL);

        if (done < 0 && errno != EINTR)
            return;
        text += done > 0 ? done : 0;
        length -= done > 0 ? (size_t)done : 0;
    }
}

static void take(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        pthread_mutex_lock(&input_lock);
        while (input_used == sizeof(input))
            pthread_cond_wait(&input_room, &input_lock);
        input[input_used++] = text[i];
        pthread_mutex_unlock(&input_lock);
    }
    program_interrupt();
}

static void serve(int fd)
{
    char text[1024];
    ssize_t got;
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    __atomic_store_n(&connection, fd, __ATOMIC_RELEASE);
    while ((got = recv(fd, text, sizeof(text), 0)) > 0 || (got < 0 && errno == EINTR))
        take(text, got > 0 ? (size_t)got : 0);
    __atomic_store_n(&connection, -1, __ATOMIC_RELEASE);
    pthread_mutex_lock(&input_lock);
    hung_up = true;
    pthread_mutex_unlock(&input_lock);
    program_interrupt();
    close(fd);
}

/* Takes no signals: those are for CPUs and for the main thread. */
static void *accept_all(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            serve(fd);
        else if (errno != EINTR)
            return NULL;
    }
}

void program_gdb_interrupt(void)
{
    char text[INPUT_SIZE];
    size_t length;
    bool gone;

    if (listener < 0)
        return;
    pthread_mutex_lock(&input_lock);
    length = input_used;
    memcpy(text, input, length);
    input_used = 0;
    gone = hung_up;
    hung_up = false;
    pthread_cond_signal(&input_room);
    pthread_mutex_unlock(&input_lock);
    if (length)
        gdb_link_input(&tcp_link, text, length);
    if (gone)
        gdb_link_close(&tcp_link);
}

static void listen_at(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1))
        program_fail("--gdb %u: %s", port, strerror(errno));
}

void program_gdb_start(void)
{
    if (program_gdb_port)
        listen_at(program_gdb_port);
}

static void start_thread(void)
{
    pthread_t thread;
    sigset_t all, old;

    if (listener < 0)
        return;
    gdb_link_init(&tcp_link, "TCP", send_all);
    gdb_port_start(&tcp_link);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    if (pthread_create(&thread, NULL, accept_all, NULL))
        program_fail("no memory for the thread that waits for a debugger");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
INIT(INIT_LEVEL_LATE, start_thread);
