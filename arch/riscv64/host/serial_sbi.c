/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The firmware's debug console (SBI 2.0, chapter 12) as a serial port: where there is no other. */
#include "drivers/acpi_tables.h"
#include "drivers/serial/serial.h"
#include "host_internal.h"
#include "sbi.h"

#define SBI_DBCN_WRITE_BYTE 2
#define DETECT_RANK         100 /* after every port with registers */
#define ROOM                16  /* bytes that are offered at once: each is one call */

static bool dbcn_detect(struct serial *s)
{
    (void)s;
    return sbi_has(SBI_EXT_DBCN);
}

static unsigned dbcn_room(struct serial *s)
{
    (void)s;
    return ROOM;
}

static void dbcn_put(struct serial *s, uint8_t byte)
{
    (void)s;
    sbi_call(SBI_EXT_DBCN, SBI_DBCN_WRITE_BYTE, byte, 0, 0, 0);
}

/* The buffer is in the kernel's image, whose physical address is known; one reader polls. */
static int dbcn_get(struct serial *s)
{
    static volatile uint8_t byte;
    struct sbi_result r;

    (void)s;
    r = sbi_call(SBI_EXT_DBCN, SBI_DBCN_READ, 1,
                 paging_image_phys((const void *)(uintptr_t)&byte).v, 0, 0);
    return r.error == 0 && r.value == 1 ? byte : -1;
}

TABLE_ENTRY(serial_drivers, struct serial_driver, serial_sbi) = {
    .name = "SBI debug console",
    .acpi_types = {ACPI_UART_SBI},
    .acpi_type_count = 1,
    .detect = dbcn_detect,
    .detect_rank = DETECT_RANK,
    .no_registers = true,
    .start = dbcn_detect,
    .room = dbcn_room,
    .put = dbcn_put,
    .get = dbcn_get,
};
