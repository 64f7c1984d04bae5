-- expect: refused
-- The framing changes again and again, to odd ones too.
return require("lib.base").handlers(function(conn)
   for i = 1, 2000 do
      conn:set_framing(({ "line", "raw", "crlf", "netstring", { "fixed", 16 }, { "length", bytes = 2 },
         { "delimiter", ";" } })[i % 7 + 1])
   end
   for _, framing in ipairs({ "lines", {}, { "fixed" }, { "fixed", 0 }, { "fixed", 1 << 40 }, { "length", bytes = 3 },
      { "delimiter", "" }, { "delimiter", ("x"):rep(1000000) }, { { {} } }, print,
      setmetatable({}, { __index = function() error("x") end }) }) do
      assert(not pcall(conn.set_framing, conn, framing))
   end
   conn:set_framing("line")
end)
