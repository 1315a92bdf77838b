/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the loading of the kernel's ELF file: whatever the bytes, nothing outside the file and the
 * image is touched. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/kernel_elf.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct elf_target targets[] = {{62, 8}, {183, 1027}, {243, 3}};
    struct kernel_elf elf;

    for (unsigned i = 0; i < 3; i++) {
        if (kernel_elf_parse(data, size, &targets[i], &elf) || elf.size > 1 << 20)
            continue;
        void *image = malloc(elf.size);
        kernel_elf_load(&elf, data, &targets[i], image, 0xffffffff80000000);
        free(image);
    }
    return 0;
}
