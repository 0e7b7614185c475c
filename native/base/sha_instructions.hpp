#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace sluice {

// The processor has the SHA extensions, for SHA-1 and SHA-256, and what they are used with (SSE 4.1).
inline bool has_sha_instructions() noexcept {
#if defined(__x86_64__)
  static const bool known = [] {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    // Intel SDM volume 2, CPUID leaf 7.
    const bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0;
    return sha && __builtin_cpu_supports("sse4.1");
  }();
  return known;
#else
  return false;
#endif
}

}  // namespace sluice
