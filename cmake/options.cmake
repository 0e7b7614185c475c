# What every developers' target is compiled with. SLUICE_BUILD picks a kind of build:
#   dev   assertions that cost (SLUICE_DEBUG), light optimisation     the default
#   asan  AddressSanitizer and UndefinedBehaviorSanitizer, and the fuzz targets (clang)
#   tsan  ThreadSanitizer
#   bench the flags of the shipped addon, for micro-benchmarks
set(SLUICE_BUILD "dev" CACHE STRING "dev, asan, tsan or bench")
set_property(CACHE SLUICE_BUILD PROPERTY STRINGS dev asan tsan bench)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# The kinds of build are SLUICE_BUILD's; CMake's own would add flags of theirs (NDEBUG).
set(CMAKE_BUILD_TYPE "" CACHE STRING "unused: see SLUICE_BUILD" FORCE)

add_compile_options(-Wall -Wextra -fvisibility=hidden -fno-omit-frame-pointer)
# Prefetching for writing, or a line that another CPU has read last comes twice. Processors that know it not take it for a NOP.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-mprfchw)
endif()
if(SLUICE_BUILD STREQUAL "dev")
  add_compile_options(-O1 -g1)
  add_compile_definitions(SLUICE_DEBUG)
elseif(SLUICE_BUILD STREQUAL "asan")
  add_compile_options(-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(SLUICE_DEBUG SLUICE_ASAN)
elseif(SLUICE_BUILD STREQUAL "tsan")
  add_compile_options(-O1 -g1 -fsanitize=thread)
  add_link_options(-fsanitize=thread)
  add_compile_definitions(SLUICE_DEBUG SLUICE_TSAN)
elseif(SLUICE_BUILD STREQUAL "bench")
  add_compile_options(-O2 -g1)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
else()
  message(FATAL_ERROR "SLUICE_BUILD is '${SLUICE_BUILD}'; it must be dev, asan, tsan or bench")
endif()

find_program(SLUICE_CCACHE ccache)
if(SLUICE_CCACHE)
  # Precompiled headers are cached only where their time stamps may be ignored.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${SLUICE_CCACHE})
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(SLUICE_CLANG ON)
else()
  set(SLUICE_CLANG OFF)
endif()
