-- expect: ended
-- string.gsub whose replacements are larger than the subject.
return require("lib.base").handlers(function()
   return (("x"):rep(100000):gsub(".", ("y"):rep(10000)))
end)
