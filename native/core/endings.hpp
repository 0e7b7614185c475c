#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/lifecycle.hpp"
#include "core/parts.hpp"
#include "ws/frame.hpp"

namespace sluice::core {

// How a peer ends its side: by a close frame, by breaking a rule, by FIN, or by telling the control plane, which then closes. What it had
// said before is answered first: its ending waits until the control plane is done with all of it, but not for longer than a close may take.
class Endings {
 public:
  Endings(Parts& parts, Lifecycle& lifecycle) : parts_(parts), lifecycle_(lifecycle) {}

  void closed(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length);
  void failed(uint32_t slot, uint16_t code, const char* detail);
  void ended(uint32_t slot);
  // The control plane's close of who took its leave: the peer is still heard, so that its own close frame finds an answer.
  void leaves(uint32_t slot, uint16_t code, const uint8_t* reason, uint32_t length);

  bool waiting() const noexcept { return !waiting_.empty(); }
  // Carries out what has waited long enough. Cheap where nothing waits.
  void settle();

 private:
  enum class Kind : uint8_t { kClosed, kFailed, kEnded, kLeaves };

  struct Ending {
    uint64_t due_us;
    uint32_t slot;
    uint32_t generation;
    const char* detail;  // kFailed: a static string
    uint16_t code;
    Kind kind;
    uint8_t reason_length;
    std::array<uint8_t, ws::kMaxIncomplete> reason;
  };

  // False when nothing is unanswered and the ending may take effect now.
  bool postpone(uint32_t slot, Kind kind, uint16_t code, const char* detail, const uint8_t* reason, uint32_t length);
  bool unanswered(uint32_t slot) noexcept;
  void carry_out(const Ending& ending);

  Parts& parts_;
  Lifecycle& lifecycle_;
  std::vector<Ending> waiting_;
};

}  // namespace sluice::core
