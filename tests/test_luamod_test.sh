#!/bin/sh
# test_luamod_test.sh FOLDER [RUNTIME...] - `require "kelpie.test"` in a plain lua5.4, and in busted
#
# Without busted the second half is skipped, and that is said.
set -u
. "$(dirname "$0")/luamod_lib.sh"

cd "$work" || exit 1
mkdir -p scripts spec
cat >scripts/init.lua <<'LUA'
return {
   on_message = function(conn, line)
      if line == "boom" then error("it broke") end
      if line == "later" then require("kelpie").sleep(30) end
      if line == "bye" then conn:close("left") return end
      conn:send("one ", line)
   end,
}
LUA
sed 's/one /two /' scripts/init.lua >scripts/next.lua
cat >scripts/init_test.lua <<'LUA'
local test = require("kelpie.test")
return {
   is_answered = function()
      local c = test.start("init.lua"):connect()
      c:send("x")
      c:expect("one x")
   end,
   raises = function()
      test.start("init.lua"):connect():send("boom")
   end,
}
LUA

# ---- lua5.4 --------------------------------------------------------------------------------

# A program that uses it line by line; what is wrong raises at its own line.
cat >program.lua <<'LUA'
local test = require("kelpie.test")
local t = test.start("scripts/init.lua")
local c = t:connect()
c:send("later")
c:expect_nothing()
t:advance(30)
c:expect("one later")
t:reload("scripts/next.lua")
c:send("x")
c:expect("two x")
c:send("bye")
c:expect_closed("left")
local function told(...)
   local ok, why = pcall(...)
   assert(not ok)
   print(why)
end
told(function() t:connect():expect("hello") end)
told(function() t:connect().send("x") end)
told(function() t:advance("x") end)
told(function() test.start("nowhere.lua") end)
t:connect():send("boom")
told(test.finish)
test.finish()
told(function() t:connect() end)
LUA
run_to_end program 0 lua5.4 program.lua
said program 'program.lua:18: expected: "hello"' \
    "program.lua:19: methods are called with a colon" \
    "program.lua:20: seconds: a number from 0 on is wanted, not x" \
    "program.lua:21: cannot read ./nowhere.lua" \
    "a handler failed: on_message: ./scripts/next.lua:3: it broke" \
    "program.lua:25: the test of this server has ended"

# The files that `kelpie test` runs, all or some.
run_to_end files 1 lua5.4 -e 'os.exit(require("kelpie.test").run("scripts"), true)'
said files "ok 1 - init_test: is_answered" "not ok 2 - init_test: raises" "scripts/init.lua:3: it broke" "1..2"
run_to_end some 0 lua5.4 -e 'os.exit(require("kelpie.test").run("scripts", "answered") == 0, true)'
equal "what some of the tests say" "$(cat some.out)" "ok 1 - init_test: is_answered
1..1"
run_to_end none 1 lua5.4 -e 'require("kelpie.test").run("spec")'
has_text none.err "spec: no file there is called *_test.lua" || fail "$(cat none.err)"

# Nothing else of it can be seen.
if command -v nm >/dev/null 2>&1; then
    equal "what kelpie.so exports besides libkelpie" \
        "$(nm -D --defined-only "$modules/kelpie.so" | sed -n 's/.* [TDB] //p' | grep -v '^kelpie_')" \
        "luaopen_kelpie
luaopen_kelpie_test"
fi

# ---- busted --------------------------------------------------------------------------------

command -v busted >/dev/null 2>&1 && lua5.4 -e 'require("busted.core")' 2>/dev/null ||
    skip "busted for lua5.4 is not installed; in a plain lua5.4 all is well"

cat >spec/good_spec.lua <<'LUA'
local test = require("kelpie.test")

describe("a guest", function()
   local t, c
   before_each(function()
      t = test.start("../scripts/init.lua")
      c = t:connect()
   end)
   after_each(test.finish)

   it("is answered", function()
      c:send("x")
      c:expect("one x")
   end)

   it("waits", function()
      c:send("later")
      c:expect_nothing()
      t:advance(30)
      c:expect("one later")
   end)

   it("stays across a reload", function()
      t:reload("../scripts/next.lua")
      c:send("x")
      c:expect("two x")
      c:send("bye")
      c:expect_closed("left")
   end)

   it("has a handler that raises", function()
      c:send("boom")
      assert.truthy(t:errors():find("it broke", 1, true))
   end)
end)

describe("a file of kelpie test", function()
   after_each(test.finish)
   it("is answered", dofile("scripts/init_test.lua").is_answered)
end)
LUA
cat >spec/bad_spec.lua <<'LUA'
local test = require("kelpie.test")
local first

describe("a bad guest", function()
   after_each(test.finish)

   it("expects too much", function()
      first = test.start("../scripts/init.lua")
      local c = first:connect()
      c:send("x")
      c:expect("two x", "the answer")
   end)

   it("has a handler that raises", function()
      test.start("../scripts/init.lua"):connect():send("boom")
   end)

   it("keeps the server of another", function()
      first:connect()
   end)
end)
LUA
run_to_end good 0 lua5.4 "$(command -v busted)" -o TAP spec/good_spec.lua
said good "ok 1 - a guest is answered" "ok 5 - a file of kelpie test is answered" "1..5"
run_to_end through 0 busted --lua=lua5.4 -o TAP spec/good_spec.lua
said through "1..5"
run_to_end bad 1 lua5.4 "$(command -v busted)" spec/bad_spec.lua
said bad "1 failure / 2 errors" "bad_spec.lua:11: the answer" 'expected: "two x"' "           ^" \
    "a handler failed: on_message: spec/../scripts/init.lua:3: it broke" \
    "bad_spec.lua:19: the test of this server has ended"
