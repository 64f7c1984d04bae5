-- expect: refused
-- Waiting where a C function is in between.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   assert(not pcall(table.sort, { 2, 1 }, function() conn:receive() end))
   assert(not pcall(table.sort, { 2, 1 }, function() kelpie.sleep(1) end))
   assert(not pcall(string.rep, setmetatable({}, { __tostring = function() kelpie.sleep(1) end })))
   assert(not pcall(load, function() kelpie.sleep(1) end))
   coroutine.wrap(function() kelpie.sleep(0) end)()
   pcall(kelpie.sleep, 0)
end)
