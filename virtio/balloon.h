/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the monitor asks of a guest's memory balloon. The caller keeps the guest from being taken
 * apart (vm->lock). */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "kernel/types.h"

struct out;
struct vm;

/* Asks the guest to give memory back until `bytes` of its memory are left to it, or to take it
 * again. ERR_NOT_FOUND: it has no balloon, or no driver for it; ERR_RANGE: that is more than it
 * has. */
enum err virtio_balloon_set(struct vm *vm, uint64_t bytes) MUST_CHECK;
/* What was asked for, what it has given, and what it last said of its memory; asks it for news.
 * Nothing when there is no balloon in use. */
void virtio_balloon_print(struct vm *vm, struct out *out);

#endif
