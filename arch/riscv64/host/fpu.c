/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Kernel use of floating-point registers (firmware calls): a guest's state that is live in them is
 * moved out and back. */
#include "fpu.h"
#include "host_internal.h"
#include "kernel/thread.h"

void host_fpu_begin(void)
{
    struct host_cpu *h;

    preempt_disable();
    h = &this_cpu()->host;
    csr_clear(sstatus,
              SSTATUS_VS_MASK); /* a guest's vector registers stay: nobody here can write them */
    csr_set(sstatus, SSTATUS_FS_INITIAL);
    if (h->fpu_depth++ == 0 && h->guest_fp)
        fp_save(h->guest_fp);
}

void host_fpu_end(void)
{
    struct host_cpu *h = &this_cpu()->host;

    if (--h->fpu_depth == 0) {
        if (h->guest_fp)
            fp_restore(h->guest_fp);
        csr_clear(sstatus, SSTATUS_FS_MASK);
    }
    preempt_enable();
}
