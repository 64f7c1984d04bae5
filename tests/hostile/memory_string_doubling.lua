-- expect: memory
-- A string that doubles.
return require("lib.base").handlers(function()
   local s = "x"
   while true do s = s .. s end
end)
