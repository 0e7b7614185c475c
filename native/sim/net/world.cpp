#include "sim/net/world.hpp"

#include <algorithm>

namespace sluice::sim {

namespace {

constexpr uint64_t kBootNs = 1'000'000'000;
constexpr uint16_t kPort = 7'000;
// Announcements and duplicate address detection; talk begins then.
constexpr uint64_t kWarmUpUs = 3'500'000;
// After the faults. Whoever is not answered any more gives up (RFC 9293 §3.8.3, R2): twelve retransmissions, up to 60 s apart.
constexpr uint64_t kConvergeUs = 900'000'000;
// The last FIN, TIME-WAIT, the keepalive of a side whose reset was lost: 30 s of silence and nine probes 10 s apart.
constexpr uint64_t kDrainUs = 400'000'000;
constexpr uint32_t kRounds = 100'000;

uint64_t in_ns(uint64_t us) { return us >= UINT64_MAX / 1'000 ? UINT64_MAX : us * 1'000; }

}  // namespace

bool WorldResult::has(const std::string& rule) const {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& each) { return each.rule == rule; });
}

World::World(const WorldOptions& options) : options_(options) {}
World::~World() = default;

void World::schedule(uint64_t at_us, EventKind kind, uint32_t what) {
  events_.push({std::max(at_us, clock_.now_us()), order_++, kind, what});
}

// ---- the observers ----

