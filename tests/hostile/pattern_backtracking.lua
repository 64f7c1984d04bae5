-- expect: ended
-- A pattern that tries all ways to cut its subject.
return require("lib.base").handlers(function()
   local s = ("x"):rep(1000)
   while true do s:find(".-.-.-.-b") end
end)
