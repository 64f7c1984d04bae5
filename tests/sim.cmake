# The simulation: a server over a kernel that exists only in memory, one run for each seed.
file(GLOB sim_sources CONFIGURE_DEPENDS "sim/*.c")
add_library(sim_kit STATIC ${sim_sources})
target_link_libraries(sim_kit PUBLIC test_kit kelpie_archive test_kit)

add_executable(test_sim test_sim.c)
target_link_libraries(test_sim PRIVATE sim_kit)

# 50,000 seeds in four parts.
foreach(part RANGE 0 3)
  math(EXPR first "${part} * 12500 + 1")
  add_test(NAME sim_${part} COMMAND test_sim ${first} 12500)
  set_tests_properties(sim_${part} PROPERTIES TIMEOUT 900 LABELS sim)
endforeach()

# Many more seeds, by hand: the same program, without sanitizers in the release build.
add_executable(soak_sim EXCLUDE_FROM_ALL test_sim.c)
target_link_libraries(soak_sim PRIVATE sim_kit)