void World::on_sent(const nic::SimNic& nic, uint64_t now_ns, const uint8_t* frame, uint32_t length) {
  const uint32_t host = hosts_[0] != nullptr && &nic == &hosts_[0]->device() ? 0 : 1;
  checker_.sent(host, now_ns, frame, length);
  if (!pcap_.writing()) return;
  pcap_.begin(now_ns, length);
  pcap_.add(frame, length);
  if (pcap_.waiting_bytes() > 65'536 && !pcap_.flush()) finding("capture", pcap_.error());
}

void World::on_delivered(uint32_t host, const uint8_t* frame, uint32_t length) { checker_.delivered(host, frame, length); }

// ---- setting up ----

void World::set_up() {
  clock_.set_ns(kBootNs);
  for (uint32_t i = 0; i < 2; ++i) {
    const nic::FaultOptions faults = options_.hosts[i].faults;
    HostOptions host = options_.hosts[i];
    host.faults = {};
    host.faults.seed = faults.seed;
    hosts_[i] = std::make_unique<Host>(clock_, host);
    hosts_[i]->device().observe(this);
    hosts_[i]->tap().observe(this);
  }
  nic::SimNic::join(hosts_[0]->device(), hosts_[1]->device(), options_.paths[0], options_.paths[1]);
  for (uint32_t i = 0; i < 2; ++i) {
    talkers_[i] = std::make_unique<Talker>(i, clock_, options_.conversations, options_.seed * 2 + i, options_.hosts[i].tcp.capacity,
                                           [this, i](uint64_t at_us) { schedule(at_us, EventKind::kWake, i); });
    sinks_[i] = std::make_unique<SabotageSink>(*talkers_[i], options_.hosts[i].sabotage);
    std::string error;
    drivers_[i] = hosts_[i]->make_driver(*sinks_[i], talkers_[i].get(), nullptr, error);
    if (drivers_[i] == nullptr) return finding("setup", error);
    talkers_[i]->attach(*drivers_[i]);
    if (options_.hosts[i].tcp.syn_cookies_always || options_.hosts[i].tcp.half_open_max < 10) checker_.expect_reopening(i);
    ListenOptions listen;
    listen.address = to_text(options_.hosts[i].net.addresses[0].address);
    listen.port = kPort;
    if (!drivers_[i]->listen(listen, error)) return finding("setup", error);
    hosts_[i]->start();
  }
}

void World::plan() {
  const uint64_t now = clock_.now_us();
  healed_us_ = now + options_.heal_us;
  schedule(healed_us_, EventKind::kHeal, 0);
  for (const Conversation& each : options_.conversations) schedule(now + each.start_us, EventKind::kOpen, each.number);
  Prng random(options_.seed ^ 0x77);
  for (uint32_t i = 0; i < 2; ++i) {
    hosts_[i]->faults().set(options_.hosts[i].faults);
    for (uint64_t at = now; options_.memory_limit[i] != 0 && at < healed_us_;) {
      at += 10'000 + random.below(2'000'000);
      schedule(std::min(at, healed_us_), EventKind::kPressure, i);
      at += 10'000 + random.below(2'000'000);
      schedule(std::min(at, healed_us_), EventKind::kRelief, i);
    }
  }
  for (uint64_t at = now; options_.link_flaps && at < healed_us_;) {
    at += 100'000 + random.below(3'000'000);
    schedule(std::min(at, healed_us_), EventKind::kLinkDown, 0);
    at += 10'000 + random.below(1'500'000);
    schedule(std::min(at, healed_us_), EventKind::kLinkUp, 0);
  }
}

// ---- events ----

void World::open(uint32_t number) {
  const uint32_t opener = options_.conversations[number].opener;
  const net::Flow flow{options_.hosts[opener].net.addresses[0].address, options_.hosts[1 - opener].net.addresses[0].address, 0, kPort};
  // Without memory for it now, later.
  if (!talkers_[opener]->open(number, flow)) schedule(clock_.now_us() + 100'000, EventKind::kOpen, number);
  poked_[opener] = true;
}

void World::heal() {
  healthy_ = true;
  for (uint32_t i = 0; i < 2; ++i) {
    hosts_[i]->faults().set({});
    hosts_[i]->pool().set_limit(hosts_[i]->pool().total_count());
    hosts_[i]->device().set_link(true);
  }
}

void World::happen(const Event& event) {
  switch (event.kind) {
    case EventKind::kOpen:
      return open(event.what);
    case EventKind::kWake:
      poked_[event.what] = true;
      return;
    case EventKind::kHeal:
      return heal();
    case EventKind::kPressure:
      if (!healthy_) hosts_[event.what]->pool().set_limit(options_.memory_limit[event.what]);
      return;
    case EventKind::kRelief:
      hosts_[event.what]->pool().set_limit(hosts_[event.what]->pool().total_count());
      return;
    case EventKind::kLinkDown:
      if (!healthy_) hosts_[0]->device().set_link(false);
      return;
    case EventKind::kLinkUp:
      hosts_[0]->device().set_link(true);
      return;
  }
}

// ---- turns ----

void World::note_rest(uint32_t i) {
  if (!hosts_[i]->sending() && !hosts_[i]->ready()) checker_.caught_up(i);
}

bool World::turn(uint32_t i) {
  Host& host = *hosts_[i];
  host.device().advance();
  const bool due = drivers_[i]->next_deadline_us() <= clock_.now_us();
  if (!host.ready() && !due && !poked_[i]) {
    note_rest(i);
    return false;
  }
  poked_[i] = false;
  const uint32_t handled = drivers_[i]->poll(0, 64);
  talkers_[i]->pump();
  drivers_[i]->flush();
  host.device().advance();
  note_rest(i);
  return handled > 0 || host.ready() || poked_[i];
}

void World::settle() {
  for (uint32_t round = 0;; ++round) {
    while (!events_.empty() && events_.top().at_us <= clock_.now_us()) {
      const Event event = events_.top();
      events_.pop();
      happen(event);
    }
    const bool first = turn(0);
    const bool second = turn(1);
    if (!first && !second) return;
    if (round < kRounds) continue;
    return finding("livelock", "the hosts never come to rest at " + std::to_string(clock_.now_us()) + " us");
  }
}

uint64_t World::next_ns() const {
  uint64_t next = events_.empty() ? UINT64_MAX : in_ns(events_.top().at_us);
  for (uint32_t i = 0; i < 2; ++i) next = std::min({next, hosts_[i]->next_due_ns(), in_ns(drivers_[i]->next_deadline_us())});
  return next;
}

// An opener that gives up may do so before the other side has heard of it.
bool World::done(const Conversation& each) const {
  const Talker& opener = *talkers_[each.opener];
  const Talker& other = *talkers_[1 - each.opener];
  const bool unheard = each.sides[0].ending != Ending::kShutdown && !other.began(each.number);
  return opener.done(each.number) && (other.done(each.number) || unheard);
}

bool World::all_done() const {
  return std::all_of(options_.conversations.begin(), options_.conversations.end(), [&](const Conversation& each) { return done(each); });
}

bool World::idle() const {
  for (const auto& driver : drivers_) {
    const tcp::TcpGauges now = driver->gauges();
    if (now.connections + now.orphans + now.half_open + now.time_wait + now.active + now.packets_sending + now.packets_received != 0)
      return false;
  }
  return true;
}

bool World::drained() const {
  // What is with a device, or waits for it, comes back when it has left.
  return idle() && hosts_[0]->pool().outstanding() + hosts_[1]->pool().outstanding() == 0;
}

void World::run_until(uint64_t until_us, bool stop_when_done) {
  uint64_t audit_us = 0;
  for (;;) {
    settle();
    const uint64_t now = clock_.now_us();
    if (now >= audit_us) {
      for (const auto& driver : drivers_) driver->audit();
      audit_us = now + 500'000;
    }
    if (findings_.size() + checker_.findings().size() + talkers_[0]->findings().size() + talkers_[1]->findings().size() != 0) return;
    if (now >= until_us || (stop_when_done && healthy_ && all_done())) return;
    if (!stop_when_done && drained()) return;
    clock_.set_ns(std::max(std::min(next_ns(), in_ns(until_us)), clock_.now_ns() + 1));
  }
}

// ---- the run ----

WorldResult World::run() {
  WorldResult result;
  set_up();
  if (findings_.empty()) {
    run_until(clock_.now_us() + kWarmUpUs, false);
    clock_.set_ns(std::max(clock_.now_ns(), kBootNs + kWarmUpUs * 1'000));
    plan();
    run_until(healed_us_ + kConvergeUs, true);
  }
  finish(result);
  return result;
}

void World::finish(WorldResult& result) {
  const auto gather = [&](const std::vector<Finding>& from) { findings_.insert(findings_.end(), from.begin(), from.end()); };
  const auto gather_all = [&] {
    gather(checker_.findings());
    gather(talkers_[0]->findings());
    gather(talkers_[1]->findings());
  };
  if (drivers_[0] != nullptr && drivers_[1] != nullptr) {
    const bool clean =
        findings_.empty() && checker_.findings().empty() && talkers_[0]->findings().empty() && talkers_[1]->findings().empty();
    for (const Conversation& each : options_.conversations) {
      if (!clean || done(each)) continue;
      finding("convergence", "conversation " + std::to_string(each.number) + " is stuck: " + talkers_[0]->progress(each.number) + "; " +
                                 talkers_[1]->progress(each.number));
    }
    if (clean && findings_.empty()) {
      run_until(clock_.now_us() + kDrainUs, false);
      if (!idle()) finding("drain", "connections are left when all is over");
      for (uint32_t i = 0; i < 2 && idle(); ++i) {
        const uint32_t packets = hosts_[i]->pool().outstanding();
        if (packets == 0) continue;
        finding("leak", std::to_string(packets) + " packets of host " + std::to_string(i) + " are never given back");
      }
    }
    gather_all();
    for (uint32_t i = 0; i < 2 && !findings_.empty(); ++i) {
      const tcp::TcpGauges now = drivers_[i]->gauges();
      finding("state", "host " + std::to_string(i) + ": packets in use " + std::to_string(hosts_[i]->pool().outstanding()) + " of " +
                           std::to_string(hosts_[i]->pool().total_count()) + ", sending " + std::to_string(now.packets_sending) +
                           ", received " + std::to_string(now.packets_received) + ", connections " + std::to_string(now.connections) +
                           ", half open " + std::to_string(now.half_open) + ", in TIME-WAIT " + std::to_string(now.time_wait) +
                           ", frames missed " + std::to_string(hosts_[i]->device().counters().rx_missed));
    }
  }
  result.virtual_us = clock_.now_us();
  for (uint32_t i = 0; i < 2 && talkers_[i] != nullptr; ++i) result.bytes += talkers_[i]->bytes_received();
  const bool drain = findings_.empty();
  for (uint32_t i = 0; i < 2 && hosts_[i] != nullptr; ++i) {
    drivers_[i].reset();
    hosts_[i]->ip().flush();
    hosts_[i]->device().advance();
    const uint32_t blocks = hosts_[i]->blocks().count() - hosts_[i]->blocks().free_count();
    if (drain && blocks != 0)
      finding("leak", std::to_string(blocks) + " receive blocks of host " + std::to_string(i) + " are never given back");
  }
  result.findings = findings_;
  result.trace_hash = checker_.trace_hash();
  result.frames = checker_.frames();
  if (!pcap_.flush()) result.findings.push_back({"capture", pcap_.error()});
}

}  // namespace sluice::sim
