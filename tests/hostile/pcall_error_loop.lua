-- expect: killed
-- Errors thrown and caught without end.
return require("lib.base").handlers(function()
   while true do pcall(error, {}) end
end)
