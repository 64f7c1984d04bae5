-- What all hostile scripts have in common: B's pings are answered, "attack" sets it off.
local kelpie = require("kelpie")

local base = {}

-- Handlers that call attack(conn) for the line "attack", and answer "survived" when it returns.
-- more: further handlers, which may replace those.
function base.handlers(attack, more)
   local handlers = {}
   function handlers.on_message(conn, line)
      if line == "attack" then
         if attack then
            attack(conn)
         end
         conn:send("survived")
      else
         conn:send("pong ", kelpie.generation)
      end
   end
   for name, handler in pairs(more or {}) do
      handlers[name] = handler
   end
   return handlers
end

-- Whether it is the attacker: B is the first client.
function base.is_attacker(conn)
   return conn.number ~= 0
end

-- Raises unless f(...) raises with a message that has text in it.
function base.must_raise(text, f, ...)
   local ok, message = pcall(f, ...)
   assert(not ok, "no error")
   assert(tostring(message):find(text, 1, true), message)
end

return base
