-- expect: refused
-- os.date and os.time with formats and numbers that no clock knows.
return require("lib.base").handlers(function()
   pcall(os.date, ("%c"):rep(20000))
   pcall(os.date, "%")
   pcall(os.date, "%Ez", math.maxinteger)
   pcall(os.date, "*t", math.mininteger)
   pcall(os.time, { year = math.maxinteger, month = math.mininteger, day = 1 })
   pcall(os.time, { year = 1 << 31, month = 1, day = 1, hour = 1 << 40 })
end)
