-- welcome.lua: what a new client reads. Change the text, send SIGHUP, connect again.

local welcome = {}

function welcome.text(conn)
   return "welcome! you are client #" .. conn.number .. "!"
end

return welcome
