/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The loader's way from the firmware to the kernel: describe the machine, read the files, load the
 * kernel, build the first page tables, leave boot services, jump. Nothing here is needed
 * afterwards.
 */
#include "boot/arch.h"
#include "boot/kernel_elf.h"
#include "boot/loader.h"

#define KERNEL_ALIGN   (2ULL << 20)
#define POOL_PAGES     64 /* page table pages taken at a time */
#define EXIT_TRIES     8
#define KEY_WAIT_100NS (10ULL * 10000000) /* 10 s */

extern const char kernel_image_start[], kernel_image_end[];

EFI_STATUS efi_main(EFI_HANDLE image,
                    EFI_SYSTEM_TABLE *system); /* called by GNU-EFI in the ELF ABI */

struct loader loader;

static struct boot_layout layout;
static struct kernel_elf kernel;
static struct page_tables tables;
static struct raw_map raw_map;
static struct handover handover;

static struct efi_map firmware_map(void)
{
    return (struct efi_map){raw_map.data, raw_map.size, raw_map.stride};
}

/* Pages for page tables, from chunks so that the list of claims stays short. */
static void *take_table_page(void *context)
{
    static char *pool;
    static unsigned left;

    (void)context;
    if (!left) {
        pool = memory_take(POOL_PAGES * BOOT_PAGE_SIZE, BOOT_PAGE_SIZE, BOOT_MEM_LOADER, true);
        if (!pool)
            return NULL;
        left = POOL_PAGES;
    }
    left--;
    char *page = pool;
    pool += BOOT_PAGE_SIZE;
    return page;
}

static void claim_own_image(void)
{
    uint64_t base = (uintptr_t)loader.loaded->ImageBase;
    uint64_t end = align_up(base + loader.loaded->ImageSize, BOOT_PAGE_SIZE);

    base = align_down(base, BOOT_PAGE_SIZE);
    loader.claims[loader.claim_count++] =
        (struct claim){.base = base, .size = end - base, .type = BOOT_MEM_LOADER};
}

/* boot_info and everything in it that the firmware knows. */
static const char *make_boot_info(uint64_t entry_counter)
{
    loader.info = memory_take(sizeof(*loader.info), BOOT_PAGE_SIZE, BOOT_MEM_LOADER, true);
    loader.files =
        memory_take(BOOT_FILES_MAX * sizeof(*loader.files), BOOT_PAGE_SIZE, BOOT_MEM_LOADER, true);
    if (!loader.info || !loader.files)
        return "there is not enough memory";
    *loader.info = (struct boot_info){
        .magic = BOOT_INFO_MAGIC,
        .version = BOOT_INFO_VERSION,
        .size = sizeof(struct boot_info),
        .kernel_virt = layout.kernel_virt,
        .direct_map_base = layout.direct_map_base,
        .direct_map_size = layout.direct_map_size,
        .files = (uintptr_t)loader.files,
        .boot_cpu = arch_boot_cpu(),
        .entry_counter = entry_counter,
        .trampoline_page = (uintptr_t)arch_trampoline,
    };
    return NULL;
}

static const char *refuse_kernel(const char *wrong)
{
    Print(L"The kernel in this loader is damaged: %a.\r\n", wrong);
    return "copy the loader to the boot disk again";
}

static const char *load_kernel(void)
{
    size_t size = (size_t)(kernel_image_end - kernel_image_start);
    const char *wrong = kernel_elf_parse(kernel_image_start, size, &arch_elf_target, &kernel);

    if (wrong)
        return refuse_kernel(wrong);
    char *image = memory_take(kernel.size, KERNEL_ALIGN, BOOT_MEM_KERNEL, false);
    if (!image)
        return "there is not enough memory for the kernel";
    wrong =
        kernel_elf_load(&kernel, kernel_image_start, &arch_elf_target, image, layout.kernel_virt);
    if (wrong)
        return refuse_kernel(wrong);
    arch_publish(image, kernel.size);
    loader.info->kernel_phys = (uintptr_t)image;
    loader.info->kernel_size = kernel.size;
    return NULL;
}

/* Room for the final memory map; filled now with the present one, which has the same RAM. */
static const char *make_memory_map(void)
{
    if (!raw_map_init(&raw_map))
        return "the firmware gives no memory map";
    size_t capacity = memory_map_capacity(raw_map.capacity / raw_map.stride, BOOT_CLAIMS_MAX);
    void *mem =
        memory_take(capacity * sizeof(struct boot_mem), BOOT_PAGE_SIZE, BOOT_MEM_LOADER, false);
    if (!mem)
        return "there is not enough memory for the memory map";
    loader.info->mem = (uintptr_t)mem;
    return EFI_ERROR(raw_map_read(&raw_map)) ? "the firmware gives no memory map" : NULL;
}

