"""Stacks of their own for the CPUs of the cooperative executor, switched without a system call.

Two back ends, one behaviour: six pushes and pops on x86-64; elsewhere, or with the macro SWAPRACE_PORTABLE_STACKS,
makecontext once and _setjmp/_longjmp after it (Engelschall, "Portable Multithreading", USENIX 2000), which needs
-U_FORTIFY_SOURCE because fortified glibc takes a longjmp to another stack for an overflow. swapcontext alone makes two
system calls a switch and is 5 times slower.

A stack is made once and started as often as wished: what lay on it is forgotten, so a CPU that is stuck in the middle
of an operation is abandoned by starting its stack again. No Python object may be owned by a frame on such a stack.
"""
from libc.stddef cimport size_t

cdef extern from * nogil:
    """
    #ifndef SWAPRACE_STACKS_H
    #define SWAPRACE_STACKS_H
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <unistd.h>
    typedef void (*sr_entry)(void *arg);

    #if defined(__x86_64__) && !defined(SWAPRACE_PORTABLE_STACKS)
    #define SR_STACKS_BACKEND "x86-64"
    typedef struct { void *sp; char *memory; size_t bytes; } sr_stack;
    /* sr_stack_jump(save, to): the registers that a callee keeps go on the old stack and come from the new one.
       sr_stack_first: where a started stack begins; r12 holds the argument, r13 the function, which never returns. */
    __asm__(
        ".text\\n.p2align 4\\n.type sr_stack_jump,@function\\nsr_stack_jump:\\n"
        "pushq %rbp\\npushq %rbx\\npushq %r12\\npushq %r13\\npushq %r14\\npushq %r15\\n"
        "movq %rsp,(%rdi)\\nmovq %rsi,%rsp\\n"
        "popq %r15\\npopq %r14\\npopq %r13\\npopq %r12\\npopq %rbx\\npopq %rbp\\nretq\\n"
        ".size sr_stack_jump,.-sr_stack_jump\\n"
        ".type sr_stack_first,@function\\nsr_stack_first:\\nmovq %r12,%rdi\\ncallq *%r13\\nud2\\n"
        ".size sr_stack_first,.-sr_stack_first\\n");
    extern void sr_stack_jump(void **save, void *to) __attribute__((visibility("hidden")));
    extern void sr_stack_first(void) __attribute__((visibility("hidden")));
    static inline void sr_stack_start(sr_stack *s, sr_entry entry, void *arg) {
        void **top = (void **)(s->memory + s->bytes) - 2;  /* 16-aligned where sr_stack_first begins */
        top[-1] = (void *)sr_stack_first;
        top[-2] = NULL;  /* rbp: ends a debugger's walk */
        top[-3] = NULL;  /* rbx */
        top[-4] = arg;  /* r12 */
        top[-5] = (void *)entry;  /* r13 */
        top[-6] = top[-7] = NULL;  /* r14, r15 */
        s->sp = top - 7;
    }
    static inline void sr_stack_switch(sr_stack *from, sr_stack *to) { sr_stack_jump(&from->sp, to->sp); }
    #else
    #define SR_STACKS_BACKEND "setjmp"
    #include <setjmp.h>
    #include <ucontext.h>
    typedef struct {
        jmp_buf at, home;
        ucontext_t *maker;
        sr_entry entry;
        void *arg;
        char *memory;
        size_t bytes;
        int made;
    } sr_stack;
    static void sr_stack_loop(unsigned low, unsigned high) {
        sr_stack *volatile s = (sr_stack *)(((uintptr_t)high << 32) | (uintptr_t)low);
        if (_setjmp(s->home) == 0) setcontext(s->maker);
        s->entry(s->arg);  /* every start lands before this line; it never returns */
        __builtin_trap();
    }
    static void sr_stack_start(sr_stack *s, sr_entry entry, void *arg) {
        s->entry = entry;
        s->arg = arg;
        if (!s->made) {
            ucontext_t here, there;
            getcontext(&there);
            there.uc_stack.ss_sp = s->memory;
            there.uc_stack.ss_size = s->bytes;
            there.uc_link = NULL;
            makecontext(&there, (void (*)(void))sr_stack_loop, 2, (unsigned)(uintptr_t)s,
                        (unsigned)((uint64_t)(uintptr_t)s >> 32));
            s->maker = &here;
            s->made = 1;
            swapcontext(&here, &there);
        }
        memcpy(&s->at, &s->home, sizeof(jmp_buf));
    }
    static inline void sr_stack_switch(sr_stack *from, sr_stack *to) {
        if (_setjmp(from->at) == 0) _longjmp(to->at, 1);
    }
    #endif

    /* 0: made, with a guard page below; -1: no memory */
    static int sr_stack_make(sr_stack *s, size_t bytes) {
        size_t guard = (size_t)sysconf(_SC_PAGESIZE);
        char *p = (char *)mmap(NULL, bytes + guard, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
        if (p == (char *)MAP_FAILED) return -1;
        mprotect(p, guard, PROT_NONE);
        memset(s, 0, sizeof(*s));
        s->memory = p + guard;
        s->bytes = bytes;
        return 0;
    }
    static void sr_stack_free(sr_stack *s) {
        size_t guard = (size_t)sysconf(_SC_PAGESIZE);
        if (s->memory) munmap(s->memory - guard, s->bytes + guard);
        s->memory = NULL;
    }
    #endif
    """
    ctypedef struct coro_stack "sr_stack":
        pass
    ctypedef void (*stack_entry "sr_entry")(void *arg) noexcept
    const char *STACKS_BACKEND "SR_STACKS_BACKEND"
    int stack_make "sr_stack_make"(coro_stack *s, size_t bytes) noexcept
    void stack_free "sr_stack_free"(coro_stack *s) noexcept
    void stack_start "sr_stack_start"(coro_stack *s, stack_entry entry, void *arg) noexcept
    void stack_switch "sr_stack_switch"(coro_stack *from_, coro_stack *to) noexcept

cdef enum:
    STACK_BYTES = 65536  # the deepest operation plus a law takes a few KiB; a signal's frame up to 11 KiB (AVX-512)
