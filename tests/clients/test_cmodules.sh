#!/bin/sh
# test_cmodules.sh - modules in C from the distribution load when that is allowed, and only then
. "$(dirname "$0")/lib.sh"
need_nc
need lua5.4
for module in cjson lpeg; do
    lua5.4 -e "require('$module')" 2>/dev/null || skip "no $module for Lua 5.4"
done

# A program with a Lua of its own looks elsewhere for them.
LUA_CPATH_5_4=$(lua5.4 -e 'io.write(package.cpath)')
export LUA_CPATH_5_4

write_script 'local cjson = require("cjson")
local lpeg = require("lpeg")
local number = lpeg.R("09") ^ 1 / tonumber
local sum = lpeg.Cf(number * ("+" * number) ^ 0, function(a, b) return a + b end)
return { on_message = function(conn, line)
   conn:send(cjson.encode({ sum = sum:match(line) }))
end }'

# Not allowed: the script is rejected, and the reason names the module.
if "$kelpie" check "$work/scripts" >"$work/refused" 2>&1; then
    fail "a script with modules in C was accepted"
fi
has_text "$work/refused" cjson || fail "the reason does not name the module: $(cat "$work/refused")"

start_server run -p 0 --allow cmodules "$work/scripts"
client anna nc 127.0.0.1 "$port"
say anna "20+22"
expect anna '{"sum":42}'
reload
expect_log "generation 2 serves"
say anna "1+2+3"
expect anna '{"sum":6}'
finish
