#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/json.hpp"
#include "nic/nic.hpp"
#include "wiregen/conductor.hpp"
#include "wiregen/hold_up.hpp"
#include "wiregen/port.hpp"
#include "wiregen/stage.hpp"

namespace sluice::wiregen {

// Zeroed memory of all clients, in huge pages where the kernel gives them.
class ClientTable {
 public:
  explicit ClientTable(uint32_t count);
  ~ClientTable();
  ClientTable(const ClientTable&) = delete;
  ClientTable& operator=(const ClientTable&) = delete;
  // Null where there is not enough memory.
  Client* data() noexcept { return clients_; }

 private:
  Client* clients_ = nullptr;
  size_t bytes_ = 0;
};

// The whole: a scenario played on a device. Time is handed in.
class Generator {
 public:
  using Clock = uint64_t (*)();

  Generator(nic::Nic& nic, Scenario& scenario, Clock clock, std::vector<int> server_pids);

  // False: `error` says what is missing.
  bool start(std::string& error);
  // One turn: receive, timers, phase, send. False: it is over, see failure().
  bool turn();
  // Whether the last turn found something to do.
  bool busy() const noexcept { return busy_; }

  const std::string& failure() const noexcept { return stage_.failure; }
  Conductor& conductor() noexcept { return conductor_; }
  const Stage& stage() const noexcept { return stage_; }
  bool playing() const noexcept { return playing_; }
  // What went over the wire, and what was amiss there.
  void report(load::JsonObject& out) const;

 private:
  void find_server();

  static constexpr uint64_t kAskEveryNs = 200'000'000;
  static constexpr uint32_t kMaxAsks = 50;
  static constexpr uint32_t kBurstsPerTurn = 8;

  Scenario& scenario_;
  Clock clock_;
  AddressPlan plan_;
  ClientTable table_;
  ItemWriter items_;
  SegmentWriter out_;
  Tcp tcp_;
  Session session_;
  Deliveries deliveries_;
  Stage stage_;
  Port port_;
  Conductor conductor_;
  HoldUp hold_up_{SegmentWriter::kBacklog / 2};
  bool playing_ = false;
  bool busy_ = false;
  uint32_t asks_ = 0;
  uint64_t asked_ns_ = 0;
};

}  // namespace sluice::wiregen
