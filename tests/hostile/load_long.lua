-- expect: refused
-- A chunk of more than 64 KiB.
return require("lib.base").handlers(function()
   local f, why = load(("x = 1 "):rep(20000))
   assert(not f and why:find("64 KiB", 1, true))
end)
