/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The one set of error codes: returned, checked, and each with a text for people. */
#ifndef KERNEL_ERR_H
#define KERNEL_ERR_H

/* X(name, text) */
#define ERR_LIST(X)                             \
    X(OK, "no error")                           \
    X(NO_MEMORY, "out of memory")               \
    X(INVALID, "invalid argument")              \
    X(RANGE, "out of range")                    \
    X(NOT_FOUND, "not found")                   \
    X(EXISTS, "exists already")                 \
    X(BUSY, "busy")                             \
    X(UNSUPPORTED, "this machine cannot do it") \
    X(DENIED, "not allowed")                    \
    X(IO, "input/output error")                 \
    X(TIMEOUT, "timed out")                     \
    X(CORRUPT, "malformed data")                \
    X(STATE, "wrong state for this operation")

enum err {
#define ERR_ENUM(name, text) ERR_##name,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* The text of `e`; never NULL, also for values out of range. */
const char *err_text(enum err e);

#endif
