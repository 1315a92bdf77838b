/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Registers and structures in memory of an xHCI host controller. Sections are those of xHCI 1.2. */
#ifndef DRIVERS_USB_XHCI_REGISTERS_H
#define DRIVERS_USB_XHCI_REGISTERS_H

#include "kernel/types.h"

/* ---- Capability registers (5.3) ---- */

#define XHCI_CAPLENGTH       0x00
#define XHCI_HCSPARAMS1      0x04
#define XHCI_SLOTS(v)        ((v)&0xff)
#define XHCI_PORTS(v)        ((v) >> 24)
#define XHCI_HCSPARAMS2      0x08
#define XHCI_SCRATCHPADS(v)  (((v) >> 21 & 0x1f) << 5 | (v) >> 27)
#define XHCI_HCCPARAMS1      0x10
#define XHCI_ADDRESS_64      BIT(0)
#define XHCI_CONTEXT_64      BIT(2) /* contexts are 64 bytes instead of 32 */
#define XHCI_EXTENDED(v)     ((v) >> 16 << 2)
#define XHCI_DBOFF           0x14
#define XHCI_RTSOFF          0x18
#define XHCI_CAPABILITY_SIZE 0x20

/* ---- Operational registers (5.4) ---- */

#define XHCI_USBCMD           0x00
#define XHCI_RUN              BIT(0)
#define XHCI_RESET            BIT(1)
#define XHCI_INTE             BIT(2)
#define XHCI_USBSTS           0x04
#define XHCI_HALTED           BIT(0)
#define XHCI_FATAL            (BIT(2) | BIT(12)) /* host system error, host controller error */
#define XHCI_EINT             BIT(3)
#define XHCI_NOT_READY        BIT(11)
#define XHCI_PAGESIZE         0x08
#define XHCI_CRCR             0x18
#define XHCI_DCBAAP           0x30
#define XHCI_CONFIG           0x38
#define XHCI_PORTSC(port)     (0x400 + 0x10 * ((port)-1))
#define XHCI_OPERATIONAL_SIZE 0x400

/* 5.4.8, PORTSC */
#define PORT_CONNECTED BIT(0)
#define PORT_ENABLED   BIT(1)
#define PORT_RESET     BIT(4)
#define PORT_POWER     BIT(9)
#define PORT_SPEED(v)  ((v) >> 10 & 0xf)
#define PORT_CSC       BIT(17)
#define PORT_PRC       BIT(21)
#define PORT_CHANGES   BITS(23, 17)
#define PORT_KEEP      (BIT(9) | BITS(15, 14) | BITS(27, 25)) /* what a write must repeat */

/* ---- Runtime registers (5.5), of interrupter 0 ---- */

#define XHCI_IMAN         0x20
#define XHCI_IMAN_IP      BIT(0)
#define XHCI_IMAN_IE      BIT(1)
#define XHCI_IMOD         0x24
#define XHCI_ERSTSZ       0x28
#define XHCI_ERSTBA       0x30
#define XHCI_ERDP         0x38
#define XHCI_ERDP_BUSY    BIT(3)
#define XHCI_RUNTIME_SIZE 0x40

/* ---- Extended capabilities (7) ---- */

#define XHCI_CAP_LEGACY       1
#define LEGACY_BIOS           BIT(16) /* 7.1.1: the firmware owns it */
#define LEGACY_OS             BIT(24)
#define LEGACY_CONTROL        4 /* USBLEGCTLSTS, from the capability */
#define LEGACY_SMI_ENABLES    (BIT(0) | BIT(4) | BITS(15, 13))
#define LEGACY_SMI_STATUS     BITS(31, 29)
#define XHCI_CAP_PROTOCOL     2
#define PROTOCOL_MAJOR(v)     ((v) >> 24)
#define PROTOCOL_PORTS        8 /* third word */
#define PROTOCOL_FIRST(v)     ((v)&0xff)
#define PROTOCOL_COUNT(v)     ((v) >> 8 & 0xff)
#define PROTOCOL_SLOT         12
#define PROTOCOL_SLOT_TYPE(v) ((v)&0x1f)

