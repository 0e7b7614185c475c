#include "net/routes.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "net/special_addresses.hpp"

namespace sluice::net {

namespace {

constexpr uint8_t kMappedBits = 96;

IpAddress masked(const IpAddress& address, uint8_t bits, uint8_t fill) noexcept {
  IpAddress out = address;
  for (uint32_t i = 0; i < sizeof out.bytes; ++i) {
    const uint32_t kept = bits > i * 8 ? bits - i * 8 : 0;
    if (kept >= 8) continue;
    const auto mask = static_cast<uint8_t>(0xff00u >> kept);
    out.bytes[i] = static_cast<uint8_t>((out.bytes[i] & mask) | (fill & ~mask));
  }
  return out;
}

uint8_t full_bits(const InterfaceAddress& entry) noexcept {
  return static_cast<uint8_t>(entry.prefix + (entry.address.is_v4() ? kMappedBits : 0));
}

uint32_t last_word(const uint64_t (&words)[2]) noexcept { return static_cast<uint32_t>(words[1] >> 32); }

}  // namespace

Routes::Routes(const InterfaceOptions& options, const IpAddress& link_local) : addresses_(options.addresses) {
  bool has_link_local = false;
  for (const InterfaceAddress& entry : addresses_) has_link_local = has_link_local || is_link_local_v6(entry.address);
  if (!has_link_local) addresses_.push_back({link_local, 64});
  for (const InterfaceAddress& entry : addresses_) {
    SLUICE_ASSERT(full_bits(entry) <= 128);
    prefixes_.push_back(prefix_of(entry.address, full_bits(entry)));
    if (entry.address.is_v4()) prefixes_v4_.push_back({last_word(prefixes_.back().network), last_word(prefixes_.back().mask)});
    // A prefix of 31 or 32 bits has no broadcast address (RFC 3021).
    if (entry.address.is_v4() && entry.prefix <= 30) broadcasts_.push_back(masked(entry.address, full_bits(entry), 0xff));
  }
  for (const IpAddress& gateway : options.gateways) {
    (gateway.is_v4() ? gateway_v4_ : gateway_v6_) = gateway;
    (gateway.is_v4() ? has_gateway_v4_ : has_gateway_v6_) = true;
  }
}

Routes::Prefix Routes::prefix_of(const IpAddress& address, uint8_t bits) noexcept {
  IpAddress ones;
  std::memset(ones.bytes, 0xff, sizeof ones.bytes);
  Prefix out;
  std::memcpy(out.network, masked(address, bits, 0).bytes, sizeof out.network);
  std::memcpy(out.mask, masked(ones, bits, 0).bytes, sizeof out.mask);
  return out;
}

bool Routes::matches(const Prefix& prefix, const IpAddress& address) noexcept {
  uint64_t words[2];
  std::memcpy(words, address.bytes, sizeof words);
  return (((words[0] & prefix.mask[0]) ^ prefix.network[0]) | ((words[1] & prefix.mask[1]) ^ prefix.network[1])) == 0;
}

bool Routes::is_local(const IpAddress& address) const noexcept {
  for (const InterfaceAddress& entry : addresses_) {
    if (entry.address == address) return true;
  }
  return false;
}

bool Routes::on_link(const IpAddress& address) const noexcept {
  if (address.is_v4()) {
    uint32_t word;
    std::memcpy(&word, address.v4(), sizeof word);
    for (const PrefixV4& prefix : prefixes_v4_) {
      if ((word & prefix.mask) == prefix.network) return true;
    }
    return false;
  }
  for (const Prefix& prefix : prefixes_) {
    if (matches(prefix, address)) return true;
  }
  return false;
}

const IpAddress* Routes::next_hop(const IpAddress& remote) const noexcept {
  if (is_multicast(remote)) return nullptr;
  if (on_link(remote)) return &remote;
  if (remote.is_v4()) return has_gateway_v4_ ? &gateway_v4_ : nullptr;
  return has_gateway_v6_ ? &gateway_v6_ : nullptr;
}

const IpAddress* Routes::source_for(const IpAddress& remote) const noexcept {
  const IpAddress* first = nullptr;
  for (size_t i = 0; i < addresses_.size(); ++i) {
    if (matches(prefixes_[i], remote)) return &addresses_[i].address;
    if (first == nullptr && addresses_[i].address.is_v4() == remote.is_v4()) first = &addresses_[i].address;
  }
  return first;
}

bool Routes::is_broadcast(const IpAddress& address) const noexcept {
  if (!address.is_v4()) return false;
  static constexpr uint8_t kAllOnes[4] = {255, 255, 255, 255};
  if (std::memcmp(address.v4(), kAllOnes, sizeof kAllOnes) == 0) return true;
  return std::find(broadcasts_.begin(), broadcasts_.end(), address) != broadcasts_.end();
}

bool Routes::in_group(const IpAddress& group) const noexcept {
  if (group == kAllNodes) return true;
  for (const InterfaceAddress& entry : addresses_) {
    if (!entry.address.is_v4() && solicited_node(entry.address) == group) return true;
  }
  return false;
}

}  // namespace sluice::net
