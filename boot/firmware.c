/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the firmware says about itself: configuration tables, random seed, Secure Boot, boot device.
 */
#include "boot/loader.h"

#define FDT_MAGIC           0xd00dfeedu
#define FDT_SIZE_MAX        (4u << 20)
#define ATTRIBUTES_SIZE_MAX (1u << 20)
#define ATTRIBUTE_XP        0x4000ULL /* EFI_MEMORY_XP */

static const EFI_GUID acpi20_guid = ACPI_20_TABLE_GUID;
static const EFI_GUID acpi10_guid = ACPI_TABLE_GUID;
static const EFI_GUID fdt_guid = {
    0xb1b621d5, 0xf19c, 0x41a5, {0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0}};
static const EFI_GUID attributes_guid = {
    0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
static const EFI_GUID rng_guid = EFI_RNG_PROTOCOL_GUID;
static const EFI_GUID path_to_text_guid = EFI_DEVICE_PATH_TO_TEXT_PROTOCOL_GUID;
static const EFI_GUID memory_attribute_guid = {
    0xf4560cf6, 0x40ec, 0x4b4a, {0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89}};

/* EFI_MEMORY_ATTRIBUTES_TABLE (UEFI 2.10, 4.6.4) */
struct attributes_table {
    uint32_t version, count, entry_size, flags;
};

/* EFI_MEMORY_ATTRIBUTE_PROTOCOL (UEFI 2.10, 37.8) */
struct memory_attribute_protocol {
    EFI_STATUS(EFIAPI *get)
    (struct memory_attribute_protocol *self, EFI_PHYSICAL_ADDRESS base, UINT64 size,
     UINT64 *attributes);
    void *set, *clear;
};

static void *locate(const EFI_GUID *guid)
{
    EFI_GUID wanted = *guid;
    void *interface;

    return EFI_ERROR(BS->LocateProtocol(&wanted, NULL, &interface)) ? NULL : interface;
}

static uint64_t find_table(const EFI_GUID *guid)
{
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        EFI_GUID seen = ST->ConfigurationTable[i].VendorGuid, wanted = *guid;
        if (!CompareGuid(&seen, &wanted))
            return (uintptr_t)ST->ConfigurationTable[i].VendorTable;
    }
    return 0;
}

/* Plain ASCII of an EFI text; what is not ASCII becomes '?'. */
static void copy_text(char *out, size_t capacity, const CHAR16 *text)
{
    size_t used = 0;

    while (text && *text && used + 1 < capacity) {
        out[used++] = (char)(*text >= 0x20 && *text < 0x7f ? *text : '?');
        text++;
    }
    out[used] = '\0';
}

static uint32_t read_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Some firmware keeps the device tree in memory that is free later: the kernel gets a copy of its
 * own. */
static uint64_t copy_fdt(uint64_t fdt)
{
    const uint8_t *header = (const uint8_t *)fdt;

    if (!fdt)
        return 0;
    uint32_t size = read_be32(header + 4);
    if (read_be32(header) != FDT_MAGIC || size < 40 || size > FDT_SIZE_MAX) {
        Print(L"The firmware's device tree is damaged: ignored.\r\n");
        return 0;
    }
    void *copy = memory_take(size, BOOT_PAGE_SIZE, BOOT_MEM_ACPI_RECLAIM, true);
    if (!copy)
        return fdt;
    bytes_copy(copy, header, size);
    return (uintptr_t)copy;
}

static void read_seed(void)
{
    EFI_RNG_PROTOCOL *rng = locate(&rng_guid);

    if (rng && !EFI_ERROR(rng->GetRNG(rng, NULL, BOOT_RNG_SEED_SIZE, loader.info->rng_seed)))
        loader.info->rng_seed_size = BOOT_RNG_SEED_SIZE;
}

static bool secure_boot(void)
{
    EFI_GUID global = EFI_GLOBAL_VARIABLE;
    CHAR16 name[] = L"SecureBoot";
    UINT8 value = 0;
    UINTN size = sizeof(value);

    return !EFI_ERROR(RT->GetVariable(name, &global, NULL, &size, &value)) && value == 1;
}

