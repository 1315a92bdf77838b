/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Reads and loads the kernel's ELF file. Pure: also compiled into the unit tests and the fuzzer. */
#include "boot/kernel_elf.h"

#include <stdbool.h>

#include "boot/bytes.h"

/* ELF-64 object file format, version 1.5: the parts that are used here. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_dynamic {
    uint64_t tag, value;
};

struct elf_rela {
    uint64_t offset, info;
    int64_t addend;
};

#define ELF_CLASS_64    2
#define ELF_DATA_LITTLE 1
#define ELF_TYPE_DYN    3
#define PT_LOAD         1
#define PT_DYNAMIC      2
#define PT_INTERP       3
#define PF_EXECUTE      1
#define PF_WRITE        2
#define DT_NULL         0
#define DT_RELA         7
#define DT_RELASZ       8
#define DT_RELAENT      9
#define DT_RELSZ        18
#define DT_PLTRELSZ     2
#define DT_RELRSZ       35
#define DT_RELR         36
#define DT_RELRENT      37

/* Where the relocations are, from the image's start, bytes. */
struct relocations {
    uint64_t rela, rela_size;
    uint64_t relr, relr_size;
};

static bool inside(uint64_t start, uint64_t size, uint64_t limit)
{
    return size <= limit && start <= limit - size;
}

static const char *check_header(const struct elf_header *header, const struct elf_target *target)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', ELF_CLASS_64, ELF_DATA_LITTLE};

    for (size_t i = 0; i < sizeof(ident); i++) {
        if (header->ident[i] != ident[i])
            return "it is not a 64-bit little-endian ELF file";
    }
    if (header->machine != target->machine)
        return "it is for another architecture";
    if (header->type != ELF_TYPE_DYN)
        return "it is not position independent";
    if (header->phentsize != sizeof(struct elf_program_header) || !header->phnum)
        return "its program headers have the wrong size";
    return NULL;
}

static const char *add_segment(struct kernel_elf *elf, const struct elf_program_header *ph,
                               size_t file_size)
{
    uint64_t end = elf->size; /* segments come in ascending order, each on pages of its own */

    if (!ph->memsz)
        return NULL;
    if (elf->segment_count == KERNEL_SEGMENTS)
        return "it has too many segments";
    if (!inside(ph->offset, ph->filesz, file_size) || ph->filesz > ph->memsz)
        return "a segment lies outside the file";
    if (!inside(ph->vaddr, ph->memsz, KERNEL_SIZE_MAX))
        return "it is too large";
    if (ph->vaddr % BOOT_PAGE_SIZE || ph->vaddr < end)
        return "its segments share pages or are not in order";
    if ((ph->flags & PF_WRITE) && (ph->flags & PF_EXECUTE))
        return "a segment is writable and executable";
    elf->segments[elf->segment_count++] = (struct kernel_segment){
        .offset = ph->offset,
        .file_size = ph->filesz,
        .address = ph->vaddr,
        .size = ph->memsz,
        .right = ph->flags & PF_WRITE     ? PAGE_WRITE
                 : ph->flags & PF_EXECUTE ? PAGE_EXECUTE
                                          : PAGE_READ,
    };
    elf->size = align_up(ph->vaddr + ph->memsz, BOOT_PAGE_SIZE);
    return NULL;
}

static const char *check_entry(const struct kernel_elf *elf)
{
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct kernel_segment *segment = &elf->segments[i];
        if (segment->right == PAGE_EXECUTE && elf->entry >= segment->address &&
            elf->entry - segment->address < segment->file_size)
            return NULL;
    }
    return "its entry point is not in an executable segment";
}

const char *kernel_elf_parse(const void *file, size_t size, const struct elf_target *target,
                             struct kernel_elf *elf)
{
    struct elf_header header;

    *elf = (struct kernel_elf){0};
    if (size < sizeof(header))
        return "it is shorter than an ELF header";
    bytes_copy(&header, file, sizeof(header));
    const char *wrong = check_header(&header, target);
    if (!wrong && !inside(header.phoff, (uint64_t)header.phnum * header.phentsize, size))
        wrong = "its program headers lie outside the file";
    for (unsigned i = 0; !wrong && i < header.phnum; i++) {
        struct elf_program_header ph;
        bytes_copy(&ph, (const char *)file + header.phoff + i * sizeof(ph), sizeof(ph));
        if (ph.type == PT_LOAD)
            wrong = add_segment(elf, &ph, size);
        else if (ph.type == PT_INTERP)
            wrong = "it asks for a dynamic linker";
        else if (ph.type == PT_DYNAMIC) {
            elf->dynamic = ph.vaddr;
            elf->dynamic_size = ph.memsz;
        }
    }
    elf->entry = header.entry;
    if (!wrong && !inside(elf->dynamic, elf->dynamic_size, elf->size))
        wrong = "its dynamic section lies outside the image";
    return wrong ? wrong : check_entry(elf);
}

