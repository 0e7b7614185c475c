#include "sim/net/wire_endpoint.hpp"

#include <algorithm>

namespace sluice::sim {

namespace {

constexpr int64_t kPlausible = 1 << 30;
// RFC 6928 §2.
constexpr int64_t kInitialSegments = 10;

std::string number(int64_t value) { return std::to_string(value); }

}  // namespace

WireEndpoint::WireEndpoint(const TcpFrame& syn, const TcpFrame* answered) : iss_(syn.seq), own_syn_(syn.options) {
  edge_sent_ = syn.window;
  timestamp_sent_ = syn.options.timestamp;
  timestamp_seen_ = syn.options.has_timestamp;
  if (answered != nullptr) learn_peer(*answered);
}

bool WireEndpoint::over() const noexcept {
  if (reset_ || reset_by_peer_) return true;
  const bool received = fin_received_at_ >= 0 && received_.contiguous_from(0) >= fin_received_at_;
  return received && fin_at_ >= 0 && acked_by_peer_ > fin_at_;
}

bool WireEndpoint::may_be_from(const TcpFrame& frame) const noexcept {
  const int64_t begin = sent_offset(frame.seq);
  return begin >= -1 && begin <= std::max(static_cast<int64_t>(bytes_.size()), edge_allowed_) + 1;
}

// The first SYN that fits is the peer's (RFC 9293 §3.10.7.3, fourth): one with another number that comes behind it belongs to another
// opening, and of those with the same number an older one may have been overtaken.
void WireEndpoint::learn_peer(const TcpFrame& syn) {
  if (has_irs_ && syn.seq != irs_) return;
  if (has_irs_) {
    edge_allowed_ = std::max<int64_t>(edge_allowed_, syn.window);
    const bool newer = syn.options.has_timestamp && static_cast<int32_t>(syn.options.timestamp - peer_timestamp_) > 0;
    if (newer) peer_timestamp_ = syn.options.timestamp;
    return;
  }
  has_irs_ = true;
  irs_ = syn.seq;
  peer_syn_ = syn.options;
  edge_allowed_ = std::max<int64_t>(edge_allowed_, syn.window);
  if (!syn.options.has_timestamp) return;
  peer_timestamp_seen_ = true;
  peer_timestamp_ = syn.options.timestamp;
}

// ---- what the host was given ----

void WireEndpoint::delivered(const TcpFrame& frame) {
  if (!frame.checksums_good) return;
  if (frame.has(wire::kSyn)) {
    const bool answer = !frame.has(wire::kAck) || frame.ack == iss_ + 1;
    if (answer && !acked_ && !frame.has(wire::kRst)) learn_peer(frame);
    return;
  }
  if (!has_irs_) return;
  const int64_t begin = received_offset(frame.seq);
  if (frame.has(wire::kRst)) {
    // RFC 5961 §3.2: a reset at exactly the next number ends it.
    const int64_t next = received_.contiguous_from(0);
    if (begin == next + (fin_received_at_ >= 0 && next >= fin_received_at_ ? 1 : 0)) reset_came_ = true;
    return;
  }
  if (begin < -kPlausible || begin > kPlausible) return;
  const int64_t end = begin + frame.payload_bytes;
  received_.add(begin, end);
  if (frame.has(wire::kFin)) fin_received_at_ = end;
  if (frame.options.has_timestamp) {
    // The newest, and where none came in order yet, any.
    if (!peer_timestamp_seen_ || static_cast<int32_t>(frame.options.timestamp - peer_timestamp_) > 0)
      peer_timestamp_ = frame.options.timestamp;
    peer_timestamp_seen_ = true;
  }
  if (!frame.has(wire::kAck)) return;
  const int64_t ack = sent_offset(frame.ack);
  if (ack < 0 || ack > static_cast<int64_t>(bytes_.size()) + 1) return;
  const bool scaled = own_syn_.has_window_shift && peer_syn_.has_window_shift;
  edge_allowed_ = std::max(edge_allowed_, ack + (static_cast<int64_t>(frame.window) << (scaled ? peer_syn_.window_shift : 0)));
  acked_by_peer_ = std::max(acked_by_peer_, ack);
  if (frame.payload_bytes == 0) ++pure_acks_;
  for (uint32_t i = 0; i < frame.options.sack_count; ++i) {
    const int64_t from = sent_offset(frame.options.sacks[i].begin);
    const int64_t to = std::min(sent_offset(frame.options.sacks[i].end), static_cast<int64_t>(bytes_.size()));
    if (from >= 0) sacked_.add(from, to);
  }
  if (frame.window == 0) zero_window_seen_ = true;
}

// ---- what the host sent ----

void WireEndpoint::sent(const TcpFrame& frame, RuleSink& rules) {
  if (frame.has(wire::kRst)) {
    const int64_t at = sent_offset(frame.seq);
    const int64_t end = fin_at_ >= 0 ? fin_at_ + 1 : static_cast<int64_t>(bytes_.size());
    // A reset that stands where the next byte would is the end; one elsewhere answers a segment of somebody else's connection.
    if (at == end) reset_ = true;
    return;
  }
  if (reset_) rules.broken("after-reset", "a segment behind the reset: " + to_text(frame, iss_, irs_));
  if (frame.has(wire::kUrg)) rules.broken("urgent", "urgent data that nobody wrote");
  check_options(frame, rules);
  if (frame.has(wire::kSyn)) {
    if (frame.payload_bytes != 0) rules.broken("syn-data", "a SYN with payload");
    if (frame.has(wire::kAck)) check_acknowledgement(frame, rules);
    return;
  }
  spoke_ = true;
  if (!frame.has(wire::kAck)) rules.broken("ack-flag", "a segment without ACK (RFC 9293 §3.10.7.4): " + to_text(frame, iss_, irs_));
  check_sequence(frame, rules);
  check_acknowledgement(frame, rules);
  check_sacks(frame, rules);
}

void WireEndpoint::check_options(const TcpFrame& frame, RuleSink& rules) {
  const wire::TcpOptions& has = frame.options;
  if (!frame.options_good) rules.broken("options", "malformed options");
  if (frame.has(wire::kSyn)) {
    if (!frame.has(wire::kAck) || !has_irs_) return;
    const bool asked = (!has.has_timestamp || peer_syn_.has_timestamp) && (!has.has_window_shift || peer_syn_.has_window_shift) &&
                       (!has.sack_permitted || peer_syn_.sack_permitted);
    if (!asked) rules.broken("options", "a SYN-ACK with an option that the SYN did not offer: " + to_text(frame, iss_, irs_));
    return;
  }
  if (has.mss != 0 || has.has_window_shift || has.sack_permitted) rules.broken("options", "an option of SYN segments without SYN");
  if (!has_irs_) return;
  // RFC 7323 §3.2: once negotiated, on every segment but RST.
  const bool negotiated = own_syn_.has_timestamp && peer_syn_.has_timestamp;
  if (negotiated != has.has_timestamp) {
    return rules.broken("timestamps",
                        std::string(negotiated ? "no" : "a") + " timestamp, against what was negotiated: " + to_text(frame, iss_, irs_));
  }
  if (!negotiated) return;
  if (timestamp_seen_ && static_cast<int32_t>(has.timestamp - timestamp_sent_) < 0) {
    rules.broken("timestamps", "the clock went back from " + number(timestamp_sent_) + " to " + number(has.timestamp));
  }
  timestamp_sent_ = has.timestamp;
  timestamp_seen_ = true;
  if (peer_timestamp_seen_ && static_cast<int32_t>(has.timestamp_echo - peer_timestamp_) > 0) {
    rules.broken("timestamps", "an echo of a timestamp that never came: " + number(has.timestamp_echo));
  }
}

void WireEndpoint::check_sequence(const TcpFrame& frame, RuleSink& rules) {
  const int64_t begin = sent_offset(frame.seq);
  const int64_t end = begin + frame.payload_bytes;
  const auto known = static_cast<int64_t>(bytes_.size());
  const int64_t most = std::max(known, edge_allowed_) + (fin_at_ >= 0 ? 1 : 0);
  if (begin < -1 || begin > most) return rules.broken("sequence", "it begins at " + number(begin) + ", beyond " + number(most));
  if (frame.payload_bytes != 0) {
    if (begin < 0) return rules.broken("sequence", "payload before the first byte");
    check_payload(frame, begin, rules);
    check_window(frame, begin, rules);
  }
  if (fin_at_ >= 0 && (end > fin_at_ + 1 || (end > fin_at_ && frame.payload_bytes != 0))) {
    rules.broken("data-after-fin", "bytes up to " + number(end) + " behind a FIN at " + number(fin_at_));
  }
  if (!frame.has(wire::kFin)) return;
  if (fin_at_ >= 0 && fin_at_ != end) rules.broken("fin-moved", "a FIN at " + number(end) + " after one at " + number(fin_at_));
  if (fin_at_ < 0 && end < static_cast<int64_t>(bytes_.size())) rules.broken("fin-moved", "a FIN before bytes that were sent already");
  fin_at_ = end;
}

void WireEndpoint::check_payload(const TcpFrame& frame, int64_t begin, RuleSink& rules) {
  // RFC 9293 §3.7.1 and RFC 6691: what the peer announced counts payload and options. Without one, the defaults.
  const uint32_t mss = peer_syn_.mss != 0 ? peer_syn_.mss : frame.v6 ? 1'220 : 536;
  if (frame.payload_bytes + frame.options_bytes > mss) {
    rules.broken("mss", number(frame.payload_bytes) + " bytes and " + number(frame.options_bytes) + " of options, MSS " + number(mss));
  }
  const auto known = static_cast<int64_t>(bytes_.size());
  const int64_t end = begin + frame.payload_bytes;
  if (end > known) bytes_.resize(static_cast<size_t>(end));
  for (uint32_t i = 0; i < frame.payload_bytes; ++i) {
    uint8_t& known_byte = bytes_[static_cast<size_t>(begin + i)];
    if (known_byte != frame.payload[i] && on_wire_.contains(begin + i, begin + i + 1)) {
      rules.broken("retransmit-bytes", "byte " + number(begin + i) + " was another when it was first sent");
      break;
    }
    known_byte = frame.payload[i];
  }
  on_wire_.add(begin, end);
  if (end > known) check_initial_burst(rules);
}

void WireEndpoint::check_initial_burst(RuleSink& rules) {
  if (acked_by_peer_ > 0) return;
  const int64_t mss = peer_syn_.mss != 0 ? peer_syn_.mss : 536;
  // Limited transmit (RFC 3042), a tail loss probe (RFC 8985 §7) and a segment for each duplicate acknowledgement (RFC 5681 §3.2) come
  // on top; or, where one acknowledgement reports several segments by SACK, all that it says is in the network no more (RFC 6675 §4,
  // SetPipe).
  const int64_t left = std::max(pure_acks_ * mss, sacked_.total());
  const int64_t most = std::max<int64_t>(kInitialSegments * mss, 14'600) + 3 * mss + left;
  if (static_cast<int64_t>(bytes_.size()) > most)
    rules.broken("initial-window", number(static_cast<int64_t>(bytes_.size())) + " bytes before any was acknowledged");
}

void WireEndpoint::check_window(const TcpFrame& frame, int64_t begin, RuleSink& rules) {
  const int64_t end = begin + frame.payload_bytes;
  // RFC 9293 §3.8.6.1: a zero window is probed with one byte.
  const int64_t probe = zero_window_seen_ && frame.payload_bytes == 1 ? 1 : 0;
  if (end <= edge_allowed_ + probe) return;
  rules.broken("window", "bytes up to " + number(end) + " where the peer's window ends at " + number(edge_allowed_));
}

void WireEndpoint::check_acknowledgement(const TcpFrame& frame, RuleSink& rules) {
  if (!has_irs_) return rules.broken("ack", "an acknowledgement before anything came");
  const int64_t ack = received_offset(frame.ack);
  int64_t most = received_.contiguous_from(0);
  if (fin_received_at_ >= 0 && most >= fin_received_at_) most = fin_received_at_ + 1;
  if (ack > most || ack < 0) rules.broken("ack", "it acknowledges " + number(ack) + " where " + number(most) + " came in order");
  if (acked_ && ack < ack_sent_) rules.broken("ack-back", "the acknowledgement went back from " + number(ack_sent_) + " to " + number(ack));
  const bool scaled = own_syn_.has_window_shift && peer_syn_.has_window_shift && !frame.has(wire::kSyn);
  const uint32_t shift = scaled ? own_syn_.window_shift : 0;
  const int64_t edge = ack + (static_cast<int64_t>(frame.window) << shift);
  // RFC 9293 §3.8.6.2.1 (SHLD-14), less what scaling rounds off (RFC 7323 §2.4).
  if (edge + ((int64_t{1} << shift) - 1) < edge_sent_) {
    rules.broken("window-shrunk", "the window's right edge went back from " + number(edge_sent_) + " to " + number(edge));
  }
  edge_sent_ = std::max(edge_sent_, edge);
  ack_sent_ = std::max(ack_sent_, ack);
  acked_ = true;
}

void WireEndpoint::check_sacks(const TcpFrame& frame, RuleSink& rules) {
  if (frame.options.sack_count == 0) return;
  if (!own_syn_.sack_permitted || !peer_syn_.sack_permitted) rules.broken("sack", "SACK was not negotiated");
  for (uint32_t i = 0; i < frame.options.sack_count; ++i) {
    const int64_t begin = received_offset(frame.options.sacks[i].begin);
    int64_t end = received_offset(frame.options.sacks[i].end);
    // A FIN that came counts as one more byte.
    if (fin_received_at_ >= 0 && end == fin_received_at_ + 1) --end;
    const bool turned = end < begin || (end == begin && begin != fin_received_at_);
    if (!turned && received_.contains(begin, end)) continue;
    rules.broken("sack", "it says that " + number(begin) + ":" + number(end) + " came");
  }
}

}  // namespace sluice::sim
