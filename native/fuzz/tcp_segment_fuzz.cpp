#include <cstddef>
#include <cstdint>

#include "sim/tcp/link.hpp"
#include "sim/tcp/pattern.hpp"

// Two stacks, and between them whoever the input wants: segments are dropped, doubled, put off, reordered and rewritten, ICMP errors
// quote what is in flight, applications write, pause, close and abort, memory runs out, and time passes. After every turn each stack
// audits its tables. As long as nothing was rewritten, what arrives is what was sent.

namespace {

using namespace sluice;
using namespace sluice::tcp;
using namespace sluice::tcp::sim;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool done() const { return at_ == end_; }
  uint8_t byte() { return done() ? 0 : *at_++; }
  uint16_t word() {
    const uint16_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

HostOptions host_options(uint8_t bits) {
  HostOptions options;
  options.tcp.capacity = 4;
  options.tcp.orphans_max = (bits & 1) != 0 ? 1 : 16;
  options.tcp.orphans_sending_max = options.tcp.orphans_max;
  options.tcp.half_open_max = 4;
  options.tcp.time_wait_max = 4;
  options.tcp.sack = (bits & 2) == 0;
  options.tcp.timestamps = (bits & 4) == 0;
  options.tcp.nagle = (bits & 8) != 0;
  options.tcp.syn_cookies_always = (bits & 16) != 0;
  options.tcp.congestion = (bits & 32) != 0 ? Congestion::kNewReno : Congestion::kCubic;
  options.tcp.keepalive_idle_ms = (bits & 64) != 0 ? 5'000 : 0;
  options.tcp.keepalive_interval_ms = 1'000;
  options.tcp.send_buffer = 64u << 10;
  options.tcp.receive_window_initial = (bits & 128) != 0 ? 4'096 : 65'535;
  options.tcp.receive_window_max = 256u << 10;
  options.packets = 96;
  options.blocks = 4;
  return options;
}

class Run {
 public:
  Run(const uint8_t* data, size_t size) : in_(data, size), link_(host_options(in_.byte()), host_options(in_.byte())) {}

  void go() {
    link_.a.connect(Link::server_address, 80);
    settle();
    for (int steps = 0; steps < 400 && !in_.done(); ++steps) step();
    // Afterwards the network is honest and memory is there: everything comes to an end.
    link_.a.packets.exhausted = link_.b.packets.exhausted = false;
    link_.a_to_b = link_.b_to_a = nullptr;
    check_streams();
    // What is still on its way may open a connection whose peer is gone.
    link_.run(100'000'000);
    for (Host* host : {&link_.a, &link_.b}) {
      for (auto& [id, app] : host->apps) {
        if (!app.gone) host->close(id, true);
      }
    }
    link_.run(400'000'000);
    for (Host* host : {&link_.a, &link_.b}) {
      const TcpGauges gauges = host->driver->gauges();
      SLUICE_ASSERT(gauges.connections == 0 && gauges.half_open == 0 && gauges.time_wait == 0 && gauges.active == 0);
      SLUICE_ASSERT(host->packets.out() == 0);
    }
  }

 private:
  Host& host(uint8_t bits) { return (bits & 1) != 0 ? link_.b : link_.a; }

  void settle() { link_.run(0); }

  void step() {
    const uint8_t op = in_.byte();
    const uint8_t bits = in_.byte();
    Host& one = host(bits);
    switch (op % 14) {
      case 0:
      case 1:
        return link_.run(1000u << (bits % 16));
      case 2:
        return write(one, 1 + in_.word() % 20'000);
      case 3:
        return with_app(one, bits, [&](StreamId id, App& app) {
          if (!app.shut_when_sent) one.shutdown(id);
          static_cast<void>(app);
        });
      case 4:
        return with_app(one, bits, [&](StreamId id, App&) { one.close(id, (bits & 128) != 0); });
      case 5:
        return with_app(one, bits, [&](StreamId id, App&) { one.driver->pause_reading(id); });
      case 6:
        return with_app(one, bits, [&](StreamId id, App&) { one.driver->resume_reading(id); });
      case 7:
        return lose(one);
      case 8:
        return repeat(one, bits);
      case 9:
        return put_off(one, bits);
      case 10:
        return rewrite(one);
      case 11:
        return icmp(one, bits);
      case 12:
        one.packets.exhausted = (bits & 2) != 0;
        return settle();
      default:
        return connect(one);
    }
  }

  void check_streams() {
    if (rewritten_) return;
    for (const Host* host : {&link_.a, &link_.b}) {
      for (const auto& [id, app] : host->apps) SLUICE_ASSERT(is_stretch(0, app.received));
    }
  }

  template <typename F>
  void with_app(Host& one, uint8_t bits, F&& act) {
    const StreamId id = bits >> 1 & 3;
    const auto at = one.apps.find(id);
    if (at == one.apps.end() || at->second.gone) return;
    act(id, at->second);
    settle();
  }

  void write(Host& one, uint32_t length) {
    for (auto& [id, app] : one.apps) {
      if (app.gone || app.shut_when_sent || app.to_send.size() > 100'000) continue;
      one.send(id, stretch(app.offered, length));
      break;
    }
    settle();
  }

  void connect(Host& one) {
    if (&one != &link_.a) return;
    uint32_t open = 0;
    for (const auto& [id, app] : one.apps) open += !app.gone;
    if (open < 4) one.connect(Link::server_address, 80, static_cast<uint16_t>(2000 + in_.byte() % 3));
    settle();
  }

  void lose(Host& to) {
    if (!to.inbox.empty()) to.inbox.pop_front();
  }

  void repeat(Host& to, uint8_t bits) {
    if (to.inbox.empty()) return;
    WireSegment copy = to.inbox[bits % to.inbox.size()];
    copy.due_us = link_.now_us + bits * 100;
    to.inbox.push_front(copy);
    sort(to);
  }

  void put_off(Host& to, uint8_t bits) {
    if (to.inbox.empty()) return;
    to.inbox[bits % to.inbox.size()].due_us += 1000ull << (bits % 14);
    sort(to);
  }

  static void sort(Host& to) {
    std::stable_sort(to.inbox.begin(), to.inbox.end(), [](const auto& one, const auto& other) { return one.due_us < other.due_us; });
  }

  // Header fields are moved a little, or a byte is set: what a broken middlebox or somebody who guesses would send.
  void rewrite(Host& to) {
    if (to.inbox.empty()) return;
    rewritten_ = true;
    std::vector<uint8_t>& bytes = to.inbox[in_.byte() % to.inbox.size()].bytes;
    const uint8_t what = in_.byte();
    const uint16_t value = in_.word();
    switch (what % 6) {
      case 0:
        store_be32(&bytes[4], load_be32(&bytes[4]) + static_cast<uint32_t>(static_cast<int16_t>(value)));
        break;
      case 1:
        store_be32(&bytes[8], load_be32(&bytes[8]) + static_cast<uint32_t>(static_cast<int16_t>(value)));
        break;
      case 2:
        bytes[13] = static_cast<uint8_t>(value);
        break;
      case 3:
        store_be16(&bytes[14], value);
        break;
      case 4:
        if (bytes.size() > 20) bytes[20 + value % (bytes.size() - 20)] = static_cast<uint8_t>(what);
        break;
      default:
        bytes.resize(std::max<size_t>(to.inbox.front().view().header_bytes(), bytes.size() - value % bytes.size()));
        if (!wire::TcpView::parse(bytes.data(), static_cast<uint32_t>(bytes.size()))) bytes.resize(60);
        bytes[12] = 0x50;
        break;
    }
  }

  void icmp(Host& to, uint8_t bits) {
    Host& other = &to == &link_.a ? link_.b : link_.a;
    if (other.inbox.empty()) return;
    const WireSegment& quoted = other.inbox.front();
    const net::Flow flow = reversed(quoted.flow);
    const auto kind = static_cast<net::IcmpError::Kind>(bits >> 1 & 1 ? 2 : bits >> 2 & 1);
    to.driver->on_icmp_error({kind, &flow, quoted.seq(), in_.word() % 1500u});
    settle();
  }

  Input in_;
  Link link_;
  bool rewritten_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Run(data, size).go();
  return 0;
}
