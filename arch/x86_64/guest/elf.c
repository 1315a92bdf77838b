/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Reads executables of x86 guests. */
#include "arch/x86_64/guest/elf.h"

#include <string.h>

#define CLASS_AT       4
#define CLASS_32       1
#define CLASS_64       2
#define DATA_AT        5
#define DATA_LITTLE    1
#define IDENT_SIZE     16
#define TYPE_EXEC      2
#define MACHINE_386    3
#define MACHINE_X86_64 62
#define PT_LOAD        1
#define PT_NOTE        4
#define HEADERS_MAX    64

/* Notes: three words, then name and description, each padded. */
#define NOTE_HEADER         12
#define NOTE_ALIGNMENT      4
#define NOTE_WIDE_ALIGNMENT 8
#define NOTE_XEN            "Xen"
#define NOTE_PHYS32_ENTRY   18 /* Xen: xen/include/public/elfnote.h */

/* Where a class keeps its fields. */
struct layout {
    uint8_t word; /* bytes of an address */
    uint8_t header_size, entry, phoff, phentsize, phnum;
    uint8_t ph_size, ph_offset, ph_vaddr, ph_paddr, ph_filesz, ph_memsz, ph_align;
};
static const struct layout layout_32 = {4, 52, 24, 28, 42, 44, 32, 4, 8, 12, 16, 20, 28};
static const struct layout layout_64 = {8, 64, 24, 32, 54, 56, 56, 8, 16, 24, 32, 40, 48};
#define HEADER_TYPE    16
#define HEADER_MACHINE 18

struct reader {
    const uint8_t *bytes;
    size_t size;
    const struct layout *layout;
    struct elf_image *elf;
};

static uint64_t get(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static bool inside(uint64_t start, uint64_t size, uint64_t limit)
{
    return size <= limit && start <= limit - size;
}

bool elf_is(const uint8_t *bytes, size_t size)
{
    return size >= IDENT_SIZE && memcmp(bytes, "\177ELF", 4) == 0;
}

static const char *add_segment(struct reader *r, const uint8_t *ph, uint64_t *virtual_address)
{
    const struct layout *l = r->layout;
    struct elf_image *elf = r->elf;
    struct elf_segment s = {.offset = get(ph + l->ph_offset, l->word),
                            .file_size = get(ph + l->ph_filesz, l->word),
                            .address = get(ph + l->ph_paddr, l->word),
                            .size = get(ph + l->ph_memsz, l->word)};

    *virtual_address = get(ph + l->ph_vaddr, l->word);
    if (elf->segment_count == ELF_SEGMENTS_MAX)
        return "it has too many segments";
    if (!inside(s.offset, s.file_size, r->size) || s.file_size > s.size)
        return "a segment lies outside the file";
    if (!inside(s.address, s.size, UINT64_MAX))
        return "a segment wraps around the end of memory";
    elf->low = elf->segment_count ? MIN(elf->low, s.address) : s.address;
    elf->high = MAX(elf->high, s.address + s.size);
    elf->segments[elf->segment_count++] = s;
    return NULL;
}

/* The entry point is virtual: the segment that holds it says where it is physically. */
static void place_entry(struct reader *r, uint64_t virtual_entry, uint64_t virtual_address)
{
    const struct elf_segment *s = &r->elf->segments[r->elf->segment_count - 1];

    if (virtual_entry >= virtual_address && virtual_entry - virtual_address < s->size)
        r->elf->entry = s->address + (virtual_entry - virtual_address);
}

static const char *read_notes(struct reader *r, const uint8_t *ph)
{
    const struct layout *l = r->layout;
    uint64_t offset = get(ph + l->ph_offset, l->word), size = get(ph + l->ph_filesz, l->word);
    uint64_t align = get(ph + l->ph_align, l->word) == NOTE_WIDE_ALIGNMENT ? NOTE_WIDE_ALIGNMENT
                                                                           : NOTE_ALIGNMENT;

    if (!inside(offset, size, r->size))
        return "its notes lie outside the file";
    for (uint64_t at = 0; size - at >= NOTE_HEADER;) {
        const uint8_t *note = r->bytes + offset + at;
        uint64_t name_size = get(note, 4), text_size = get(note + 4, 4), type = get(note + 8, 4);
        uint64_t text_at = ALIGN_UP(NOTE_HEADER + name_size, align);
        uint64_t next = text_at + ALIGN_UP(text_size, align);

        if (text_at + text_size > size - at)
            return "a note is longer than the notes";
        if (type == NOTE_PHYS32_ENTRY && name_size == sizeof(NOTE_XEN) &&
            memcmp(note + NOTE_HEADER, NOTE_XEN, sizeof(NOTE_XEN)) == 0 &&
            (text_size == 4 || text_size == 8)) {
            r->elf->has_pvh = true;
            r->elf->pvh_entry = get(note + text_at, (unsigned)text_size);
        }
        if (next > size - at)
            break;
        at += next;
    }
    return NULL;
}

static const char *read_header(struct reader *r)
{
    uint8_t class = r->bytes[CLASS_AT];
    uint64_t machine;

    if ((class != CLASS_32 && class != CLASS_64) || r->bytes[DATA_AT] != DATA_LITTLE)
        return "it is not a little-endian ELF file of 32 or 64 bits";
    r->layout = class == CLASS_32 ? &layout_32 : &layout_64;
    if (r->size < r->layout->header_size)
        return "it is shorter than its ELF header";
    machine = get(r->bytes + HEADER_MACHINE, 2);
    if (machine != MACHINE_386 && machine != MACHINE_X86_64)
        return "it is for another architecture";
    if (get(r->bytes + HEADER_TYPE, 2) != TYPE_EXEC)
        return "it is not linked at a fixed address";
    return NULL;
}

const char *elf_parse(const uint8_t *bytes, size_t size, struct elf_image *elf)
{
    struct reader r = {.bytes = bytes, .size = size, .elf = elf};
    uint64_t table, count, entry;
    const char *wrong;

    *elf = (struct elf_image){0};
    if (!elf_is(bytes, size))
        return "it is not an ELF file";
    wrong = read_header(&r);
    if (wrong)
        return wrong;
    entry = elf->entry = get(bytes + r.layout->entry, r.layout->word);
    table = get(bytes + r.layout->phoff, r.layout->word);
    count = get(bytes + r.layout->phnum, 2);
    if (!count || count > HEADERS_MAX || get(bytes + r.layout->phentsize, 2) != r.layout->ph_size ||
        !inside(table, count * r.layout->ph_size, size))
        return "its program headers lie outside the file or have the wrong size";
    for (uint64_t i = 0; !wrong && i < count; i++) {
        const uint8_t *ph = bytes + table + i * r.layout->ph_size;
        uint64_t virtual_address = 0, type = get(ph, 4);

        if (type == PT_NOTE)
            wrong = read_notes(&r, ph);
        if (type != PT_LOAD || !get(ph + r.layout->ph_memsz, r.layout->word))
            continue;
        wrong = add_segment(&r, ph, &virtual_address);
        if (!wrong)
            place_entry(&r, entry, virtual_address);
    }
    if (!wrong && !elf->segment_count)
        wrong = "it has nothing to load";
    return wrong;
}