/* ---- Transfer request blocks (6.4) ---- */

struct xhci_trb {
    uint64_t parameter;
    uint32_t status, control;
};

#define TRB_CYCLE        BIT(0)
#define TRB_TOGGLE       BIT(1) /* of a link */
#define TRB_SHORT_EVENT  BIT(2)
#define TRB_EVENT        BIT(5) /* interrupt on completion */
#define TRB_IMMEDIATE    BIT(6)
#define TRB_TYPE(t)      ((uint32_t)(t) << 10)
#define TRB_TYPE_OF(v)   ((v) >> 10 & 0x3f)
#define TRB_IN           BIT(16)
#define TRB_SETUP_OUT    (2u << 16) /* transfer type of a setup stage */
#define TRB_SETUP_IN     (3u << 16)
#define TRB_SLOT(s)      ((uint32_t)(s) << 24)
#define TRB_SLOT_OF(v)   ((v) >> 24)
#define TRB_DCI(e)       ((uint32_t)(e) << 16)
#define TRB_DCI_OF(v)    ((v) >> 16 & 0x1f)
#define TRB_SLOT_TYPE(t) ((uint32_t)(t) << 16)
#define EVENT_CODE(v)    ((v) >> 24)
#define EVENT_LENGTH(v)  ((v)&0xffffff)
#define EVENT_PORT(v)    ((uint32_t)((v) >> 24) & 0xff)

enum xhci_trb_type {
    TRB_NORMAL = 1,
    TRB_SETUP = 2,
    TRB_DATA = 3,
    TRB_STATUS = 4,
    TRB_LINK = 6,
    TRB_ENABLE_SLOT = 9,
    TRB_DISABLE_SLOT = 10,
    TRB_ADDRESS_DEVICE = 11,
    TRB_CONFIGURE_ENDPOINT = 12,
    TRB_EVALUATE_CONTEXT = 13,
    TRB_RESET_ENDPOINT = 14,
    TRB_SET_DEQUEUE = 16,
    TRB_TRANSFER_EVENT = 32,
    TRB_COMMAND_EVENT = 33,
    TRB_PORT_EVENT = 34,
};

/* 6.4.5, completion codes */
enum xhci_code {
    CODE_NONE = 0, /* not from hardware: no answer yet */
    CODE_SUCCESS = 1,
    CODE_BABBLE = 3,
    CODE_TRANSACTION = 4,
    CODE_STALL = 6,
    CODE_SHORT = 13,
};

/* ---- Contexts (6.2): 32-bit words; a context is 32 or 64 bytes ---- */

#define CONTEXTS            33u /* of an input context: its control, the slot, 31 endpoints */
#define INPUT_DROP          0   /* words of the input control context */
#define INPUT_ADD           1
#define SLOT_ROUTE(r)       ((uint32_t)(r)&0xfffff)
#define SLOT_SPEED(s)       ((uint32_t)(s) << 20)
#define SLOT_MTT            BIT(25)
#define SLOT_HUB            BIT(26)
#define SLOT_ENTRIES(n)     ((uint32_t)(n) << 27)
#define SLOT_ENTRIES_MASK   BITS(31, 27)
#define SLOT_ROOT_PORT(p)   ((uint32_t)(p) << 16)
#define SLOT_HUB_PORTS(n)   ((uint32_t)(n) << 24)
#define SLOT_TT(slot, port) ((uint32_t)(slot) | (uint32_t)(port) << 8)
#define SLOT_TT_THINK(t)    ((uint32_t)(t) << 16)
#define EP_INTERVAL(i)      ((uint32_t)(i) << 16)
#define EP_ERRORS           (3u << 1)
#define EP_CONTROL          (4u << 3)
#define EP_INTERRUPT_IN     (7u << 3)
#define EP_PACKET(n)        ((uint32_t)(n) << 16)
#define EP_AVERAGE(n)       ((uint32_t)(n))
#define EP_ESIT(n)          ((uint32_t)(n) << 16)
#define EP_CYCLE            1u

#endif
