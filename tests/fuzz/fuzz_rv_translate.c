/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes what becomes of a riscv64 guest's page: translate_page.h. */
#include "arch/riscv64/guest/lift.h"
#include "tests/fuzz/translate_page.h"

/* Nothing is run: the C code of vectors is linked, and not called. */
bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    (void)f, (void)va, (void)size, (void)value;
    abort();
}

bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value)
{
    (void)f, (void)va, (void)size, (void)value;
    abort();
}

bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value)
{
    (void)f, (void)va, (void)size, (void)write, (void)value;
    abort();
}

void *dbt_memory_atomic(struct dbt_frame *f, uint64_t va, unsigned size, bool *mmio)
{
    (void)f, (void)va, (void)size, (void)mmio;
    abort();
}

bool dbt_memory_probe(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    (void)f, (void)va, (void)size, (void)access;
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzzed_guest guest = {
        .frontend = &rv_frontend,
        .interp = {.helpers = rv_helpers, .fp = DBT_FP_RISCV},
        .features = RV_EXT_ALL,
        .insn_align = 2,
    };

    return fuzz_translate(&guest, data, size);
}
