# What a project finds changed after it has added kelpie: nothing but what is called kelpie, and
# what CMake's own modules leave.

macro(note_before)
  get_cmake_property(cache_before CACHE_VARIABLES)
  foreach(name IN ITEMS BUILD_TESTING BUILD_SHARED_LIBS CMAKE_BUILD_TYPE CMAKE_C_STANDARD
                        CMAKE_C_FLAGS CMAKE_MODULE_PATH CMAKE_C_VISIBILITY_PRESET)
    set(before_${name} "${${name}}")
  endforeach()
endmacro()

function(collect_targets out folder)
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  get_property(folders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
  foreach(inner IN LISTS folders)
    collect_targets(more "${inner}")
    list(APPEND targets ${more})
  endforeach()
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

function(refuse_leaks)
  get_cmake_property(cache CACHE_VARIABLES)
  list(REMOVE_ITEM cache ${cache_before})
  list(FILTER cache EXCLUDE REGEX "^_?(KELPIE|kelpie|LUA)")
  list(FILTER cache EXCLUDE REGEX "^_?(CMAKE_|FETCHCONTENT_|GNUInstallDirs|PKG_CONFIG|pkgcfg)")
  list(FILTER cache EXCLUDE REGEX "^FIND_PACKAGE_MESSAGE_DETAILS_")
  foreach(name IN ITEMS BUILD_TESTING BUILD_SHARED_LIBS CMAKE_BUILD_TYPE CMAKE_C_STANDARD
                        CMAKE_C_FLAGS CMAKE_MODULE_PATH CMAKE_C_VISIBILITY_PRESET)
    if(NOT "${before_${name}}" STREQUAL "${${name}}")
      list(APPEND cache "${name} (changed)")
    endif()
  endforeach()

  collect_targets(targets "${CMAKE_CURRENT_SOURCE_DIR}")
  list(FILTER targets EXCLUDE REGEX "^(kelpie_.*|dev|test_kit|kit)$")
  if(TARGET kelpie_daemon)
    list(APPEND targets "kelpie_daemon (not asked for)")
  endif()
  if(cache OR targets)
    message(FATAL_ERROR "kelpie leaks: ${cache} ${targets}")
  endif()
endfunction()
