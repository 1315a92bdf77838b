/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Finds and reads the symbols of a Linux kernel in a guest's memory. See kernel/kallsyms.h. */
#include "kernel/kallsyms.h"

#include <string.h>

#define TOKENS      256
#define GROUP       256 /* names between two markers */
#define COUNT_MIN   1000u
#define COUNT_MAX   2000000u
#define TABLE_ALIGN 8
#define TOKEN_MAX   64      /* bytes of one token */
#define NAME_BYTES  1024    /* of one name, compressed */
#define AHEAD       MIB(64) /* from `near`: read-only data lies behind the code */
#define BEHIND      MIB(32)
#define LENGTH_MORE 0x80 /* the length goes on in the next byte */
#define TEXT_SPAN   MIB(256)
#define LOOK_BACK   (GROUP * 64) /* bytes: where the names begin is known up to the last group */

enum { PAGE_OF_NAMES, PAGE_OF_TOKENS };

/* ---- Reading ---- */

static bool read_u32(const struct kallsyms *k, uint64_t va, uint32_t *value)
{
    return k->read(k->arg, va, value, sizeof(*value));
}

/* One byte, through a page that is kept. */
static bool read_byte(struct kallsyms *k, unsigned which, uint64_t va, uint8_t *byte)
{
    struct kallsyms_page *p = &k->pages[which];
    uint64_t page = va & ~(uint64_t)(PAGE_SIZE - 1);

    if (p->va != page || !page) {
        p->va = 0;
        if (!k->read(k->arg, page, p->bytes, PAGE_SIZE))
            return false;
        p->va = page;
    }
    *byte = p->bytes[va - page];
    return true;
}

/* ---- Tokens ---- */

#define EVERY_OTHER 0x00ff00ff00ff00ffULL

/* Four digits with zeroes between them: digits are tokens of one character, one after the other. */
static bool like_digits(uint64_t word)
{
    if (word & EVERY_OTHER && word & ~EVERY_OTHER)
        return false;
    if (!(word & EVERY_OTHER))
        word >>= 8;
    for (unsigned i = 0; i < 4; i++, word >>= 16)
        if ((word & 0xff) < '0' || (word & 0xff) > '9')
            return false;
    return true;
}

/* The address of token `token` before that of `token + 1`, which begins at `va`. */
static bool token_before(struct kallsyms *k, uint64_t *va)
{
    uint8_t byte;

    for (unsigned length = 0; length < TOKEN_MAX; length++) {
        if (!read_byte(k, PAGE_OF_TOKENS, *va - 2 - length, &byte))
            return false;
        if (!byte) {
            *va -= 1 + length;
            return length > 0;
        }
    }
    return false;
}

/* Takes the offsets behind the tokens, and compares them with the tokens. */
static bool check_tokens(struct kallsyms *k)
{
    uint64_t at = k->tokens;
    uint8_t byte;

    for (unsigned t = 0; t < TOKENS; t++) {
        k->token[t] = (uint16_t)(at - k->tokens);
        do {
            if (at - k->tokens > UINT16_MAX || !read_byte(k, PAGE_OF_TOKENS, at++, &byte))
                return false;
        } while (byte);
    }
    uint16_t index[TOKENS];
    return k->read(k->arg, ALIGN_UP(at, TABLE_ALIGN), index, sizeof(index)) &&
           memcmp(index, k->token, sizeof(index)) == 0;
}

/* `va` is in the middle of the digits: goes back to the first token. */
static bool find_tokens(struct kallsyms *k, uint64_t va)
{
    uint8_t byte;

    if (!read_byte(k, PAGE_OF_TOKENS, va, &byte))
        return false;
    va += !byte;
    if (!read_byte(k, PAGE_OF_TOKENS, va, &byte) || byte < '0' || byte > '9')
        return false;
    for (unsigned token = byte; token; token--)
        if (!token_before(k, &va))
            return false;
    /* The first token's own beginning: 8 bytes aligned. */
    k->tokens = va;
    return IS_ALIGNED(va, TABLE_ALIGN) && check_tokens(k);
}

