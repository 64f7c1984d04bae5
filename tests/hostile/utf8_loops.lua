-- expect: killed
-- utf8.len, codes and offset over a long string.
return require("lib.base").handlers(function()
   local s = ("\u{20ac}"):rep(300000)
   while true do
      utf8.len(s)
      utf8.offset(s, 200000)
      for _ in utf8.codes(s) do end
   end
end)
