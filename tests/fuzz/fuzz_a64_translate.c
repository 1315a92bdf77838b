/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes what becomes of an aarch64 guest's page: translate_page.h. */
#include "arch/aarch64/guest/lift.h"
#include "tests/fuzz/translate_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzzed_guest guest = {
        .frontend = &a64_frontend,
        .interp = {.helpers = a64_helpers, .fp = DBT_FP_ARM},
        .features = A64_FEAT_ALL,
        .insn_align = 1,
    };

    return fuzz_translate(&guest, data, size);
}
