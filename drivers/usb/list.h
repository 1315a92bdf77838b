/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The list of controllers, for the `usb` command. */
#ifndef DRIVERS_USB_LIST_H
#define DRIVERS_USB_LIST_H

struct xhci;

struct xhci *usb_controllers(void);

#endif
