/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The generator: a key, from which each call takes a key of its own and a new one for the next
 * call. So what was given out cannot be computed from what is kept.
 */
#include "kernel/random.h"

#include <string.h>

#include "kernel/host.h"
#include "kernel/init.h"
#include "kernel/lock.h"
#include "kernel/start.h"

#define KEY_SIZE    (CHACHA20_KEY_WORDS * sizeof(uint32_t))
#define SEED_WORDS  8 /* asked of the CPU at start-up */
#define ADD_ONE     1 /* the first block's counter */
#define HALF_ROUNDS 10

LOCK_CLASS(random_class, "random numbers", RANK_RANDOM);
static struct spinlock lock = SPINLOCK_INIT(&random_class);
static uint32_t state[CHACHA20_KEY_WORDS];
static bool secret_seen;

/* ---- ChaCha20 ---- */

static uint32_t rotate(uint32_t v, unsigned bits)
{
    return v << bits | v >> (32 - bits);
}

/* 2.1 */
static void quarter_round(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

void chacha20_block(const uint32_t key[CHACHA20_KEY_WORDS], uint32_t counter,
                    const uint32_t nonce[3], uint8_t block[CHACHA20_BLOCK])
{
    /* "expand 32-byte k", the key, the counter, the nonce (2.3). */
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, s[16];

    memcpy(start + 4, key, KEY_SIZE);
    start[12] = counter;
    memcpy(start + 13, nonce, 3 * sizeof(*nonce));
    memcpy(s, start, sizeof(s));
    for (unsigned i = 0; i < HALF_ROUNDS; i++) {
        quarter_round(s, 0, 4, 8, 12);
        quarter_round(s, 1, 5, 9, 13);
        quarter_round(s, 2, 6, 10, 14);
        quarter_round(s, 3, 7, 11, 15);
        quarter_round(s, 0, 5, 10, 15);
        quarter_round(s, 1, 6, 11, 12);
        quarter_round(s, 2, 7, 8, 13);
        quarter_round(s, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word = s[i] + start[i];
        memcpy(block + i * sizeof(word), &word, sizeof(word)); /* all hosts are little endian */
    }
}

/* ---- The generator ---- */

/* Under the lock: a key for one call, and another one for the next. */
static void next_keys(uint32_t key[CHACHA20_KEY_WORDS])
{
    static const uint32_t nonce[3];
    uint8_t block[CHACHA20_BLOCK];

    chacha20_block(state, 0, nonce, block);
    memcpy(state, block, KEY_SIZE);
    memcpy(key, block + KEY_SIZE, KEY_SIZE);
    memset(block, 0, sizeof(block));
}

bool random_is_secret(void)
{
    return READ_ONCE(secret_seen);
}

void random_add(const void *bytes, size_t size, bool secret)
{
    uint32_t unused[CHACHA20_KEY_WORDS];
    const uint8_t *at = bytes;
    uint64_t flags = spin_lock_irq(&lock);

    secret_seen |= secret;
    while (size) {
        size_t n = MIN(size, KEY_SIZE);
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)state)[i] ^= at[i];
        next_keys(unused);
        at += n;
        size -= n;
    }
    spin_unlock_irq(&lock, flags);
}

void random_bytes(void *to, size_t size)
{
    uint32_t key[CHACHA20_KEY_WORDS];
    const uint32_t nonce[3] = {0};
    uint8_t block[CHACHA20_BLOCK], *at = to;
    uint64_t fresh[2] = {host_counter(), 0};

    random_add(fresh, host_random(&fresh[1]) ? sizeof(fresh) : sizeof(fresh[0]), false);
    uint64_t flags = spin_lock_irq(&lock);
    next_keys(key);
    spin_unlock_irq(&lock, flags);
    for (uint32_t counter = ADD_ONE; size; counter++) {
        size_t n = MIN(size, sizeof(block));
        chacha20_block(key, counter, nonce, block);
        memcpy(at, block, n);
        at += n;
        size -= n;
    }
    memset(key, 0, sizeof(key));
    memset(block, 0, sizeof(block));
}

/* The firmware's seed, and as much again from the CPU. */
static void random_init(void)
{
    const struct boot_info *info = boot_info_get();
    uint64_t word, counter = host_counter();

    random_add(info->rng_seed, info->rng_seed_size, info->rng_seed_size >= KEY_SIZE);
    random_add(&counter, sizeof(counter), false);
    for (unsigned i = 0; i < SEED_WORDS && host_random(&word); i++)
        random_add(&word, sizeof(word), true);
}
INIT(INIT_LEVEL_DEVICES, random_init);