static void convert_memory_map(void)
{
    struct efi_map map = firmware_map();
    size_t capacity = memory_map_capacity(raw_map.capacity / raw_map.stride, BOOT_CLAIMS_MAX);

    loader.info->mem_count = (uint32_t)memory_map_convert(
        &map, loader.claims, loader.claim_count, (struct boot_mem *)loader.info->mem, capacity);
    loader.info->efi_memory_map = (uintptr_t)raw_map.data;
    loader.info->efi_memory_map_size = raw_map.size;
    loader.info->efi_descriptor_size = (uint32_t)raw_map.stride;
    loader.info->efi_descriptor_version = raw_map.version;
}

static const char *build_page_tables(void)
{
    uint64_t page = (uintptr_t)arch_trampoline;

    if (page % BOOT_PAGE_SIZE || page >= layout.identity_limit)
        return "the firmware put the loader at an address that it cannot use";
    convert_memory_map();
    if (!page_tables_init(&tables, &layout, take_table_page, NULL) ||
        !page_tables_map_ram(&tables, (struct boot_mem *)loader.info->mem,
                             loader.info->mem_count) ||
        !page_tables_map_kernel(&tables, &kernel, loader.info->kernel_phys) ||
        !page_tables_map(&tables, page, page, BOOT_PAGE_SIZE, PAGE_EXECUTE) ||
        !arch_map_own(&tables))
        return "there is not enough memory for page tables";
    return NULL;
}

static const char *prepare_handover(void)
{
    char *stack = memory_take(BOOT_STACK_SIZE, BOOT_PAGE_SIZE, BOOT_MEM_LOADER, true);

    if (!stack)
        return "there is not enough memory for the first stack";
    handover = (struct handover){
        .layout = &layout,
        .root = (uintptr_t)tables.root,
        .low_root = (uintptr_t)tables.low_root,
        .stack_top = layout.direct_map_base + (uintptr_t)stack + BOOT_STACK_SIZE,
        .entry = layout.kernel_virt + kernel.entry,
        .info = layout.direct_map_base + (uintptr_t)loader.info,
    };
    for (size_t i = 0; i < loader.claim_count; i++) {
        if (loader.claims[i].type == BOOT_MEM_LOADER)
            arch_publish((void *)loader.claims[i].base, loader.claims[i].size);
    }
    return NULL;
}

/* The map's key goes stale when anything allocates meanwhile, such as a timer's handler: look and
 * try again. */
static EFI_STATUS exit_boot_services(void)
{
    EFI_STATUS status = EFI_ABORTED;

    for (unsigned i = 0; i < EXIT_TRIES && EFI_ERROR(status); i++) {
        status = raw_map_read(&raw_map);
        if (!EFI_ERROR(status))
            status = BS->ExitBootServices(loader.image, raw_map.key);
    }
    return status;
}

/* Everything up to the last message. Returns NULL, or what makes starting impossible. */
static const char *prepare(uint64_t entry_counter)
{
    const char *wrong = arch_choose_layout(&layout);

    if (wrong)
        return wrong;
    loader.phys_limit = layout.phys_limit;
    wrong = make_boot_info(entry_counter);
    if (wrong)
        return wrong;
    firmware_describe();
    framebuffer_find();
    esp_read_files();
    wrong = load_kernel();
    if (!wrong && !firmware_keep_tables())
        wrong = "there is not enough memory";
    if (!wrong)
        wrong = make_memory_map();
    if (!wrong)
        wrong = build_page_tables();
    return wrong ? wrong : prepare_handover();
}

static EFI_STATUS give_up(const char *reason)
{
    EFI_EVENT events[2] = {ST->ConIn->WaitForKey, NULL};
    UINTN index;

    Print(L"\r\nEnnead cannot start: %a.\r\nPress a key, or wait 10 s, to return to the "
          L"firmware.\r\n",
          reason);
    if (!EFI_ERROR(BS->CreateEvent(EVT_TIMER, 0, NULL, NULL, &events[1]))) {
        BS->SetTimer(events[1], TimerRelative, KEY_WAIT_100NS);
        BS->WaitForEvent(2, events, &index);
        BS->CloseEvent(events[1]);
    }
    return EFI_LOAD_ERROR;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    uint64_t entry_counter = arch_counter();
    EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;

    (void)system;                        /* GNU-EFI has set ST, BS and RT from it */
    BS->SetWatchdogTimer(0, 0, 0, NULL); /* large files may take longer than its 5 minutes */
    Print(L"\r\nEnnead %a, loader for %a\r\n", ENNEAD_VERSION, arch_name);
    loader.image = image;
    EFI_STATUS status = BS->HandleProtocol(image, &loaded_image, (void **)&loader.loaded);
    if (EFI_ERROR(status))
        return give_up("the firmware does not say where the loader is");
    claim_own_image();
    const char *wrong = prepare(entry_counter);
    if (wrong)
        return give_up(wrong);
    Print(L"Starting the kernel.\r\n");
    status = exit_boot_services();
    if (EFI_ERROR(status))
        return give_up("the firmware does not let go of the machine");
    loader.info->exit_counter = arch_counter();
    convert_memory_map();
    arch_enter_kernel(&handover);
}
