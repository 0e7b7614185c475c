#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/cpu_usage.hpp"
#include "wiregen/flood.hpp"
#include "wiregen/phase.hpp"
#include "wiregen/session.hpp"
#include "wiregen/stage.hpp"

namespace sluice::wiregen {

// A scenario, ready to be played.
struct Scenario {
  struct Part {
    std::string name;
    std::unique_ptr<Phase> phase;
    std::vector<Flood> floods;
  };
  Settings settings;
  std::vector<Part> parts;
};

// Returns the mistake, or nothing.
std::string read_scenario(std::string_view text, Scenario& out);

// Plays a scenario's phases one behind the other and hands them what the clients see.
class Conductor final : public SessionUser {
 public:
  Conductor(Scenario& scenario, Stage& stage);

  void start();
  // Once a turn of the loop. True: all phases are over, or the run has failed.
  bool turn();

  bool failed() const noexcept { return !stage_.failure.empty(); }
  uint64_t lost() const noexcept { return lost_; }
  // Of the phase that runs.
  const std::string& phase_name() const noexcept { return scenario_.parts[current_].name; }
  std::string progress(double seconds) { return scenario_.parts[current_].phase->progress(stage_, seconds); }
  // Results of phases since the last call, as JSON objects.
  std::vector<std::string> take_results();

  void on_ready(ClientId id, bool resumed) override;
  void on_message(ClientId id, const Assembler::Frame& message) override;
  void on_lost(ClientId id, const Loss& loss) override;
  void on_gone(ClientId id) override;
  void on_slow_tick(ClientId id) override;

 private:
  Phase& phase() noexcept { return *scenario_.parts[current_].phase; }
  void begin_phase();
  void end_phase();

  Scenario& scenario_;
  Stage& stage_;
  size_t current_ = 0;
  bool over_ = false;
  uint64_t begun_ns_ = 0;
  load::CpuSample cpu_;
  Tcp::Counters tcp_before_;
  uint64_t lost_ = 0;
  std::vector<std::string> results_;
};

}  // namespace sluice::wiregen
