-- luv.lua MODE PORT - libuv; all lines of a read are answered in one write
local uv = require("luv")

local members = {}

-- Calls on_line(line) for each line, with its newline, and returns the rest.
local function each_line(text, on_line)
   local start = 1
   while true do
      local stop = text:find("\n", start, true)
      if not stop then
         return text:sub(start)
      end
      on_line(text:sub(start, stop))
      start = stop + 1
   end
end

local modes = {}

function modes.echo(conn)
   local rest = ""
   conn:read_start(function(_, bytes)
      if not bytes then
         conn:close()
         return
      end
      local lines = {}
      rest = each_line(rest .. bytes, function(line)
         lines[#lines + 1] = line
      end)
      conn:write(lines)
   end)
end

function modes.stream(conn)
   conn:read_start(function(_, bytes)
      if bytes then
         conn:write(bytes)
      else
         conn:close()
      end
   end)
end

function modes.churn(conn)
   conn:write("welcome! this is what you get.\n", function()
      conn:close()
   end)
end

function modes.fanout(conn)
   local rest = ""
   conn:read_start(function(_, bytes)
      if not bytes then
         members[conn] = nil
         conn:close()
         return
      end
      local lines = {}
      rest = each_line(rest .. bytes, function(line)
         if line == "join\n" then
            members[conn] = true
            conn:write("joined\n")
         else
            lines[#lines + 1] = line
         end
      end)
      if #lines > 0 then
         local text = table.concat(lines)
         for member in pairs(members) do
            member:write(text)
         end
      end
   end)
end

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", tonumber(arg[2])))
server:listen(4096, function()
   local conn = uv.new_tcp()
   server:accept(conn)
   conn:nodelay(true)
   modes[arg[1]](conn)
end)
uv.run()
