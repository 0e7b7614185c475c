#pragma once

#include <cstdint>
#include <vector>

#include "net/address.hpp"

namespace sluice::tcp {

// The own addresses that connections use, so that a row names its own in one byte. An address stays once it is known: there are as
// many as the interface was given.
class LocalAddresses {
 public:
  static constexpr uint32_t kMax = 255;
  static constexpr uint8_t kUnknown = 255;

  // kUnknown where there are too many.
  uint8_t intern(const net::IpAddress& address) {
    for (uint8_t i = 0; i < addresses_.size(); ++i) {
      if (addresses_[i] == address) return i;
    }
    if (addresses_.size() == kMax) return kUnknown;
    addresses_.push_back(address);
    return static_cast<uint8_t>(addresses_.size() - 1);
  }
  const net::IpAddress& operator[](uint8_t index) const noexcept { return addresses_[index]; }

 private:
  std::vector<net::IpAddress> addresses_;
};

}  // namespace sluice::tcp
