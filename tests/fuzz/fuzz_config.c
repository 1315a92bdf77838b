/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes ennead.ini: any bytes are read without touching anything else, and what is printed reads
 * back without a mistake in its values. */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "boot/path.c"
#include "kernel/config.c"
#include "kernel/config_keys.c"
#include "kernel/config_link.c"
#include "kernel/nearest.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void log_print(enum log_level level, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (level < LOG_WARN)
        abort();
}

void *heap_alloc(size_t size)
{
    return malloc(size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static void swallow(struct out *out, const char *text, size_t length)
{
    (void)out;
    for (size_t i = 0; i < length; i++)
        if (!text[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct out out = {swallow};
    enum err e = config_parse("ennead/ennead.ini", (const char *)data, size);
    if ((e == ERR_OK) != (config_get()->error_count == 0))
        abort();
    for (unsigned i = 0; i < config_get()->vm_count; i++)
        if (!config_get()->vms[i].disabled && !config_get()->vms[i].kernel)
            abort();
    for (unsigned i = 0; i < config_get()->vm_count; i++) {
        const struct config_vm *vm = &config_get()->vms[i];
        for (unsigned d = 0; d < vm->disk_count; d++)
            if (vm->disks[d]->disabled)
                abort();
    }
    config_print(&out);
    config_reset();
    return 0;
}
