-- square.lua: where everybody begins

return {
   title = "The market square",
   text = "Stalls stand around a dry well. It smells of bread.",
   exits = { north = "inn", east = "garden" },
   things = { "loaf" },
}
