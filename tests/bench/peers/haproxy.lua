-- haproxy.lua - the services of haproxy.cfg
-- luacheck: globals core

core.register_service("echo", "tcp", function(applet)
   while true do
      local line = applet:getline() -- with its newline; empty at the end
      if not line or line == "" then
         return
      end
      applet:send(line)
   end
end)

core.register_service("stream", "tcp", function(applet)
   while true do
      local bytes = applet:receive(8192) -- a block is a multiple of it
      if not bytes or bytes == "" then
         return
      end
      applet:send(bytes)
   end
end)

core.register_service("churn", "tcp", function(applet)
   applet:send("welcome! this is what you get.\n")
end)
