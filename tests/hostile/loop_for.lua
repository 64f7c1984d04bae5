-- expect: killed
-- A numeric loop that counts up to the largest integer.
return require("lib.base").handlers(function()
   for _ = 1, math.maxinteger do end
end)
