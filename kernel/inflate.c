/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* gzip and DEFLATE: sections are those of RFC 1951, where not said otherwise. */
#include "kernel/inflate.h"

#include "mm/heap.h"

#define WINDOW_SIZE  32768u
#define CODE_MAX     15 /* bits */
#define LITERALS     288
#define DISTANCES    30
#define END_OF_BLOCK 256
#define FAST_BITS    10

/* A Huffman code. Codes of up to FAST_BITS bits are found at once: symbol << 4 | length, 0: longer
 * or none; the others by counting through the lengths (3.2.2). */
struct code {
    uint16_t fast[1u << FAST_BITS];
    uint16_t count[CODE_MAX + 1]; /* codes of each length */
    uint16_t symbol[LITERALS];    /* in the order of their codes */
};

struct inflate {
    const uint8_t *in;
    size_t size, at;
    uint64_t bits; /* fetched, the next one lowest */
    unsigned bit_count;
    enum err error;
    inflate_sink sink;
    void *arg;
    uint8_t *window;
    unsigned fill; /* bytes of the window not delivered yet */
    uint64_t produced;
    uint32_t crc;
    struct code literals, distances;
    uint8_t lengths[LITERALS + DISTANCES + 2];
};

/* ---- Bits ---- */

static void refill(struct inflate *s)
{
    while (s->bit_count <= 56 && s->at < s->size) {
        s->bits |= (uint64_t)s->in[s->at++] << s->bit_count;
        s->bit_count += 8;
    }
}

static void fail(struct inflate *s, enum err e)
{
    if (s->error == ERR_OK)
        s->error = e;
}

static unsigned take(struct inflate *s, unsigned count)
{
    unsigned value;

    if (s->bit_count < count)
        refill(s);
    if (s->bit_count < count) {
        fail(s, ERR_CORRUPT);
        return 0;
    }
    value = (unsigned)(s->bits & (BIT(count) - 1));
    s->bits >>= count;
    s->bit_count -= count;
    return value;
}

/* ---- Output ---- */

