#pragma once

#include <cstdint>

#include "net/context.hpp"

namespace sluice::net {

// Frames that are not ours, for the kernel where the operator wants it to have them. A frame's headers may have been pulled off: `start` is
// where it begins.
class Exceptions {
 public:
  explicit Exceptions(Context& context) : context_(context) {}

  // Takes the frame and returns true when the kernel gets this kind.
  bool divert(ExceptionKind kind, nic::Packet* frame, uint8_t* start) noexcept {
    if (!wants(kind)) return false;
    frame->length = static_cast<uint16_t>(frame->length + (frame->data - start));
    frame->data = start;
    context_.options.kernel->give(frame);
    return true;
  }
  // For what both have to see: the frame stays the caller's.
  void copy(ExceptionKind kind, const nic::Packet* frame, const uint8_t* start) noexcept;
  bool wants(ExceptionKind kind) const noexcept {
    return context_.options.kernel != nullptr && (context_.options.kernel_kinds & static_cast<uint8_t>(kind)) != 0;
  }

 private:
  Context& context_;
};

}  // namespace sluice::net
