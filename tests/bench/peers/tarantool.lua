-- tarantool.lua MODE PORT - a fiber for each connection
-- luacheck: globals box
local socket = require("socket")
local fiber = require("fiber")

local members = {}
local modes = {}

function modes.echo(conn)
   while true do
      local line = conn:read("\n") -- with its newline; empty at the end
      if not line or line == "" then
         return
      end
      conn:write(line)
   end
end

function modes.stream(conn)
   while true do
      local bytes = conn:sysread(65536)
      if bytes == "" then
         return
      elseif bytes then
         conn:write(bytes)
      else
         conn:readable()
      end
   end
end

function modes.churn(conn)
   conn:write("welcome! this is what you get.\n")
end

function modes.fanout(conn)
   while true do
      local line = conn:read("\n")
      if not line or line == "" then
         members[conn] = nil
         return
      elseif line == "join\n" then
         members[conn] = true
         conn:write("joined\n")
      else
         for member in pairs(members) do
            member:write(line)
         end
      end
   end
end

box.cfg({ log_level = 2, wal_mode = "none", memtx_memory = 33554432, work_dir = arg[3] })
socket.tcp_server("127.0.0.1", tonumber(arg[2]), modes[arg[1]])
fiber.sleep(math.huge)
