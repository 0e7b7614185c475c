#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.hpp"

namespace sluice::wire {

// ARP for IPv4 on Ethernet (RFC 826).
class ArpView {
 public:
  static constexpr uint32_t kBytes = 28;
  static constexpr uint16_t kRequest = 1;
  static constexpr uint16_t kReply = 2;

  static std::optional<ArpView> parse(const uint8_t* data, uint32_t length) noexcept {
    static constexpr uint8_t kFixed[6] = {0, 1, 8, 0, 6, 4};  // Ethernet, IPv4, lengths of both addresses
    if (length < kBytes || std::memcmp(data, kFixed, sizeof kFixed) != 0) return std::nullopt;
    return ArpView(data);
  }

  uint16_t operation() const noexcept { return load_be16(data_ + 6); }
  const uint8_t* sender_mac() const noexcept { return data_ + 8; }
  const uint8_t* sender_ip() const noexcept { return data_ + 14; }
  const uint8_t* target_mac() const noexcept { return data_ + 18; }
  const uint8_t* target_ip() const noexcept { return data_ + 24; }

  static void write(uint8_t* at, uint16_t operation, const uint8_t* sender_mac, const uint8_t* sender_ip, const uint8_t* target_mac,
                    const uint8_t* target_ip) noexcept {
    static constexpr uint8_t kFixed[6] = {0, 1, 8, 0, 6, 4};
    std::memcpy(at, kFixed, sizeof kFixed);
    store_be16(at + 6, operation);
    std::memcpy(at + 8, sender_mac, 6);
    std::memcpy(at + 14, sender_ip, 4);
    std::memcpy(at + 18, target_mac, 6);
    std::memcpy(at + 24, target_ip, 4);
  }

 private:
  explicit ArpView(const uint8_t* data) noexcept : data_(data) {}
  const uint8_t* data_;
};

}  // namespace sluice::wire
