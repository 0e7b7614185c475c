#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "fuzz/ws_delivery.hpp"
#include "sim/ws/frame_receiver.hpp"
#include "sim/ws/frame_reference.hpp"

// A stream of frames, delivered in the pieces that the input names, must give the messages and the error that it gives in one piece,
// and those that the reference reads.

using sluice::ws::sim::FrameReceiver;
using sluice::ws::sim::FrameReference;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto delivery = sluice::ws::fuzz::read_delivery(data, size);
  static constexpr uint32_t kLimits[] = {0, 5, 125, 126, 300, 65'535, 65'536, UINT32_MAX};
  const uint32_t limit = kLimits[delivery.options % 8];

  FrameReceiver whole(limit);
  const bool good = whole.feed(delivery.stream);
  FrameReceiver pieces(limit);
  size_t begin = 0;
  for (const size_t end : delivery.ends) {
    pieces.feed(delivery.stream.substr(begin, end - begin));
    begin = end;
  }
  SLUICE_ASSERT(whole.events() == pieces.events());
  SLUICE_ASSERT(whole.detail() == pieces.detail());
  // A piece that fails is not handed on, so after an error only the message that was never completed may differ.
  if (good) {
    SLUICE_ASSERT(whole.partial() == pieces.partial());
    SLUICE_ASSERT(whole.between_messages() == pieces.between_messages());
  }
  SLUICE_ASSERT(FrameReference(delivery.stream, limit).events() == whole.events());
  return 0;
}
