#pragma once

#include <array>
#include <cstdint>

namespace sluice::ws {

// RFC 9110 §5.6.7, IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT". Seconds since 1970 in UTC; what no year of four digits has becomes the
// nearest that one does.
std::array<char, 29> http_date(int64_t unix_s) noexcept;

}  // namespace sluice::ws
