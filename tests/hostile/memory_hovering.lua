-- expect: ended
-- At the cap, under pcall, in a loop: each failure costs a full collection.
return require("lib.base").handlers(function()
   local kept = {}
   pcall(function() while true do kept[#kept + 1] = {} end end)
   while true do pcall(string.rep, "x", 40 << 20) end
end)
