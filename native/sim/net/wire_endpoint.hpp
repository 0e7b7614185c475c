#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/net/intervals.hpp"
#include "sim/net/tcp_frame.hpp"

namespace sluice::sim {

// Where a rule is broken: its name and what was seen.
class RuleSink {
 public:
  virtual ~RuleSink() = default;
  virtual void broken(const char* rule, const std::string& what) = 0;
};

// One end of one incarnation of a connection, seen from outside: what its host put on the wire, and what its host was given. It knows
// nothing of the implementation; every rule is one that a peer could hold against it.
class WireEndpoint {
 public:
  // The first segment with SYN that the host sends, and the SYN that it answers where it does.
  WireEndpoint(const TcpFrame& syn, const TcpFrame* answered);

  uint32_t iss() const noexcept { return iss_; }
  bool answers(uint32_t peer_isn) const noexcept { return has_irs_ && irs_ == peer_isn; }
  // It has reset the connection or was reset, or both sides have seen both ends.
  bool over() const noexcept;
  // It has said nothing but SYN and RST.
  bool ended_unopened() const noexcept { return over() && !spoke_; }
  // What it was given has had its effect, and what it sent before that has left.
  void caught_up() noexcept { reset_by_peer_ = reset_by_peer_ || reset_came_; }
  // A SYN-ACK with its numbers may be one that it sent before a reset ended it.
  bool may_repeat_syn() const noexcept { return !over() && !(reset_came_ && ack_sent_ > 0); }
  // The segment's number is one that it might send.
  bool may_be_from(const TcpFrame& frame) const noexcept;

  void sent(const TcpFrame& frame, RuleSink& rules);
  void delivered(const TcpFrame& frame);

 private:
  // Offsets count from the first byte behind the SYN.
  int64_t sent_offset(uint32_t seq) const noexcept { return static_cast<int32_t>(seq - (iss_ + 1)); }
  int64_t received_offset(uint32_t seq) const noexcept { return static_cast<int32_t>(seq - (irs_ + 1)); }

  void check_options(const TcpFrame& frame, RuleSink& rules);
  void check_sequence(const TcpFrame& frame, RuleSink& rules);
  void check_payload(const TcpFrame& frame, int64_t begin, RuleSink& rules);
  void check_window(const TcpFrame& frame, int64_t begin, RuleSink& rules);
  void check_acknowledgement(const TcpFrame& frame, RuleSink& rules);
  void check_sacks(const TcpFrame& frame, RuleSink& rules);
  void check_initial_burst(RuleSink& rules);
  void learn_peer(const TcpFrame& syn);

  // Sent.
  uint32_t iss_;
  wire::TcpOptions own_syn_;
  std::vector<uint8_t> bytes_;  // up to the last that was sent; what a full queue of the host lost before the wire is missing
  Intervals on_wire_;           // which of them were seen
  int64_t fin_at_ = -1;
  bool reset_ = false;
  bool spoke_ = false;  // it has sent what is neither SYN nor RST
  bool acked_ = false;  // it has sent an acknowledgement
  int64_t ack_sent_ = 0;
  int64_t edge_sent_ = 0;  // right edge of the window that it offered
  uint32_t timestamp_sent_ = 0;
  bool timestamp_seen_ = false;

  // Delivered.
  bool has_irs_ = false;
  bool reset_came_ = false;
  bool reset_by_peer_ = false;  // the same once it has had its effect
  uint32_t irs_ = 0;
  wire::TcpOptions peer_syn_;
  Intervals received_;
  int64_t fin_received_at_ = -1;
  int64_t edge_allowed_ = 0;  // right edge of the peer's window, as far as it was ever told
  int64_t acked_by_peer_ = 0;
  int64_t pure_acks_ = 0;  // that came before any byte was acknowledged
  Intervals sacked_;
  bool zero_window_seen_ = false;
  uint32_t peer_timestamp_ = 0;
  bool peer_timestamp_seen_ = false;
};

}  // namespace sluice::sim
