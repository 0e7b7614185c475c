#include "net/exceptions.hpp"

#include <cstring>

namespace sluice::net {

void Exceptions::copy(ExceptionKind kind, const nic::Packet* frame, const uint8_t* start) noexcept {
  if (!wants(kind)) return;
  const auto front = static_cast<uint32_t>(frame->data - start);
  const uint32_t bytes = frame_bytes(frame) + front;
  nic::Packet* const copy = context_.nic.pool().allocate(bytes);
  // Messages about neighbours and errors are sent again; without a packet the kernel waits for the next.
  if (copy == nullptr) return;
  std::memcpy(copy->data, start, front + frame->length);
  uint8_t* at = copy->data + front + frame->length;
  for (const nic::Packet* piece = frame->next; piece != nullptr; piece = piece->next) {
    std::memcpy(at, piece->data, piece->length);
    at += piece->length;
  }
  copy->length = static_cast<uint16_t>(bytes);
  copy->vlan = frame->vlan;
  context_.options.kernel->give(copy);
}

}  // namespace sluice::net
