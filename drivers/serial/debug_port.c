/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The debug port: the machine's second serial port, for debuggers of guests. It is opened when a
 * guest's section has gdb = yes or wait. */
#include "drivers/serial/serial.h"
#include "kernel/config.h"
#include "kernel/gdb.h"
#include "kernel/init.h"

static struct serial port;
static struct gdb_link link;

static void port_write(struct gdb_link *unused, const char *text, size_t length)
{
    (void)unused;
    serial_send(&port, text, length);
}

static void port_input(struct serial *s, const char *text, size_t length)
{
    (void)s;
    gdb_link_input(&link, text, length);
}

static bool is_wanted(void)
{
    const struct config *config = config_get();
    bool wanted = false;

    for (unsigned i = 0; i < config->vm_count; i++)
        wanted |= config->vms[i].gdb != CONFIG_GDB_NO;
    return wanted;
}

static void debug_port_init(void)
{
    if (!is_wanted())
        return;
    gdb_link_init(&link, port.name, port_write);
    if (serial_open_second(&port, port_input))
        gdb_port_start(&link);
    else
        log_warn("gdb: this machine has no second serial port that is found: use \"gdb NAME\" on "
                 "the console");
}
INIT(INIT_LEVEL_LATE, debug_port_init);
