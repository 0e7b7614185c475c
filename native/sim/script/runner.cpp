#include "sim/script/runner.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "sim/net/tcp_frame.hpp"
#include "base/assert.hpp"
#include "sim/script/fields.hpp"
#include "sim/script/lookup.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv6.hpp"

namespace sluice::sim::script {

namespace {

constexpr uint64_t kBootNs = 1'000'000'000'000;
// Announcements and duplicate address detection are over by then (RFC 5227 §1.1, RFC 4862 §5.1).
constexpr uint64_t kWarmUpUs = 3'500'000;
constexpr uint16_t kListenPort = 8'080;
constexpr uint16_t kFirstPassive = 40'000;
constexpr uint16_t kFirstActive = 9'000;
constexpr uint16_t kFirstLocal = 50'000;
constexpr size_t kTraceShown = 40;

net::IpAddress address(const char* text) {
  net::IpAddress out{};
  SLUICE_ASSERT(read_address(text, out));
  return out;
}

}  // namespace

Runner::~Runner() = default;

bool Runner::fail(const Statement& statement, const std::string& what) {
  error_ = script_.path + ":" + std::to_string(statement.line) + ": " + what + "\n    " + statement.text;
  const size_t shown = std::min(trace_.size(), kTraceShown);
  if (shown != 0) error_ += "\n  so far:";
  for (size_t i = trace_.size() - shown; i < trace_.size(); ++i) error_ += "\n    " + trace_[i];
  return false;
}

std::string Runner::time_text(uint64_t time_us) const {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", static_cast<double>(time_us - start_us_) / 1e6);
  return text;
}

// ---- setting up ----

bool Runner::set(const Statement& statement) {
  const std::string& name = statement.words[0];
  const std::string& value = statement.words[1];
  if (name.compare(0, 4, "tcp.") == 0 && set_tcp_option(name.substr(4), value, options_.tcp)) return true;
  if (name.compare(0, 4, "nic.") == 0 && set_nic_option(name.substr(4), value, options_)) return true;
  if (name == "ip" && (value == "4" || value == "6")) {
    link_.stack = address(value == "4" ? "192.0.2.1" : "2001:db8::1");
    link_.peer = address(value == "4" ? "192.0.2.2" : "2001:db8::2");
    return true;
  }
  if (name == "peer") return read_address(value, link_.peer) || fail(statement, "'" + value + "' is no address");
  if (name == "gateway") {
    net::IpAddress gateway{};
    if (!read_address(value, gateway)) return fail(statement, "'" + value + "' is no address");
    options_.net.gateways.push_back(gateway);
    return true;
  }
  double seconds = 0;
  if (name == "tolerance" && std::sscanf(value.c_str(), "%lf", &seconds) == 1 && seconds >= 0) {
    tolerance_us_ = static_cast<uint64_t>(seconds * 1e6);
    return true;
  }
  if (name == "resolve" && (value == "on" || value == "off")) {
    resolves_ = value == "on";
    return true;
  }
  if (name == "rest" && value == "ignored") return rest_ignored_ = true;
  return fail(statement, "'" + name + " " + value + "' cannot be set");
}

bool Runner::apply_settings() {
  options_.tcp.capacity = 64;
  options_.nic.capabilities.mac = link_.stack_mac;
  options_.secret = {0x5157'1ce0'1234'5678u, 0x9abc'def0'0fed'cba9u};
  options_.net.key = {1, 2};
  bool begun = false;
  for (const Statement& statement : script_.statements) {
    if (statement.kind != Kind::kSet) {
      begun = true;
    } else if (begun) {
      return fail(statement, "settings stand before the first statement");
    } else if (!set(statement)) {
      return false;
    }
  }
  link_.vlan = options_.net.vlan;
  options_.net.addresses = {{link_.stack, static_cast<uint8_t>(link_.stack.is_v4() ? 24 : 64)}};
  return true;
}

bool Runner::set_up() {
  link_.stack_mac = {{2, 0, 0, 0, 0, 1}};
  link_.peer_mac = {{2, 0, 0, 0, 0, 2}};
  link_.stack = address("192.0.2.1");
  link_.peer = address("192.0.2.2");
  if (!apply_settings()) return false;
  clock_.set_ns(kBootNs);
  nic::SimNicOptions wide;
  wide.capabilities.mtu = 9'000;
  wide.packets = 1;
  peer_ = std::make_unique<nic::SimNic>("peer", clock_, wide);
  host_ = std::make_unique<Host>(clock_, options_);
  const nic::SimPathOptions path{.mtu = 9'000};
  nic::SimNic::join(host_->device(), *peer_, path, path);
  application_ = std::make_unique<Application>(clock_, options_.tcp.capacity);
  std::string error;
  driver_ = host_->make_driver(*application_, application_.get(), nullptr, error);
  if (driver_ == nullptr) return fail(script_.statements[0], error);
  application_->attach(*driver_);
  host_->start();
  start_us_ = clock_.now_us();
  run_until(start_us_ + kWarmUpUs, [] { return false; });
  captured_.clear();
  trace_.clear();
  start_us_ = last_us_ = clock_.now_us();
  return true;
}

// ---- time ----

ConnectionState& Runner::connection(uint32_t number) {
  ConnectionState& out = connections_[number];
  if (out.local_port == 0) {
    out.local_port = kListenPort;
    out.remote_port = static_cast<uint16_t>(kFirstPassive + number);
  }
  return out;
}

// The peer answers for itself; what its neighbours would ask is not the script's business, unless it says so.
bool Runner::resolve(const std::vector<uint8_t>& frame) {
  if (!resolves_) return false;
  auto* const bytes = const_cast<uint8_t*>(frame.data());
  const auto ethernet = wire::EthernetView::parse(bytes, static_cast<uint32_t>(frame.size()));
  if (!ethernet) return false;
  uint8_t* const at = bytes + ethernet->header_bytes();
  const uint32_t left = static_cast<uint32_t>(frame.size()) - ethernet->header_bytes();
  Packet answer;
  if (const auto arp = wire::ArpView::parse(at, left); ethernet->type() == wire::kTypeArp && arp) {
    if (arp->operation() != wire::ArpView::kRequest || net::IpAddress::from_v4(arp->target_ip()) == link_.stack) return true;
    answer.kind = PacketKind::kArp;
    answer.what = "reply";
    answer.fields["sender"] = to_text(net::IpAddress::from_v4(arp->target_ip()));
  } else if (const auto ip = wire::Ipv6View::parse(at, left); ethernet->type() == wire::kTypeIpv6 && ip && ip->next_header() == 58) {
    const uint8_t type = ip->payload()[0];
    if (type == wire::icmpv6::kNeighborAdvertisement) return true;
    const auto ask = wire::NeighborView::parse(ip->payload(), ip->payload_bytes());
    if (type != wire::icmpv6::kNeighborSolicitation || !ask) return false;
    net::IpAddress target{};
    std::memcpy(target.bytes, ask->target(), 16);
    if (target == link_.stack) return true;
    answer.kind = PacketKind::kAdvertise;
    answer.fields["target"] = answer.fields["src"] = to_text(target);
  } else {
    return false;
  }
  std::string error;
  ConnectionState nobody;
  for (std::vector<uint8_t>& one : encode(answer, link_, nobody, error)) peer_->inject(std::move(one));
  return true;
}

void Runner::capture(std::vector<uint8_t> frame) {
  Captured captured;
  captured.time_us = clock_.now_us();
  captured.bytes = std::move(frame);
  const auto tcp = read_tcp_frame(captured.bytes.data(), static_cast<uint32_t>(captured.bytes.size()));
  for (auto& [number, state] : connections_) {
    if (!tcp || tcp->source_port != state.local_port || tcp->target_port != state.remote_port) continue;
    captured.connection = number;
    if (tcp->has(wire::kSyn) && (!state.has_iss || state.iss != tcp->seq)) {
      state.iss = tcp->seq;
      state.has_iss = true;
      state.has_ts_base = false;
    }
    if (tcp->options.has_timestamp) {
      if (!state.has_ts_base) state.ts_base = tcp->options.timestamp;
      state.has_ts_base = true;
      state.ts_last = tcp->options.timestamp;
    }
    captured.state = state;
  }
  trace_.push_back(time_text(captured.time_us) + " > " + frame_text(captured));
  captured_.push_back(std::move(captured));
}

void Runner::take_frames() {
  host_->device().advance();
  for (std::vector<uint8_t> frame = peer_->take(); !frame.empty(); frame = peer_->take()) {
    if (!resolve(frame)) capture(std::move(frame));
  }
}

void Runner::settle() {
  // A frame that leads to a frame that leads to a frame: the stack and an answering peer come to rest soon.
  for (int round = 0; round < 64; ++round) {
    peer_->advance();
    const uint32_t handled = driver_->poll(0, 256);
    application_->settle();
    driver_->flush();
    take_frames();
    if (handled == 0 && !host_->ready()) return;
  }
}

template <typename Done>
void Runner::run_until(uint64_t until_us, Done done) {
  for (;;) {
    settle();
    if (done() || clock_.now_us() >= until_us) return;
    const uint64_t deadline = driver_->next_deadline_us();
    uint64_t next_ns = deadline >= UINT64_MAX / 1'000 ? UINT64_MAX : deadline * 1'000;
    next_ns = std::min({next_ns, host_->next_due_ns(), peer_->next_event_ns(), until_us * 1'000});
    clock_.set_ns(std::max(next_ns, clock_.now_ns() + 1'000));
  }
}

bool Runner::in_time(const Statement& statement, uint64_t base_us, uint64_t actual_us, std::string& why) const {
  const uint64_t earliest = base_us + static_cast<uint64_t>(statement.when.earliest_us);
  const uint64_t latest = base_us + static_cast<uint64_t>(statement.when.latest_us);
  if (actual_us + tolerance_us_ >= earliest && actual_us <= latest + tolerance_us_) return true;
  why = "it came at " + time_text(actual_us) + ", not between " + time_text(earliest) + " and " + time_text(latest) + " (give or take " +
        std::to_string(tolerance_us_) + " us)";
  return false;
}

// ---- statements ----

bool Runner::inject(const Statement& statement) {
  ConnectionState& state = connection(statement.connection);
  std::string error;
  std::vector<std::vector<uint8_t>> frames = encode(statement.packet, link_, state, error);
  if (frames.empty()) return fail(statement, error);
  trace_.push_back(time_text(clock_.now_us()) + statement.text.substr(statement.text.find(" <")));
  for (std::vector<uint8_t>& frame : frames) peer_->inject(std::move(frame));
  settle();
  return true;
}

bool Runner::expect(const Statement& statement) {
  const uint64_t base_us = base(statement);
  static_cast<void>(connection(statement.connection));
  run_until(base_us + static_cast<uint64_t>(statement.when.latest_us) + tolerance_us_, [&] { return !captured_.empty(); });
  if (captured_.empty()) return fail(statement, "nothing was sent until " + time_text(clock_.now_us()));
  const Captured captured = std::move(captured_.front());
  captured_.pop_front();
  const std::string difference = mismatch(statement.packet, statement.connection, link_, captured);
  if (!difference.empty()) return fail(statement, difference + ": got " + frame_text(captured) + " at " + time_text(captured.time_us));
  std::string why;
  if (!in_time(statement, base_us, captured.time_us, why)) return fail(statement, why);
  last_us_ = std::max(last_us_, captured.time_us);
  return true;
}

// What may be sent and need not: a packet that matches is taken, any other is left to the next statement.
bool Runner::maybe(const Statement& statement) {
  static_cast<void>(connection(statement.connection));
  run_until(base(statement) + static_cast<uint64_t>(statement.when.latest_us), [&] { return !captured_.empty(); });
  if (captured_.empty() || !mismatch(statement.packet, statement.connection, link_, captured_.front()).empty()) return true;
  last_us_ = std::max(last_us_, captured_.front().time_us);
  captured_.pop_front();
  return true;
}

bool Runner::quiet(const Statement& statement) {
  if (captured_.empty()) return true;
  return fail(statement, "something was sent: " + frame_text(captured_.front()) + " at " + time_text(captured_.front().time_us));
}

bool Runner::connect(const Statement& statement, ConnectionState& state) {
  state.local_port = static_cast<uint16_t>(kFirstLocal + statement.connection);
  state.remote_port = static_cast<uint16_t>(kFirstActive + statement.connection);
  const StreamId id = application_->begin_connect(state.remote_port);
  std::string error;
  const net::Flow flow{link_.stack, link_.peer, state.local_port, state.remote_port};
  if (id != kNoStream && driver_->connect(id, flow, error)) return true;
  application_->abandon_connect(state.remote_port);
  return fail(statement, "cannot connect: " + error);
}

bool Runner::call_stream(const Statement& statement, ConnectionState& state) {
  const std::string& name = statement.words[0];
  const uint16_t port = state.remote_port;
  const StreamId id = application_->id_of(port);
  if (id == kNoStream) return fail(statement, "the application has no stream of connection #" + std::to_string(statement.connection));
  int64_t bytes = 0;
  if (name == "write") {
    if (statement.words.size() != 2 || !read_number(statement.words[1], bytes) || bytes < 1)
      return fail(statement, "'write' wants a number of bytes");
    application_->write(port, static_cast<uint64_t>(bytes));
  } else if (name == "shutdown") {
    application_->shutdown(port);
  } else if (name == "pause") {
    driver_->pause_reading(id);
  } else if (name == "resume") {
    driver_->resume_reading(id);
  } else {
    application_->close(port, name == "reset");
  }
  settle();
  return true;
}

bool Runner::call(const Statement& statement) {
  const std::string& name = statement.words[0];
  const std::string word = statement.words.size() > 1 ? statement.words[1] : "";
  trace_.push_back(time_text(clock_.now_us()) + " " + name + " " + word);
  if (name == "listen") {
    ListenOptions options;
    options.address = to_text(link_.stack);
    options.port = kListenPort;
    std::string error;
    return driver_->listen(options, error) || fail(statement, error);
  }
  if (name == "unlisten") {
    driver_->stop_listening();
    return true;
  }
  if (name == "memory") {
    int64_t packets = 0;
    if (!read_number(word, packets) || packets < 0) return fail(statement, "'memory' wants a number of packets");
    host_->pool().set_limit(static_cast<uint32_t>(packets));
    return true;
  }
  if (name == "link" || name == "refuse") {
    if (name == "link") host_->device().set_link(word != "down");
    if (name == "refuse") application_->refuse = word != "off";
    return true;
  }
  ConnectionState& state = connection(statement.connection);
  if (name != "connect") return call_stream(statement, state);
  if (!connect(statement, state)) return false;
  settle();
  return true;
}

bool Runner::event(const Statement& statement) {
  const std::string& kind = statement.words[0];
  const uint64_t base_us = base(statement);
  std::deque<AppEvent>& events = application_->events(connection(statement.connection).remote_port);
  int64_t bytes = 0;
  const bool data = kind == "data";
  if (data && (statement.words.size() != 2 || !read_number(statement.words[1], bytes)))
    return fail(statement, "'data' wants a number of bytes");
  run_until(base_us + static_cast<uint64_t>(statement.when.latest_us) + tolerance_us_,
            [&] { return !events.empty() && (!data || events.front().kind != "data" || events.front().value >= bytes); });
  if (events.empty()) return fail(statement, "the application was told nothing until " + time_text(clock_.now_us()));
  AppEvent& front = events.front();
  const std::string got =
      front.kind + (front.kind == "error" ? " " + error_name(static_cast<int>(front.value)) : " " + std::to_string(front.value));
  if (front.kind != kind || (data && front.value < bytes)) return fail(statement, "the application was told: " + got);
  if (kind == "error" && statement.words.size() == 2 && front.value != error_number(statement.words[1])) {
    return fail(statement, "the application was told: " + got);
  }
  std::string why;
  if (!in_time(statement, base_us, front.time_us, why)) return fail(statement, why);
  last_us_ = std::max(last_us_, front.time_us);
  front.value -= bytes;
  if (!data || front.value == 0) events.pop_front();
  return true;
}

bool Runner::check(const Statement& statement) {
  const std::string& what = statement.words[0];
  const std::string name = statement.words.size() > 1 ? statement.words[1] : "";
  const StreamId id = application_->id_of(connection(statement.connection).remote_port);
  tcp::ConnectionInfo info{};
  const bool described = id != kNoStream && driver_->describe(id, info);
  if (what == "state") {
    const std::string actual = described ? state_name(info.state) : "CLOSED";
    return actual == name || fail(statement, "the state is " + actual);
  }
  int64_t actual = 0;
  bool known = true;
  if (what == "counter") known = read_counter(driver_->tcp_counters(), name, actual);
  if (what == "gauge") known = read_gauge(driver_->gauges(), name, actual);
  if (what == "info") known = described && read_info(info, name, actual);
  if (what == "net") known = read_net_counter(host_->ip().counters(), name, actual);
  if (what == "packets") actual = host_->pool().outstanding();
  if (!known) return fail(statement, "there is no " + what + " '" + name + "'" + (what == "info" && !described ? ": no such stream" : ""));
  return statement.condition.holds(actual) || fail(statement, "it is " + std::to_string(actual));
}

bool Runner::step(const Statement& statement) {
  if (statement.kind == Kind::kSet) return true;
  if (statement.kind == Kind::kExpect) return expect(statement);
  if (statement.kind == Kind::kMaybe) return maybe(statement);
  if (statement.kind == Kind::kEvent) return event(statement);
  const uint64_t at = base(statement) + static_cast<uint64_t>(statement.when.earliest_us);
  run_until(at, [] { return false; });
  last_us_ = std::max(last_us_, at);
  switch (statement.kind) {
    case Kind::kInject:
      return inject(statement);
    case Kind::kCall:
      return call(statement);
    case Kind::kCheck:
      return check(statement);
    default:
      return quiet(statement);
  }
}

// What was sent and said must all have been expected, and every packet must go home.
bool Runner::finish() {
  Statement end = script_.statements.back();
  end.text = "(the end)";
  settle();
  driver_->audit();
  if (!application_->complaint().empty()) return fail(end, application_->complaint());
  if (!rest_ignored_ && !captured_.empty()) return fail(end, "this was not expected: " + frame_text(captured_.front()));
  for (const auto& [number, state] : connections_) {
    const auto& events = application_->events(state.remote_port);
    if (rest_ignored_ || events.empty()) continue;
    return fail(end, "the application of #" + std::to_string(number) + " was also told: " + events.front().kind + " " +
                         std::to_string(events.front().value));
  }
  driver_.reset();
  host_->device().advance();
  const uint32_t held = host_->pool().outstanding();
  // Requests for a neighbour's address may still hold what waits for it.
  return held == 0 || !resolves_ || fail(end, std::to_string(held) + " packets were never given back");
}

bool Runner::run(std::string& error) {
  const bool good = set_up() &&
                    std::all_of(script_.statements.begin(), script_.statements.end(), [&](const Statement& s) { return step(s); }) &&
                    finish();
  error = error_;
  return good;
}

}  // namespace sluice::sim::script
