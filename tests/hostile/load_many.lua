-- expect: killed
-- Chunks that are loaded one after the other.
return require("lib.base").handlers(function()
   local text = ("local a = 1 "):rep(150) .. ("x = {} "):rep(8000)
   while true do load(text) end
end)
