-- expect: ended
-- print in a loop, and a line of ten megabytes.
return require("lib.base").handlers(function()
   print(("\27"):rep(1 << 20))
   while true do print("flood") end
end)
