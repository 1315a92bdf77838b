/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the vector operations of the IR compute, element by element, in C: the interpreter's way,
 * and the reference of every emitter. */
#ifndef DBT_VECTOR_H
#define DBT_VECTOR_H

#include "dbt/softfloat.h"

#define VECTOR_BYTES_MAX 64 /* of v512 */

static inline bool ir_is_vector_code(unsigned code)
{
    return code >= IR_vfrom && code <= IR_vfrecipx;
}

/*
 * `op` is well-formed and a vector operation; operands and result lie in memory, lowest element
 * first, scalars in 8 bytes. The result may be an operand's place. `env`: the guest's policy; its
 * flags collect, SF_SATURATED among them; the rounding and modes come from the operation.
 */
void ir_vector_eval(struct sf_env *env, const struct ir_op *op, void *dst, const void *a,
                    const void *b, const void *c);

/* AES and SHA (vector_crypto.c): on whole vectors of 128 bits. */
void ir_vector_aes(enum ir_aes kind, uint8_t state[16]);
void ir_vector_sha(enum ir_sha kind, uint32_t dst[4], const uint32_t a[4], const uint32_t b[4],
                   const uint32_t c[4]);

#endif
