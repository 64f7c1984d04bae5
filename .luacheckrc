-- luacheck: the rules for all Lua code of kelpie

std = "lua54"
globals = {}
max_line_length = 110

-- A script of kelpie sees no more of the standard library than this (src/script/sandbox.c).
stds.kelpie = {
   read_globals = {
      "_G", "_VERSION", "assert", "collectgarbage", "error", "getmetatable", "ipairs", "load", "next",
      "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require", "select",
      "setmetatable", "tonumber", "tostring", "type", "xpcall",
      os = { fields = { "clock", "date", "difftime", "time" } },
   },
}
for _, library in ipairs({ "coroutine", "math", "string", "table", "utf8" }) do
   stds.kelpie.read_globals[library] = { other_fields = true }
end
files["scripts"] = { std = "kelpie" }
files["examples"] = { std = "kelpie" }
files["tests/bench/scripts"] = { std = "kelpie" }

-- Definitions for editors: functions without a body, tables that nobody reads, parameters with
-- the names of such tables, long descriptions.
files["src/lua/*.d.lua"] = { ignore = { "212", "241", "431" }, max_comment_line_length = false }
