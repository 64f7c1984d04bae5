-- expect: ended
-- The usual trim of a line of blanks: quadratic in a plain matcher.
return require("lib.base").handlers(function()
   local s = "x" .. (" "):rep(65536) .. "x"
   s:match("^%s*(.-)%s*$")
   s:gsub("%s+$", "")
end)
