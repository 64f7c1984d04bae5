#!/bin/sh
# test_init.sh - kelpie init: what it writes is good, and it overwrites nothing
. "$(dirname "$0")/lib.sh"

touch "$log" "$out"
new=$work/new

run() { # EXIT-CODE COMMAND...
    wanted=$1
    shift
    rm -f "$work/done.out" "$work/done.err"
    spawn done "$@" </dev/null
    wait_end done
    equal "the exit code of $*" "$(cat "$work/done.status")" "$wanted"
}

run 0 "$kelpie" init "$new"
has_text "$work/done.out" "kelpie test $new" || fail "it does not say what is next: $(cat "$work/done.out")"
equal "what there is" "$(cd "$new" && echo .lua* *)" ".luacheckrc .luarc.json README.md init.lua init_test.lua"
run 0 "$kelpie" check "$new"
equal "what check says" "$(cat "$work/done.out")" "$new: ok"
run 0 "$kelpie" test "$new"
has_line "$work/done.out" "1..3" || fail "tests: $(cat "$work/done.out")"
[ "$(wc -l <"$new/README.md")" -le 10 ] || fail "its README is long"
has_text "$new/.luarc.json" "/kelpie/lua\"]" || fail "$(cat "$new/.luarc.json")"
if command -v luacheck >/dev/null 2>&1; then
    run 0 sh -c 'cd "$1" && luacheck --no-color .' sh "$new"
    has_text "$work/done.out" "0 warnings / 0 errors in 2 files" || fail "$(cat "$work/done.out")"
fi
if command -v python3 >/dev/null 2>&1; then
    run 0 python3 -m json.tool "$new/.luarc.json"
fi

# Nothing is overwritten, and nothing written beside it.
mkdir "$work/used"
echo mine >"$work/used/init.lua"
ln -s nowhere "$work/used/README.md"
run 73 "$kelpie" init "$work/used"
has_text "$work/done.err" "$work/used/init.lua: is there already" || fail "$(cat "$work/done.err")"
has_text "$work/done.err" "$work/used/README.md: is there already" || fail "$(cat "$work/done.err")"
equal "the file" "$(cat "$work/used/init.lua")" mine
equal "the folder" "$(ls -A "$work/used" | sort | tr '\n' ' ')" "README.md init.lua "

run 73 "$kelpie" init "$work/no/such/place"
run 64 "$kelpie" init
has_text "$work/done.err" "which folder" || fail "$(cat "$work/done.err")"
assert_clean
