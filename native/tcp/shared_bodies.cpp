#include "tcp/shared_bodies.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "wire/checksum.hpp"

namespace sluice::tcp {

SharedBodies::~SharedBodies() {
  for (Body& body : bodies_) drop_pieces(body);
}

uint32_t SharedBodies::add(const uint8_t* data, uint32_t length) {
  SLUICE_ASSERT(data != nullptr && length != 0);
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(bodies_.size()));
    bodies_.emplace_back();
  }
  const uint32_t at = free_.back();
  free_.pop_back();
  bodies_[at].data = data;
  bodies_[at].length = length;
  return at + 1;
}

void SharedBodies::withdraw(uint32_t id) { withdrawn_.push_back(id); }

void SharedBodies::settle() noexcept {
  for (const uint32_t id : withdrawn_) {
    Body& body = bodies_[id - 1];
    SLUICE_ASSERT(body.data != nullptr);
    drop_pieces(body);
    body.data = nullptr;
    body.piece_bytes = 0;
    free_.push_back(id - 1);
  }
  withdrawn_.clear();
}

void SharedBodies::drop_pieces(Body& body) noexcept {
  for (nic::Packet* const piece : body.pieces) pool_.unref(piece);
  body.pieces.clear();
}

SharedBodies::Pieces SharedBodies::cut(uint32_t id, uint32_t bytes) {
  Body& body = bodies_[id - 1];
  SLUICE_ASSERT(body.data != nullptr && bytes != 0);
  drop_pieces(body);
  if (body.piece_bytes == 0) body.piece_bytes = bytes;
  for (uint32_t at = 0; at < body.length;) {
    const uint32_t part = std::min(body.piece_bytes, body.length - at);
    nic::Packet* const piece = pool_.allocate(part);
    if (piece == nullptr) {
      drop_pieces(body);
      return {nullptr, 0, 0};
    }
    std::memcpy(piece->data, body.data + at, part);
    piece->length = static_cast<uint16_t>(part);
    wire::Checksum sum;
    sum.add(piece->data, part);
    piece->scratch[0] = sum.raw();
    piece->flags = nic::kSummed;
    body.pieces.push_back(piece);
    at += part;
  }
  return pieces(id);
}

}  // namespace sluice::tcp
