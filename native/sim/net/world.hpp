#pragma once

#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "nic/pcap_writer.hpp"
#include "sim/net/host.hpp"
#include "sim/net/sabotage_sink.hpp"
#include "sim/net/talker.hpp"
#include "sim/net/wire_checker.hpp"
#include "sim/net/world_options.hpp"

namespace sluice::sim {

struct WorldResult {
  std::vector<Finding> findings;
  uint64_t trace_hash = 0;
  uint64_t frames = 0;
  uint64_t bytes = 0;  // delivered to applications
  uint64_t virtual_us = 0;

  bool good() const noexcept { return findings.empty(); }
  bool has(const std::string& rule) const;
};

// Two hosts, one link, one clock, one queue of events, one seed. Faults come and go, the network heals, and then everything that was
// begun must come to its end and every packet go home.
class World final : private nic::WireObserver, private DeliveryObserver {
 public:
  explicit World(const WorldOptions& options);
  ~World() override;

  // Writes what is on the wire to a capture file. False with the reason.
  bool capture(const std::string& path, std::string& error) { return pcap_.open(path, error); }
  WorldResult run();

 private:
  enum class EventKind : uint8_t { kOpen, kWake, kHeal, kPressure, kRelief, kLinkDown, kLinkUp };
  struct Event {
    uint64_t at_us;
    uint64_t order;
    EventKind kind;
    uint32_t what;  // host or conversation
    bool operator<(const Event& other) const noexcept { return at_us != other.at_us ? at_us > other.at_us : order > other.order; }
  };

  void schedule(uint64_t at_us, EventKind kind, uint32_t what);
  void set_up();
  void plan();
  void happen(const Event& event);
  void open(uint32_t number);
  void heal();
  void settle();
  bool turn(uint32_t host);
  void note_rest(uint32_t host);
  uint64_t next_ns() const;
  void run_until(uint64_t until_us, bool stop_when_done);
  bool done(const Conversation& each) const;
  bool all_done() const;
  bool idle() const;
  bool drained() const;
  void finish(WorldResult& result);
  void finding(const char* rule, const std::string& what) { findings_.push_back({rule, what}); }

  void on_sent(const nic::SimNic& nic, uint64_t now_ns, const uint8_t* frame, uint32_t length) override;
  void on_delivered(uint32_t host, const uint8_t* frame, uint32_t length) override;

  WorldOptions options_;
  ManualClock clock_;
  WireChecker checker_;
  nic::PcapWriter pcap_;
  std::vector<Finding> findings_;
  std::priority_queue<Event> events_;
  uint64_t order_ = 0;
  uint64_t healed_us_ = 0;
  bool healthy_ = false;
  bool poked_[2] = {false, false};
  std::unique_ptr<Host> hosts_[2];
  std::unique_ptr<Talker> talkers_[2];
  std::unique_ptr<SabotageSink> sinks_[2];
  std::unique_ptr<tcp::TcpDriver> drivers_[2];
};

}  // namespace sluice::sim
