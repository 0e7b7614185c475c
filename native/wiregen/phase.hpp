#pragma once

#include <memory>
#include <string>

#include "bench/json.hpp"
#include "wiregen/script.hpp"
#include "wiregen/stage.hpp"

namespace sluice::wiregen {

// What the clients do for a while: one line of the scenario. All calls come from the generator's loop.
class Phase {
 public:
  virtual ~Phase() = default;

  // Before the first phase begins.
  virtual void prepare(Stage&) {}
  virtual void begin(Stage& stage) = 0;
  // Once a turn of the loop. True: the phase is over.
  virtual bool turn(Stage& stage) = 0;
  virtual void on_ready(Stage&, ClientId, bool) {}
  // A delivery is checked; any other message that nobody waits for is a mistake.
  virtual void on_message(Stage& stage, ClientId id, const Assembler::Frame& message);
  // A loss that the phase did not bring about ends the run.
  virtual void on_lost(Stage& stage, ClientId id, const Loss& loss);
  virtual void on_gone(Stage&, ClientId) {}
  // A short line about the last second, and the members of the phase's result.
  virtual std::string progress(const Stage& stage, double seconds) = 0;
  virtual void report(const Stage& stage, load::JsonObject& out) const = 0;
};

// Null where there is no such verb. Mistakes are noted in the line.
std::unique_ptr<Phase> make_phase(Statement& line, const Settings& settings);

}  // namespace sluice::wiregen
