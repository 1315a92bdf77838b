/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The terminal as console: raw while the program runs, and as it was afterwards. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "kernel/console.h"
#include "program.h"

#define INPUT_SIZE 1024

static struct termios before;
static bool is_terminal;
static pthread_mutex_t input_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t input_room = PTHREAD_COND_INITIALIZER;
static char input[INPUT_SIZE];
static size_t input_used;

static void console_to_terminal(struct console *c, const char *text, size_t length)
{
    (void)c;
    while (length) {
        ssize_t done = write(STDOUT_FILENO, text, length);

        if (done < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        } else if (done < 0 && errno != EINTR) {
            return;
        } else if (done > 0) {
            text += done;
            length -= (size_t)done;
        }
    }
}
static struct console terminal = {.name = "the terminal", .write = console_to_terminal};

static void give_back(void)
{
    if (is_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void on_end(int signal)
{
    give_back();
    _exit(128 + signal);
}

/* Takes no signals: those are for CPUs and for the main thread. */
static void *reader(void *unused)
{
    char buffer[256];
    ssize_t got;

    (void)unused;
    while ((got = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0 || (got < 0 && errno == EINTR)) {
        for (ssize_t i = 0; i < got; i++) {
            pthread_mutex_lock(&input_lock);
            while (input_used == sizeof(input))
                pthread_cond_wait(&input_room, &input_lock);
            input[input_used++] = buffer[i];
            pthread_mutex_unlock(&input_lock);
        }
        program_interrupt();
    }
    return NULL;
}

void program_console_interrupt(void)
{
    char text[INPUT_SIZE];
    size_t length;

    pthread_mutex_lock(&input_lock);
    length = input_used;
    __builtin_memcpy(text, input, length);
    input_used = 0;
    pthread_cond_signal(&input_room);
    pthread_mutex_unlock(&input_lock);
    if (length)
        console_input(text, length);
}

void program_console_start(void)
{
    struct termios raw;
    pthread_t thread;
    sigset_t all, old;

    console_add(&terminal);
    is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        raw = before;
        cfmakeraw(&raw);
        raw.c_oflag |= OPOST | ONLCR;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        atexit(give_back);
        signal(SIGTERM, on_end);
        signal(SIGHUP, on_end);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    if (pthread_create(&thread, NULL, reader, NULL))
        program_fail("no memory for the thread that reads the terminal");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
