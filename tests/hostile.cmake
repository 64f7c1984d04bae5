# Hostile scripts, each against a live server; the shards share them.
add_executable(test_hostile hostile/main.c hostile/siege.c hostile/siege_script.c)
target_link_libraries(test_hostile PRIVATE test_kit kelpie_archive test_kit)
foreach(shard RANGE 3)
  add_test(NAME hostile_${shard} COMMAND test_hostile --shard ${shard}/4)
  set_tests_properties(hostile_${shard} PROPERTIES TIMEOUT 900 LABELS hostile)
endforeach()
