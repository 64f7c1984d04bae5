-- expect: killed
-- on_connect never comes back for anybody but B.
local base = require("lib.base")
return base.handlers(nil, { on_connect = function(conn)
   while base.is_attacker(conn) do pcall(function() while base.is_attacker(conn) do end end) end
end })
