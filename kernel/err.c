/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The texts of the error codes. */
#include "kernel/types.h"

const char *err_text(enum err e)
{
    static const char *const texts[] = {
#define ERR_TEXT(name, text) [ERR_##name] = (text),
        ERR_LIST(ERR_TEXT)
#undef ERR_TEXT
    };
    return (unsigned)e < ERR_COUNT ? texts[e] : "unknown error";
}
