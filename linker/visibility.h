/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Included before every kernel source: all symbols live in one image, so references to them need no
 * global offset table.
 */
#pragma once
#pragma GCC visibility push(hidden)
