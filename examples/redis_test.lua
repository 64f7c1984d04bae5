-- redis_test.lua: tests of redis.lua; run them with `kelpie test examples`

local test = require("kelpie.test")

-- A command as clients send it: an array of bulk strings.
local function command(...)
   local parts = { "*" .. select("#", ...) .. "\r\n" }
   for _, text in ipairs({ ... }) do
      parts[#parts + 1] = "$" .. #text .. "\r\n" .. text .. "\r\n"
   end
   return table.concat(parts)
end

local tests = {}

function tests.a_value_is_any_bytes()
   local c = test.start("redis.lua"):connect()
   c:write(command("SET", "k\0\r\n", "a\r\n\0\255"))
   c:expect_bytes("+OK\r\n")
   c:write(command("GET", "k\0\r\n"))
   c:expect_bytes("$5\r\na\r\n\0\255\r\n")
   c:expect_nothing()
end

return tests
