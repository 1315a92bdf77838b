/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Code that debug.c steps through and breaks into, with the places where it must be seen. */

#define TF       0x100
#define MSR_EFER 0xc0000080
#define PM_TIMER 0x608
#define DELAY    0x80

    .text
    .macro TRAP_FLAG_ON
    pushfq
    orq $TF, (%rsp)
    popfq
    .endm

/* void step_exits(uint64_t registers): instructions that a hypervisor may carry out; `registers` keep what is written. */
    .globl step_exits, step_exits_places, step_exits_end
step_exits:
    push %rbx
    TRAP_FLAG_ON
    nop
10: xor %eax, %eax
11: cpuid
12: mov (%rdi), %r8d
13: mov %r8d, (%rdi)
14: orl $4, (%rdi)
15: mov $MSR_EFER, %ecx
16: rdmsr
17: wrmsr
18: mov $PM_TIMER, %edx
19: in (%dx), %eax
20: out %al, $DELAY
21: xor %ecx, %ecx
22: wbinvd
step_exits_stop:
    nop
    pop %rbx
    ret

/* void step_string(void *registers, uint32_t *to): two words are copied, a trap after each of them */
    .globl step_string, step_string_places, step_string_end
step_string:
    xchg %rsi, %rdi
    mov $2, %ecx
    TRAP_FLAG_ON
30: rep movsl
step_string_stop:
    nop
    ret

/* void step_call(bool vmcall), void step_halt(void): interrupts are masked, the step itself ends the wait */
    .globl step_call, vmmcall_places, vmcall_places, vmcall_end, step_halt, step_halt_places, step_halt_end
step_call:
    mov $-1, %rax
    test %edi, %edi
    TRAP_FLAG_ON
    jnz 41f
43: vmmcall
40: jmp 42f
41: vmcall
42: nop
step_call_stop:
    nop
    ret
step_halt:
    TRAP_FLAG_ON
    hlt
50: nop
step_halt_stop:
    nop
    ret

/* Breakpoints at an instruction that a hypervisor carries out and at the next one; INT3; stores and loads. */
    .globl break_here, break_first, break_second
break_here:
    push %rbx
    xor %eax, %eax
break_first:
    cpuid
break_second:
    nop
    pop %rbx
    ret

    .globl int3_here, int3_after
int3_here:
    int3
int3_after:
    ret

/* void watch_here(uint64_t *watched) */
    .globl watch_here, watch_stored, watch_loaded
watch_here:
    mov %rdi, (%rdi)
watch_stored:
    mov (%rdi), %rax
watch_loaded:
    ret

    .globl step_stops, step_stops_end
    .section .rodata
    .balign 8
step_exits_places:
    .quad 10b, 11b, 12b, 13b, 14b, 15b, 16b, 17b, 18b, 19b, 20b, 21b, 22b, step_exits_stop
step_exits_end:
step_string_places:
    .quad 30b, step_string_stop
step_string_end:
vmmcall_places:
    .quad 43b, 40b, 42b, step_call_stop
vmcall_places:
    .quad 41b, 42b, step_call_stop
vmcall_end:
step_halt_places:
    .quad 50b, step_halt_stop
step_halt_end:
step_stops:
    .quad step_exits_stop, step_string_stop, step_call_stop, step_halt_stop
step_stops_end:
