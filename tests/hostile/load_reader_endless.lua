-- expect: refused
-- A reader that always has more: the text grows to 64 KiB, no further.
return require("lib.base").handlers(function()
   assert(not load(function() return " " end))
   assert(not load(function() return ("x"):rep(1000000) end))
end)
