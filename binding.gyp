{
  # The shipped build. Source lists come from native/sources.json, as CMake's do (developers' targets: CMakeLists.txt).
  "variables": {
    "sluice_dpdk%": "<!(node scripts/sources.mjs --dpdk)",
    # GCC's linker plugin comes with it; clang would need a linker that it does not bring.
    "sluice_lto%": "<!(node -p \"/clang/.test(process.env.CXX) ? 0 : 1\")",
  },
  "target_defaults": {
    "include_dirs": ["native"],
    "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    # Prefetching for writing, or a line that another CPU has read last comes twice. Processors that know it not take it for a NOP.
    "conditions": [["target_arch=='x64'", {"cflags": ["-mprfchw"]}]],
    "configurations": {
      # -O2, not Node's -O3: the hot paths are loops that are unrolled by hand or not at all, and smaller code stays in cache.
      "Release": {
        "cflags!": ["-O3"],
        "cflags": ["-O2"],
        # A message's way leads through a dozen files (docs/decisions/0201).
        "conditions": [["sluice_lto==1", {"cflags": ["-flto=auto", "-fno-fat-lto-objects"], "ldflags": ["-flto=auto"]}]],
      },
    },
  },
  "targets": [
    {
      "target_name": "sluice",
      "sources": ["<!@(node scripts/sources.mjs base wire nic net tcp ws kernel queue session hub core addon)"],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS"],
    },
    {
      # The native load generator behind `sluice bench`: a program of its own, so that it is never the bottleneck.
      "target_name": "sluice-load",
      "type": "executable",
      "sources": ["<!@(node scripts/sources.mjs base report load)"],
      "ldflags": ["-pthread"],
    },
    {
      # Clients on a wire: millions of them, without sockets.
      "target_name": "sluice-wiregen",
      "type": "executable",
      "sources": ["<!@(node scripts/sources.mjs base wire nic ws report wiregen wiregen_program)"],
      "ldflags": ["-pthread"],
    },
  ],
  "conditions": [
    ["sluice_dpdk==1", {
      "targets": [
        {
          # Alone linked against DPDK, and loaded only for --driver dpdk: the addon works where DPDK is not installed.
          "target_name": "sluice_dpdk",
          "type": "loadable_module",
          # node-gyp names every loadable module .node, by a condition that is looked at before this one.
          "target_conditions": [["_type=='loadable_module'", {"product_extension": "so"}]],
          "sources": ["<!@(node scripts/sources.mjs dpdk)"],
          "cflags": ["<!@(node scripts/sources.mjs --dpdk-cflags)"],
          "libraries": ["<!@(node scripts/sources.mjs --dpdk-libs)"],
          "ldflags": ["-Wl,-z,defs"],
        },
      ],
    }],
  ],
}