/* boot_info lies in loader data: is it mapped no-execute? */
static bool strict_nx(void)
{
    struct memory_attribute_protocol *protocol = locate(&memory_attribute_guid);
    UINT64 attributes = 0;

    return protocol &&
           !EFI_ERROR(
               protocol->get(protocol, (uintptr_t)loader.info, BOOT_PAGE_SIZE, &attributes)) &&
           (attributes & ATTRIBUTE_XP);
}

/* Days from 1970-01-01 to the first of March of `year`, the year being counted from March. */
static uint64_t days_to_march(uint64_t year)
{
    return 365 * year + year / 4 - year / 100 + year / 400 - 719468;
}

/* Seconds since 1970 of a time as EFI gives it (UEFI 2.10, 8.3.1); 0: not a time. */
static uint64_t unix_seconds(const EFI_TIME *t)
{
    static const uint16_t days_from_march[] = {306, 337, 0,   31,  61,  92,
                                               122, 153, 184, 214, 245, 275};

    if (t->Year < 1970 || t->Year > 9999 || t->Month < 1 || t->Month > 12 || t->Day < 1 ||
        t->Day > 31 || t->Hour > 23 || t->Minute > 59 || t->Second > 59)
        return 0;
    uint64_t days = days_to_march(t->Year - (t->Month < 3)) + days_from_march[t->Month - 1];
    int64_t seconds =
        (int64_t)(((days + t->Day - 1) * 24 + t->Hour) * 60 + t->Minute) * 60 + t->Second;
    if (t->TimeZone >= -1440 && t->TimeZone <= 1440)
        seconds += (int64_t)t->TimeZone * 60; /* local time = UTC - TimeZone */
    return seconds > 0 ? (uint64_t)seconds : 0;
}

static void read_clock(void)
{
    EFI_TIME time;

    if (!EFI_ERROR(RT->GetTime(&time, NULL)))
        loader.info->wall_seconds = unix_seconds(&time);
}

static void describe_boot_device(void)
{
    EFI_DEVICE_PATH_TO_TEXT_PROTOCOL *to_text = locate(&path_to_text_guid);
    EFI_DEVICE_PATH *path =
        loader.loaded->DeviceHandle ? DevicePathFromHandle(loader.loaded->DeviceHandle) : NULL;
    CHAR16 *text = to_text && path ? to_text->ConvertDevicePathToText(path, FALSE, FALSE) : NULL;

    copy_text(loader.info->boot_device, sizeof(loader.info->boot_device), text);
    if (text)
        BS->FreePool(text);
}

void firmware_describe(void)
{
    struct boot_info *info = loader.info;

    info->acpi_rsdp = find_table(&acpi20_guid);
    if (!info->acpi_rsdp)
        info->acpi_rsdp = find_table(&acpi10_guid);
    info->fdt = copy_fdt(find_table(&fdt_guid));
    info->efi_system_table = (uintptr_t)ST;
    info->efi_revision = ST->Hdr.Revision;
    info->firmware_revision = ST->FirmwareRevision;
    copy_text(info->firmware_vendor, sizeof(info->firmware_vendor), ST->FirmwareVendor);
    if (secure_boot())
        info->flags |= BOOT_SECURE_BOOT;
    if (strict_nx())
        info->flags |= BOOT_STRICT_NX;
    read_clock();
    read_seed();
    describe_boot_device();
}

bool firmware_keep_tables(void)
{
    const struct attributes_table *table = (const void *)(uintptr_t)find_table(&attributes_guid);

    if (!table || !table->count)
        return true;
    uint64_t size = sizeof(*table) + (uint64_t)table->count * table->entry_size;
    if (size > ATTRIBUTES_SIZE_MAX)
        return true;
    void *copy = memory_take(size, BOOT_PAGE_SIZE, BOOT_MEM_LOADER, true);
    if (!copy)
        return false;
    bytes_copy(copy, table, size);
    loader.info->efi_memory_attributes = (uintptr_t)copy;
    return true;
}
