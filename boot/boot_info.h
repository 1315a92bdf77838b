/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The hand-over from the loader to the kernel: the only interface between the two.
 *
 * All addresses are physical, all fields of fixed width and little endian. The loader fills one
 * structure in memory of type BOOT_MEM_LOADER; the kernel copies what it keeps before it frees that
 * memory. Any other way of starting the kernel fills the same structure.
 *
 * State at `kernel_entry(struct boot_info *)`, whose argument is a direct-map virtual address:
 *  - one CPU runs, interrupts are masked, boot services are gone;
 *  - paging is on with tables in BOOT_MEM_LOADER memory that map
 *      the kernel image at `kernel_virt`, by segment (text R-X, rodata R--, data RW-), with
 * relocations applied, all memory of the map below `direct_map_size` at `direct_map_base` (read,
 * write, no execute), largest pages, and nothing else but the trampoline's own page, identity
 * mapped;
 *  - a stack of BOOT_STACK_SIZE bytes inside loader memory, 16-byte aligned, is in the stack
 * pointer;
 *  - x86_64: long mode, 4-level paging, CR0.WP, EFER.NXE set; GDT and IDT undefined; the selectors
 * are not to be relied on;
 *  - aarch64: EL2 (or EL1 where the firmware runs there: the report says so), MMU and caches on,
 * DAIF masked; HCR_EL2.E2H = 1 where the CPU has VHE (kernel in TTBR1_EL2), else 0 (TTBR0_EL2, bit
 * 47 of addresses set); MAIR attribute 0 = normal write-back, 1 = device nGnRE, 2 = normal
 * non-cacheable;
 *  - riscv64: S-mode (HS), Sv48 or else Sv39, sstatus.SIE = 0, sie = 0, stvec undefined.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include <stdint.h>

#define BOOT_INFO_MAGIC    0x746f6f626e6e45ULL /* "Ennboot" */
#define BOOT_INFO_VERSION  2
#define BOOT_STACK_SIZE    (64 * 1024)
#define BOOT_RNG_SEED_SIZE 64
#define BOOT_TEXT_SIZE     128
#define BOOT_PATH_SIZE     192

/* Kinds of memory, folded from EFI memory types (UEFI 2.10, 7.2.3). */
enum boot_mem_type {
    BOOT_MEM_USABLE = 1, /* free from the first instruction of the kernel on */
    BOOT_MEM_LOADER =
        2, /* this structure, the first page tables, the first stack: free once copied */
    BOOT_MEM_KERNEL = 3, /* the kernel image */
    BOOT_MEM_FILE = 4,   /* a file read from the ESP: owned by the kernel, free when it says so */
    BOOT_MEM_ACPI_RECLAIM = 5, /* ACPI tables: kept */
    BOOT_MEM_ACPI_NVS = 6,
    BOOT_MEM_RUNTIME_CODE = 7, /* EFI runtime services */
    BOOT_MEM_RUNTIME_DATA = 8,
    BOOT_MEM_RESERVED = 9, /* never touched */
    BOOT_MEM_MMIO = 10,
    BOOT_MEM_PERSISTENT = 11,
};

struct boot_mem {
    uint64_t base; /* bytes, 4 KiB aligned */
    uint64_t size; /* bytes, a multiple of 4 KiB */
    uint32_t type; /* enum boot_mem_type */
    uint32_t reserved;
    uint64_t attribute; /* EFI_MEMORY_* attribute bits */
};

/* A file of the ESP that is in memory, page aligned; the rest of its last page is zero. */
struct boot_file {
    char path[BOOT_PATH_SIZE]; /* UTF-8, as boot_path_normalise() of boot/path.h makes it from what
                                  ennead.ini says */
    uint64_t base;
    uint64_t size;  /* bytes */
    int32_t status; /* 0, or the EFI status (high bit dropped) with which reading failed: base and
                       size are then 0 */
    uint32_t reserved;
};

enum boot_framebuffer_format {
    BOOT_FB_NONE = 0, /* no linear frame buffer: framebuffer_note says why */
    BOOT_FB_RGBX = 1, /* bytes red, green, blue, reserved (PixelRedGreenBlueReserved8BitPerColor) */
    BOOT_FB_BGRX = 2,
};

struct boot_framebuffer {
    uint64_t base;
    uint64_t size;
    uint32_t width;  /* pixels */
    uint32_t height; /* pixels */
    uint32_t stride; /* pixels a line */
    uint32_t format; /* enum boot_framebuffer_format */
};

enum boot_flags {
    BOOT_SECURE_BOOT = 1u << 0, /* the SecureBoot variable is 1 */
    BOOT_STRICT_NX = 1u << 1,   /* the firmware mapped loader data no-execute */
};

struct boot_info {
    uint64_t magic;
    uint32_t version;
    uint32_t size; /* of this structure, bytes */
    uint32_t flags;
    uint32_t mem_count;
    uint64_t mem; /* struct boot_mem[mem_count], sorted by base, no overlaps */

    uint64_t kernel_phys; /* 2 MiB aligned, contiguous */
    uint64_t kernel_virt;
    uint64_t kernel_size; /* bytes, bss included, a multiple of 4 KiB */
    uint64_t direct_map_base;
    uint64_t direct_map_size; /* bytes from physical 0 that the direct map can reach */

    uint64_t acpi_rsdp;        /* 0 when none; revision 2 preferred */
    uint64_t fdt;              /* 0 when none */
    uint64_t efi_system_table; /* for runtime services and ResetSystem */
    uint64_t
        efi_memory_attributes; /* EFI_MEMORY_ATTRIBUTES_TABLE (UEFI 2.10, 4.6.4), 0 when none */
    uint64_t efi_memory_map;   /* the last raw EFI memory map, for runtime services' 1:1 tables */
    uint64_t efi_memory_map_size;
    uint32_t efi_descriptor_size;
    uint32_t efi_descriptor_version;

    struct boot_framebuffer framebuffer;
    char framebuffer_note[BOOT_TEXT_SIZE]; /* empty, or why there is no frame buffer */

    uint32_t rng_seed_size; /* bytes that are valid in rng_seed: 0 when the firmware has no
                               EFI_RNG_PROTOCOL */
    uint32_t file_count;
    uint8_t rng_seed[BOOT_RNG_SEED_SIZE];
    uint64_t
        files; /* struct boot_file[file_count]; the first is ennead/ennead.ini when that exists */

    uint64_t boot_cpu;        /* x86_64: unused; aarch64: MPIDR_EL1 affinity; riscv64: hart id */
    uint64_t entry_counter;   /* TSC, CNTPCT_EL0 or time at the loader's first line */
    uint64_t exit_counter;    /* the same right after ExitBootServices succeeded */
    uint64_t wall_seconds;    /* since 1970 began (UTC) when the counter stood at entry_counter; 0:
                                 the firmware has no clock */
    uint64_t trampoline_page; /* identity mapped page of the loader that the kernel drops */

    char firmware_vendor[BOOT_TEXT_SIZE];
    uint32_t firmware_revision;
    uint32_t efi_revision;
    char boot_device[BOOT_PATH_SIZE]; /* text of the device path that the loader came from */
};

#endif
