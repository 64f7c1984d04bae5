-- inn.lua: a room can do something by itself: on_enter(player, tell) is called for who comes in

return {
   title = "The inn",
   text = "A fire burns. Somebody has carved names into the long table.",
   exits = { south = "square" },
   things = { "mug" },
   on_enter = function(player, tell)
      tell("The innkeeper nods: \"Sit down, " .. player.name .. ".\"")
   end,
}
