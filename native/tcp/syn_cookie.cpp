#include "tcp/syn_cookie.hpp"

#include <cstring>

namespace sluice::tcp {

namespace {

// What peers announce in practice: jumbo frames, Ethernet (IPv4, IPv6), PPPoE and tunnels, the minimum of IPv6, the default of IPv4.
// The least is that of every connection: no peer gets more than it takes.
constexpr uint16_t kMss[8] = {kLeastMss, 536, 1220, 1360, 1420, 1440, 1460, 8940};
constexpr uint32_t kNoScale = 15;
constexpr uint32_t kTimestampBits = 63;
constexpr uint32_t kLowBits = 5;    // MSS and time
constexpr uint32_t kFlowBits = 9;   // of the hash alone, so that they can be checked without knowing the peer's number

}  // namespace

// Of all but the peer's number.
uint64_t SynCookies::hash(const net::Flow& flow, uint32_t period, uint32_t mss_index) const noexcept {
  struct {
    uint8_t remote[16];
    uint8_t local[16];
    uint16_t remote_port;
    uint16_t local_port;
    uint32_t period_and_mss;
  } input;
  static_assert(sizeof input == 40);
  std::memcpy(input.remote, flow.remote.bytes, 16);
  std::memcpy(input.local, flow.local.bytes, 16);
  input.remote_port = flow.remote_port;
  input.local_port = flow.local_port;
  input.period_and_mss = (period & (UINT32_MAX / kPeriodMs)) << 3 | mss_index;
  return siphash24(key_, &input, sizeof input);
}

namespace {

// The upper bits are the peer's number as well. Nobody can guess the hash, so that a sum will do; and no other number within 256 KiB,
// which is more than a peer may send before it is answered, has the same: what overtook the first segment is never taken for it.
uint32_t upper_bits(uint64_t hash, Seq irs) noexcept { return (static_cast<uint32_t>(hash >> 32) + irs.raw) << (kLowBits + kFlowBits); }

// The hash is the same for all of a flow's openings within a period; they differ in the peer's number, and so in ours.
uint64_t name_of(uint64_t hash, Seq iss) noexcept { return hash ^ iss.raw; }

uint32_t flow_bits(uint64_t hash) noexcept { return static_cast<uint32_t>(hash & ((1u << kFlowBits) - 1)) << kLowBits; }

}  // namespace

Seq SynCookies::make(const net::Flow& flow, Seq irs, Negotiated& agreed, uint32_t now_ms) const noexcept {
  uint32_t index = 7;
  while (index > 0 && kMss[index] > agreed.peer_mss) --index;
  agreed.peer_mss = kMss[index];
  const uint32_t period = now_ms / kPeriodMs;
  const uint64_t secret = hash(flow, period, index);
  return {upper_bits(secret, irs) | flow_bits(secret) | index << 2 | (period & 3)};
}

uint32_t SynCookies::timestamp(const Negotiated& agreed, uint32_t now_ts) noexcept {
  const uint32_t shift = agreed.scaled ? agreed.send_shift : kNoScale;
  const uint32_t bits = shift | (agreed.sack ? 16u : 0u) | (agreed.ecn ? 32u : 0u);
  const uint32_t value = (now_ts & ~kTimestampBits) | bits;
  return clock_before(now_ts, value) ? value - (kTimestampBits + 1) : value;
}

bool SynCookies::is_of_flow(const net::Flow& flow, Seq iss, uint32_t now_ms, uint64_t& secret) const noexcept {
  const uint32_t now = now_ms / kPeriodMs;
  const uint32_t age = (now - iss.raw) & 3;
  if (age > 1) return false;
  secret = hash(flow, now - age, iss.raw >> 2 & 7);
  constexpr uint32_t kMask = ((1u << kFlowBits) - 1) << kLowBits;
  return (iss.raw & kMask) == flow_bits(secret);
}

bool SynCookies::may_be_ours(const net::Flow& flow, Seq iss, uint32_t now_ms, uint64_t& name) const noexcept {
  uint64_t secret = 0;
  const bool ours = is_of_flow(flow, iss, now_ms, secret);
  name = name_of(secret, iss);
  return ours;
}

bool SynCookies::check(const net::Flow& flow, Seq irs, Seq iss, uint32_t now_ms, Negotiated& agreed, uint64_t& name) const noexcept {
  uint64_t secret = 0;
  if (!is_of_flow(flow, iss, now_ms, secret)) return false;
  name = name_of(secret, iss);
  if (upper_bits(secret, irs) != (iss.raw & ~((1u << (kLowBits + kFlowBits)) - 1))) return false;
  agreed = Negotiated{};
  agreed.peer_mss = kMss[iss.raw >> 2 & 7];
  return true;
}

void SynCookies::read_timestamp(uint32_t echoed, Negotiated& agreed) noexcept {
  const uint32_t shift = echoed & 15;
  agreed.timestamps = true;
  agreed.scaled = shift != kNoScale;
  agreed.send_shift = static_cast<uint8_t>(agreed.scaled ? shift : 0);
  agreed.sack = (echoed & 16) != 0;
  agreed.ecn = (echoed & 32) != 0;
}

}  // namespace sluice::tcp
