-- expect: error
-- table.sort within its comparator, without end.
local function sort() table.sort({ 2, 1 }, function() sort() return false end) end
return require("lib.base").handlers(sort)
