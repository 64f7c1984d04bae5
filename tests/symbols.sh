#!/bin/sh
# symbols.sh - what the library exports is what kelpie.h declares as KELPIE_API, no more
# and no less
#
#   sh tests/symbols.sh ARCHIVE
#
# A shared library exports the symbols of its objects that are global and not hidden, so the
# archive of the same objects is enough to look at. Names that begin with __ are those of
# compilers and sanitizers. Exits 77 without readelf, or where objects are no ELF.
set -eu

cd "$(dirname "$0")/.."
archive=${1:?usage: sh tests/symbols.sh ARCHIVE}
header=include/kelpie.h
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-symbols.XXXXXX")
trap 'rm -rf "$work"' EXIT

command -v readelf >/dev/null 2>&1 || { echo "skipped: readelf is not installed"; exit 77; }

# A declaration may begin on the line after KELPIE_API; its name stands before the first "(".
sed -e '/^ *\/\*/d' -e '/^ *\*/d' -e '/^ *#/d' "$header" | tr '\n' ' ' |
    sed 's/KELPIE_API/\
KELPIE_API/g' | sed -n 's/^KELPIE_API [^(]*[ *]\(kelpie_[a-z_]*\)(.*/\1/p' |
    sort >"$work/declared"

# Num: Value Size Type Bind Vis Ndx Name
readelf -sW "$archive" 2>/dev/null >"$work/symbols" || true
grep -q 'FUNC .* DEFAULT' "$work/symbols" || { echo "skipped: no ELF code in $archive"; exit 77; }
awk '($5 == "GLOBAL" || $5 == "WEAK") && $6 == "DEFAULT" && $7 != "UND" && $8 !~ /^__/ \
    { print $8 }' "$work/symbols" | sort -u >"$work/exported"

[ "$(wc -l <"$work/declared")" -gt 40 ] || {
    echo "symbols.sh: only $(wc -l <"$work/declared") functions found in $header"
    exit 1
}
if ! diff "$work/declared" "$work/exported" >"$work/diff"; then
    sed -n -e 's/^< /declared, not exported: /p' -e 's/^> /exported, not declared: /p' "$work/diff"
    exit 1
fi
echo "symbols: $(wc -l <"$work/exported") functions, as declared"
