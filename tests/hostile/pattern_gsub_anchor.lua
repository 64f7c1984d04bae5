-- expect: ended
-- gsub with captures and a back reference.
return require("lib.base").handlers(function()
   local s = ("ab"):rep(30000)
   s:gsub("(a*.-)(b*)%1%2$", "%2%1")
   s:find("(.-)%1%1%1c")
end)
