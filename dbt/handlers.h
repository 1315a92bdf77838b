/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The interpreter's handlers by number, and which IR operation goes where. Private to lower.c and
 * interp.c. */
#ifndef DBT_HANDLERS_H
#define DBT_HANDLERS_H

#include "dbt/interp.h"

enum interp_handler {
    H_none,
#define BINARY(name) H_##name##32, H_##name##32i, H_##name##64, H_##name##64i,
#define UNARY(name)  H_##name##32, H_##name##64,
#define COMPARE(cc)                                                                    \
    H_cmp_##cc##32, H_cmp_##cc##32i, H_cmp_##cc##64, H_cmp_##cc##64i, H_exit_##cc##32, \
        H_exit_##cc##32i, H_exit_##cc##64, H_exit_##cc##64i,
#define PLAIN(name) H_##name,
#include "dbt/handlers.def"
    H_COUNT
};

#endif
