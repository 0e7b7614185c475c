#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "nic/nic.hpp"

namespace sluice::test {

// Packets on the heap, counted: a test sees at its end whether every reference was given back.
class HeapPool final : public nic::PacketPool {
 public:
  static constexpr uint16_t kBufferBytes = 2048 + nic::kHeadroom;

  explicit HeapPool(uint32_t total = 1024) : total_(total) {}
  ~HeapPool() override {
    for (nic::Packet* packet : free_) destroy(packet);
  }

  nic::Packet* allocate(uint32_t bytes) noexcept override {
    if (bytes > kBufferBytes - nic::kHeadroom || used_ == total_) return nullptr;
    ++used_;
    nic::Packet* packet = nullptr;
    if (free_.empty()) {
      packet = new nic::Packet{};
      packet->buffer = new uint8_t[kBufferBytes];
    } else {
      packet = free_.back();
      free_.pop_back();
    }
    uint8_t* const buffer = packet->buffer;
    *packet = nic::Packet{};
    packet->buffer = buffer;
    packet->buffer_bytes = kBufferBytes;
    packet->data = buffer + nic::kHeadroom;
    packet->references = 1;
    return packet;
  }
  void unref(nic::Packet* packet) noexcept override {
    if (--packet->references != 0) return;
    --used_;
    free_.push_back(packet);
  }
  uint32_t free_count() const noexcept override { return total_ - used_; }
  uint32_t room() const noexcept override { return kBufferBytes - nic::kHeadroom; }
  uint32_t total_count() const noexcept override { return total_; }

 private:
  static void destroy(nic::Packet* packet) noexcept {
    delete[] packet->buffer;
    delete packet;
  }

  uint32_t total_;
  uint32_t used_ = 0;
  std::vector<nic::Packet*> free_;
};

// A device of which the test is the other end: it puts frames in and looks at what was sent.
class FakeNic final : public nic::Nic {
 public:
  FakeNic() : FakeNic(nullptr) {}
  // With packets of another device's.
  explicit FakeNic(HeapPool* shared) : pool_(shared == nullptr ? own_ : *shared) { capabilities_.mac = {{0x02, 0, 0, 0, 0, 0x01}}; }
  ~FakeNic() override {
    for (nic::Packet* frame : incoming_) pool_.unref_frame(frame);
  }

  nic::NicCapabilities& change_capabilities() noexcept { return capabilities_; }
  void put(const std::vector<uint8_t>& frame, uint8_t flags = 0) {
    nic::Packet* const packet = pool_.allocate(static_cast<uint32_t>(frame.size()));
    for (size_t i = 0; i < frame.size(); ++i) packet->data[i] = frame[i];
    packet->length = static_cast<uint16_t>(frame.size());
    packet->flags = flags;
    incoming_.push_back(packet);
  }
  void put_chain(nic::Packet* frame) { incoming_.push_back(frame); }
  // What was sent, oldest first; one byte vector per frame.
  std::vector<std::vector<uint8_t>> sent;
  std::vector<uint8_t> sent_flags;
  // Frames that transmit() takes before the device's queue is full.
  uint32_t room = UINT32_MAX;
  HeapPool& heap() noexcept { return pool_; }

  const char* name() const noexcept override { return "fake"; }
  const nic::NicCapabilities& capabilities() const noexcept override { return capabilities_; }
  nic::PacketPool& pool() noexcept override { return pool_; }
  uint32_t receive(nic::Packet** frames, uint32_t max) noexcept override {
    uint32_t count = 0;
    for (; count < max && !incoming_.empty(); ++count) {
      frames[count] = incoming_.front();
      incoming_.pop_front();
    }
    return count;
  }
  uint32_t transmit(nic::Packet** frames, uint32_t count) noexcept override {
    uint32_t taken = 0;
    for (; taken < count && room > 0; ++taken, --room) {
      std::vector<uint8_t> bytes;
      for (const nic::Packet* piece = frames[taken]; piece != nullptr; piece = piece->next) {
        bytes.insert(bytes.end(), piece->data, piece->data + piece->length);
      }
      sent.push_back(std::move(bytes));
      sent_flags.push_back(frames[taken]->flags);
      pool_.unref_frame(frames[taken]);
    }
    return taken;
  }
  bool transmitting(const nic::Packet*) const noexcept override { return false; }
  bool link_up() noexcept override { return true; }
  bool arm() noexcept override { return incoming_.empty(); }
  int wait_fd() const noexcept override { return -1; }
  const nic::NicCounters& counters() noexcept override { return counters_; }

 private:
  HeapPool own_;
  HeapPool& pool_;
  nic::NicCapabilities capabilities_;
  nic::NicCounters counters_;
  std::deque<nic::Packet*> incoming_;
};

}  // namespace sluice::test
