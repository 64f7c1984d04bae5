-- redis_test.lua: redis.lua among clients that make no sense
--
-- See garbage.lua. `kelpie test tests/garbage` runs it.

local garbage = require("garbage")

local tests = {}

local ODD = { "", " ", "\0", "\255\254", "%", "\r", "\n", "\r\n", '"', "'", "\\", "-1", "1e400",
   "99999999999999999999", ("x"):rep(2000) }

local function any(list)
   return list[math.random(#list)]
end

function tests.redis()
   local words = { "SET", "GET", "get", "DEL", "EXISTS", "INCR", "DECR", "MSET", "MGET", "EXPIRE", "TTL",
      "KEYS", "LPUSH", "RPUSH", "LRANGE", "HSET", "HGET", "HGETALL", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH",
      "FLUSHALL", "INFO", "COMMAND", "COUNT", "CONFIG", "PING", "ECHO", "QUIT", "k", "l", "h", "NX", "EX",
      "0", "1", "[a-" }
   local function command(...)
      local parts = { "*" .. select("#", ...) .. "\r\n" }
      for _, word in ipairs({ ... }) do
         parts[#parts + 1] = "$" .. #word .. "\r\n" .. word .. "\r\n"
      end
      return table.concat(parts)
   end
   local function some_words()
      local list = {}
      for i = 1, math.random(6) do
         list[i] = math.random(5) == 1 and any(ODD) or any(words)
      end
      return list
   end
   garbage({
      script = "../../examples/redis.lua",
      hello = command("PING"),
      pieces = {
         function() return command(table.unpack(some_words())) end,
         function() return table.concat(some_words(), " ") .. any({ "\r\n", "\n", "" }) end,
         function() return command("SET", "k", ("x"):rep(math.random(0, 20000))) end,
         function() return command("GET", "k"):rep(math.random(100)) end,
         "*", "*-1\r\n", "*0\r\n", "*3\r\n", "*99999\r\n", "$3\r\n", "$-1\r\n", "$\r\n", "\r\n",
      },
      well = function(c)
         c:write(command("ECHO", "well"))
         c:expect_bytes("$4\r\nwell\r\n")
      end,
   })
end

return tests
