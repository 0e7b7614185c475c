#include "nic/sim_nic.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/siphash.hpp"
#include "nic/sim_offload.hpp"

namespace sluice::nic {

namespace {

constexpr uint32_t kEthernetBytes = 14;
constexpr uint32_t kTagBytes = 4;
// Preamble, checksum and gap of each frame on the wire, and the shortest frame.
constexpr uint32_t kWireOverhead = 24;
constexpr uint32_t kMinFrame = 60;

std::vector<uint8_t> gather(const Packet* frame) {
  std::vector<uint8_t> bytes;
  for (; frame != nullptr; frame = frame->next) bytes.insert(bytes.end(), frame->data, frame->data + frame->length);
  return bytes;
}

uint64_t digest_of(const Packet* frame) {
  uint64_t digest = 0;
  for (; frame != nullptr; frame = frame->next) digest = siphash13({digest, 0}, frame->data, frame->length);
  return digest;
}

uint32_t frame_limit(const std::vector<uint8_t>& bytes, uint16_t mtu) {
  const bool tagged = bytes.size() > kEthernetBytes && bytes[12] == 0x81 && bytes[13] == 0;
  return mtu + kEthernetBytes + (tagged ? kTagBytes : 0);
}

}  // namespace

SimNic::SimNic(const char* name, const ManualClock& clock, const SimNicOptions& options)
    : name_(name), clock_(clock), options_(options), pool_(options.packets, options.packet_bytes) {}

SimNic::~SimNic() {
  for (const Sending& sending : sending_) {
    for (Packet* piece = sending.frame; piece != nullptr; piece = piece->next) pool_.end_transmit(piece);
    pool_.unref_frame(sending.frame);
  }
}

void SimNic::join(SimNic& a, SimNic& b, const SimPathOptions& a_to_b, const SimPathOptions& b_to_a) {
  a.peer_ = &b;
  b.peer_ = &a;
  a.path_ = a_to_b;
  b.path_ = b_to_a;
}

// What a device cannot do is a fault of the stack above, not of the wire.
void SimNic::check(const Packet& frame) const {
  const NicCapabilities& can = options_.capabilities;
  uint32_t pieces = 0;
  for (const Packet* piece = &frame; piece != nullptr; piece = piece->next) {
    SLUICE_ASSERT(pool_.owns(piece) && piece->references > 0 && piece->length > 0);
    SLUICE_ASSERT(piece->data >= piece->buffer && piece->data + piece->length <= piece->buffer + piece->buffer_bytes);
    ++pieces;
  }
  SLUICE_ASSERT(pieces <= std::max<uint32_t>(1, can.max_pieces));
  SLUICE_ASSERT((frame.flags & kTxIpChecksum) == 0 || can.tx_ip_checksum);
  SLUICE_ASSERT((frame.flags & kTxL4Checksum) == 0 || can.tx_l4_checksum);
  SLUICE_ASSERT((frame.flags & kTxSegment) == 0 || can.tso);
}

uint32_t SimNic::transmit(Packet** frames, uint32_t count) noexcept {
  advance();
  uint32_t taken = 0;
  for (; taken < count && sending_.size() < options_.tx_ring; ++taken) {
    Packet* const frame = frames[taken];
    check(*frame);
    for (Packet* piece = frame; piece != nullptr; piece = piece->next) pool_.begin_transmit(piece);
    sending_.push_back({frame, clock_.now_ns() + options_.tx_read_ns, digest_of(frame)});
  }
  if (taken < count) ++counters_.tx_full;
  advance();
  return taken;
}

void SimNic::read_out(const Sending& sending) {
  Packet* const frame = sending.frame;
  SLUICE_ASSERT(digest_of(frame) == sending.digest);  // somebody wrote to a packet that the device was still reading
  std::vector<uint8_t> bytes = gather(frame);
  if ((frame->flags & kTxSegment) != 0) {
    for (std::vector<uint8_t>& one : cut_segments(*frame, bytes)) launch(std::move(one));
  } else {
    finish_checksums(*frame, bytes.data(), static_cast<uint32_t>(bytes.size()));
    launch(std::move(bytes));
  }
  for (Packet* piece = frame; piece != nullptr; piece = piece->next) pool_.end_transmit(piece);
  pool_.unref_frame(frame);
}

void SimNic::launch(std::vector<uint8_t> bytes) {
  ++counters_.tx_frames;
  counters_.tx_bytes += bytes.size();
  SLUICE_ASSERT(bytes.size() <= frame_limit(bytes, options_.capabilities.mtu));
  if (observer_ != nullptr) observer_->on_sent(*this, clock_.now_ns(), bytes.data(), static_cast<uint32_t>(bytes.size()));
  inject(std::move(bytes));
}

void SimNic::inject(std::vector<uint8_t> bytes) {
  ++path_counters_.frames;
  if (peer_ == nullptr || !up_ || !peer_->up_) return;
  if (bytes.size() > frame_limit(bytes, path_.mtu)) {
    ++path_counters_.dropped_size;
    return;
  }
  if (bytes.size() < kMinFrame) bytes.resize(kMinFrame);
  const uint64_t now = clock_.now_ns();
  uint64_t sent_ns = now;
  if (path_.bits_per_second != 0) {
    const uint64_t begin = std::max(now, wire_free_ns_);
    const uint64_t queued_bits = static_cast<uint64_t>(static_cast<double>(begin - now) * static_cast<double>(path_.bits_per_second) / 1e9);
    if (queued_bits / 8 + bytes.size() > path_.queue_bytes && begin > now) {
      ++path_counters_.dropped_full;
      return;
    }
    sent_ns = begin + (bytes.size() + kWireOverhead) * 8 * 1'000'000'000u / path_.bits_per_second;
    wire_free_ns_ = sent_ns;
  }
  const uint64_t due = std::max(sent_ns + path_.delay_ns, flying_.empty() ? 0 : flying_.back().due_ns);
  flying_.push_back({due, std::move(bytes)});
}

void SimNic::arrive(std::vector<uint8_t> bytes) {
  if (arrived_.size() >= options_.rx_ring) {
    ++counters_.rx_missed;
    return;
  }
  arrived_.push_back(std::move(bytes));
}

void SimNic::advance() {
  const uint64_t now = clock_.now_ns();
  while (!sending_.empty() && sending_.front().read_ns <= now) {
    const Sending sending = sending_.front();
    sending_.pop_front();
    read_out(sending);
  }
  while (!flying_.empty() && flying_.front().due_ns <= now) {
    peer_->arrive(std::move(flying_.front().bytes));
    flying_.pop_front();
  }
}

uint64_t SimNic::next_event_ns() const noexcept {
  uint64_t next = UINT64_MAX;
  if (!sending_.empty()) next = sending_.front().read_ns;
  if (!flying_.empty()) next = std::min(next, flying_.front().due_ns);
  return next;
}

// A frame in one packet or in several; null where the pool has none left.
Packet* SimNic::to_packets(const std::vector<uint8_t>& bytes) {
  Packet* first = nullptr;
  Packet** link = &first;
  const uint32_t piece = options_.rx_piece_bytes == 0 ? options_.packet_bytes : options_.rx_piece_bytes;
  for (uint32_t at = 0; at < bytes.size();) {
    const uint32_t length = std::min<uint32_t>(piece, static_cast<uint32_t>(bytes.size()) - at);
    Packet* const packet = pool_.allocate_received(length);
    if (packet == nullptr) {
      pool_.unref_frame(first);
      return nullptr;
    }
    std::copy_n(bytes.begin() + at, length, packet->data);
    packet->length = static_cast<uint16_t>(length);
    *link = packet;
    link = &packet->next;
    at += length;
  }
  return first;
}

uint32_t SimNic::receive(Packet** frames, uint32_t max) noexcept {
  advance();
  if (peer_ != nullptr) peer_->advance();
  uint32_t count = 0;
  while (count < max && !arrived_.empty()) {
    const std::vector<uint8_t> bytes = std::move(arrived_.front());
    arrived_.pop_front();
    Packet* const frame = to_packets(bytes);
    if (frame == nullptr) {
      ++counters_.rx_missed;
      continue;
    }
    if (options_.capabilities.rx_checksum) frame->flags = verify_checksums(bytes.data(), static_cast<uint32_t>(bytes.size()));
    ++counters_.rx_frames;
    counters_.rx_bytes += bytes.size();
    frames[count++] = frame;
  }
  return count;
}

std::vector<uint8_t> SimNic::take() {
  advance();
  if (peer_ != nullptr) peer_->advance();
  if (arrived_.empty()) return {};
  std::vector<uint8_t> bytes = std::move(arrived_.front());
  arrived_.pop_front();
  return bytes;
}

}  // namespace sluice::nic
