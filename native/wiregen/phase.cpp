#include "wiregen/phase.hpp"

#include <algorithm>

#include "wiregen/phases.hpp"

namespace sluice::wiregen {

namespace {

using Maker = std::unique_ptr<Phase> (*)(Statement& line, const Settings& settings);

struct Verb {
  std::string_view name;
  Maker make;
};

constexpr Verb kVerbs[] = {
    {"open", make_open},   {"hold", make_hold},   {"echo", make_echo}, {"publish", make_publish}, {"churn", make_churn},
    {"storm", make_storm}, {"close", make_close}, {"slow", make_slow}, {"drain", make_drain},
};

}  // namespace

std::unique_ptr<Phase> make_phase(Statement& line, const Settings& settings) {
  for (const Verb& verb : kVerbs) {
    if (verb.name == line.verb()) return verb.make(line, settings);
  }
  return nullptr;
}

void Phase::on_message(Stage& stage, ClientId id, const Assembler::Frame& message) {
  if (stage.settings.gateway()) {
    const std::string wrong = stage.deliveries.check(id, stage.clients[id], message, stage.now());
    if (!wrong.empty()) stage.fail(wrong);
    return;
  }
  const std::string text(reinterpret_cast<const char*>(message.payload), std::min<uint64_t>(message.length, 200));
  stage.fail(stage.name_of(id) + " was sent what nobody asked for: " + text);
}

void Phase::on_lost(Stage& stage, ClientId id, const Loss& loss) {
  // A server may cut off who does not read.
  if (stage.clients[id].has(kSlowReader)) return;
  stage.fail(stage.name_of(id) + " was lost: " + describe(loss));
}

}  // namespace sluice::wiregen
