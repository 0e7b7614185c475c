#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/tcp/host.hpp"

namespace sluice::tcp::sim {

// A peer made of single segments: a script says what it sends, with which numbers, and looks at each segment that comes back. Sequence
// numbers are relative: the peer's `seq` and what it acknowledges of the host count from the byte behind the SYN.
struct Spec {
  uint8_t flags = wire::kAck;
  uint32_t seq = 0;
  uint32_t ack = 0;
  std::string payload = {};
  uint16_t window = 65'535;
  std::vector<std::pair<uint32_t, uint32_t>> sacks = {};
  int64_t timestamp = -1;        // -1: the peer's clock, where timestamps are in use
  int64_t timestamp_echo = -1;   // -1: the latest that came
  net::Ecn ecn = net::Ecn::kNotCapable;
};

struct SynSpec {
  uint16_t mss = 1460;
  int shift = 7;                 // -1: none
  bool sack = true;
  bool timestamps = false;       // off: segments are easier to count in whole ones
  bool ecn = false;
};

class Peer {
 public:
  static constexpr uint32_t kIsn = 1'000'000;
  static constexpr uint16_t kPort = 4321;

  explicit Peer(HostOptions options = {}) : host(options, now_us) {
    host.output = [this](WireSegment segment) { out.push_back(std::move(segment)); };
    host.listen(80);
  }

  uint64_t now_us = 5'000'000'000;
  Host host;
  std::deque<WireSegment> out;
  uint32_t host_isn = 0;
  uint32_t peer_isn = kIsn;
  uint16_t port = kPort;
  bool timestamps = false;
  uint32_t last_timestamp = 0;

  net::Flow flow() const { return {v4(10, 0, 0, 1), v4(10, 0, 0, 9), 80, port}; }
  uint32_t clock() const { return static_cast<uint32_t>(now_us / 1000); }

  void raw(const wire::TcpView::Fields& given, const std::vector<uint8_t>& options, const std::string& payload,
           net::Ecn ecn = net::Ecn::kNotCapable) {
    wire::TcpView::Fields fields = given;
    fields.source_port = port;
    fields.target_port = target;
    fields.header_bytes = static_cast<uint8_t>(20 + options.size());
    WireSegment segment;
    segment.flow = flow();
    segment.flow.local_port = target;
    segment.ecn = ecn;
    segment.bytes.resize(fields.header_bytes);
    wire::TcpView::write(segment.bytes.data(), fields);
    std::copy(options.begin(), options.end(), segment.bytes.begin() + 20);
    segment.bytes.insert(segment.bytes.end(), payload.begin(), payload.end());
    host.inbox.push_back(std::move(segment));
    if (!gathers) host.turn();
  }

  void syn(const SynSpec& spec = {}, uint8_t extra = 0) {
    uint8_t buffer[40];
    wire::TcpOptionWriter options(buffer);
    if (spec.mss != 0) options.mss(spec.mss);
    if (spec.sack) options.sack_permitted();
    if (spec.timestamps) options.timestamp(clock(), 0);
    if (spec.shift >= 0) options.window_shift(static_cast<uint8_t>(spec.shift));
    const uint8_t flags = static_cast<uint8_t>(wire::kSyn | extra | (spec.ecn ? wire::kEce | wire::kCwr : 0));
    raw({0, 0, peer_isn, 0, 65'535, 0, flags}, {buffer, buffer + options.bytes()}, "");
  }
  // The three segments; what the host answered the SYN with is returned.
  WireSegment open(const SynSpec& spec = {}) {
    out.clear();
    syn(spec);
    SLUICE_ASSERT(!out.empty());
    const WireSegment answer = take();
    SLUICE_ASSERT(answer.has(wire::kSyn) && answer.has(wire::kAck));
    host_isn = answer.seq();
    timestamps = spec.timestamps;
    last_timestamp = answer.options().timestamp;
    send({});
    return answer;
  }

  void send(const Spec& spec) {
    uint8_t buffer[60];
    wire::TcpOptionWriter options(buffer);
    if (timestamps) {
      options.timestamp(spec.timestamp < 0 ? clock() : static_cast<uint32_t>(spec.timestamp),
                        spec.timestamp_echo < 0 ? last_timestamp : static_cast<uint32_t>(spec.timestamp_echo));
    }
    wire::SackBlock blocks[4];
    uint32_t count = 0;
    for (const auto& [begin, end] : spec.sacks) blocks[count++] = {host_isn + 1 + begin, host_isn + 1 + end};
    if (count != 0) options.sacks(blocks, count);
    raw({0, 0, peer_isn + 1 + spec.seq, host_isn + 1 + spec.ack, spec.window, 0, spec.flags}, {buffer, buffer + options.bytes()},
        spec.payload, spec.ecn);
  }
  void data(uint32_t seq, const std::string& payload, uint32_t ack = 0) { send({wire::kAck | wire::kPsh, seq, ack, payload}); }
  void ack(uint32_t acked, std::vector<std::pair<uint32_t, uint32_t>> sacks = {}) {
    send({wire::kAck, received, acked, "", 65'535, std::move(sacks)});
  }

  bool silent() const { return out.empty(); }
  WireSegment take() {
    SLUICE_ASSERT(!out.empty());
    WireSegment segment = out.front();
    out.pop_front();
    if (segment.options().has_timestamp) last_timestamp = segment.options().timestamp;
    return segment;
  }
  // Relative numbers of what came.
  uint32_t seq_of(const WireSegment& segment) const { return segment.seq() - host_isn - 1; }
  uint32_t ack_of(const WireSegment& segment) const { return segment.ack() - peer_isn - 1; }
  std::pair<uint32_t, uint32_t> sack_of(const WireSegment& segment, uint32_t index) const {
    const wire::TcpOptions options = segment.options();
    if (index >= options.sack_count) return {0, 0};
    return {options.sacks[index].begin - peer_isn - 1, options.sacks[index].end - peer_isn - 1};
  }

  // Time passes, with everything that it brings.
  void wait_ms(uint64_t ms) {
    const uint64_t end = now_us + ms * 1000;
    for (;;) {
      const uint64_t next = std::max(host.driver->next_deadline_us(), now_us + 1);
      if (next > end) break;
      now_us = next;
      host.turn();
    }
    now_us = end;
    host.turn();
  }

  App& app() { return host.app(host.last_accepted); }
  StreamId id() const { return host.last_accepted; }
  ConnectionInfo info() const {
    ConnectionInfo out_info;
    const bool known = host.driver->describe(host.last_accepted, out_info);
    SLUICE_ASSERT(known);
    return out_info;
  }
  const TcpCounters& counters() const { return host.driver->tcp_counters(); }

  uint32_t received = 0;  // the peer's own bytes that are acknowledged: where its plain acknowledgements stand
  uint16_t target = 80;
  bool gathers = false;   // what is sent comes to the host with its next turn, in one burst
};

}  // namespace sluice::tcp::sim
