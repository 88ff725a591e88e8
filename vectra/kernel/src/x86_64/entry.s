# The one way in and out. Every entry leaves a Frame (context.rs) on the processor's stack and calls
# `trap`; what that returns says how vector registers are left: 1 clears them (a call's answer),
# 0 restores them from the Task's context (anything else).
#
# Processor block, at gs: 0 stack top, 8 scratch, 16 the Task's vector registers.

    .macro save
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    .endm
    .macro restore
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    .endm

    .text
    .global syscall_entry
    .align 16
syscall_entry:
    swapgs
    mov %rsp, %gs:8
    mov %gs:0, %rsp
    push $0x1b
    push %gs:8
    push %r11
    push $0x23
    push %rcx
    push $0
    push $256
    save
    mov %rsp, %rdi
    call trap
    jmp leave_to_task

    .align 16
interrupt_common:
    testb $3, 24(%rsp)
    jz interrupt_in_kernel
    swapgs
    save
    mov %gs:16, %rax
    fxsave64 (%rax)
    cld
    mov %rsp, %rdi
    call trap
    .global leave_to_task
leave_to_task:
    test %eax, %eax
    jnz 1f
    mov %gs:16, %rax
    fxrstor64 (%rax)
    jmp 2f
1:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    xorps %xmm\n, %xmm\n
    .endr
2:  restore
    swapgs
    iretq

# Only the idle processor is interrupted in the kernel; it has nothing in vector registers.
interrupt_in_kernel:
    save
    mov %rsp, %rdi
    call trap_in_kernel
    restore
    iretq

# 256 stubs of 16 bytes. The processor pushes an error code for some vectors.
    .align 16
    .global interrupt_stubs
interrupt_stubs:
    .set n, 0
    .rept 256
    .align 16
    .if n == 8 || n == 10 || n == 11 || n == 12 || n == 13 || n == 14 || n == 17 || n == 21 || n == 29 || n == 30
    .else
    push $0
    .endif
    push $n
    jmp interrupt_common
    .set n, n + 1
    .endr

    .global memcpy
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    ret
    .global memmove
memmove:
    mov %rdi, %rax
    mov %rdx, %rcx
    mov %rdi, %r8
    sub %rsi, %r8
    cmp %rdx, %r8
    jae memcpy
    lea -1(%rdi,%rdx), %rdi
    lea -1(%rsi,%rdx), %rsi
    std
    rep movsb
    cld
    ret
    .global memset
memset:
    mov %rdi, %r8
    movzbl %sil, %eax
    movabs $0x0101010101010101, %rcx
    imul %rcx, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep stosq
    mov %edx, %ecx
    and $7, %ecx
    rep stosb
    mov %r8, %rax
    ret
    .global memcmp
    .global bcmp
memcmp:
bcmp:
    xor %eax, %eax
    xor %ecx, %ecx
4:  cmp %rdx, %rcx
    je 5f
    movzbl (%rdi,%rcx), %eax
    movzbl (%rsi,%rcx), %r8d
    inc %rcx
    sub %r8d, %eax
    je 4b
5:  ret