/* ---- Names ---- */

/* The bytes of the name at *va; *va goes behind its length. */
static bool name_length(struct kallsyms *k, uint64_t *va, unsigned *length)
{
    uint8_t byte;

    if (!read_byte(k, PAGE_OF_NAMES, (*va)++, &byte))
        return false;
    *length = byte;
    if (byte & LENGTH_MORE) {
        if (!read_byte(k, PAGE_OF_NAMES, (*va)++, &byte))
            return false;
        *length = (*length & ~(unsigned)LENGTH_MORE) | (unsigned)byte << 7;
    }
    return *length > 0 && *length < NAME_BYTES;
}

static bool skip_names(struct kallsyms *k, uint64_t *va, unsigned count)
{
    unsigned length;

    while (count--) {
        if (!name_length(k, va, &length))
            return false;
        *va += length;
    }
    return true;
}

/* Are there names from `names` on, as many as the word before them says, up to the markers? */
static bool check_names(struct kallsyms *k, uint64_t names, uint32_t groups, uint32_t last)
{
    uint64_t at = names + last;
    uint32_t count, zero;

    if (!read_u32(k, names - 8, &count) || !read_u32(k, names - 4, &zero) || zero ||
        count < COUNT_MIN || count > COUNT_MAX || DIV_ROUND_UP(count, GROUP) != groups)
        return false;
    k->names = names;
    k->count = count;
    return skip_names(k, &at, count - (groups - 1) * GROUP) &&
           ALIGN_UP(at, TABLE_ALIGN) == k->markers;
}

static bool find_names(struct kallsyms *k, uint32_t groups, uint32_t last)
{
    uint64_t latest = ALIGN_DOWN(k->markers - last, TABLE_ALIGN);

    for (uint64_t back = 0; back < LOOK_BACK; back += TABLE_ALIGN)
        if (check_names(k, latest - back, groups, last))
            return true;
    return false;
}

/* Markers end before the tokens, perhaps with padding, and rise from 0. */
static bool find_markers(struct kallsyms *k, uint64_t end)
{
    uint32_t value, after, last;
    uint64_t at = end - sizeof(value);

    if (!read_u32(k, at, &last))
        return false;
    after = last;
    for (uint32_t groups = 1; groups <= COUNT_MAX / GROUP; groups++) {
        at -= sizeof(value);
        if (!read_u32(k, at, &value) || value >= after)
            return false;
        after = value;
        if (value == 0) {
            k->markers = at;
            return IS_ALIGNED(at, TABLE_ALIGN) && find_names(k, groups + 1, last);
        }
    }
    return false;
}

/* ---- Addresses ---- */

static bool address_of(const struct kallsyms *k, uint32_t index, uint64_t *address)
{
    uint32_t offset;

    if (!read_u32(k, k->offsets + index * sizeof(offset), &offset))
        return false;
    if (!k->signed_offsets)
        *address = k->base + offset;
    else
        *address = (int32_t)offset >= 0 ? offset : k->base - 1 - (uint64_t)(int64_t)(int32_t)offset;
    return true;
}

/* Offsets at `offsets`, their base at `base`: is the middle of the symbols in the kernel? */
static bool check_offsets(struct kallsyms *k, uint64_t offsets, uint64_t base, uint64_t near)
{
    uint64_t middle;
    uint32_t offset;

    k->offsets = offsets;
    if (!k->read(k->arg, base, &k->base, sizeof(k->base)) ||
        !read_u32(k, offsets + k->count / 2 * sizeof(offset), &offset))
        return false;
    k->signed_offsets = (int32_t)offset < 0;
    return address_of(k, k->count / 2, &middle) && middle - near + TEXT_SPAN < 2 * TEXT_SPAN;
}

