/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The ISA string of a hart, as the device tree (riscv,isa; riscv,isa-extensions) or ACPI's RHCT
 * gives it, as a set of features. */
#ifndef ARCH_RISCV64_HOST_ISA_H
#define ARCH_RISCV64_HOST_ISA_H

#include "kernel/types.h"

/* X(bit name, name in the string) */
/* clang-format off */
#define ISA_LIST(X) \
    X(F, "f") X(D, "d") X(C, "c") X(V, "v") X(H, "h") X(ZBA, "zba") X(ZBB, "zbb") \
    X(ZBC, "zbc") X(ZBS, "zbs") X(ZICBOM, "zicbom") X(ZICBOP, "zicbop") X(ZICBOZ, "zicboz") \
    X(ZIHINTPAUSE, "zihintpause") X(ZAWRS, "zawrs") X(ZICOND, "zicond") X(ZACAS, "zacas") \
    X(ZFA, "zfa") X(ZFH, "zfh") X(ZFHMIN, "zfhmin") X(ZKT, "zkt") X(ZVFH, "zvfh") \
    X(ZVBB, "zvbb") X(SSTC, "sstc") X(SVPBMT, "svpbmt") X(SVINVAL, "svinval") \
    X(SVNAPOT, "svnapot") X(SVADU, "svadu") X(SVADE, "svade") X(SVVPTC, "svvptc") \
    X(SMSTATEEN, "smstateen") X(SSSTATEEN, "ssstateen") X(SMAIA, "smaia") X(SSAIA, "ssaia") \
    X(SSCOFPMF, "sscofpmf") X(ZICCLSM, "zicclsm")
/* clang-format on */

enum isa_feature {
#define ISA_ENUM(name, text) ISA_##name,
    ISA_LIST(ISA_ENUM)
#undef ISA_ENUM
        ISA_COUNT
};
_Static_assert(ISA_COUNT <= 64, "features are bits of a uint64_t");

/* Features of a string such as "rv64imafdch_zicsr_sstc"; 0 when it does not begin with rv64. */
uint64_t isa_parse(const char *string);
/* The bit of one extension by its name of `length` characters; 0 when it is not one that matters
 * here. */
uint64_t isa_extension(const char *name, size_t length);
/* The name in the string. */
const char *isa_name(enum isa_feature feature);

#endif
