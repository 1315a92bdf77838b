/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A "kernel" whose code changes in every way that a translator has to notice: through another mapping of its page, by
 * another mapping in its place while a call through it is under way, by data beside it, by the other hart. Prints the letter
 * of each part that came out as the instructions say, and a '!' where one did not (SBI 2.0: chapters 8, 9, 10 and 12).
 */
#include "riscv_image.inc"

#define ROOT  0x80400000                        /* Sv39: the root, and the tables of the first 2 MiB at 0x40000000 */
#define L1    0x80401000
#define L0    0x80402000
#define P     0x80403000                        /* pages of code */
#define P2    0x80404000
#define Q     0x80405000
#define TURN  0x80406000
#define RWXAD 0xcf
#define PTE(page) ((page) >> 12 << 10 | RWXAD)
#define LI_A0     0x00000513                    /* li a0, imm at bit 20 */
#define RETURN    0x00008067

        .macro  say letter
        li      a7, 0x4442434e
        li      a6, 2
        li      a0, \letter
        ecall
        .endm
        .macro  word where, offset, value
        li      t0, \where
        li      t1, \value
        sw      t1, \offset(t0)
        .endm

begin:  mv      s11, a0                         # this hart
        li      t0, ROOT
        li      t1, PTE(0x80000000)
        sd      t1, 16(t0)
        li      t1, (L1 >> 12 << 10) | 1
        sd      t1, 8(t0)
        li      t0, L1
        li      t1, (L0 >> 12 << 10) | 1
        sd      t1, 0(t0)
        li      s10, L0
        li      t1, PTE(P)
        sd      t1, 0(s10)                      # both pages at 0x40000000 are P
        sd      t1, 8(s10)
        li      t0, 8 << 60 | ROOT >> 12
        csrw    satp, t0
        sfence.vma

        /* a: one page at two addresses, written to at a third and at its own */
        li      s0, 1
        li      s1, 1000
        li      s2, P
        word    P, 4, RETURN
        li      s3, 0x40000000
        li      s4, 0x40001000
aliases:
        slli    t0, s0, 20
        ori     t0, t0, 0x513
        sw      t0, 0(s2)
        fence.i
        jalr    s3
        bne     a0, s0, wrong
        jalr    s4
        bne     a0, s0, wrong
        addi    s0, s0, 1
        xor     s2, s2, s4                      # now by the physical address, now by the second one
        li      t0, P
        xor     s2, s2, t0
        blt     s0, s1, aliases
        say     'a'

        /* b: what is called changes the page that it returns to */
        word    P, 0, 0x00008913                # mv s2, ra
        word    P, 4, 0x7fd000ef                # jal ra, the next page
        word    P, 8, 0x00150513                # addi a0, a0, 1
        word    P, 12, 0x00090093               # mv ra, s2
        word    P, 16, RETURN
        word    P2, 0, 0x00008913
        word    P2, 4, 0x7fd000ef
        word    P2, 8, 0x00250513               # addi a0, a0, 2
        word    P2, 12, 0x00090093
        word    P2, 16, RETURN
        word    Q, 0, 0x00008993                # mv s3, ra
        word    Q, 4, 0x000a00e7                # jalr ra, s4
        word    Q, 8, 0x00098093                # mv ra, s3
        word    Q, 12, RETURN
        li      t1, PTE(Q)
        sd      t1, 8(s10)
        sfence.vma
        fence.i
        la      s4, remap
        li      s5, 0x40000000
        li      s6, PTE(P)
        li      s7, PTE(P2)
        li      s0, 1000
        li      a0, 0
chain:  jalr    s5
        addi    s0, s0, -1
        bnez    s0, chain
        li      t0, 1500
        bne     a0, t0, wrong
        say     'b'

        /* c: data beside code, a hundred thousand times */
        li      s0, 100000
        li      s2, P
        word    P, 0, LI_A0 | 7 << 20
        word    P, 4, RETURN
        fence.i
        li      s3, 0
beside: sd      s0, 2040(s2)
        andi    t0, s0, 15
        bnez    t0, 1f
        jalr    s2
        add     s3, s3, a0
1:      ld      t0, 2040(s2)
        bne     t0, s0, wrong
        addi    s0, s0, -1
        bnez    s0, beside
        li      t0, 6250 * 7
        bne     s3, t0, wrong
        say     'c'

        /* d: the other hart writes, and has this one's fetches see it */
        li      a7, 0x48534d
        li      a6, 0
        xori    a0, s11, 1
        la      a1, other
        mv      a2, s11
        ecall
        bnez    a0, wrong
        li      s0, 1
        li      s1, 200
        li      s2, P
        li      s3, TURN
rounds: fence   rw, rw
        sw      s0, 0(s3)
1:      lw      t0, 4(s3)
        bne     t0, s0, 1b
        fence   rw, rw
        jalr    s2
        bne     a0, s0, wrong
        jalr    s2
        bne     a0, s0, wrong
        addi    s0, s0, 1
        blt     s0, s1, rounds
        say     'd'
        j       off
wrong:  say     '!'
off:    li      a7, 0x53525354
        li      a6, 0
        li      a0, 0
        li      a1, 0
        ecall

/* The first page at 0x40000000 is the other one from now on. */
remap:  ld      t1, 0(s10)
        sd      s7, 0(s10)
        bne     t1, s7, 1f
        sd      s6, 0(s10)
1:      sfence.vma s5
        ret

other:  mv      s11, a1
        li      s0, 1
        li      s1, 200
        li      s2, P
        li      s3, TURN
2:      lw      t0, 0(s3)
        bne     t0, s0, 2b
        fence   rw, rw
        slli    t0, s0, 20
        ori     t0, t0, 0x513
        sw      t0, 0(s2)
        fence   rw, rw
        li      a7, 0x52464e43
        li      a6, 0
        li      t0, 1
        sll     a0, t0, s11
        li      a1, 0
        ecall
        fence   rw, rw
        sw      s0, 4(s3)
        addi    s0, s0, 1
        blt     s0, s1, 2b
3:      j       3b
