#!/bin/sh
# test_luamod.sh FOLDER [RUNTIME...] - `require "kelpie"` in a plain lua5.4
set -u
. "$(dirname "$0")/luamod_lib.sh"
need_nc

# What is wrong is said: by an error for the arguments, by results for the rest.
write_script 'return { on_message = function(conn, line)
   conn:send(line == "end" and "bye" or line:upper())
   if line == "end" then require("kelpie").shutdown() end
end }'
cat >"$work/wrong.lua" <<'LUA'
local kelpie = require("kelpie")
assert(kelpie.version:match("^%d+%.%d+%.%d+$"))
local ok, message = pcall(kelpie.run, { listen = ":0" })
assert(not ok and message:find("script: a path", 1, true), message)
ok, message = kelpie.run({ script = "/nowhere", listen = ":0" })
assert(ok == nil and message:find("/nowhere", 1, true), message)
ok, message = kelpie.run({ script = arg[1], listen = { ":0", "localhost:1" } })
assert(ok == nil and message:find("localhost", 1, true), message)
ok, message = pcall(kelpie.run, { script = arg[1], listen = ":0", ready = function() error("no") end })
assert(not ok and message:find("no", 1, true), message)
print("all said")
LUA
equal "the answer to wrong calls" "$(with_kelpie lua5.4 "$work/wrong.lua" "$work/scripts" 2>&1)" "all said"

# It serves, twice one after the other: ended by the script, then by a signal.
cat >"$work/serve.lua" <<'LUA'
local kelpie = require("kelpie")
io.stdout:setvbuf("line")
for turn = 1, 2 do
   local ok, message = kelpie.run({
      script = arg[1], listen = { ":0", "unix:" .. arg[1] .. "/socket" },
      ready = function(port, second) print("turn " .. turn, port, second) end,
   })
   assert(ok == true, message)
end
print("the end")
LUA
spawn lua env LD_PRELOAD="$runtimes" ASAN_OPTIONS=detect_leaks=0 LUA_CPATH="$modules/?.so;;" \
    lua5.4 "$work/serve.lua" "$work/scripts" </dev/null
serve_turn() { # NUMBER
    wait_until "turn $1 listens" grep -q "^turn $1	" "$work/lua.out"
    port=$(sed -n "s/^turn $1	\\([0-9]*\\)	0\$/\\1/p" "$work/lua.out")
}
serve_turn 1
client anna nc 127.0.0.1 "$port"
say anna hello
expect anna HELLO
say anna end
expect anna bye
serve_turn 2
client bert nc -U "$work/scripts/socket"
say bert again
expect bert AGAIN
kill -TERM "$(cat "$work/lua.pid")"
wait_end lua
equal "the exit code of lua5.4" "$(cat "$work/lua.status")" 0
equal "the last line" "$(tail -n 1 "$work/lua.out")" "the end"
equal "what went to standard error" "$(cat "$work/lua.err")" ""
