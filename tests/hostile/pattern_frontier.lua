-- expect: ended
-- %f with long sets, over a long string.
return require("lib.base").handlers(function()
   local set = "[" .. ("a-z"):rep(2000) .. "]"
   local s = ("A"):rep(200000)
   while true do s:find("%f" .. set .. "x") end
end)
