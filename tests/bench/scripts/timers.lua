-- timers.lua - W8: "timers_N" starts so many; any other line ends one, starts another, and
-- goes back. None of them ever fires: what is measured is the queue they stand in.
local kelpie = require("kelpie")

local timers, turn = {}, 0

local function nothing() end

local function start()
   return kelpie.after(600 + math.random() * 600, nothing)
end

local handlers = { framing = "line" }

function handlers.on_message(conn, line)
   local n = line:match("^timers_(%d+)$")
   if n then
      for i = 1, tonumber(n) do
         timers[i] = start()
         if i % 500 == 0 then
            kelpie.sleep(0) -- others have their turn
         end
      end
      conn:send("ok")
      return
   end
   turn = turn % #timers + 1
   timers[turn]:cancel()
   timers[turn] = start()
   conn:send(line)
end

return handlers
