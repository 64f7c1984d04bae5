#!/bin/sh
# test_check.sh - kelpie check: errors with their lines, for people and for programs
. "$(dirname "$0")/lib.sh"

scripts=$work/scripts
mkdir -p "$scripts"
touch "$log" "$out"

check() { # EXIT-CODE ARGUMENTS...
    wanted=$1
    shift
    spawn checked "$kelpie" check "$@" </dev/null
    wait_end checked
    mv "$work/checked.out" "$work/said"
    mv "$work/checked.err" "$work/complained"
    equal "the exit code of kelpie check $*" "$(cat "$work/checked.status")" "$wanted"
}

is_json() {
    command -v python3 >/dev/null 2>&1 || return 0
    python3 -m json.tool <"$work/said" >/dev/null || fail "no JSON: $(cat "$work/said")"
}

says() { # FILE TEXT...
    file=$work/$1
    shift
    for text in "$@"; do
        has_text "$file" "$text" || fail "'$text' is not in: $(cat "$file")"
    done
}

# Nothing is wrong.
printf 'return {}\n' >"$scripts/init.lua"
check 0 "$scripts"
says said "$scripts: ok"
check 0 --json "$scripts"
equal "the complaints" "$(cat "$work/said")" "[]"

# Each error with its line, and a caret where Lua names a token that is there once.
printf 'local a = require("a")\nlocal b = require("b")\nreturn {}\n' >"$scripts/init.lua"
printf 'for i = 1, 2 od\nend\n' >"$scripts/a.lua"
printf 'local x = = 1\n' >"$scripts/b.lua"
check 65 "$scripts"
cat >"$work/wanted" <<END
$scripts/a.lua:1: 'do' expected near 'od'
    for i = 1, 2 od
                 ^
$scripts/b.lua:1: unexpected symbol near '='
    local x = = 1
END
cmp "$work/wanted" "$work/complained" || fail "check says: $(cat "$work/complained")"
check 65 --json "$scripts"
is_json
says said "[{\"file\":\"$scripts/a.lua\",\"line\":1,\"message\":\"'do' expected near 'od'\",\"source_line\":\"for i = 1, 2 od\",\"column\":14}," \
    "{\"file\":\"$scripts/b.lua\",\"line\":1,\"message\":\"unexpected symbol near '='\",\"source_line\":\"local x = = 1\"}]"
[ ! -s "$work/complained" ] || fail "with --json there is something else: $(cat "$work/complained")"

# An error while it runs; what came before the place is kept; the traceback as well.
printf 'return {\n   self_test = function()\n      error("no \\"room\\" at 12:30: late")\n   end,\n}\n' >"$scripts/init.lua"
check 65 "$scripts"
says complained "$scripts/init.lua:3: self_test: no \"room\" at 12:30: late" "stack traceback:"
check 65 --json "$scripts"
is_json
says said "\"line\":3,\"message\":\"self_test: no \\\"room\\\" at 12:30: late\",\"source_line\":" '"more":["stack traceback:",'

# No place to point at.
printf 'return { on_mesage = print }\n' >"$scripts/init.lua"
check 65 --json "$scripts"
is_json
says said '{"file":null,"line":null,"message":"' "did you mean 'on_message'?"
check 66 --json "$work/nowhere"
is_json

# A path that Lua shortens; bytes that are no UTF-8.
deep=$scripts/a-folder-with-a-name-that-is-rather-long/and-another-one-below-it
mkdir -p "$deep"
printf 'local s = "\303\251\377" od od2\n' >"$deep/init.lua"
check 65 "$deep"
says complained "$deep/init.lua:1: " '\xc3\xa9\xff'
check 65 --json "$deep"
is_json
says said "\"file\":\"$deep/init.lua\"" "$(printf '\303\251')\\ufffd"
assert_clean
