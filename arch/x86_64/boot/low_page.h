/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What C and assembly of the x86_64 loader share: segment descriptors, and the layout of the pages
 * below 4 GiB through which the loader leaves five-level paging. Three pages: code and data; the
 * five-level root; a copy of the four-level root, since 32-bit code can load no other.
 */
#ifndef ARCH_X86_64_BOOT_LOW_PAGE_H
#define ARCH_X86_64_BOOT_LOW_PAGE_H

/* Flat segments with the accessed bit set: the table is never written (Intel SDM volume 3A, 3.4.5).
 */
#define GDT_CODE64      0x00af9b000000ffff
#define GDT_DATA        0x00cf93000000ffff
#define GDT_CODE32      0x00cf9b000000ffff
#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA   0x10
#define SELECTOR_CODE32 0x18

/* Offsets in the low page; its code starts at 0. */
#define LOW_GDT       0x800 /* 4 descriptors */
#define LOW_GDTR      0x820 /* limit 16 bits, base 64 bits */
#define LOW_FAR       0x830 /* 32-bit offset, 16-bit selector of its 64-bit code */
#define LOW_STACK     0x840
#define LOW_ENTRY     0x848
#define LOW_INFO      0x850
#define LOW_TRUE_ROOT 0x858
#define LOW_BACK      0x860 /* trampoline_enter */
#define LOW_TOP       0x1000
#define LOW_ROOT      0x2000
#define LOW_SIZE      0x3000

#endif
