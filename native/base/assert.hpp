#pragma once

// Invariants that hold in release builds too: a broken invariant in a gateway that promises order must stop the
// process, not corrupt a log. SLUICE_DEBUG_ASSERT is for checks that cost more than the work they guard.

namespace sluice {

[[noreturn]] void assert_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace sluice

#define SLUICE_ASSERT(expression) \
  (__builtin_expect(static_cast<bool>(expression), 1) ? static_cast<void>(0) : ::sluice::assert_failed(#expression, __FILE__, __LINE__))

#ifdef SLUICE_DEBUG
#define SLUICE_DEBUG_ASSERT(expression) SLUICE_ASSERT(expression)
#else
#define SLUICE_DEBUG_ASSERT(expression) static_cast<void>(0)
#endif