/* CRC of RFC 1952, 8, four bits at a time. */
static uint32_t crc_update(uint32_t crc, const uint8_t *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

static void deliver(struct inflate *s)
{
    s->crc = crc_update(s->crc, s->window, s->fill);
    if (s->fill && !s->sink(s->arg, s->window, s->fill))
        fail(s, ERR_RANGE);
    s->fill = 0;
}

static void put(struct inflate *s, uint8_t byte)
{
    s->window[s->fill++] = byte;
    s->produced++;
    if (s->fill == WINDOW_SIZE)
        deliver(s);
}

static void copy(struct inflate *s, unsigned distance, unsigned length)
{
    if (distance > s->produced) {
        fail(s, ERR_CORRUPT);
        return;
    }
    while (length-- && s->error == ERR_OK)
        put(s, s->window[(s->fill - distance) & (WINDOW_SIZE - 1)]);
}

/* ---- Codes ---- */

static unsigned reverse(unsigned code, unsigned length)
{
    unsigned result = 0;

    for (unsigned i = 0; i < length; i++)
        result |= (code >> i & 1) << (length - 1 - i);
    return result;
}

static void fast_add(struct code *c, unsigned code, unsigned length, unsigned symbol)
{
    if (length > FAST_BITS)
        return;
    for (unsigned i = reverse(code, length); i < 1u << FAST_BITS; i += 1u << length)
        c->fast[i] = (uint16_t)(symbol << 4 | length);
}

/* From the lengths of `count` symbols; false when there are more codes than bits can tell apart.
 * Codes may be missing (3.2.7: one distance code). */
static bool code_build(struct code *c, const uint8_t *lengths, unsigned count)
{
    unsigned next[CODE_MAX + 1] = {0}, place[CODE_MAX + 1] = {0}, left = 1;

    for (unsigned i = 0; i <= CODE_MAX; i++)
        c->count[i] = 0;
    for (unsigned i = 0; i < 1u << FAST_BITS; i++)
        c->fast[i] = 0;
    for (unsigned i = 0; i < count; i++)
        c->count[lengths[i]]++;
    c->count[0] = 0;
    for (unsigned i = 1; i <= CODE_MAX; i++) {
        left <<= 1;
        if (c->count[i] > left)
            return false;
        left -= c->count[i];
        next[i] = (next[i - 1] + c->count[i - 1]) << 1;
        place[i] = place[i - 1] + c->count[i - 1];
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned length = lengths[i];

        if (!length)
            continue;
        c->symbol[place[length]++] = (uint16_t)i;
        fast_add(c, next[length]++, length, i);
    }
    return true;
}

static unsigned decode_slow(struct inflate *s, const struct code *c)
{
    unsigned code = 0, first = 0, index = 0;

    for (unsigned length = 1; length <= CODE_MAX; length++) {
        code |= take(s, 1);
        if (s->error)
            return 0;
        if (code < first + c->count[length])
            return c->symbol[index + code - first];
        index += c->count[length];
        first = (first + c->count[length]) << 1;
        code <<= 1;
    }
    fail(s, ERR_CORRUPT);
    return 0;
}

static unsigned decode(struct inflate *s, const struct code *c)
{
    unsigned entry;

    if (s->bit_count < CODE_MAX)
        refill(s);
    entry = c->fast[s->bits & ((1u << FAST_BITS) - 1)];
    if (!entry || (entry & 15) > s->bit_count)
        return decode_slow(s, c);
    s->bits >>= entry & 15;
    s->bit_count -= entry & 15;
    return entry >> 4;
}

/* ---- Blocks ---- */

/* 3.2.5 */
static void copy_match(struct inflate *s, unsigned symbol)
{
    static const uint16_t length_base[] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                           15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                           67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                          2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    unsigned length, distance;

    symbol -= END_OF_BLOCK + 1;
    if (symbol >= ARRAY_SIZE(length_base)) {
        fail(s, ERR_CORRUPT);
        return;
    }
    length = length_base[symbol] + take(s, length_bits[symbol]);
    distance = decode(s, &s->distances);
    if (distance >= DISTANCES) {
        fail(s, ERR_CORRUPT);
        return;
    }
    /* Four codes without further bits, then two for each number of them. */
    if (distance >= 4) {
        unsigned extra = distance / 2 - 1;

        distance = ((2 + (distance & 1)) << extra) + take(s, extra);
    }
    copy(s, distance + 1, length);
}

static void codes_block(struct inflate *s)
{
    while (s->error == ERR_OK) {
        unsigned symbol = decode(s, &s->literals);

        if (s->error != ERR_OK || symbol == END_OF_BLOCK)
            return;
        if (symbol < END_OF_BLOCK)
            put(s, (uint8_t)symbol);
        else
            copy_match(s, symbol);
    }
}

/* 3.2.6 */
static void fixed_codes(struct inflate *s)
{
    for (unsigned i = 0; i < LITERALS; i++)
        s->lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    code_build(&s->literals, s->lengths, LITERALS);
    for (unsigned i = 0; i < DISTANCES; i++)
        s->lengths[i] = 5;
    code_build(&s->distances, s->lengths, DISTANCES);
}

/* Lengths of `count` symbols, packed by the code in s->literals (3.2.7). */
static void read_lengths(struct inflate *s, unsigned count)
{
    for (unsigned i = 0; i < count && s->error == ERR_OK;) {
        unsigned symbol = decode(s, &s->literals), repeat = 1;
        uint8_t length = (uint8_t)symbol;

        if (symbol == 16) {
            length = i ? s->lengths[i - 1] : 0;
            repeat = i ? 3 + take(s, 2) : UINT16_MAX;
        } else if (symbol >= 17) {
            length = 0;
            repeat = symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
        }
        if (repeat > count - i) {
            fail(s, ERR_CORRUPT);
            return;
        }
        while (repeat--)
            s->lengths[i++] = length;
    }
}

static void dynamic_codes(struct inflate *s)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    unsigned literals = take(s, 5) + 257, distances = take(s, 5) + 1, count = take(s, 4) + 4;

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        s->lengths[order[i]] = i < count ? (uint8_t)take(s, 3) : 0;
    if (literals > 286 || distances > DISTANCES ||
        !code_build(&s->literals, s->lengths, ARRAY_SIZE(order))) {
        fail(s, ERR_CORRUPT);
        return;
    }
    read_lengths(s, literals + distances);
    if (s->error != ERR_OK)
        return;
    if (!code_build(&s->distances, s->lengths + literals, distances) ||
        !code_build(&s->literals, s->lengths, literals))
        fail(s, ERR_CORRUPT);
}

