#pragma once

#include <cstdint>

namespace sluice::tcp {

// A sequence number: arithmetic modulo 2^32, and an order that holds between numbers less than 2^31 apart (RFC 9293 §3.4).
struct Seq {
  uint32_t raw = 0;

  constexpr Seq operator+(uint32_t bytes) const noexcept { return {raw + bytes}; }
  constexpr Seq operator-(uint32_t bytes) const noexcept { return {raw - bytes}; }
  constexpr uint32_t operator-(Seq earlier) const noexcept { return raw - earlier.raw; }
  constexpr Seq& operator+=(uint32_t bytes) noexcept {
    raw += bytes;
    return *this;
  }
  constexpr bool operator==(const Seq&) const noexcept = default;
  constexpr bool operator<(Seq other) const noexcept { return static_cast<int32_t>(raw - other.raw) < 0; }
  constexpr bool operator>(Seq other) const noexcept { return other < *this; }
  constexpr bool operator<=(Seq other) const noexcept { return !(other < *this); }
  constexpr bool operator>=(Seq other) const noexcept { return !(*this < other); }
  constexpr bool in(Seq begin, uint32_t length) const noexcept { return raw - begin.raw < length; }
};

constexpr Seq later(Seq a, Seq b) noexcept { return a < b ? b : a; }
constexpr Seq earlier(Seq a, Seq b) noexcept { return a < b ? a : b; }

// The same order for the clocks that wrap: milliseconds, microseconds and peers' timestamps (RFC 7323 §5.2).
constexpr bool clock_before(uint32_t a, uint32_t b) noexcept { return static_cast<int32_t>(a - b) < 0; }

}  // namespace sluice::tcp
