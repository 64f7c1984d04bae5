#!/bin/sh
# layers.sh - includes point downwards only: compat <- base <- event <- net <- script <-
# server; testing <- daemon, luamod; and the few other rules of the house that a grep can check
set -eu

cd "$(dirname "$0")/.."
bad=0

complain() {
    echo "$1"
    bad=1
}

# The folders that a file of each layer may include from.
allowed() {
    case $1 in
    compat) echo "compat" ;;
    base) echo "compat base" ;;
    event) echo "compat base event" ;;
    net) echo "base event net" ;;
    script) echo "base event net script" ;;
    server) echo "base event net script server" ;;
    testing) echo "testing" ;;
    daemon | luamod) echo "$1 testing" ;;
    esac
}

checked=0
for layer in compat base event net script server testing daemon luamod; do
    for file in $(find "src/$layer" -name '*.[ch]'); do
        for include in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' "$file"); do
            checked=$((checked + 1))
            case $include in
            kelpie.h) continue ;;
            */*) folder=${include%%/*} ;;
            *) folder=$layer ;;
            esac
            # The daemon uses one pure helper of base besides the public header.
            [ "$layer $include" = "daemon base/nearest.h" ] && continue
            case " $(allowed $layer) " in
            *" $folder "*) ;;
            *) complain "$file: includes $include, which is not below $layer" ;;
            esac
        done
    done
done
[ "$checked" -gt 100 ] || complain "layers.sh: only $checked includes found; is this the source tree?"

# kqueue(2) is spoken by the loop and by the door to the kernel, epoll below them only.
for file in $(grep -rl 'include <sys/event.h>' src --include='*.[ch]' || true); do
    case $file in
    src/compat/* | src/base/sys.c | src/event/*) ;;
    *) complain "$file: includes <sys/event.h>; only event/ and base/sys.c may" ;;
    esac
done
for file in $(grep -rliE 'epoll|inotify' src include --include='*.[ch]' || true); do
    case $file in
    src/compat/*) ;;
    *) complain "$file: mentions epoll or inotify" ;;
    esac
done

# No #if of a system outside compat.
for file in $(grep -rlE '^ *# *(if|ifdef|ifndef|elif).*(__linux__|__APPLE__|__[A-Za-z]*BSD__)' src include \
    --include='*.[ch]' || true); do
    case $file in
    src/compat/*) ;;
    *) complain "$file: asks for a system by name; that belongs into src/compat" ;;
    esac
done

# Memory and the kernel have one door each.
for file in $(grep -rlE '[^_a-z](malloc|calloc|realloc|strdup|free)\(' src/event src/net src/script --include='*.c' || true); do
    complain "$file: allocates without base/mem"
done
for file in $(grep -rlE '[^_a-z>.](recv|send|sendmsg|accept4?|setsockopt|getsockopt|connect|listen|bind|close|open|fstat|stat|clock_gettime)\(' \
    src/event src/net src/script --include='*.c' || true); do
    grep -nE '(^|[ (!=])(recv|send|sendmsg|accept4?|setsockopt|getsockopt|connect|listen|bind|close|open|fstat|stat|clock_gettime)\(' "$file" |
        grep -vE '^[0-9]+: *(\*|/\*|")|->|"[^"]*(recv|send|accept|connect|listen|bind|close|open|stat)\(' |
        sed "s|^|$file: calls the kernel without base/sys: |" >/tmp/kelpie-layers.$$ || true
    if [ -s /tmp/kelpie-layers.$$ ]; then
        cat /tmp/kelpie-layers.$$
        bad=1
    fi
    rm -f /tmp/kelpie-layers.$$
done

# The top level holds what the house needs and nothing more.
if [ -d .git ] || [ -f .git ]; then
    for name in $(git ls-tree --name-only HEAD 2>/dev/null || true); do
        case $name in
        CMakeLists.txt | CMakePresets.json | LICENSE | README.md | src | scripts | include | tests | examples | .*) ;;
        *) complain "$name: does not belong to the top level" ;;
        esac
    done
fi
[ $bad -eq 0 ] && echo "layers: $checked includes, all point downwards"
exit $bad
