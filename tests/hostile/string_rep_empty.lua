-- expect: refused
-- string.rep of nothing, 2^62 times.
return require("lib.base").handlers(function()
   assert((""):rep(1 << 62) == "" and (""):rep(math.maxinteger, "") == "")
   assert(("x"):rep(math.mininteger) == "")
end)