/* 3.2.4 */
static void stored_block(struct inflate *s)
{
    unsigned length, check;

    take(s, s->bit_count % 8);
    length = take(s, 16);
    check = take(s, 16);
    if ((length ^ check) != 0xffff)
        fail(s, ERR_CORRUPT);
    while (length-- && s->error == ERR_OK) {
        uint8_t byte = (uint8_t)take(s, 8);

        if (s->error == ERR_OK)
            put(s, byte);
    }
}

static void run(struct inflate *s)
{
    bool last = false;

    while (!last && s->error == ERR_OK) {
        last = take(s, 1);
        switch (take(s, 2)) {
        case 0:
            stored_block(s);
            break;
        case 1:
            fixed_codes(s);
            codes_block(s);
            break;
        case 2:
            dynamic_codes(s);
            codes_block(s);
            break;
        default:
            fail(s, ERR_CORRUPT);
        }
    }
    if (s->error == ERR_OK)
        deliver(s);
}

/* ---- gzip (RFC 1952, 2.3) ---- */

#define GZIP_HEADER  10
#define GZIP_DEFLATE 8

enum gzip_flag { FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16, FRESERVED = 0xe0 };

bool gzip_check(const void *data, size_t size)
{
    const uint8_t *p = data;

    return size >= GZIP_HEADER && p[0] == 0x1f && p[1] == 0x8b && p[2] == GZIP_DEFLATE;
}

/* Behind the text at `at`; `size` when it has no end. */
static size_t skip_text(const uint8_t *p, size_t size, size_t at)
{
    while (at < size && p[at])
        at++;
    return at < size ? at + 1 : size;
}

/* Length of the member's header, or 0. */
static size_t header_size(const uint8_t *p, size_t size)
{
    size_t at = GZIP_HEADER;

    if (!gzip_check(p, size) || p[3] & FRESERVED)
        return 0;
    if (p[3] & FEXTRA) {
        if (size - at < 2)
            return 0;
        at += 2 + (p[at] | (size_t)p[at + 1] << 8);
    }
    if (p[3] & FNAME)
        at = skip_text(p, size, at);
    if (p[3] & FCOMMENT)
        at = skip_text(p, size, at);
    if (p[3] & FHCRC)
        at += 2;
    return at < size ? at : 0;
}

/* The trailer: CRC and length, from the next whole byte on. */
static void check_trailer(struct inflate *s)
{
    uint32_t crc, length;

    take(s, s->bit_count % 8);
    crc = take(s, 16);
    crc |= (uint32_t)take(s, 16) << 16;
    length = take(s, 16);
    length |= (uint32_t)take(s, 16) << 16;
    if (crc != ~s->crc || length != (uint32_t)s->produced)
        fail(s, ERR_CORRUPT);
}

enum err gzip_unpack(const void *data, size_t size, inflate_sink sink, void *arg)
{
    size_t header = header_size(data, size);
    struct inflate *s;
    enum err e;

    if (!header)
        return ERR_CORRUPT;
    s = heap_zalloc(sizeof(*s) + WINDOW_SIZE);
    if (!s)
        return ERR_NO_MEMORY;
    s->in = (const uint8_t *)data + header;
    s->size = size - header;
    s->sink = sink;
    s->arg = arg;
    s->crc = ~0u;
    s->window = (uint8_t *)(s + 1);
    run(s);
    if (s->error == ERR_OK)
        check_trailer(s);
    e = s->error;
    heap_free(s);
    return e;
}
