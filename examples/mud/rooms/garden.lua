-- garden.lua: a dead end

return {
   title = "The garden",
   text = "Apple trees, and a wall too high to climb.",
   exits = { west = "square" },
   things = { "apple" },
}
