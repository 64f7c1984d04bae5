-- garbage_test.lua: the examples, and the scripts that ship, among clients that make no sense
--
-- See garbage.lua. `kelpie test tests/garbage` runs it.

local garbage = require("garbage")

local tests = {}

-- Lines of words: some that mean something, some that do not, with any of the ends of a line.
local function lines(words, ends)
   return function()
      local parts = {}
      for i = 1, math.random(0, 4) do
         parts[i] = words[math.random(#words)]
      end
      return table.concat(parts, " ") .. ends[math.random(#ends)]
   end
end

local function append(list, ...)
   for _, extra in ipairs({ ... }) do
      for _, value in ipairs(extra) do
         list[#list + 1] = value
      end
   end
   return list
end

-- What breaks programs that take lines apart.
local ODD = { "", " ", "\0", "\255\254", "%", "%s%n%d", "__index", "\27[2J", ("x"):rep(2000), "-1",
   "1e400", "99999999999999999999", "\u{10FFFF}", "\226\130" }
local ENDS = { "\n", "\r\n", "\r", "\n\n", "\0\n", "" }

function tests.the_shipped_scripts()
   garbage({
      script = "../../scripts/init.lua",
      hello = "/join tea\n/nick ann\n",
      pieces = { lines(append({
         "/join", "/nick", "/leave", "/msg", "/who", "/help", "/", "tea", "0", "1", "ann",
      }, ODD), ENDS) },
      well = function(c)
         c:send("/msg 0 well")
         c:expect_match("^%(.*%) well$")
      end,
   })
end

function tests.chat()
   garbage({
      script = "../../examples/chat.lua",
      hello = function() return "guest" .. math.random(1000000) .. "\n" end,
      pieces = { lines(append({
         "/join", "/msg", "/name", "/who", "/rooms", "/help", "/quit", "/", "lobby", "tea", "guest1",
         "Anna",
      }, ODD), ENDS) },
      well = function(c)
         c:send("/who")
         c:expect_match("^[*!] ")
      end,
   })
end

function tests.irc()
   local function hello()
      local nick = "g" .. math.random(1000000)
      return "NICK " .. nick .. "\r\nUSER " .. nick .. " 0 * :" .. nick .. "\r\nJOIN #tea\r\n"
   end
   garbage({
      script = "../../examples/irc.lua",
      hello = hello,
      pieces = { lines(append({
         "NICK", "USER", "JOIN", "PART", "PRIVMSG", "NOTICE", "PING", "PONG", "QUIT", "WHO", "WHOIS",
         "TOPIC", "MODE", "KICK", "NAMES", "LIST", "AWAY", "USERHOST", "ISON", "CAP", "LS", "REQ",
         "END", "PASS", "MOTD", "LUSERS", "VERSION", ":", ":x", ":x y", "#tea", "#a", "#a,#b,#tea",
         "0", "+o", "-o+t-n", "b", "g1", "g2,g3", "*", ",", "#",
      }, ODD), ENDS) },
      well = function(c)
         c:send("PING :well")
         c:expect(":kelpie.example PONG kelpie.example :well")
      end,
   })
end

function tests.mud()
   local function hello()
      local name = ""
      for _ = 1, 4 do
         name = name .. string.char(math.random(97, 122))
      end
      return name .. "\npw\n"
   end
   local telnet = { "\255", "\255\255", "\255\250", "\255\240", "\255\251\1", "\255\252\31", "\255\253\1",
      "\255\254\1", "\255\253\255", "\255\246", "\255\247", "\255\248", "\255\241",
      "\255\250\31\0\80\255\255\255\240",
      "\8", "\127",
      "\r\0" }
   garbage({
      script = "../../examples/mud.lua",
      hello = hello,
      pieces = append({ lines(append({
         "look", "go", "n", "s", "e", "w", "north", "say", "take", "drop", "bag", "help", "quit",
         "loaf", "mug", "apple", "on_enter",
      }, ODD), ENDS) }, telnet),
      well = function(c)
         c:send("say well")
         c:expect("You say: well")
      end,
   })
end

function tests.mqtt()
   local function text(bytes)
      return string.pack(">s2", bytes)
   end
   local function packet(first, body)
      return string.char(first, #body & 127 | 128, #body >> 7) .. body
   end
   local topics = { "a", "a/b", "a/+", "#", "a/#", "+/+", "$SYS/a", "", "/", "a//b", "a\0", "\255", "a+",
      "#/a",
      ("x/"):rep(20), ("y"):rep(2000) }
   local function topic()
      return text(topics[math.random(#topics)])
   end
   local function id()
      return string.pack(">I2", math.random(0, 3))
   end
   local function hello()
      local bits = math.random(2) == 1 and 2 or 0
      local will = math.random(2) == 1 and topic() .. text("will") or ""
      if will ~= "" then
         bits = bits | 4 | math.random(0, 2) << 3 | math.random(0, 1) << 5
      end
      return packet(16, text("MQTT") .. string.pack(">BBI2", 4, bits, math.random(0, 20))
         .. text("c" .. math.random(6)) .. will)
   end
   garbage({
      script = "../../examples/mqtt.lua",
      hello = hello,
      witness = packet(16, text("MQTT") .. "\4\2\0\0" .. text("witness")),
      pieces = {
         hello,
         function() return packet(48 | math.random(0, 15), topic() .. id() .. "payload") end,
         function() return packet(50, topic() .. id() .. ("x"):rep(math.random(0, 9000))) end,
         function() return packet(49, topic() .. (math.random(2) == 1 and "kept" or "")) end,
         function() return packet(64, id()) end,
         function() return packet(130, id() .. topic() .. string.char(math.random(0, 2))) end,
         function() return packet(130, id() .. topic() .. "\1" .. topic() .. "\0") end,
         function() return packet(162, id() .. topic()) end,
         "\192\0", "\224\0", "\240\0", "\255\255\255\255\255", "\48\255\255\127",
         function() return string.char(math.random(0, 255), math.random(0, 255)) end,
      },
      well = function(c)
         c:write("\192\0")
         c:expect_bytes("\208\0")
      end,
   })
end

return tests
