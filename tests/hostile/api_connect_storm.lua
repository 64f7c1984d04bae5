-- expect: refused
-- More attempts to connect than there may be, to nobody, given up at once, to what is no address.
local kelpie = require("kelpie")
local base = require("lib.base")
local function try(...)
   local conn, message, code = kelpie.connect(...)
   assert(not conn and type(message) == "string" and type(code) == "string")
end
return base.handlers(function()
   for i = 1, 3000 do
      kelpie.spawn(try, "127.0.0.1:1", { timeout = i % 3 / 1000, handlers = i % 2 == 0 and "up" or nil })
   end
   for i = 1, 100 do
      kelpie.spawn(try, "no..name:" .. i)
   end
   local long = ("x"):rep(1e6)
   for _, address in ipairs({ "", ":", "x", "[::1]", "unix:", long, "unix:" .. long, long .. ":80", "\0:80" }) do
      try(address)
   end
   base.must_raise("unknown option", kelpie.connect, "x", setmetatable({ x = 1 }, { __pairs = error }))
   base.must_raise("there is no", kelpie.connect, "x", { handlers = ("x"):rep(1e5) })
   base.must_raise("must", kelpie.connect, "x", { framing = { "length", bytes = 2 ^ 53 } })
   kelpie.sleep(0.02)
end, { listeners = { up = {} } })
