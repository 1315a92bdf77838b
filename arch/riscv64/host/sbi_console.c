/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The debug console of the SBI (2.0, chapter 12) as a serial driver: for machines whose UART nobody
 * describes. Its input is polled. */
#include "drivers/acpi_tables.h"
#include "drivers/serial/serial.h"
#include "mm/heap.h"
#include "mm/page.h"
#include <host/sbi.h>

#define DBCN_WRITE_BYTE 2
#define ROOM            64 /* bytes between two questions: the firmware itself waits for its device */

static uint8_t *received; /* the firmware writes the byte there */

static bool detect(struct serial *s)
{
    (void)s;
    return sbi_has(SBI_EXT_DBCN);
}

static bool start(struct serial *s)
{
    (void)s;
    received = heap_alloc(1);
    return received && sbi_has(SBI_EXT_DBCN);
}

static unsigned room(struct serial *s)
{
    (void)s;
    return ROOM;
}

static void put(struct serial *s, uint8_t byte)
{
    (void)s;
    sbi_call(SBI_EXT_DBCN, DBCN_WRITE_BYTE, byte, 0, 0, 0);
}

static int get(struct serial *s)
{
    (void)s;
    struct sbi_result r = sbi_call(SBI_EXT_DBCN, SBI_DBCN_READ, 1, virt_to_phys(received).v, 0, 0);
    return r.error == 0 && r.value == 1 ? READ_ONCE(*received) : -1;
}

TABLE_ENTRY(serial_drivers, struct serial_driver, sbi_console) = {
    .name = "SBI debug console",
    .acpi_types = {ACPI_UART_SBI},
    .acpi_type_count = 1,
    .detect = detect,
    .detect_rank = 2,
    .no_registers = true,
    .start = start,
    .room = room,
    .put = put,
    .get = get,
};
