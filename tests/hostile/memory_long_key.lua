-- expect: ended
-- Keys of a megabyte each.
return require("lib.base").handlers(function()
   local t = {}
   for i = 1, 100 do t[("k"):rep(1 << 20) .. i] = true end
end)
