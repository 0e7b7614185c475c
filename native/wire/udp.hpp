#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "wire/checksum.hpp"

namespace sluice::wire {

// A UDP header (RFC 768), as far as it is looked at where nothing speaks UDP: the length, and the checksum as stored, of which 0 says
// that there is none.
struct UdpHeader {
  static constexpr uint32_t kBytes = 8;

  uint32_t bytes;
  uint16_t checksum;

  // Length 0 where the header is cut off.
  static UdpHeader parse(const uint8_t* data, uint32_t length) noexcept {
    if (length < kBytes) return {0, 0};
    return {load_be16(data + 4), load_checksum(data + 6)};
  }
};

}  // namespace sluice::wire
