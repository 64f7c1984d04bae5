-- expect: ended
-- A plain search that almost matches everywhere.
return require("lib.base").handlers(function()
   local s, what = ("a"):rep(1000000), ("a"):rep(500000) .. "b"
   while true do s:find(what, 1, true) end
end)
