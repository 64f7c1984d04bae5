-- expect: ended
-- Comparisons of strings of NUL bytes: each byte is a call of strcoll.
return require("lib.base").handlers(function()
   local a = ("\0"):rep(1000000)
   local b = a .. "x"
   while a < b do end
end)
