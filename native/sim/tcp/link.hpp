#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>

#include "sim/tcp/host.hpp"

namespace sluice::tcp::sim {

// Two hosts and what lies between them, on virtual time.
class Link {
 public:
  // What becomes of a segment: nothing (false), or it goes on, perhaps changed, perhaps later.
  using Filter = std::function<bool(WireSegment&)>;

  explicit Link(HostOptions a_options = {}, HostOptions b_options = {}) : a(client(a_options), now_us), b(server(b_options), now_us) {
    a.output = [this](WireSegment segment) { carry(std::move(segment), b, a_to_b); };
    b.output = [this](WireSegment segment) { carry(std::move(segment), a, b_to_a); };
    b.listen(80);
  }

  uint64_t now_us = 1'000'000'000;
  uint64_t delay_us = 5'000;    // one way
  uint64_t us_per_kib = 0;      // what the bottleneck takes for 1024 bytes; 0: no bottleneck
  uint64_t queue_us = 50'000;   // of the bottleneck; beyond, segments are dropped
  Filter a_to_b;
  Filter b_to_a;
  Host a;
  Host b;

  // Opens from a to b and returns a's id.
  StreamId open() {
    const StreamId id = a.connect(server_address, 80);
    run_until([&] { return a.app(id).connected && b.accepted != 0; });
    return id;
  }
  StreamId peer() const { return b.last_accepted; }

  void run(uint64_t us) {
    const uint64_t end = now_us + us;
    while (step(end)) {
    }
    now_us = end;
    settle();
  }
  // False when it did not come true within a minute, or `most_us`.
  bool run_until(const std::function<bool()>& done, uint64_t most_us = 60'000'000) {
    const uint64_t end = now_us + most_us;
    settle();
    while (!done()) {
      if (!step(end)) return done();
    }
    return true;
  }

  static inline const net::IpAddress client_address = v4(10, 0, 0, 1);
  static inline const net::IpAddress server_address = v4(10, 0, 0, 2);

 private:
  static HostOptions client(HostOptions options) {
    options.address = client_address;
    options.secret = 11;
    return options;
  }
  static HostOptions server(HostOptions options) {
    options.address = server_address;
    options.secret = 22;
    return options;
  }

  void carry(WireSegment segment, Host& to, const Filter& filter) {
    segment.due_us = 0;
    if (filter && !filter(segment)) return;
    uint64_t& busy_us = &to == &b ? busy_to_b_ : busy_to_a_;
    uint64_t leaves_us = now_us;
    if (us_per_kib != 0) {
      busy_us = std::max(busy_us, now_us);
      if (busy_us - now_us > queue_us) return;
      busy_us += std::max<uint64_t>(segment.bytes.size() * us_per_kib / 1024, 1);
      leaves_us = busy_us;
    }
    // A filter that set due_us asked for that much more delay.
    segment.due_us = leaves_us + delay_us + segment.due_us;
    const auto later = [](const WireSegment& one, const WireSegment& other) { return one.due_us < other.due_us; };
    to.inbox.insert(std::upper_bound(to.inbox.begin(), to.inbox.end(), segment, later), std::move(segment));
  }

  void settle() {
    for (int i = 0; i < 1000; ++i) {
      const uint32_t handled = a.turn() + b.turn();
      if (handled == 0) return;
    }
  }

  bool step(uint64_t end) {
    uint64_t next = std::min(a.driver->next_deadline_us(), b.driver->next_deadline_us());
    if (!a.inbox.empty()) next = std::min(next, a.inbox.front().due_us);
    if (!b.inbox.empty()) next = std::min(next, b.inbox.front().due_us);
    if (next > end || next == UINT64_MAX) return false;
    // A deadline that does not pass by itself would stop the clock.
    now_us = std::max(next, now_us + 1);
    settle();
    return true;
  }

  uint64_t busy_to_a_ = 0;
  uint64_t busy_to_b_ = 0;
};

}  // namespace sluice::tcp::sim
