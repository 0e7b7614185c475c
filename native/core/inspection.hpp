#pragma once

#include "core/parts.hpp"
#include "queue/inspect.hpp"

namespace sluice::core {

// Answers what an inspector asks about this core's connections.
class Inspection {
 public:
  explicit Inspection(Parts& parts) noexcept;

  // A page of the answer, where there is a question. Bounded: a core with a million connections goes on with its work in between.
  void serve();

 private:
  static constexpr uint32_t kRowsAtOnce = 65'536;
  static constexpr uint32_t kInspectedAtOnce = 1'024;

  bool matches(const queue::InspectMailbox& asked, const StreamInfo& stream) const noexcept;
  void write(queue::InspectRecord& out, uint32_t slot, const StreamInfo& stream) const noexcept;

  Parts& parts_;
  queue::InspectAnswers answers_;
};

}  // namespace sluice::core
