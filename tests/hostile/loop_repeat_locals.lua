-- expect: killed
-- A loop that makes garbage in every turn.
return require("lib.base").handlers(function()
   repeat local t = { {}, "x" .. os.clock() } until not t
end)
