-- expect: error
-- table.unpack of more values than the stack can hold.
return require("lib.base").handlers(function()
   return table.unpack({}, 1, 1 << 30)
end)
