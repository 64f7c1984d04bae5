# Checks of the tree itself, and tests that are programs of other kinds.

function(kelpie_add_script_test name script)
  add_test(NAME ${name} COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/${script}" ${ARGN}
           WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS checks)
endfunction()

kelpie_add_script_test(layers layers.sh)
kelpie_add_script_test(format format.sh)
kelpie_add_script_test(lint_lua lint_lua.sh)
kelpie_add_script_test(portability portability.sh "${CMAKE_BINARY_DIR}")
kelpie_add_script_test(symbols symbols.sh $<TARGET_FILE:kelpie_archive>)
if(KELPIE_BUILD_DAEMON)
  kelpie_add_script_test(readme test_readme.sh $<TARGET_FILE:kelpie_daemon>)
  set_tests_properties(readme PROPERTIES ENVIRONMENT "CC=${CMAKE_C_COMPILER}")
endif()

# The public header stands alone, as C99 and as C++.
add_test(NAME header_c99 COMMAND ${CMAKE_C_COMPILER} -std=c99 -pedantic -Wall -Wextra -Werror
         -fsyntax-only -x c "${PROJECT_SOURCE_DIR}/include/kelpie.h")
find_program(KELPIE_CXX NAMES c++ g++ clang++)
if(KELPIE_CXX)
  add_test(NAME header_cxx COMMAND ${KELPIE_CXX} -std=c++11 -pedantic -Wall -Wextra -Werror
           -fsyntax-only -x c++ "${PROJECT_SOURCE_DIR}/include/kelpie.h")
endif()

# Fuzz targets: their corpora run as ordinary tests; the fuzzing itself is by hand.
file(GLOB fuzz_sources CONFIGURE_DEPENDS "fuzz/fuzz_*.c")
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name "${source}" NAME_WE)
  string(REPLACE "fuzz_" "" corpus ${name})
  add_executable(replay_${corpus} "${source}" fuzz/replay.c)
  target_link_libraries(replay_${corpus} PRIVATE test_kit kelpie_archive test_kit)
  add_test(NAME corpus_${corpus}
           COMMAND replay_${corpus} "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${corpus}")
  if(KELPIE_BUILD_FUZZERS)
    add_executable(${name} "${source}")
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE test_kit kelpie_archive test_kit)
  endif()
endforeach()

# Real programs as clients of the real daemon.
if(KELPIE_BUILD_DAEMON)
  file(GLOB client_tests CONFIGURE_DEPENDS "clients/test_*.sh")
  foreach(test IN LISTS client_tests)
    get_filename_component(name "${test}" NAME_WE)
    string(REPLACE "test_" "client_" name ${name})
    add_test(NAME ${name} COMMAND sh "${test}" $<TARGET_FILE:kelpie_daemon>
             WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS clients)
  endforeach()
endif()

# Long runs and benchmarks, by hand: not part of all, not part of ctest.
add_executable(soak_reload EXCLUDE_FROM_ALL soak/reload.c)
target_link_libraries(soak_reload PRIVATE test_kit kelpie_archive test_kit)
add_executable(bench_reload EXCLUDE_FROM_ALL bench/reload.c bench/pingers.c)
target_link_libraries(bench_reload PRIVATE test_kit kelpie_archive test_kit)
