/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Reads the configuration and the files that it names from the EFI system partition. */
#include "boot/arch.h"
#include "boot/config.h"
#include "boot/loader.h"
#include "boot/path.h"

#define READ_CHUNK  (2u << 20)  /* bytes a read: some firmware fails on large ones */
#define BIG_FILE    (16u << 20) /* files from this size on show their progress */
#define NAME_ROOM   (512 * sizeof(CHAR16))
#define STATUS_BITS 0x7fffffff

static EFI_FILE *root;
static bool too_many; /* the message is shown once */

static EFI_FILE *open_root(void)
{
    EFI_GUID guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_FILE_IO_INTERFACE *volume;
    EFI_FILE *opened;

    if (!loader.loaded->DeviceHandle ||
        EFI_ERROR(BS->HandleProtocol(loader.loaded->DeviceHandle, &guid, (void **)&volume)) ||
        EFI_ERROR(volume->OpenVolume(volume, &opened)))
        return NULL;
    return opened;
}

static EFI_STATUS size_of(EFI_FILE *file, uint64_t *size)
{
    static union {
        EFI_FILE_INFO info;
        char room[sizeof(EFI_FILE_INFO) + NAME_ROOM];
    } buffer;
    EFI_GUID guid = EFI_FILE_INFO_ID;
    UINTN room = sizeof(buffer);

    EFI_STATUS status = file->GetInfo(file, &guid, &room, &buffer);
    if (EFI_ERROR(status))
        return status;
    if (buffer.info.Attribute & EFI_FILE_DIRECTORY)
        return EFI_UNSUPPORTED;
    *size = buffer.info.FileSize;
    return EFI_SUCCESS;
}

static void show_progress(const char *path, uint64_t done, uint64_t size)
{
    Print(L"\r  %a: %ld of %ld MiB", path, (INT64)(done >> 20), (INT64)(size >> 20));
}

static EFI_STATUS read_into(EFI_FILE *file, const char *path, char *memory, uint64_t size)
{
    uint64_t done = 0, shown = 0;

    while (done < size) {
        UINTN chunk = size - done < READ_CHUNK ? size - done : READ_CHUNK;
        EFI_STATUS status = file->Read(file, &chunk, memory + done);
        if (EFI_ERROR(status))
            return status;
        if (!chunk)
            return EFI_END_OF_FILE; /* shorter than the directory says */
        done += chunk;
        if (size >= BIG_FILE && (done - shown >= size / 10 || done == size)) {
            show_progress(path, done, size);
            shown = done;
        }
    }
    if (size >= BIG_FILE)
        Print(L"\r\n");
    return EFI_SUCCESS;
}

/* Reads an open file into memory of its own. */
static EFI_STATUS load_open_file(EFI_FILE *file, struct boot_file *entry)
{
    uint64_t size;
    EFI_STATUS status = size_of(file, &size);

    if (EFI_ERROR(status) || !size)
        return status;
    char *memory = memory_take(size, BOOT_PAGE_SIZE, BOOT_MEM_FILE, false);
    if (!memory) {
        Print(L"  %a: %ld MiB are more than the memory that is left.\r\n", entry->path,
              (INT64)((size + (1 << 20) - 1) >> 20));
        return EFI_OUT_OF_RESOURCES;
    }
    status = read_into(file, entry->path, memory, size);
    if (EFI_ERROR(status)) {
        memory_give_back(memory);
        return status;
    }
    bytes_zero(memory + size, align_up(size, BOOT_PAGE_SIZE) - size);
    entry->base = (uintptr_t)memory;
    entry->size = size;
    return EFI_SUCCESS;
}

static EFI_STATUS load_file(struct boot_file *entry)
{
    CHAR16 name[BOOT_PATH_SIZE + 1];
    EFI_FILE *file;

    if (!boot_path_to_utf16(entry->path, (uint16_t *)name, BOOT_PATH_SIZE + 1))
        return EFI_INVALID_PARAMETER;
    EFI_STATUS status = root->Open(root, &file, name, EFI_FILE_MODE_READ, 0);
    if (EFI_ERROR(status))
        return status;
    status = load_open_file(file, entry);
    file->Close(file);
    return status;
}

static bool already_listed(const char *path)
{
    for (uint32_t i = 0; i < loader.info->file_count; i++) {
        if (text_equal(loader.files[i].path, path))
            return true;
    }
    return false;
}

/* Lists and reads one file of the configuration. */
static void add_file(const char *section, const char *key, const char *value)
{
    char path[BOOT_PATH_SIZE];
    const char *wrong = boot_path_normalise(value, path, sizeof(path));

    if (wrong) {
        Print(L"  [%a] %a: the path cannot be used: %a.\r\n", section, key, wrong);
        return;
    }
    if (already_listed(path))
        return;
    if (loader.info->file_count == BOOT_FILES_MAX) {
        if (!too_many)
            Print(L"  More than %d files: the others are not read.\r\n", BOOT_FILES_MAX);
        too_many = true;
        return;
    }
    struct boot_file *entry = &loader.files[loader.info->file_count++];
    bytes_copy(entry->path, path, sizeof(path));
    EFI_STATUS status = load_file(entry);
    entry->status = (int32_t)(status & STATUS_BITS);
    if (EFI_ERROR(status))
        Print(L"  %a cannot be read: %r.\r\n", entry->path, status);
    else
        Print(L"  %a, %ld bytes\r\n", entry->path, (INT64)entry->size);
}

void esp_read_files(void)
{
    root = open_root();
    if (!root) {
        Print(L"No configuration: the loader did not come from a disk, so there is no %a.\r\n",
              CONFIG_PATH);
        return;
    }
    struct boot_file *config = &loader.files[0];
    bytes_copy(config->path, CONFIG_PATH, sizeof(CONFIG_PATH));
    EFI_STATUS status = load_file(config);
    config->status = (int32_t)(status & STATUS_BITS);
    if (status == EFI_NOT_FOUND) {
        Print(L"No configuration: there is no %a on the boot disk.\r\n", CONFIG_PATH);
    } else {
        loader.info->file_count = 1;
        if (EFI_ERROR(status))
            Print(L"%a cannot be read: %r.\r\n", CONFIG_PATH, status);
        else
            Print(L"Reading %a and its files:\r\n", CONFIG_PATH);
        if (config->size)
            config_find_files((const char *)config->base, config->size, arch_name, add_file);
    }
    root->Close(root);
}
