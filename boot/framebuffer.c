/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Finds a linear frame buffer (UEFI 2.10, 12.9). The mode is left as it is, unless the present one
 * is not linear and another one of the same screen is.
 */
#include "boot/loader.h"

typedef EFI_GRAPHICS_OUTPUT_PROTOCOL gop_t;
typedef EFI_GRAPHICS_OUTPUT_MODE_INFORMATION gop_mode_t;

static const EFI_GUID gop_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

static enum boot_framebuffer_format format_of(const gop_mode_t *mode)
{
    const EFI_PIXEL_BITMASK *mask = &mode->PixelInformation;

    switch (mode->PixelFormat) {
    case PixelRedGreenBlueReserved8BitPerColor:
        return BOOT_FB_RGBX;
    case PixelBlueGreenRedReserved8BitPerColor:
        return BOOT_FB_BGRX;
    case PixelBitMask:
        if (mask->GreenMask == 0xff00 && mask->RedMask == 0xff && mask->BlueMask == 0xff0000)
            return BOOT_FB_RGBX;
        if (mask->GreenMask == 0xff00 && mask->RedMask == 0xff0000 && mask->BlueMask == 0xff)
            return BOOT_FB_BGRX;
        return BOOT_FB_NONE;
    default:
        return BOOT_FB_NONE;
    }
}

static void note(const char *text)
{
    char *out = loader.info->framebuffer_note;
    size_t used = 0;

    while (text[used] && used + 1 < sizeof(loader.info->framebuffer_note)) {
        out[used] = text[used];
        used++;
    }
    out[used] = '\0';
}

/* Takes the present mode of `gop` when it is linear and its numbers make sense. */
static bool take_mode(gop_t *gop)
{
    const gop_mode_t *mode = gop->Mode ? gop->Mode->Info : NULL;

    if (!mode || format_of(mode) == BOOT_FB_NONE || !gop->Mode->FrameBufferBase)
        return false;
    uint64_t needed = (uint64_t)mode->PixelsPerScanLine * mode->VerticalResolution * 4;
    if (!needed || mode->HorizontalResolution > mode->PixelsPerScanLine ||
        needed > gop->Mode->FrameBufferSize)
        return false;
    loader.info->framebuffer = (struct boot_framebuffer){
        .base = gop->Mode->FrameBufferBase,
        .size = gop->Mode->FrameBufferSize,
        .width = mode->HorizontalResolution,
        .height = mode->VerticalResolution,
        .stride = mode->PixelsPerScanLine,
        .format = (uint32_t)format_of(mode),
    };
    return true;
}

/* The first linear mode of the present size, else the first linear one; MaxMode when there is none.
 */
static UINT32 find_linear_mode(gop_t *gop)
{
    const gop_mode_t *present = gop->Mode->Info;
    UINT32 found = gop->Mode->MaxMode;

    for (UINT32 i = 0; i < gop->Mode->MaxMode; i++) {
        gop_mode_t *mode;
        UINTN size;
        if (EFI_ERROR(gop->QueryMode(gop, i, &size, &mode)))
            continue;
        bool linear = format_of(mode) != BOOT_FB_NONE;
        bool same = present && mode->HorizontalResolution == present->HorizontalResolution &&
                    mode->VerticalResolution == present->VerticalResolution;
        BS->FreePool(mode);
        if (linear && same)
            return i;
        if (linear && found == gop->Mode->MaxMode)
            found = i;
    }
    return found;
}

static gop_t *gop_of(EFI_HANDLE handle)
{
    EFI_GUID guid = gop_guid;
    void *gop;

    return handle && !EFI_ERROR(BS->HandleProtocol(handle, &guid, &gop)) ? gop : NULL;
}

static bool take_any(EFI_HANDLE *handles, UINTN count)
{
    for (UINTN i = 0; i < count; i++) {
        gop_t *gop = gop_of(handles[i]);
        if (gop && take_mode(gop))
            return true;
    }
    for (UINTN i = 0; i < count; i++) {
        gop_t *gop = gop_of(handles[i]);
        if (!gop || !gop->Mode)
            continue;
        UINT32 mode = find_linear_mode(gop);
        if (mode != gop->Mode->MaxMode && !EFI_ERROR(gop->SetMode(gop, mode)) && take_mode(gop))
            return true;
    }
    return false;
}

void framebuffer_find(void)
{
    EFI_GUID guid = gop_guid;
    EFI_HANDLE *handles;
    UINTN count;

    gop_t *console = gop_of(ST->ConsoleOutHandle);
    if (console && take_mode(console))
        return;
    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &guid, NULL, &count, &handles))) {
        note("the firmware offers no graphics output");
        return;
    }
    if (!take_any(handles, count))
        note("the firmware's graphics output has no linear frame buffer, only block transfers");
    BS->FreePool(handles);
}
