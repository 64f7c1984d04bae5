-- expect: refused
-- linger: 200
-- A timer of no time that starts itself again, and one that doubles.
local kelpie = require("kelpie")
local n = 0
local function again() kelpie.after(0, again) end
local function double()
   n = n + 1
   if n < 2000 then kelpie.after(0, double) kelpie.after(0, double) end
end
return require("lib.base").handlers(function() again() double() end)
