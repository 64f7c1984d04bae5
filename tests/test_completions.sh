#!/bin/sh
# test_completions.sh KELPIE - what bash, zsh and fish offer is what `kelpie --help` lists
#
# Each shell is asked for the commands, the options and the values of an option. One that is not
# installed is named; the test is skipped when none is.
set -eu

kelpie=${1:?usage: sh $0 KELPIE_BINARY}
top=$(cd "$(dirname "$0")/.." && pwd)
folder=$top/src/dist/completions
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-completions.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/empty"
ln -s "$kelpie" "$work/bin/kelpie"
PATH=$work/bin:$PATH
HOME=$work
export PATH HOME
cd "$work/empty" # files of here would be offered, too

fail() {
    echo "FAILED: $*"
    exit 1
}

# The functions print what is offered for `kelpie WORD...` with the last word not complete.
ask_bash() {
    # shellcheck disable=SC2016
    bash --norc --noprofile -c 'source "$1"; shift; compopt() { :; }
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kelpie; printf "%s\n" "${COMPREPLY[@]}"' \
        bash "$folder/kelpie.bash" kelpie "$@"
}

ask_zsh() {
    zsh -f "$top/tests/dist/complete.zsh" "$folder" "kelpie $*"
}

ask_fish() {
    # shellcheck disable=SC2016
    fish --no-config -c 'source $argv[1]; complete -C "kelpie $argv[2..]"' "$folder/kelpie.fish" "$@" |
        cut -f 1
}

same() { # SHELL WHAT WANTED WORD...: both files are sorted lists
    shell=$1 what=$2 wanted=$3
    shift 3
    "ask_$shell" "$@" | tr ' ' '\n' | sed '/^$/d' | sort -u >"$work/offered"
    diff "$wanted" "$work/offered" >"$work/diff" ||
        fail "$shell, $what; < is wanted, > is offered: $(cat "$work/diff")"
}

kelpie --help >"$work/help"
sed -n 's/^  kelpie \([a-z][a-z]*\) .*/\1/p' "$work/help" | sort -u >"$work/commands"
grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' "$work/help" | grep -oE -- '--[a-z-]+' | sort -u >"$work/options"
[ "$(wc -l <"$work/commands")" -gt 4 ] || fail "--help lists no commands"
[ "$(wc -l <"$work/options")" -gt 20 ] || fail "--help lists no options"
printf '%s\n' json text >"$work/formats"
printf '%s\n' cmodules debug io os >"$work/libraries"

asked=
for shell in bash zsh fish; do
    if ! command -v "$shell" >/dev/null 2>&1; then
        echo "not asked: $shell is not installed"
        continue
    fi
    same "$shell" commands "$work/commands" ""
    same "$shell" options "$work/options" --
    same "$shell" "values of --log-format" "$work/formats" --log-format ""
    same "$shell" "values of --allow" "$work/libraries" run --allow ""
    asked="$asked $shell"
done
[ -n "$asked" ] || { echo "skipped: no shell"; exit 77; }
echo "completions:$asked offer $(wc -l <"$work/commands") commands and $(wc -l <"$work/options") options"
