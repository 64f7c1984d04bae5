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
  kelpie_add_script_test(man test_man.sh $<TARGET_FILE:kelpie_daemon>)
endif()
if(KELPIE_BUILD_DAEMON)
  # examples/NAME_test.lua beside examples/NAME.lua, as everybody has it who copies an example.
  add_test(NAME example_handlers COMMAND $<TARGET_FILE:kelpie_daemon> test --handler-timeout 10s examples
           WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(example_handlers PROPERTIES TIMEOUT 300 LABELS checks)
endif()
if(KELPIE_BUILD_EXAMPLES)
  kelpie_add_script_test(examples test_examples.sh "${PROJECT_BINARY_DIR}/examples")
endif()
if(KELPIE_BUILD_LUA_MODULE)
  set(runtimes)
  string(REPLACE "," ";" sanitizers "${KELPIE_SANITIZE}")
  foreach(sanitizer IN LISTS sanitizers)
    string(SUBSTRING ${sanitizer} 0 1 letter)
    string(REPLACE "u" "ub" letter ${letter})
    execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=lib${letter}san.so
                    OUTPUT_VARIABLE runtime OUTPUT_STRIP_TRAILING_WHITESPACE)
    list(APPEND runtimes "${runtime}")
  endforeach()
  foreach(name luamod luamod_test)
    kelpie_add_script_test(${name} test_${name}.sh "${PROJECT_BINARY_DIR}/luamod" ${runtimes})
  endforeach()
endif()
# What strangers do with an installed kelpie: builds of their own, without sanitizers.
kelpie_add_script_test(install test_install.sh)
set_tests_properties(install PROPERTIES TIMEOUT 600)

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

# The examples among clients that make no sense; with KELPIE_RUNS for longer, by hand.
if(KELPIE_BUILD_DAEMON)
  # How long a handler takes is no matter here: the machine may have too much to do.
  add_test(NAME garbage COMMAND $<TARGET_FILE:kelpie_daemon> test --handler-timeout 10s garbage
           WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(garbage PROPERTIES TIMEOUT 300)
endif()

# Long runs by hand: not part of all, not part of ctest.
add_executable(soak_reload EXCLUDE_FROM_ALL soak/reload.c)
target_link_libraries(soak_reload PRIVATE test_kit kelpie_archive test_kit)

# Proofs of scale, by hand too: each starts a server in a process of its own. Their short
# form is a test, in which figures are shown and not judged.
add_library(soak_kit STATIC EXCLUDE_FROM_ALL soak/host.c soak/crowd.c soak/witness.c
            bench/poller.c bench/histogram.c bench/kit.c)
target_link_libraries(soak_kit PUBLIC test_kit kelpie_archive)
foreach(name slow_readers fd_limit partial_lines trim churn drain fairness)
  add_executable(soak_${name} soak/${name}.c)
  target_link_libraries(soak_${name} PRIVATE soak_kit kelpie_archive test_kit)
  if(name STREQUAL "trim") # by hand: where patterns cannot be ended it takes minutes
    continue()
  endif()
  add_test(NAME soak_${name} COMMAND soak_${name} short)
  set_tests_properties(soak_${name} PROPERTIES TIMEOUT 300 LABELS soak)
endforeach()

# Benchmarks, by hand too. Of bench/run.sh, its quickest form is a test: that it runs, and that
# all bytes are right; it asserts no speed.
add_executable(bench_reload EXCLUDE_FROM_ALL bench/reload.c bench/pingers.c bench/kit.c)
target_link_libraries(bench_reload PRIVATE test_kit kelpie_archive test_kit)
add_executable(bench_memory EXCLUDE_FROM_ALL bench/memory.c bench/kit.c)
target_link_libraries(bench_memory PRIVATE test_kit kelpie_archive test_kit)
file(GLOB load_sources CONFIGURE_DEPENDS "bench/load*.c")
add_executable(bench_load ${load_sources} bench/stream.c bench/dialect.c bench/meter.c
               bench/histogram.c bench/poller.c bench/kit.c)
add_executable(bench_raw bench/raw.c bench/raw_fanout.c bench/poller.c bench/kit.c)
foreach(name bench_load bench_raw)
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(${name} PRIVATE kelpie_flags)
endforeach()
add_executable(test_bench bench/test_bench.c bench/dialect.c bench/histogram.c)
target_link_libraries(test_bench PRIVATE test_kit)
add_test(NAME test_bench COMMAND test_bench)
set_tests_properties(test_bench PROPERTIES LABELS bench)
if(KELPIE_BUILD_DAEMON)
  add_test(NAME bench_smoke COMMAND sh bench/run.sh --smoke --build "${CMAKE_BINARY_DIR}"
           --out "${CMAKE_CURRENT_BINARY_DIR}/bench_smoke"
           WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(bench_smoke PROPERTIES TIMEOUT 300 LABELS bench)
endif()
add_executable(bench_cost EXCLUDE_FROM_ALL bench/cost.c bench/kit.c)
target_compile_definitions(bench_cost PRIVATE _GNU_SOURCE)
target_link_libraries(bench_cost PRIVATE test_kit kelpie_archive test_kit)
