#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "wiregen/message_plan.hpp"
#include "wiregen/payload.hpp"
#include "wiregen/send_queue.hpp"
#include "wiregen/settings.hpp"

namespace sluice::wiregen {

// The bytes of everything that a client sends, made from the client's number, its generation and the number of the item: the same
// again for a retransmission.
class ItemWriter {
 public:
  // No item is longer than this.
  static constexpr uint32_t kMaxItem = 1u << 20;

  explicit ItemWriter(const Settings& settings);

  // What kMessage stands for from now on. No message may be queued anywhere.
  void begin_messages(const MessagePlan& plan);
  const MessagePlan& plan() const noexcept { return plan_; }
  const Payload& payload() const noexcept { return *payload_; }

  // `number`: of a message, from 1; of a pong with payload, how many of them stand in front of it in the queue.
  uint32_t bytes(ClientId id, const Client& client, ItemKind kind, uint32_t number) const;
  // Returns bytes(…).
  uint32_t write(uint8_t* out, ClientId id, const Client& client, ItemKind kind, uint32_t number) const;

  // The Sec-WebSocket-Key of a client's present connection.
  std::string key_of(ClientId id, uint8_t generation) const;
  std::string channel_name(uint32_t channel) const;

  // Pongs that carry a payload wait here until they are acknowledged: nothing else can make their bytes again.
  void owe_pong(ClientId id, const uint8_t* payload, uint32_t length);
  void drop_pong(ClientId id);        // the first
  void take_back_pong(ClientId id);   // the last

  // What a client presents when it comes back.
  struct Resume {
    std::string token;
    std::string epoch;
  };
  std::unordered_map<ClientId, Resume>& resumes() noexcept { return resumes_; }

  // A published body begins with when it was due (nanoseconds) and whose it is, in hexadecimal digits.
  static constexpr uint32_t kStampBytes = 40;
  struct Stamp {
    uint64_t due_ns;
    ClientId sender;
    uint32_t number;
  };
  // False where the body was not published by this run.
  bool read_stamp(const uint8_t* body, uint64_t length, Stamp& out) const noexcept;
  // Numbers of publishes on the wire all have ten digits.
  static constexpr uint32_t kIdBase = 1'000'000'000;

 private:
  uint32_t text_frame(uint8_t* out, ClientId id, const Client& client, ItemKind kind, const std::string& text) const;
  uint32_t write_message(uint8_t* out, ClientId id, uint32_t number) const;
  uint32_t publish_header(char* out, ClientId id, uint32_t number) const;
  uint32_t mask_of(ClientId id, const Client& client, ItemKind kind, uint32_t number) const noexcept;
  std::string hello_text(ClientId id, const Client& client) const;
  std::string subscribe_text(ClientId id, const Client& client) const;

  const Settings& settings_;
  std::string request_head_;
  std::string request_tail_;
  // Of a client that does not resume: the same for all, whatever their channels' numbers.
  uint32_t hello_bytes_ = 0;
  uint32_t subscribe_bytes_ = 0;
  std::string run_;           // makes the keys of this run unlike those of another one
  MessagePlan plan_;
  uint32_t plans_ = 0;        // numbers begin anew with each; keys do not
  std::unique_ptr<Payload> payload_;
  uint32_t message_bytes_ = 0;
  uint32_t publish_header_bytes_ = 0;
  std::unordered_map<ClientId, std::deque<std::string>> pongs_;
  std::unordered_map<ClientId, Resume> resumes_;
};

}  // namespace sluice::wiregen
