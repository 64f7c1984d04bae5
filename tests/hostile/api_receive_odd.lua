-- expect: refused
-- receive with sizes and times that are none.
return require("lib.base").handlers(function(conn)
   for _, what in ipairs({ 0, -1, 1.5, 1 << 40, "lines", {}, math.huge }) do
      assert(not pcall(conn.receive, conn, what), what)
   end
   assert(not pcall(conn.receive, conn, "line", -1))
   local message, _, code = conn:receive(100, 0)
   assert(not message and code == "timeout", code)
end)