static const char *read_dynamic(const struct kernel_elf *elf, const char *image,
                                struct relocations *found)
{
    uint64_t rela_entry = sizeof(struct elf_rela), relr_entry = sizeof(uint64_t), other = 0;

    for (uint64_t at = 0; at + sizeof(struct elf_dynamic) <= elf->dynamic_size;
         at += sizeof(struct elf_dynamic)) {
        struct elf_dynamic entry;
        bytes_copy(&entry, image + elf->dynamic + at, sizeof(entry));
        if (entry.tag == DT_NULL)
            break;
        uint64_t *field = entry.tag == DT_RELA      ? &found->rela
                          : entry.tag == DT_RELASZ  ? &found->rela_size
                          : entry.tag == DT_RELAENT ? &rela_entry
                          : entry.tag == DT_RELR    ? &found->relr
                          : entry.tag == DT_RELRSZ  ? &found->relr_size
                          : entry.tag == DT_RELRENT ? &relr_entry
                                                    : NULL;
        if (field)
            *field = entry.value;
        if (entry.tag == DT_RELSZ || entry.tag == DT_PLTRELSZ)
            other |= entry.value;
    }
    if (other || rela_entry != sizeof(struct elf_rela) || relr_entry != sizeof(uint64_t))
        return "it has relocations of an unknown kind";
    if (!inside(found->rela, found->rela_size, elf->size) ||
        !inside(found->relr, found->relr_size, elf->size))
        return "its relocations lie outside the image";
    return NULL;
}

/* Adds `virt` to the 64-bit word at `offset`, or stores `value` + `virt` there. */
static bool put_word(const struct kernel_elf *elf, char *image, uint64_t offset, uint64_t value)
{
    if (!inside(offset, sizeof(value), elf->size))
        return false;
    bytes_copy(image + offset, &value, sizeof(value));
    return true;
}

static uint64_t get_word(const char *image, uint64_t offset)
{
    uint64_t value;

    bytes_copy(&value, image + offset, sizeof(value));
    return value;
}

static const char *apply_rela(const struct kernel_elf *elf, const struct relocations *table,
                              uint32_t relative, char *image, uint64_t virt)
{
    for (uint64_t at = 0; at + sizeof(struct elf_rela) <= table->rela_size;
         at += sizeof(struct elf_rela)) {
        struct elf_rela rela;
        bytes_copy(&rela, image + table->rela + at, sizeof(rela));
        if (!rela.info)
            continue; /* R_*_NONE is 0 everywhere */
        if (rela.info != relative)
            return "it has a relocation that is not relative";
        if (!put_word(elf, image, rela.offset, virt + (uint64_t)rela.addend))
            return "a relocation lies outside the image";
    }
    return NULL;
}

/* DT_RELR: an even word is an address, an odd one a bitmap of the 63 words after the last address.
 */
static const char *apply_relr(const struct kernel_elf *elf, const struct relocations *table,
                              char *image, uint64_t virt)
{
    uint64_t next = 0;

    for (uint64_t at = 0; at + sizeof(uint64_t) <= table->relr_size; at += sizeof(uint64_t)) {
        uint64_t word = get_word(image, table->relr + at);
        uint64_t bits = word & 1 ? word >> 1 : 1;
        uint64_t base = word & 1 ? next : word;
        for (unsigned i = 0; bits; i++, bits >>= 1) {
            uint64_t offset = base + i * sizeof(uint64_t);
            if (!(bits & 1))
                continue;
            if (!inside(offset, sizeof(uint64_t), elf->size))
                return "a relocation lies outside the image";
            put_word(elf, image, offset, get_word(image, offset) + virt);
        }
        next = word & 1 ? next + 63 * sizeof(uint64_t) : word + sizeof(uint64_t);
    }
    return NULL;
}

const char *kernel_elf_load(const struct kernel_elf *elf, const void *file,
                            const struct elf_target *target, void *image, uint64_t virt)
{
    struct relocations table = {0};

    bytes_zero(image, elf->size);
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct kernel_segment *segment = &elf->segments[i];
        bytes_copy((char *)image + segment->address, (const char *)file + segment->offset,
                   segment->file_size);
    }
    const char *wrong = read_dynamic(elf, image, &table);
    if (!wrong)
        wrong = apply_rela(elf, &table, target->relative, image, virt);
    if (!wrong)
        wrong = apply_relr(elf, &table, image, virt);
    return wrong;
}
