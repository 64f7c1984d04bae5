/*
 * tsan_longjmp.c - lets the thread sanitizer see the jumps of a Lua that is not ours
 *
 * It keeps a call stack of its own, which longjmp(3) has to cut. A Lua that was built with
 * _FORTIFY_SOURCE, as Debian's is, jumps with __longjmp_chk, which GCC 12's runtime does not
 * know: every error and every yield leaves its frames on that stack, and each allocation
 * stores all of them. test_torture took 24 GB. Here the jump goes by the name that it knows.
 */
#include <setjmp.h>
#include <stddef.h>

#if defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define HAS_TSAN
# endif
#elif defined(__SANITIZE_THREAD__)
# define HAS_TSAN
#endif

#if defined(HAS_TSAN) && defined(__GLIBC__)
__attribute__((visibility("default"))) _Noreturn void __longjmp_chk(jmp_buf env,
                                                                    int value);

_Noreturn void
__longjmp_chk(jmp_buf env, int value)
{
    longjmp(env, value);
}
#endif
