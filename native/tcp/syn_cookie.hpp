#pragma once

#include <cstdint>

#include "base/siphash.hpp"
#include "net/address.hpp"
#include "tcp/half_open.hpp"
#include "tcp/seq.hpp"

namespace sluice::tcp {

// SYN cookies (RFC 4987 §3.6): what a half-open connection would remember, in the numbers that its peer sends back. The initial
// sequence number holds 27 bits of a keyed hash over flow, MSS and time, the peer's number added to eighteen of them, three bits of MSS
// and two of the time. Window scale, SACK and ECN go in the low six bits of our timestamp, which the peer echoes; without timestamps they
// are off.
class SynCookies {
 public:
  explicit SynCookies(const SipKey& key) : key_(key) {}

  // Rounds agreed.peer_mss down to what the cookie can hold.
  Seq make(const net::Flow& flow, Seq irs, Negotiated& agreed, uint32_t now_ms) const noexcept;
  // The timestamp that carries the rest, at most now_ts.
  static uint32_t timestamp(const Negotiated& agreed, uint32_t now_ts) noexcept;

  // Whether `iss` is a cookie of ours and not older than two periods; fills in what it holds, and a number that no other cookie has.
  bool check(const net::Flow& flow, Seq irs, Seq iss, uint32_t now_ms, Negotiated& agreed, uint64_t& name) const noexcept;
  // The same where the peer's first number is not known: of a thousand guesses one passes.
  bool may_be_ours(const net::Flow& flow, Seq iss, uint32_t now_ms, uint64_t& name) const noexcept;
  static void read_timestamp(uint32_t echoed, Negotiated& agreed) noexcept;

 private:
  // A cookie is good for one to two of these: longer than a client waits (RFC 6298 §5.7), too short for guessing 2^27 numbers.
  static constexpr uint32_t kPeriodMs = 32'768;

  uint64_t hash(const net::Flow& flow, uint32_t period, uint32_t mss_index) const noexcept;
  bool is_of_flow(const net::Flow& flow, Seq iss, uint32_t now_ms, uint64_t& secret) const noexcept;

  SipKey key_;
};

}  // namespace sluice::tcp
