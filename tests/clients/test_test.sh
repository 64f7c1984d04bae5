#!/bin/sh
# test_test.sh - kelpie test: what passes, what fails and how it is told, time, reloads
. "$(dirname "$0")/lib.sh"

scripts=$work/scripts
mkdir -p "$scripts"
touch "$log" "$out"

run_tests() { # EXIT-CODE ARGUMENTS
    wanted=$1
    shift
    rm -f "$work/tests.out" "$work/tests.err"
    spawn tests "$kelpie" test "$@" </dev/null
    wait_end tests
    equal "the exit code of kelpie test $*" "$(cat "$work/tests.status")" "$wanted"
}

told() { # TEXT...
    for text in "$@"; do
        has_text "$work/tests.out" "$text" || fail "'$text' is not in: $(cat "$work/tests.out")"
    done
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
cat >"$scripts/client.lua" <<'END'
local kelpie = require("kelpie")
return {
   on_connect = function(conn)
      local shop, _, code = kelpie.connect("shop.example:80")
      if not shop then return conn:send(code) end
      shop:send("apple")
      shop:finish()
      conn:send(shop:receive(nil, 5) or "nothing")
      shop:close()
   end,
   listeners = { much = {
      on_message = function(conn) conn:write(("x"):rep(300000)) end,
      on_drain = function(conn) conn:send("drained") end,
   } },
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
   upstreams = function()
      local t = test.start("client.lua")
      t:connect():expect("refused")
      local shop = t:upstream("shop.example:80")
      local c, slow = t:connect(), t:connect()
      local s = shop:accept()
      s:expect("apple")
      s:expect_eof()
      s:send("5")
      c:expect("5")
      s:expect_closed("closed")
      slow:expect_nothing()
      assert(not pcall(function() shop:accept():expect_closed() end))
      assert(not pcall(shop.accept, shop))
      shop:close()
      t:connect():expect("refused")
   end,
   a_client_that_does_not_read = function()
      local t = test.start("client.lua")
      local c = t:connect("much")
      c:pause()
      c:send("much")
      c:expect_nothing()
      c:resume()
      c:expect_bytes(("x"):rep(300000))
      c:expect("drained")
   end,
   a_handler_that_raises = function()
      local t = test.start("init.lua")
      t:connect():send("boom")
      assert(t:errors():find("it broke", 1, true))
   end,
   asked = function()
      local c = test.start("init.lua"):connect()
      c:ask("x\ny", "one x", "one y")
      c:ask("bye")
      c:expect_closed("left")
   end,
}
END
run_tests 0 "$scripts"
equal "what is told" "$(sed 's/ - .*: / /' "$work/tests.out")" "ok 1 time
ok 2 an_hour
ok 3 reload
ok 4 listener
ok 5 upstreams
ok 6 a_client_that_does_not_read
ok 7 a_handler_that_raises
ok 8 asked
1..8"

# Failures: file and line of the test, a diff, and what a handler has raised.
cat >"$scripts/bad_test.lua" <<'END'
local test = require("kelpie.test")
local function said(c, line) c:ask(line, "one x") end
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
   does_not_compile = function()
      test.start("syntax.lua")
   end,
   raises_at_load = function()
      test.start("init.lua"):reload("load.lua")
   end,
   wrong_argument = function()
      test.start("init.lua"):connect():send({})
   end,
   two_failures = function()
      local c = test.start("init.lua"):connect()
      c:send("boom")
      c:expect("one boom")
   end,
   helped = function()
      local c = test.start("init.lua"):connect()
      said(c, "x")
      said(c, "y")
   end,
}
END
echo 'return {' >"$scripts/syntax.lua"
printf 'local x\nx.y = 1\n' >"$scripts/load.lua"
echo 'local tests = {} function tests.forgotten() end' >"$scripts/none_test.lua"
printf 'return {' >"$scripts/broken_test.lua"
run_tests 1 "$scripts"
told "not ok 1 - bad_test: other" "bad_test.lua:7: " 'expected: "one x\t2"' '     got: "one x\t1"' \
    "                     ^" "not ok 2 - bad_test: raises" "init.lua:4: it broke" \
    "the greeting" "     got: nothing" "bad_test.lua:16: cannot read $scripts/nowhere.lua" \
    "bad_test.lua:19: $scripts/syntax.lua:2: " "bad_test.lua:22: reload rejected: $scripts/load.lua:2: " \
    "bad_test.lua:25: line: a string is wanted, not table" "bad_test.lua:30: expected:" \
    "bad_test.lua:2: after \"y\"" "called from $scripts/bad_test.lua:35" \
    "not ok 10 - broken_test" "broken_test.lua:1:" "ok 11 - good_test: time" "not ok 19 - none_test" \
    "none_test.lua: it returns no table of tests" "1..19" "# 11 of 19 failed"

# Some of them: by name, by file.
run_tests 0 --filter 'good.*an_hour$' "$scripts/good_test.lua"
equal "what one test says" "$(cat "$work/tests.out")" "ok 1 - good_test: an_hour
1..1"
run_tests 1 --filter silent "$scripts/bad_test.lua"
told "not ok 1 - bad_test: silent" "1..1"
run_tests 66 --filter typo "$scripts/good_test.lua"
has_text "$work/tests.err" "no test there has a name that matches typo" || fail "$(cat "$work/tests.err")"
run_tests 66 --filter '[' "$scripts"
has_text "$work/tests.err" "[: malformed pattern" || fail "$(cat "$work/tests.err")"

# A folder without tests, and none at all.
mkdir "$work/empty"
run_tests 66 "$work/empty"
has_text "$work/tests.err" "no file there is called *_test.lua" || fail "$(cat "$work/tests.err")"
run_tests 66 "$work/nowhere"
has_text "$work/tests.err" "$work/nowhere: No such file" || fail "$(cat "$work/tests.err")"

# The stubs for editors and the module have the same functions.
functions() { sed -n -e 's/^function \([A-Za-z_.:]*\)(.*/\1/p' "$1" | tr 'SCU' 'scu' | sort; }
equal "the set of functions in kelpie.test.d.lua" "$(functions "$top/src/lua/kelpie.test.d.lua")" \
    "$(functions "$top/src/lua/test.lua")"
assert_clean
