# From the loader's 32-bit world to Rust in 64 bits, for the first processor (PVH) and for the
# others (a start-up message that begins in 16 bits).

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18                  # name length, payload length, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_start

    .section .boot, "awx"
    .code32
    .global pvh_start
pvh_start:
    cld
    mov $boot_small_stack_top, %esp
    mov %ebx, %edi                  # the loader's start information
    mov $boot_pml4, %eax
    movl $boot_pdpt_low + 3, (%eax)             # identity, until Rust has its own tables
    movl $boot_pdpt_low + 3, 256*8(%eax)        # the direct map ...
    movl $0x80000000, 256*8+4(%eax)             # ... never executes
    movl $boot_pdpt_high + 3, 511*8(%eax)       # the kernel
    movl $boot_pd_ram + 3, boot_pdpt_low
    movl $boot_pd_devices + 3, boot_pdpt_low + 3*8
    movl $boot_pd_ram + 3, boot_pdpt_high + 510*8
    xor %ecx, %ecx
1:  mov %ecx, %eax
    shl $21, %eax
    or $0x83, %eax                  # present, writable, 2 MiB
    mov %eax, boot_pd_ram(,%ecx,8)
    and $0xffffff00, %eax
    add $0xc0000000, %eax           # the fourth GiB: devices ...
    or $0x9b, %eax                  # ... uncached
    mov %eax, boot_pd_devices(,%ecx,8)
    inc %ecx
    cmp $512, %ecx
    jne 1b
    mov $boot_long_first, %esi
boot_enter_long:
    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov $0x620, %eax                # PAE, FXSAVE, SSE exceptions
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x901, %eax                 # SYSCALL, long mode, no-execute
    wrmsr
    mov $0x80010033, %eax           # paging, write protect, native x87 errors, protection
    mov %eax, %cr0
    lgdt boot_gdt_pointer
    push $8
    push %esi
    lret

    .code64
boot_long_first:
    movabs $boot_stack_top, %rsp
    movabs $kernel_first, %rax
    jmp boot_call
boot_long_other:
    mov $1, %eax
    lock xadd %eax, boot_other_count
    mov %eax, %edi
    inc %edi                        # processor number, from one
    cmp $3, %edi                    # as many as there are stacks
    ja 2f
    movabs $other_stacks, %rsp
    mov %rdi, %rax
    shl $15, %rax
    add %rax, %rsp
    movabs $kernel_other, %rax
boot_call:
    mov $0x10, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %ss
    xor %ebp, %ebp
    mov %edi, %edi
    call *%rax
2:  hlt
    jmp 2b

# Copied to 0x8000, where the start-up message points.
    .code16
    .global boot_other_start
    .global boot_other_end
boot_other_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x9000, %sp
    lgdtl 0x8000 + (boot_other_gdt - boot_other_start)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $0x38, $boot_other_32
boot_other_gdt:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
boot_other_end:

    .code32
boot_other_32:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %ss
    # Each needs a word of stack for the far return; they come one by one through this lock.
3:  lock btsl $0, boot_other_gate
    jc 3b
    mov $boot_small_stack_top, %esp
    mov $boot_other_release, %esi
    jmp boot_enter_long
    .code64
boot_other_release:
    movl $0, boot_other_gate
    jmp boot_long_other

    .align 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff        # 0x08 kernel code
    .quad 0x00cf92000000ffff        # 0x10 kernel data
    .quad 0x00cff2000000ffff        # 0x18 user data
    .quad 0x00affa000000ffff        # 0x20 user code
    .quad 0, 0                      # 0x28 task state, in Rust's own table
    .quad 0x00cf9a000000ffff        # 0x38 32-bit code, to start processors
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt
    .align 8
boot_other_count: .long 0
boot_other_gate: .long 0
    .space 64
boot_small_stack_top:

    .section .boot.tables, "aw"
    .align 4096
    .global boot_pml4
boot_pml4: .space 4096
boot_pdpt_low: .space 4096
boot_pdpt_high: .space 4096
boot_pd_ram: .space 4096
boot_pd_devices: .space 4096

    .section .bss
    .align 4096
    .space 32768
boot_stack_top:
# Stack of processor n ends n * 32 KiB behind this label: n is at least one.
other_stacks: .space 3 * 32768
    .text
