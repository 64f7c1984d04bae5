#!/bin/sh
# portability_builds.sh - builds kelpie with other compilers, C libraries and word sizes, and
# runs its tests there
#
#   sh tests/portability_builds.sh [--lua DIR] [--cmocka DIR] [gcc|clang|lua-src|musl|m32]...
#
#   gcc, clang   each compiler, optimised, with assertions, without sanitizers
#   lua-src      Lua from DIR, for example a newer 5.4, in place of the system's
#   musl         musl's C library in place of the system's (the package musl-tools)
#   m32          32 bit (the package gcc-multilib)
#
# Without a name: all of them. By hand, because it takes half an hour. Warnings are errors
# everywhere, and all tests of the compiled code run; those of the tree itself, which no
# compiler changes, do not.
#
# The last three need Lua's sources, from lua.org, the last two those of cmocka as well (from
# cmocka.org), because a system seldom has these libraries for another C library: both are
# built here, with the same compiler. Nothing is downloaded.
#
# Everything is kept in build/portability. Exit status: 0 all is well, 1 something is not,
# 77 nothing is wrong, but some builds could not be made; each is named with the reason.
set -eu

cd "$(dirname "$0")/.."
top=$PWD
root=$top/build/portability
lua=
cmocka=
jobs=${JOBS:-2}

usage() {
    echo "usage: sh tests/portability_builds.sh [--lua DIR] [--cmocka DIR]" \
        "[gcc|clang|lua-src|musl|m32]..." >&2
    exit 2
}

folder() { # DIR FILE...
    dir=$(cd "$1" 2>/dev/null && pwd) || { echo "there is no folder $1" >&2; exit 2; }
    shift
    for file in "$@"; do
        [ -f "$dir/$file" ] && { echo "$dir"; return; }
    done
    echo "$dir has no $1" >&2
    exit 2
}

names=
while [ $# -gt 0 ]; do
    case $1 in
    --lua) [ $# -gt 1 ] || usage; lua=$(folder "$2" lua.h src/lua.h); shift ;;
    --cmocka) [ $# -gt 1 ] || usage; cmocka=$(folder "$2" src/cmocka.c); shift ;;
    gcc | clang | musl | m32 | lua-src) names="$names $1" ;;
    *) usage ;;
    esac
    shift
done
[ -n "$names" ] || names="gcc clang lua-src musl m32"

# ---- one build ---------------------------------------------------------------------------

missing() { # WHAT: the reason why this build cannot be made
    echo "skipped: $*"
    exit 77
}

logged() { # LOG COMMAND...: what a compiler says, or the end, if the command fails
    log=$root/$1.log
    shift
    "$@" >"$log" 2>&1 || {
        echo "FAILED: $*"
        grep -E -A 4 ': (error|warning|fatal error): ' "$log" || tail -n 40 "$log"
        echo "the whole log: $log"
        exit 1
    }
}

links() { # COMPILER FLAGS: can it make a program at all?
    echo 'int main(void) { return 0; }' >"$root/probe.c"
    # shellcheck disable=SC2086
    "$1" $2 -o "$root/probe" "$root/probe.c" 2>/dev/null
}

need_compiler() { # COMPILER FLAGS PACKAGE
    links "$1" "$2" || missing "$1 $2 makes no program; it comes with the package $3"
}

need_lua() {
    [ -n "$lua" ] || missing "name the sources of Lua 5.4 with --lua DIR"
}

