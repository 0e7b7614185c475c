# Fuzz targets: one program per native/fuzz/**/NAME_fuzz.cpp. libFuzzer is clang's, and only the asan build looks hard enough.
file(GLOB_RECURSE fuzz_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/native/fuzz/*_fuzz.cpp)
if(SLUICE_BUILD STREQUAL "asan" AND SLUICE_CLANG)
  # Coverage feedback in the code under test, too.
  add_compile_options(-fsanitize=fuzzer-no-link)
  set(SLUICE_FUZZ ON)
endif()

function(sluice_fuzz_targets)
  if(NOT SLUICE_FUZZ)
    return()
  endif()
  foreach(file ${fuzz_files})
    get_filename_component(name ${file} NAME_WE)
    add_executable(${name} ${file})
    target_link_libraries(${name} PRIVATE sluice_all sluice_sim -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endforeach()
endfunction()
