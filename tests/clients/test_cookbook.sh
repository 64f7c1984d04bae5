#!/bin/sh
# test_cookbook.sh - every recipe of examples/README.md does what the session below it shows
#
# The n-th ```lua block is served, and the n-th ```session block is played: "a> text" types a
# line into client a (with the escapes of printf %b; \c at the end: without a newline), "a< text"
# waits until a has read that, "reload" loads the script again. A ```lua test block is run by
# `kelpie test` against the recipe before it, which is the last one.
. "$(dirname "$0")/lib.sh"
need_nc

blocks() { # LANGUAGE
    awk -v lang="$1" -v to="$work/$(echo "$1" | tr ' ' _)." '
        $0 == "```" lang { n++; inside = 1; next }
        /^```/ { inside = 0 }
        inside { print > (to n) }' "$top/examples/README.md"
}
blocks lua
blocks "lua test"
blocks session
cd "$work" # a recipe names a socket by a relative path

type_escaped() { # NAME TEXT
    eval "fd=\$input_of_$1"
    eval "printf '%b\\n' \"\$2\" >&$fd"
}

arrive() { # NAME
    case " $clients " in
    *" $1 "*) ;;
    *) client "$1" nc 127.0.0.1 "$port" ;;
    esac
}

play() { # LINE
    who=${1%%[<>]*}
    case $1 in
    ?"> "*)
        arrive "$who"
        type_escaped "$who" "${1#*> }"
        ;;
    ?"< "*)
        arrive "$who"
        wait_until "recipe $n: $who has read: ${1#*< }" has_text "$work/$who.out" "${1#*< }"
        ;;
    reload)
        reload
        expect_log "generation 2 serves"
        ;;
    *) fail "recipe $n: what is '$1'?" ;;
    esac
}

n=0
while [ -f "$work/lua.$((n + 1))" ]; do
    n=$((n + 1))
    [ -s "$work/session.$n" ] || fail "recipe $n has no session"
    if command -v luacheck >/dev/null 2>&1; then
        luacheck -q --config "$top/.luacheckrc" --std kelpie - <"$work/lua.$n" >"$work/lint" ||
            fail "recipe $n: $(cat "$work/lint")"
    fi
    : >"$log"
    start_server run -l 127.0.0.1:0 -l shop=unix:shop.sock "$work/lua.$n"
    # 9, the input of the server, is lent to the session: the other numbers belong to clients.
    while IFS= read -r line <&9; do
        play "$line"
    done 9<"$work/session.$n"
    finish
    grep -nE '^[^ ]+ error|handler' "$log" && fail "recipe $n: the log has errors"
    clients=
done
[ "$n" -ge 8 ] || fail "only $n recipes found"
[ ! -f "$work/session.$((n + 1))" ] || fail "a session without a recipe"
mkdir tested
cp "lua.$n" tested/init.lua
cp lua_test.1 tested/init_test.lua
"$kelpie" test tested >said 2>&1 || fail "the test of a recipe: $(cat said)"
has_text said "ok 1" || fail "kelpie test has run nothing: $(cat said)"
exit 0
