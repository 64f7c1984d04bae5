# Hostile scripts, each against a live server; the shards share them.
add_executable(test_hostile hostile/main.c hostile/siege.c hostile/siege_script.c)
target_link_libraries(test_hostile PRIVATE test_kit kelpie_archive test_kit)
if(NOT KELPIE_SANITIZE MATCHES "thread")
  # The thread sanitizer keeps signals back while a thread calls nothing that it knows, so there
  # nobody can end a loop of Lua alone.
  foreach(shard RANGE 3)
    add_test(NAME hostile_${shard} COMMAND test_hostile --shard ${shard}/4)
    set_tests_properties(hostile_${shard} PROPERTIES TIMEOUT 900 LABELS hostile)
  endforeach()
endif()

# Clients that do everything wrong, by seed; longer by hand.
add_executable(soak_chaos soak/chaos.c)
target_link_libraries(soak_chaos PRIVATE test_kit kelpie_archive test_kit)
foreach(seed RANGE 1 3)
  add_test(NAME chaos_${seed} COMMAND soak_chaos ${seed} 3)
  set_tests_properties(chaos_${seed} PROPERTIES TIMEOUT 300 LABELS hostile)
endforeach()
