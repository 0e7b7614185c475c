// The native tests' entry point. Alone in its file: Catch2's own code is compiled once.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
