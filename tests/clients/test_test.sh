#!/bin/sh
# test_test.sh - kelpie test: what passes, what fails and how it is told, time, reloads
. "$(dirname "$0")/lib.sh"

scripts=$work/scripts
mkdir -p "$scripts"
touch "$log" "$out"

run_tests() { # EXIT-CODE FOLDER
    rm -f "$work/tests.out" "$work/tests.err"
    spawn tests "$kelpie" test "$2" </dev/null
    wait_end tests
    equal "the exit code of kelpie test $2" "$(cat "$work/tests.status")" "$1"
}

# The tests of the shipped scripts.
run_tests 0 "$top/scripts"
has_line "$work/tests.out" "1..$(grep -c "^ok" "$work/tests.out")" || fail "no plan: $(cat "$work/tests.out")"

cat >"$scripts/init.lua" <<'END'
local kelpie = require("kelpie")
return {
   on_message = function(conn, line)
      if line == "boom" then error("it broke") end
      if line == "later" then kelpie.sleep(3600) end
      if line == "bye" then conn:close("left") return end
      conn:send("one ", line)
   end,
   listeners = { admin = { on_message = function(conn, line) conn:send("admin ", line) end } },
}
END
sed 's/one /two /' "$scripts/init.lua" >"$scripts/next.lua"
cat >"$scripts/good_test.lua" <<'END'
local test = require("kelpie.test")
return {
   time = function()
      local c = test.start("init.lua"):connect()
      c:send("later")
      c:expect_nothing()
   end,
   an_hour = function()
      local t = test.start("init.lua")
      local c = t:connect()
      c:send("later")
      t:advance(3599)
      c:expect_nothing()
      t:advance(1)
      c:expect("one later")
   end,
   reload = function()
      local t = test.start("init.lua")
      local c = t:connect()
      c:write("a\nb")
      c:expect("one a")
      t:reload("next.lua")
      c:write("\n")
      c:expect_bytes("two b\n")
      c:send("bye")
      c:expect_closed("left")
   end,
   listener = function()
      local c = test.start("init.lua"):connect("admin")
      c:send("x")
      assert(c:expect_match("^admin (.)$") == "x")
   end,
   a_handler_that_raises = function()
      local t = test.start("init.lua")
      t:connect():send("boom")
      assert(t:errors():find("it broke", 1, true))
   end,
}
END
run_tests 0 "$scripts"
equal "what is told" "$(sed 's/ - .*: / /' "$work/tests.out")" "ok 1 time
ok 2 an_hour
ok 3 reload
ok 4 listener
ok 5 a_handler_that_raises
1..5"

# Failures: file and line of the test, a diff, and what a handler has raised.
cat >"$scripts/bad_test.lua" <<'END'
local test = require("kelpie.test")
return {
   other = function()
      local c = test.start("init.lua"):connect()
      c:send("x\t1")
      c:expect("one x\t2")
   end,
   raises = function()
      test.start("init.lua"):connect():send("boom")
   end,
   silent = function()
      test.start("init.lua"):connect():expect("hello", "the greeting")
   end,
   missing = function()
      test.start("nowhere.lua")
   end,
}
END
printf 'return {' >"$scripts/broken_test.lua"
run_tests 1 "$scripts"
for text in "not ok 1 - bad_test: other" "bad_test.lua:6: " 'expected: "one x\t2"' '     got: "one x\t1"' \
    "                     ^" "not ok 2 - bad_test: raises" "init.lua:4: it broke" \
    "the greeting" "     got: nothing" "nowhere.lua" "not ok 5 - broken_test" "broken_test.lua:1:" \
    "ok 6 - good_test: time" "1..10" "# 5 of 10 failed"; do
    has_text "$work/tests.out" "$text" || fail "'$text' is not in: $(cat "$work/tests.out")"
done

# A folder without tests, and none at all.
mkdir "$work/empty"
run_tests 66 "$work/empty"
has_text "$work/tests.err" "no file there is called *_test.lua" || fail "$(cat "$work/tests.err")"
run_tests 66 "$work/nowhere"

# The stubs for editors and the module have the same functions.
functions() { sed -n -e 's/^function \([A-Za-z_.:]*\)(.*/\1/p' "$1" | tr 'SC' 'sc' | sort; }
equal "the set of functions in kelpie.test.d.lua" "$(functions "$top/src/lua/kelpie.test.d.lua")" \
    "$(functions "$top/src/lua/test.lua")"
assert_clean