static bool find_offsets(struct kallsyms *k, uint64_t near)
{
    uint64_t size = ALIGN_UP(k->count * sizeof(uint32_t), TABLE_ALIGN);
    uint64_t behind = ALIGN_UP(k->tokens + k->token[TOKENS - 1] + 1, TABLE_ALIGN);
    uint64_t base = k->names - 16; /* the number of symbols stands in between */
    uint8_t byte;

    if (check_offsets(k, base - size, base, near))
        return true;
    do { /* the last token's end */
        if (!read_byte(k, PAGE_OF_TOKENS, behind - 1, &byte))
            return false;
    } while (byte && behind++ < k->tokens + UINT16_MAX);
    behind = ALIGN_UP(behind, TABLE_ALIGN) + sizeof(k->token);
    return check_offsets(k, behind, behind + size, near);
}

/* ---- Finding ---- */

static bool found_at(struct kallsyms *k, uint64_t va, uint64_t near)
{
    return find_tokens(k, va) &&
           (find_markers(k, k->tokens) || find_markers(k, k->tokens - sizeof(uint32_t))) &&
           find_offsets(k, near);
}

static bool find_in_page(struct kallsyms *k, uint64_t va, uint64_t near)
{
    if (!k->read(k->arg, va, k->scanned, sizeof(k->scanned)))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(k->scanned); i++)
        if (unlikely(like_digits(k->scanned[i])) && found_at(k, va + i * sizeof(uint64_t), near))
            return true;
    return false;
}

bool kallsyms_find(struct kallsyms *k, uint64_t near)
{
    uint64_t here = ALIGN_DOWN(near, (uint64_t)PAGE_SIZE);

    k->pages[PAGE_OF_NAMES].va = k->pages[PAGE_OF_TOKENS].va = 0;
    for (uint64_t at = 0; at < AHEAD; at += PAGE_SIZE)
        if (find_in_page(k, here + at, near))
            return true;
    for (uint64_t at = PAGE_SIZE; at < BEHIND; at += PAGE_SIZE)
        if (find_in_page(k, here - at, near))
            return true;
    return false;
}

/* ---- Looking up ---- */

/* Name `index`, without its type. */
static bool expand(struct kallsyms *k, uint32_t index, char name[KALLSYMS_NAME_MAX])
{
    unsigned length, used = 0;
    uint32_t marker;
    uint64_t at;
    uint8_t token, byte;

    if (!read_u32(k, k->markers + index / GROUP * sizeof(marker), &marker))
        return false;
    at = k->names + marker;
    if (!skip_names(k, &at, index % GROUP) || !name_length(k, &at, &length))
        return false;
    for (unsigned i = 0; i < length; i++) {
        if (!read_byte(k, PAGE_OF_NAMES, at + i, &token))
            return false;
        for (uint64_t from = k->tokens + k->token[token];; from++) {
            if (!read_byte(k, PAGE_OF_TOKENS, from, &byte))
                return false;
            if (!byte || used == KALLSYMS_NAME_MAX)
                break;
            name[used++] = byte > ' ' && byte < 0x7f ? (char)byte : '?';
        }
    }
    if (used < 2)
        return false;
    used = MIN(used, (unsigned)KALLSYMS_NAME_MAX);
    memmove(name, name + 1, used - 1);
    name[used - 1] = '\0';
    return true;
}

bool kallsyms_name(struct kallsyms *k, uint64_t address, char name[KALLSYMS_NAME_MAX],
                   uint64_t *offset)
{
    uint32_t low = 0, high = k->count; /* the symbol is in [low, high) */
    uint64_t at = 0;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (!address_of(k, middle, &at))
            return false;
        if (at <= address)
            low = middle;
        else
            high = middle;
    }
    if (!address_of(k, low, &at) || at > address || !expand(k, low, name))
        return false;
    *offset = address - at;
    return true;
}
