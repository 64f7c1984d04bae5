-- message.lua: what the operator reads about clients, on the server's standard output.
--
-- print shows control characters as \xNN, so that no client can play tricks on a terminal.

local message = {}

function message.received(conn, line)
   print("client #" .. conn.number .. ": " .. line)
end

function message.disconnected(conn)
   print("client #" .. conn.number .. " disconnected.")
end

return message
