#!/bin/sh
# test_readme.sh - what the READMEs show and name is true
#
#   sh tests/test_readme.sh KELPIE_BINARY        CC names the compiler
#
#   README.md       a ```lua block that returns handlers passes `kelpie check`; the ```c block
#                   compiles; each `--flag` is one of `kelpie --help`
#   all three       a path of this tree that they name is there
#   src/README.md   each row "| `file` | `function` | ..." names a function of that file
set -eu

kelpie=${1:?usage: sh tests/test_readme.sh KELPIE_BINARY}
case $kelpie in
/*) ;;
*) kelpie=$PWD/$kelpie ;;
esac
cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-readme.XXXXXX")
trap 'rm -rf "$work"' EXIT
bad=0
checked=0

complain() {
    echo "$1"
    bad=1
}

# blocks LANGUAGE: writes the blocks of README.md to $work/LANGUAGE.1, .2 ...
blocks() {
    awk -v lang="$1" -v to="$work/$1." '
        $0 == "```" lang { n++; inside = 1; next }
        $0 == "```" { inside = 0 }
        inside { print > (to n) }' README.md
}

# ---- Lua -----------------------------------------------------------------------------

blocks lua
for block in "$work"/lua.*; do
    grep -q '^return handlers' "$block" || continue
    checked=$((checked + 1))
    "$kelpie" check "$block" >"$work/out" 2>&1 || {
        complain "README.md: a block of Lua does not pass:"
        cat "$work/out" "$block"
    }
done

# ---- C -------------------------------------------------------------------------------

# What the block includes, then a function with the rest of it.
blocks c
for block in "$work"/c.*; do
    {
        grep '^#include' "$block"
        echo 'void snippet(void);'
        echo 'void snippet(void) {'
        grep -v '^#include' "$block"
        echo '}'
    } >"$block.c"
    checked=$((checked + 1))
    "${CC:-cc}" -std=c99 -Wall -Wextra -Werror -fsyntax-only -Iinclude "$block.c" ||
        complain "README.md: a block of C does not compile"
done

# ---- names ---------------------------------------------------------------------------

"$kelpie" --help >"$work/help"
for flag in $(sed 's/cmake[^`]*//g; s/busted[^`]*//g; s/sh tests[^`]*//g; s/kelpie --help//g' README.md |
    grep -oE '(^|[ `(])--[a-z][a-z-]+' | tr -d ' `('); do
    grep -qE -e "(^| )$flag( |\$)" "$work/help" || complain "README.md: kelpie has no $flag"
done

for path in $(grep -ohE '(^|[ `(])(src|include|tests|examples|scripts)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]' \
    README.md src/README.md tests/README.md | tr -d ' `(' | sort -u); do
    checked=$((checked + 1))
    [ -e "$path" ] || complain "there is no $path"
done

sed -n 's/^| `\([a-z_/]*\.c\)` | `\([a-z_0-9]*\)` |.*/\1 \2/p' src/README.md >"$work/table"
while read -r file function; do
    checked=$((checked + 1))
    grep -qE "^$function\(" "src/$file" ||
        complain "src/README.md: src/$file has no function $function"
done <"$work/table"

[ "$checked" -gt 20 ] || complain "test_readme.sh: only $checked things found to check"
[ $bad -eq 0 ] && echo "readme: $checked things checked"
exit $bad