# cmocka as a static library of this compiler: sets options for CMake.
build_cmocka() { # NAME COMPILER FLAGS
    [ -n "$cmocka" ] || missing "name the sources of cmocka with --cmocka DIR"
    logged "$1.cmocka" cmake -S "$cmocka" -B "$root/$1.cmocka" -DCMAKE_C_COMPILER="$2" \
        -DCMAKE_C_FLAGS="$3" -DBUILD_SHARED_LIBS=OFF -DWITH_STATIC_LIB=ON \
        -DWITH_EXAMPLES=OFF -DUNIT_TESTING=OFF
    logged "$1.cmocka" cmake --build "$root/$1.cmocka" -j "$jobs"
    library=$(find "$root/$1.cmocka" -name 'libcmocka*.a' | head -n 1)
    [ -n "$library" ] || { echo "FAILED: $cmocka gives no static library"; exit 1; }
    cmocka_options="-DCMOCKA_INCLUDE_DIR=$cmocka/include -DCMOCKA_LIBRARY=$library"
}

# The kernel's headers, which musl does not bring: without those of the other C library, that
# lie beside them.
kernel_headers() {
    to=$root/kernel-headers
    mkdir -p "$to"
    asm=/usr/include/$(gcc -print-multiarch)/asm
    [ -d "$asm" ] || asm=/usr/include/asm
    for from in /usr/include/linux /usr/include/asm-generic "$asm"; do
        [ -d "$from" ] || missing "the kernel's headers: there is no $from"
        ln -sfn "$from" "$to/$(basename "$from")"
    done
}

# The test that loads modules in C of the system: those are for its own C library and words.
foreign=client_cmodules

build_and_test() { # NAME COMPILER FLAGS TESTS-NOT-TO-RUN OPTIONS-OF-CMAKE...
    name=$1 compiler=$2 flags=$3 without=$4
    shift 4
    logged "$name" cmake -S "$top" -B "$root/$name" -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_FLAGS_DEBUG="-O2 -g" -DKELPIE_WERROR=ON -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_C_FLAGS="$flags" "$@"
    logged "$name" cmake --build "$root/$name" -j "$jobs"
    echo "built, no warning"
    status=0
    # Tests of the tree (checks) and of speed know no compiler.
    ctest --test-dir "$root/$name" -j "$jobs" -LE 'checks|bench|soak' -E "^($without)\$" \
        --output-on-failure >"$root/$name.tests" 2>&1 || status=1
    grep -E '^[0-9]+% tests passed' "$root/$name.tests" || tail -n 5 "$root/$name.tests"
    sed -n 's/^.*Test *#[0-9]*: \([a-z_0-9]*\) .*Skipped.*/not run: \1/p' "$root/$name.tests"
    sed -n '/The following tests FAILED/,$p' "$root/$name.tests"
    [ $status -eq 0 ] || echo "the whole log: $root/$name.tests"
    return $status
}

make_one() { # NAME
    case $1 in
    gcc | clang)
        need_compiler "$1" "" "$1"
        build_and_test "$1" "$1" "" ""
        ;;
    lua-src)
        need_lua
        build_and_test lua-src cc "" "" -DKELPIE_LUA_SOURCE_DIR="$lua"
        ;;
    musl)
        need_compiler musl-gcc "" musl-tools
        need_lua
        kernel_headers
        build_cmocka musl musl-gcc ""
        # shellcheck disable=SC2086
        build_and_test musl musl-gcc "-idirafter $root/kernel-headers" "$foreign" \
            -DKELPIE_LUA_SOURCE_DIR="$lua" -DKELPIE_BUILD_EXAMPLES=OFF $cmocka_options
        ;;
    m32)
        need_compiler gcc -m32 gcc-multilib
        need_lua
        build_cmocka m32 gcc -m32
        # shellcheck disable=SC2086
        build_and_test m32 gcc -m32 "$foreign" -DKELPIE_LUA_SOURCE_DIR="$lua" \
            -DKELPIE_BUILD_EXAMPLES=OFF $cmocka_options
        ;;
    esac
}

# ---- all of them -------------------------------------------------------------------------

mkdir -p "$root"
unset CFLAGS LDFLAGS
result=0
for one in $names; do
    echo "== $one"
    status=0
    (make_one "$one") || status=$?
    case $status in
    0) ;;
    77) [ $result -ne 0 ] || result=77 ;;
    *) result=1 ;;
    esac
done
exit $result
