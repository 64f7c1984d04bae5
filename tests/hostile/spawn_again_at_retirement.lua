-- expect: refused
-- linger: 700
-- A chain of spawned functions that would keep the old code for ever.
local kelpie = require("kelpie")
local function again() kelpie.spawn(again) end
return require("lib.base").handlers(function() again() end)
