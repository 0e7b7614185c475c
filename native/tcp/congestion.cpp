#include "tcp/congestion.hpp"

#include <algorithm>
#include <cmath>

#include "tcp/rtt.hpp"

namespace sluice::tcp {

namespace {

constexpr uint32_t kWindowMax = 1u << 30;

// RFC 9406 §4.3
constexpr uint32_t kHyMinThreshUs = 4'000;
constexpr uint32_t kHyMaxThreshUs = 16'000;
constexpr uint32_t kHyDivisor = 8;
constexpr uint32_t kHySamples = 8;
constexpr uint32_t kHyCssDivisor = 4;
constexpr uint32_t kHyCssRounds = 5;
constexpr uint32_t kHyBurst = 8;  // L, without pacing

// RFC 9438 §4.1, §4.6
constexpr double kCubicC = 0.4;
constexpr double kCubicBeta = 0.7;
constexpr double kCubicAlpha = 3.0 * (1.0 - kCubicBeta) / (1.0 + kCubicBeta);

// HyStart (Ha and Rhee 2011, which RFC 9438 §4.10 names beside RFC 9406): acknowledgements that come closer together than this, or than a
// sixteenth of the round trip, are one train.
constexpr uint32_t kTrainGapUs = 2'000;
constexpr uint32_t kTrainGapDivisor = 16;

uint32_t train_us(const HyStart& hystart) noexcept {
  return hystart.train_begin_us == 0 ? 0 : hystart.train_end_us - hystart.train_begin_us;
}

// Acknowledgements have come for a quarter of a round trip without a gap, at the link's pace or at the application's.
bool acks_stream(const Transfer& transfer) noexcept {
  const HyStart& hystart = transfer.hystart;
  if (hystart.stream_begin_us == 0) return false;
  return hystart.train_end_us - hystart.stream_begin_us >= std::max(transfer.min_rtt_us / 4, kHyMinThreshUs);
}

// Of a round trip: what queues may make of it while slow start goes on (RFC 9406 §4.2).
uint32_t rise_us(uint32_t rtt_us) noexcept { return std::clamp(rtt_us / kHyDivisor, kHyMinThreshUs, kHyMaxThreshUs); }

// In slow start a flight leaves twice as fast as acknowledgements come, and these come as fast as the narrowest link let the flight before
// pass: half of what leaves waits before that link. Where they have come for a quarter of a round trip without a gap, what leaves is no
// more than a quarter more, or a queue half as long as the path would be needed.
uint32_t slowed(const Transfer& transfer, uint32_t growth) noexcept {
  return acks_stream(transfer) || transfer.hystart.css_rounds != 0 ? growth / kHyCssDivisor : growth;
}

void slow_start(Tcb& row, Transfer& transfer, uint32_t acked) noexcept {
  const uint32_t growth = slowed(transfer, std::min(acked, kHyBurst * row.mss));
  row.cwnd = std::min({row.cwnd + growth, kWindowMax, std::max(row.ssthresh, row.cwnd)});
}

// RFC 9406 §4.2, end of a round.
void hystart_round(Tcb& row, Transfer& transfer) noexcept {
  HyStart& hystart = transfer.hystart;
  if (hystart.started && row.snd_una < hystart.round_end) return;
  if (hystart.css_rounds != 0 && ++hystart.css_rounds > kHyCssRounds) {
    row.ssthresh = row.cwnd;
    hystart = HyStart{};
    return;
  }
  hystart.started = true;
  hystart.round_end = row.snd_nxt;
  hystart.last_min_us = hystart.round_min_us;
  hystart.round_min_us = UINT32_MAX;
  hystart.samples = 0;
}

// A train of three quarters of a round trip with a queue before the link: with what slow start has added meanwhile, the path is full.
// RFC 9406 alone sees that only once the least round trip of a whole round has grown, and goes on for five more.
void hystart_train(const Stack& stack, Tcb& row, Transfer& transfer) noexcept {
  HyStart& hystart = transfer.hystart;
  // After a loss it is known how far slow start may go.
  if (row.ssthresh < kNoThreshold) return;
  if (transfer.min_rtt_us == UINT32_MAX) return;
  const uint32_t now_us = stack.now_us32() | 1;
  const bool gap = now_us - hystart.train_end_us > std::max(transfer.min_rtt_us / kTrainGapDivisor, kTrainGapUs);
  if (gap || hystart.stream_begin_us == 0) hystart.stream_begin_us = now_us;
  if (gap || hystart.train_begin_us == 0) hystart.train_begin_us = now_us;
  hystart.train_end_us = now_us;
  if (transfer.send_next == nullptr) {
    // Without data that waits for the window they come as the application writes.
    hystart.train_begin_us = 0;
    return;
  }
  const bool full = train_us(hystart) >= std::max(transfer.min_rtt_us / 4 * 3, kHyMinThreshUs);
  if (!full || transfer.rack_rtt_us < transfer.min_rtt_us + rise_us(transfer.min_rtt_us)) return;
  row.ssthresh = row.cwnd;
  hystart = HyStart{};
}

void begin_epoch(const Stack& stack, const Tcb& row, CubicEpoch& cubic) noexcept {
  cubic.start_ms = stack.now_ms() | 1;
  cubic.w_est = row.cwnd;
  cubic.credit = 0;
  cubic.est_credit = 0;
  if (row.w_max > row.cwnd) {
    cubic.origin = row.w_max;
    cubic.k_ms = static_cast<uint32_t>(1000.0 * std::cbrt((row.w_max - row.cwnd) / (kCubicC * row.mss)));
  } else {
    cubic.origin = row.cwnd;
    cubic.k_ms = 0;
  }
}

// RFC 9438 §4.2 to §4.5
void cubic_avoidance(Stack& stack, Tcb& row, Transfer& transfer, uint32_t acked) noexcept {
  CubicEpoch& cubic = transfer.cubic;
  if (cubic.start_ms == 0) begin_epoch(stack, row, cubic);
  const uint32_t elapsed_ms = stack.now_ms() - cubic.start_ms + srtt_us(row) / 1000;
  const double t = (static_cast<double>(elapsed_ms) - cubic.k_ms) / 1000.0;
  const double curve = kCubicC * t * t * t * row.mss + cubic.origin;
  const double target = std::clamp(curve, static_cast<double>(row.cwnd), 1.5 * row.cwnd);
  // §4.3: never below what Reno would have by now.
  const double alpha = cubic.w_est >= row.w_max ? 1.0 : kCubicAlpha;
  const uint64_t est = static_cast<uint64_t>(alpha * acked * row.mss) + cubic.est_credit;
  cubic.w_est += static_cast<uint32_t>(est / row.cwnd);
  cubic.est_credit = static_cast<uint32_t>(est % row.cwnd);
  const uint64_t credit = static_cast<uint64_t>(target - row.cwnd) * acked + cubic.credit;
  uint32_t next = row.cwnd + static_cast<uint32_t>(credit / row.cwnd);
  cubic.credit = static_cast<uint32_t>(credit % row.cwnd);
  if (curve < cubic.w_est) next = std::max(next, cubic.w_est);
  row.cwnd = std::min(next, kWindowMax);
}

// RFC 5681 §3.1 with RFC 3465: a segment for each window's worth of bytes.
void newreno_avoidance(Tcb& row, Transfer& transfer, uint32_t acked) noexcept {
  transfer.byte_credit += acked;
  if (transfer.byte_credit < row.cwnd) return;
  transfer.byte_credit -= row.cwnd;
  row.cwnd = std::min(row.cwnd + row.mss, kWindowMax);
}

}  // namespace

uint32_t initial_window(uint32_t mss) noexcept { return std::min(10 * mss, std::max(2 * mss, 14'600u)); }

void restart_after_idle(Stack& stack, Tcb& row, Transfer* transfer) noexcept {
  const uint32_t idle_ms = stack.now_ms() - row.last_send_ms;
  // Nearly always; and no time-out is shorter.
  if (idle_ms < stack.options.rto_min_ms || idle_ms <= rto_ms(stack.options, row, 0)) return;
  row.cwnd = std::min(row.cwnd, initial_window(row.mss));
  if (transfer != nullptr) transfer->cubic = CubicEpoch{};
}

uint32_t validated_flight(const Tcb& row, const Transfer& transfer) noexcept {
  return acks_stream(transfer) ? row.cwnd - row.cwnd / 5 : row.cwnd / 2;
}

uint32_t reduced_window(Stack& stack, Tcb& row, Transfer& transfer) noexcept {
  transfer.hystart = HyStart{};
  transfer.byte_credit = 0;
  const uint32_t least = 2u * row.mss;
  if (stack.options.congestion == Congestion::kNewReno) return std::max(std::min(row.in_flight(), row.cwnd) / 2, least);
  transfer.cubic = CubicEpoch{};
  // RFC 9438 §4.7: fast convergence, where the window did not reach its old maximum.
  const bool converge = row.cwnd < row.w_max;
  row.w_max = converge ? static_cast<uint32_t>(row.cwnd * (1.0 + kCubicBeta) / 2.0) : row.cwnd;
  return std::max(static_cast<uint32_t>(row.cwnd * kCubicBeta), least);
}

void grow_congestion_window(Stack& stack, Tcb& row, Transfer& transfer, uint32_t acked_bytes) {
  if (row.cwnd < row.ssthresh) {
    hystart_train(stack, row, transfer);
    hystart_round(row, transfer);
  }
  if (!row.has(kCwndLimited)) return;
  if (row.cwnd < row.ssthresh) {
    slow_start(row, transfer, acked_bytes);
  } else if (stack.options.congestion == Congestion::kNewReno) {
    newreno_avoidance(row, transfer, acked_bytes);
  } else {
    cubic_avoidance(stack, row, transfer, acked_bytes);
  }
}

void hystart_sample(Tcb& row, Transfer& transfer, uint32_t rtt_us) noexcept {
  HyStart& hystart = transfer.hystart;
  if (row.cwnd >= row.ssthresh || !hystart.started) return;
  hystart.round_min_us = std::min(hystart.round_min_us, rtt_us);
  if (hystart.samples < UINT8_MAX) ++hystart.samples;
  if (hystart.samples < kHySamples || hystart.last_min_us == UINT32_MAX) return;
  if (hystart.css_rounds == 0) {
    if (hystart.round_min_us < hystart.last_min_us + rise_us(hystart.last_min_us)) return;
    hystart.baseline_us = hystart.round_min_us;
    hystart.css_rounds = 1;
  } else if (hystart.round_min_us < hystart.baseline_us) {
    // The rise was none: slow start goes on.
    hystart.baseline_us = UINT32_MAX;
    hystart.css_rounds = 0;
  }
}

}  // namespace sluice::tcp
