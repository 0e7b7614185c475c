# Micro-benchmarks (native/bench/*_bench.cpp, Google Benchmark) and the load generators (keys "load" and "wiregen_program").
find_path(SLUICE_BENCHMARK benchmark/benchmark.h)
file(GLOB_RECURSE bench_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/native/bench/*_bench.cpp)
if(SLUICE_BENCHMARK)
  add_executable(sluice_bench ${bench_files})
  target_link_libraries(sluice_bench PRIVATE sluice_all sluice_wiregen benchmark benchmark_main Threads::Threads)
endif()

sluice_sources(load load_files)
add_executable(sluice-load ${load_files})
target_link_libraries(sluice-load PRIVATE sluice_report Threads::Threads)

sluice_sources(wiregen_program wiregen_files)
add_executable(sluice-wiregen ${wiregen_files})
target_link_libraries(sluice-wiregen PRIVATE sluice_wiregen Threads::Threads)

# The data plane with an echo in C++ in the control plane's place (sluice bench native-echo).
sluice_sources(native_echo native_echo_files)
add_executable(sluice-native-echo ${native_echo_files})
target_link_libraries(sluice-native-echo PRIVATE sluice_all Threads::Threads)
