-- redis_test.lua: tests of redis.lua; run them with `kelpie test examples`

local test = require("kelpie.test")

local tests = {}

-- A command as programs send it.
local function command(...)
   local parts = { "*" .. select("#", ...) .. "\r\n" }
   for _, text in ipairs({ ... }) do
      parts[#parts + 1] = "$" .. #text .. "\r\n" .. text .. "\r\n"
   end
   return table.concat(parts)
end

-- Sends a command, and compares the whole answer.
local function ask(conn, answer, ...)
   conn:write(command(...))
   conn:expect_bytes(answer, (...))
   conn:expect_nothing((...))
end

local function connect()
   local server = test.start("redis.lua")
   return server:connect(), server
end

local NOT_INTEGER = "-ERR value is not an integer or out of range\r\n"
local WRONGTYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

-- ---- bytes --------------------------------------------------------------------------------------

function tests.keys_and_values_are_any_bytes()
   local c = connect()
   local key, value = "k\0\r\n$3\r\n", "*1\r\n\0\255" .. ("\r\n"):rep(300)
   ask(c, "+OK\r\n", "SET", key, value)
   ask(c, "$" .. #value .. "\r\n" .. value .. "\r\n", "GET", key)
   ask(c, "$0\r\n\r\n", "ECHO", "")
end

function tests.a_pipeline_may_be_cut_anywhere()
   local bytes = command("SET", "k", "v\r\n") .. "\r\n" .. command("MSET", "a", "1", "bb", ("x"):rep(120))
      .. "get k\r\n" .. command("MGET", "a", "none", "k", "bb", "a") .. command("PING") .. 'echo "x y"\n'
   local answers = "+OK\r\n+OK\r\n$3\r\nv\r\n\r\n*5\r\n$1\r\n1\r\n$-1\r\n$3\r\nv\r\n\r\n$120\r\n"
      .. ("x"):rep(120) .. "\r\n$1\r\n1\r\n+PONG\r\n$3\r\nx y\r\n"
   local server = test.start("redis.lua")
   for cut = 1, #bytes - 1 do
      local c = server:connect()
      c:write(bytes:sub(1, cut))
      c:write(bytes:sub(cut + 1))
      c:expect_bytes(answers, "cut after byte " .. cut)
      c:expect_nothing()
   end
   local c = server:connect()
   for i = 1, #bytes do
      c:write(bytes:sub(i, i))
   end
   c:expect_bytes(answers, "byte by byte")
end

function tests.words_of_a_line_may_be_quoted()
   local c = connect()
   c:send([[set "a\x41\n\"b\\" 'it\'s']])
   c:expect("+OK")
   ask(c, "$4\r\nit's\r\n", "GET", 'aA\n"b\\')
   c:send("  PING \t x\r")
   c:expect("$1\nx")
   c:send("\r")
   c:expect_nothing("an empty line")
end

-- ---- commands -----------------------------------------------------------------------------------

function tests.names_are_taken_in_any_case()
   local c = connect()
   for _, name in ipairs({ "PING", "ping", "PiNg" }) do
      ask(c, "+PONG\r\n", name)
   end
end

function tests.set_obeys_its_options()
   local c = connect()
   ask(c, "+OK\r\n", "SET", "k", "1", "nx", "EX", "10")
   ask(c, "$-1\r\n", "SET", "k", "2", "NX")
   ask(c, "$1\r\n1\r\n", "GET", "k")
   ask(c, ":10\r\n", "TTL", "k")
   ask(c, "+OK\r\n", "SET", "k", "2")
   ask(c, ":-1\r\n", "TTL", "k")
   ask(c, "-ERR syntax error\r\n", "SET", "k", "1", "EX")
   ask(c, "-ERR syntax error\r\n", "SET", "k", "1", "SOON")
   ask(c, NOT_INTEGER, "SET", "k", "1", "EX", "1.5")
   ask(c, "-ERR invalid expire time in 'set' command\r\n", "SET", "k", "1", "EX", "0")
end

function tests.numbers_are_whole_and_have_64_bits()
   local c = connect()
   ask(c, ":1\r\n", "INCR", "n")
   ask(c, ":0\r\n", "DECR", "n")
   ask(c, ":-1\r\n", "DECR", "n")
   for text in ([[,01,1.0, 1,1 ,0x1,-,-0,+1,1e3,9223372036854775808]]):gmatch("[^,]*") do
      ask(c, "+OK\r\n", "SET", "n", text)
      ask(c, NOT_INTEGER, "INCR", "n")
   end
   ask(c, "+OK\r\n", "SET", "n", "9223372036854775807")
   ask(c, "-ERR increment or decrement would overflow\r\n", "INCR", "n")
   ask(c, ":9223372036854775806\r\n", "DECR", "n")
end

function tests.lists_and_hashes()
   local c = connect()
   ask(c, ":3\r\n", "RPUSH", "l", "b", "c", "d")
   ask(c, ":4\r\n", "LPUSH", "l", "a")
   ask(c, "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", "LRANGE", "l", "0", "-1")
   ask(c, "*2\r\n$1\r\nc\r\n$1\r\nd\r\n", "LRANGE", "l", "-2", "99")
   ask(c, "*0\r\n", "LRANGE", "l", "3", "1")
   ask(c, ":1\r\n", "HSET", "h", "f", "1")
   ask(c, ":0\r\n", "HSET", "h", "f", "2")
   ask(c, "*2\r\n$1\r\nf\r\n$1\r\n2\r\n", "HGETALL", "h")
   ask(c, "$-1\r\n", "HGET", "h", "none")
   ask(c, WRONGTYPE, "GET", "l")
   ask(c, WRONGTYPE, "INCR", "h")
   ask(c, WRONGTYPE, "HSET", "l", "f", "1")
   ask(c, WRONGTYPE, "RPUSH", "h", "1")
   ask(c, ":2\r\n", "DEL", "l", "h", "none")
   ask(c, "*0\r\n", "KEYS", "*")
end

function tests.keys_end_in_time()
   local c, server = connect()
   ask(c, "+OK\r\n", "SET", "k", "v", "EX", "100")
   ask(c, ":1\r\n", "EXPIRE", "k", "3600")
   server:advance(1800)
   ask(c, ":1800\r\n", "TTL", "k")
   server:reload()
   server:advance(1799)
   ask(c, "$1\r\nv\r\n", "GET", "k")
   server:advance(1)
   ask(c, "$-1\r\n", "GET", "k")
   ask(c, ":-2\r\n", "TTL", "k")
   ask(c, "*0\r\n", "KEYS", "*")
   ask(c, "+OK\r\n", "SET", "k", "v")
   ask(c, ":1\r\n", "EXPIRE", "k", "-1")
   ask(c, ":0\r\n", "EXISTS", "k")
end

function tests.unknown_commands_and_wrong_numbers_of_words_are_told()
   local c = connect()
   ask(c, "-ERR unknown command 'nope', with args beginning with: 'a  b' 'c' \r\n", "nope", "a\r\nb", "c")
   ask(c, "-ERR wrong number of arguments for 'get' command\r\n", "GET")
   ask(c, "-ERR wrong number of arguments for 'mset' command\r\n", "MSET", "a", "1", "b")
   ask(c, "+PONG\r\n", "PING")
end

function tests.who_listens_to_a_channel_hears_it_also_after_a_reload()
   local listener, server = connect()
   local c = server:connect()
   ask(listener, "*3\r\n$9\r\nsubscribe\r\n$1\r\nn\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nm\r\n:2\r\n",
      "SUBSCRIBE", "n", "m")
   ask(c, ":1\r\n", "PUBLISH", "n", "1")
   listener:expect_bytes("*3\r\n$7\r\nmessage\r\n$1\r\nn\r\n$1\r\n1\r\n")
   server:reload()
   ask(c, ":1\r\n", "PUBLISH", "m", "2")
   listener:expect_bytes("*3\r\n$7\r\nmessage\r\n$1\r\nm\r\n$1\r\n2\r\n")
   ask(listener, "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET"
      .. " are allowed in this context\r\n", "GET", "k")
   ask(listener, "*2\r\n$4\r\npong\r\n$0\r\n\r\n", "PING")
   ask(listener, "*3\r\n$11\r\nunsubscribe\r\n$1\r\nn\r\n:1\r\n", "UNSUBSCRIBE", "n")
   ask(listener, "*3\r\n$11\r\nunsubscribe\r\n$1\r\nm\r\n:0\r\n", "UNSUBSCRIBE")
   ask(listener, "$-1\r\n", "GET", "k")
   ask(c, ":0\r\n", "PUBLISH", "n", "3")
end

-- ---- more answers than a client reads --------------------------------------------------------------

function tests.who_reads_late_gets_every_answer()
   local c, server = connect()
   ask(c, "+OK\r\n", "SET", "k", ("v"):rep(1024))
   c:pause()
   for i = 1, 100 do -- the server stops reading, so the rest waits with the client
      c:write((command("GET", "k")):rep(99) .. command("ECHO", "no " .. i))
      if i == 50 then
         server:reload()
      end
   end
   server:advance(3600) -- and nobody minds
   ask(server:connect(), "+PONG\r\n", "PING")
   c:resume()
   local answer = "$1024\r\n" .. ("v"):rep(1024) .. "\r\n"
   for i = 1, 100 do
      local mark = "no " .. i
      c:expect_bytes(answer:rep(99) .. "$" .. #mark .. "\r\n" .. mark .. "\r\n", mark)
   end
   c:expect_nothing()
   ask(c, "+PONG\r\n", "PING")
end

function tests.one_answer_may_be_larger_than_the_outbox()
   local c, server = connect()
   for i = 1, 8 do
      ask(c, "+OK\r\n", "SET", "k" .. i, ("v"):rep(500000))
   end
   c:pause()
   c:write(command("MGET", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8") .. command("QUIT"))
   server:reload()
   c:resume()
   c:expect_bytes("*8\r\n" .. ("$500000\r\n" .. ("v"):rep(500000) .. "\r\n"):rep(8) .. "+OK\r\n")
   c:expect_closed("quit")
end

-- ---- what is no command ------------------------------------------------------------------------------

function tests.what_is_no_protocol_is_answered_once_and_closed()
   local server = test.start("redis.lua")
   for bytes, problem in pairs({
      ["*x\r\n"] = "invalid multibulk length",
      ["*16385\r\n"] = "invalid multibulk length",
      ["*99999999999999999999999999999999999"] = "invalid multibulk length",
      ["*1\r\nPING\r\n"] = "expected '$', got 'P'",
      ["*2\r\n$3\r\nGET\r\n:1\r\n"] = "expected '$', got ':'",
      ["*1\r\n$-5\r\n"] = "invalid bulk length",
      ["*1\r\n$\r\n"] = "invalid bulk length",
      ["*1\r\n$04\r\nPING\r\n"] = "invalid bulk length",
      ["*1\r\n$524289\r\n"] = "invalid bulk length",
      ["*5\r\n$1\r\na\r\n$300000\r\n" .. ("x"):rep(300000) .. "\r\n$300000\r\n"] = "invalid bulk length",
      ['get "a\r\n'] = "unbalanced quotes in request",
      ['get "a"b\r\n'] = "unbalanced quotes in request",
      [("x"):rep(70000)] = "too big inline request",
   }) do
      local c = server:connect()
      c:write("*-1\r\n*0\r\n" .. bytes .. command("PING"))
      c:expect("-ERR Protocol error: " .. problem)
      c:expect_nothing()
      c:expect_closed("protocol error")
   end
end

return tests
