#!/bin/sh
# test_man.sh KELPIE - the manual pages are well-formed, and leave nothing out
#
# Every option of `kelpie --help` is in kelpie(1), every function of kelpie.h in kelpie(3), and
# every function, field and handler of the Lua stubs in kelpie-lua(7).
set -eu

kelpie=$1
cd "$(dirname "$0")/.."
bad=0

complain() {
    echo "$1"
    bad=1
}

# The page as plain text, without mdoc's words: names stand alone.
words() { # FILE
    tr -c 'A-Za-z0-9_.:-' '\n' <"$1"
}

checked=0
expect_in() { # PAGE; names on standard input
    words "$1" >"${TMPDIR:-/tmp}/kelpie-man.$$"
    while read -r name; do
        checked=$((checked + 1))
        grep -qxF -e "$name" "${TMPDIR:-/tmp}/kelpie-man.$$" || complain "$1: '$name' is missing"
    done
    rm -f "${TMPDIR:-/tmp}/kelpie-man.$$"
}

names=${TMPDIR:-/tmp}/kelpie-names.$$
trap 'rm -f "$names"' EXIT
"$kelpie" --help | sed -n 's/^ *\(-[a-zA-Z], \)\{0,1\}-\(-[a-z-]*\).*/\2/p' >"$names"
expect_in src/man/kelpie.1 <"$names"
sed -n 's/^.*\(kelpie_[a-z_]*\)(.*/\1/p' include/kelpie.h | grep -v '_fn$' | sort -u >"$names"
expect_in src/man/kelpie.3 <"$names"
sed -n -e 's/^function \([a-z_.:]*\)(.*/\1/p' src/lua/kelpie.d.lua >"$names"
sed -n '/^---@class kelpie.handlers$/,/^$/s/^---@field \([a-z_]*\).*/\1/p' src/lua/kelpie.d.lua >>"$names"
sed -n '/^---@class kelpie.conn$/,/^$/s/^---@field \([a-z_]*\).*/conn.\1/p' src/lua/kelpie.d.lua >>"$names"
expect_in src/man/kelpie-lua.7 <"$names"
[ "$checked" -gt 120 ] || complain "test_man.sh: only $checked names were found"

if command -v mandoc >/dev/null 2>&1; then
    for page in src/man/*.[1-9]; do
        mandoc -Tlint -Wwarning "$page" || bad=1
    done
else
    echo "mandoc is not installed: the form of the pages was not checked"
fi
[ $bad -eq 0 ] && echo "man: $checked names, all described"
exit $bad
