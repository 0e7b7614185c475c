#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/options.hpp"
#include "tcp/tcb.hpp"

// Round trips and the retransmission time-out (RFC 6298 §2).

namespace sluice::tcp {

inline void update_rtt(Tcb& row, uint32_t rtt_us) noexcept {
  // More than a minute is no round trip but a clock that jumped, and would not fit.
  rtt_us = std::clamp<uint32_t>(rtt_us, 1, 60'000'000);
  if (row.srtt_us8 == 0) {
    row.srtt_us8 = rtt_us * 8;
    row.rttvar_us4 = rtt_us * 2;
    return;
  }
  const uint32_t smoothed = row.srtt_us8 / 8;
  const uint32_t deviation = smoothed > rtt_us ? smoothed - rtt_us : rtt_us - smoothed;
  row.rttvar_us4 = row.rttvar_us4 - row.rttvar_us4 / 4 + deviation;
  row.srtt_us8 = std::max(row.srtt_us8 - smoothed + rtt_us, 8u);
}

inline uint32_t srtt_us(const Tcb& row) noexcept { return row.srtt_us8 / 8; }

// The least is added to the round trip rather than laid under it: a peer may delay its acknowledgement by that much at any distance.
inline uint32_t rto_ms(const TcpOptions& options, const Tcb& row, uint32_t backoff) noexcept {
  // Nothing measured: a second, or what a lost SYN made of it (start_after_lost_syn()).
  const uint64_t base = row.srtt_us8 == 0 ? std::max(row.rttvar_us4 / 1000, 1000u)
                                          : (srtt_us(row) + 999) / 1000 + std::max(options.rto_min_ms, row.rttvar_us4 / 1000);
  return static_cast<uint32_t>(std::min<uint64_t>(base << std::min(backoff, 16u), options.rto_max_ms));
}

}  // namespace sluice::tcp
