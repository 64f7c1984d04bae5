-- cqueues.lua MODE PORT - a coroutine for each connection
local cqueues = require("cqueues")
local socket = require("cqueues.socket")

local members = {}
local modes = {}

function modes.echo(conn)
   for line in conn:lines("*L") do
      conn:write(line)
      conn:flush()
   end
end

function modes.stream(conn)
   while true do
      local bytes = conn:read(-65536) -- at most so many
      if not bytes then
         return
      end
      conn:write(bytes)
      conn:flush()
   end
end

function modes.churn(conn)
   conn:write("welcome! this is what you get.\n")
   conn:flush()
end

function modes.fanout(conn)
   for line in conn:lines("*L") do
      if line == "join\n" then
         members[conn] = true
         conn:write("joined\n")
         conn:flush()
      else
         for member in pairs(members) do
            member:write(line)
            member:flush()
         end
      end
   end
   members[conn] = nil
end

local loop = cqueues.new()
local listener = socket.listen("127.0.0.1", tonumber(arg[2]))

loop:wrap(function()
   for conn in listener:clients() do
      conn:setmode("b", "bf") -- lines as they are, output in blocks
      conn:onerror(function(_, _, code)
         return code
      end)
      loop:wrap(function()
         modes[arg[1]](conn)
         conn:close()
      end)
   end
end)
assert(loop:loop())
