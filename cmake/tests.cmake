# Native tests: every native/test/**/*_test.cpp in one program. Catch2 2.x is a header of 18,000 lines, so it is precompiled.
find_path(SLUICE_CATCH2 catch2/catch.hpp)
file(GLOB_RECURSE test_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/native/test/*_test.cpp)
file(GLOB_RECURSE test_support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/native/test/*.cpp)
list(FILTER test_support EXCLUDE REGEX "_test\\.cpp$")

if(NOT SLUICE_CATCH2)
  message(STATUS "catch2 is not installed: no native tests")
else()
  add_executable(sluice_test ${test_files} ${test_support})
  target_link_libraries(sluice_test PRIVATE sluice_all sluice_sim sluice_wiregen)
  target_include_directories(sluice_test PRIVATE ${SLUICE_CATCH2})
  # For the one file that reads them: a path in every command line would keep ccache from finding anything in another checkout.
  set_source_files_properties(${CMAKE_SOURCE_DIR}/native/test/sim/scripts_test.cpp
    PROPERTIES COMPILE_DEFINITIONS "SLUICE_SCRIPTS=\"${CMAKE_SOURCE_DIR}/native/test/scripts\"")
  if(TARGET sluice_dpdk)
    add_dependencies(sluice_test sluice_dpdk)
  endif()
  target_precompile_headers(sluice_test PRIVATE <catch2/catch.hpp> <cstdint> <string> <vector>)
  # main.cpp defines CATCH_CONFIG_MAIN before it includes the header.
  set_source_files_properties(${CMAKE_SOURCE_DIR}/native/test/main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  if(SLUICE_CLANG)
    # Without it a precompiled header carries its time and is never found in ccache.
    target_compile_options(sluice_test PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  else()
    target_compile_options(sluice_test PRIVATE -fpch-preprocess)
  endif()
endif()
