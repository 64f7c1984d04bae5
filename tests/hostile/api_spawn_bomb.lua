-- expect: ended
-- Functions that spawn two of their kind.
local kelpie = require("kelpie")
local function bomb() kelpie.spawn(bomb) kelpie.spawn(bomb) end
return require("lib.base").handlers(function() bomb() kelpie.spawn(error) end)
