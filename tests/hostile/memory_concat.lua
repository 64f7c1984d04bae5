-- expect: memory
-- table.concat of one large string, many times.
return require("lib.base").handlers(function()
   local t, s = {}, ("x"):rep(1 << 20)
   for i = 1, 1000 do t[i] = s end
   return table.concat(t)
end)
