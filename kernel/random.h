/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Random numbers nobody can guess: ChaCha20 (RFC 8439) as a generator that forgets what it gave
 * out, seeded from the firmware's generator and from that of the CPU.
 */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include "kernel/types.h"

#define CHACHA20_KEY_WORDS 8
#define CHACHA20_BLOCK     64

/* One block of the cipher's stream (RFC 8439, 2.3). */
void chacha20_block(const uint32_t key[CHACHA20_KEY_WORDS], uint32_t counter,
                    const uint32_t nonce[3], uint8_t block[CHACHA20_BLOCK]);

/* Was there a seed that cannot be guessed? Without one nothing below is secret. */
bool random_is_secret(void);
/* Mixes `size` bytes in; `secret` when an attacker cannot know them. Any context but NMI. */
void random_add(const void *bytes, size_t size, bool secret);
/* Fills `to`. Any context but NMI. */
void random_bytes(void *to, size_t size);

#endif
