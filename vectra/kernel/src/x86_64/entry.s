# The one way in and out. Every entry leaves a Frame (context.rs) on the processor's stack.
#
# Processor block, at gs: 0 stack top, 8 scratch, 16 the Task's vector registers.
#
# A call's own registers are pushed first: a plain call needs no more, and any call that is answered at
# once pops only them, since Rust keeps the others. Its vector registers count as lost: they are
# cleared, or left out of what is saved.

    .macro save_rest
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    .endm
    .macro save
    push %rax
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    push %rcx
    push %r11
    save_rest
    .endm
    .macro restore
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %rcx
    pop %rdi
    pop %rsi
    pop %rdx
    pop %r10
    pop %r8
    pop %r9
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
    sub $16, %rsp                   # error code and vector, which calls have none of
    push %rax
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    cmp $46, %rax
    ja 1f
    mov $0x401000000001, %rcx       # plain calls: context.rs says which
    bt %rax, %rcx
    jnc 1f
    sub $64, %rsp
    mov %rsp, %rdi
    call trap_plain                 # 1: it is answered; 0: nothing has happened
    test %eax, %eax
    jnz 2f
    add $64, %rsp
1:  sub $16, %rsp                   # rcx and r11: Rust fills them if the Task is put away
    save_rest
    mov %rsp, %rdi
    call trap_call                  # 1: the Frame holds whatever is to be left to, all of it
    test %eax, %eax
    jnz leave_to_task
2:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    xorps %xmm\n, %xmm\n
    .endr
    add $64, %rsp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %r10
    pop %r8
    pop %r9
    pop %rax
    add $16, %rsp
    pop %rcx                        # a call's address is in the window, so this is canonical
    add $8, %rsp
    pop %r11
    pop %rsp
    swapgs
    sysretq

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
    mov %gs:16, %rax
    fxrstor64 (%rax)
    restore
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
