-- expect: killed
-- The loop is compiled at run time.
return require("lib.base").handlers(function()
   assert(load("while true do end"))()
end)
