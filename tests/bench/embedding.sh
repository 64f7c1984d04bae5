#!/bin/sh
# embedding.sh - what it costs to embed the library: its size, and the memory of a server and of
# a connection
#
#   sh tests/bench/embedding.sh [BUILD]      default: build/release, which is built first
#
# Bytes are what kelpie asks its allocator for, counted by bench_memory; the same in every run.
# What the kernel keeps for a socket comes on top. Takes a minute, most of it to build.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-}
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-embedding.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ -z "$build" ]; then
    build=$top/build/release
    (cd "$top" && cmake --preset release && cmake --build --preset release \
        --target kelpie_shared bench_memory) >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
fi

row() { # WORDS VALUE
    printf '| %s | %s |\n' "$1" "$2"
}

with_commas() { # NUMBER
    echo "$1" | sed -e ':a' -e 's/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/' -e 'ta'
}

measure() { # SCRIPT; sets bytes, lua, server
    # shellcheck disable=SC2046
    set -- $("$build/tests/bench_memory" "$1" 5000)
    bytes=$(with_commas "$1") lua=$2 server=$3
}

library=$(find "$build" -name 'libkelpie.so.*.*' -type f | head -n 1)
[ -n "$library" ] || { echo "embedding.sh: there is no shared library in $build" >&2; exit 1; }
strip -o "$work/stripped" "$library"
row "the library, release, shared, stripped, without Lua" "$(($(wc -c <"$work/stripped") / 1024)) KiB"
measure -
row "a server without a script, without connections" "$((server / 1024)) KiB"
in_c=$bytes
measure "$top/tests/bench/scripts/echo.lua"
row "a server with a small script" "$((server / 1024)) KiB"
row "an idle connection with handlers in C, after one message" "$in_c bytes"
row "the same with handlers in Lua" "$bytes bytes, $lua of them Lua's"
measure "$top/tests/bench/scripts/data.lua"
row "the same when the script keeps data in it" "$bytes bytes, $lua of them Lua's"
