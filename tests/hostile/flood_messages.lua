-- expect: ended
-- It answers each message with a thousand lines.
return require("lib.base").handlers(function(conn)
   for _ = 1, 1000 do conn:send("line") end
end)
