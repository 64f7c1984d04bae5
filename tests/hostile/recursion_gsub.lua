-- expect: error
-- string.gsub within its replacement function, without end.
local function f() return (("x"):gsub(".", f)) end
return require("lib.base").handlers(function() f() end)
