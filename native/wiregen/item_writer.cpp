#include "wiregen/item_writer.hpp"

#include <cstdio>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "bench/accept_key.hpp"
#include "bench/frame.hpp"
#include "bench/json.hpp"
#include "wiregen/mix.hpp"
#include "ws/frame.hpp"
#include "ws/mask.hpp"

namespace sluice::wiregen {

namespace {

constexpr std::string_view kHeartbeatText = R"({"op":"hb"})";
constexpr std::string_view kByeText = R"({"op":"bye"})";

uint32_t frame_bytes(uint64_t payload) noexcept {
  const uint32_t header = payload < 126 ? 6 : payload < 65536 ? 8 : 14;
  return header + static_cast<uint32_t>(payload);
}

void write_hex(char* out, uint32_t digits, uint64_t value) noexcept {
  for (uint32_t i = digits; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
}

bool read_hex(const uint8_t* in, uint32_t digits, uint64_t& out) noexcept {
  out = 0;
  for (uint32_t i = 0; i < digits; ++i) {
    const uint8_t c = in[i];
    const uint32_t digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16u;
    if (digit > 15) return false;
    out = out << 4 | digit;
  }
  return true;
}

}  // namespace

ItemWriter::ItemWriter(const Settings& settings) : settings_(settings), payload_(std::make_unique<Payload>(1)) {
  const std::string host = settings.host.empty() ? settings.server_text : settings.host;
  request_head_ = "GET " + settings.path + " HTTP/1.1\r\nHost: " + host + ':' + std::to_string(settings.server_port) +
                  "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ";
  request_tail_ = "\r\nSec-WebSocket-Version: 13\r\n";
  if (!settings.subprotocol.empty()) request_tail_ += "Sec-WebSocket-Protocol: " + settings.subprotocol + "\r\n";
  request_tail_ += "\r\n";
  char run[17];
  std::snprintf(run, sizeof run, "%08x", static_cast<unsigned>(mix(settings.seed)));
  run_ = run;
  const Client fresh{};
  hello_bytes_ = frame_bytes(hello_text(0, fresh).size());
  subscribe_bytes_ = frame_bytes(subscribe_text(0, fresh).size());
}

void ItemWriter::begin_messages(const MessagePlan& plan) {
  plan_ = plan;
  ++plans_;
  const bool publish = plan.shape == MessagePlan::Shape::kPublish;
  SLUICE_ASSERT(!publish || plan.size > kStampBytes);
  payload_ = std::make_unique<Payload>(publish ? plan.size - kStampBytes : plan.size);
  char header[512];
  publish_header_bytes_ = publish ? publish_header(header, 0, 1) : 0;
  message_bytes_ = frame_bytes(publish_header_bytes_ + plan.size);
  SLUICE_ASSERT(message_bytes_ <= kMaxItem);
}

std::string ItemWriter::key_of(ClientId id, uint8_t generation) const {
  uint8_t bytes[16];
  store_be64(bytes, mix(settings_.seed, id, generation));
  store_be64(bytes + 8, mix(~settings_.seed, id, generation));
  return load::base64(bytes, sizeof bytes);
}

std::string ItemWriter::channel_name(uint32_t channel) const {
  char digits[16];
  std::snprintf(digits, sizeof digits, "-%08u", channel);
  return settings_.channel + digits;
}

std::string ItemWriter::hello_text(ClientId id, const Client& client) const {
  std::string text = R"({"op":"hello")";
  if (!settings_.token.empty()) text += ",\"token\":" + load::json_quote(settings_.token);
  if (client.has(kResuming)) {
    const auto found = resumes_.find(id);
    if (found != resumes_.end()) text += ",\"resume\":" + load::json_quote(found->second.token);
  }
  return text + '}';
}

std::string ItemWriter::subscribe_text(ClientId id, const Client& client) const {
  std::string text = R"({"op":"sub","id":1,"channel":)" + load::json_quote(channel_name(settings_.channel_of(id)));
  if (client.has(kResuming)) {
    const auto found = resumes_.find(id);
    if (found != resumes_.end() && !found->second.epoch.empty()) {
      text += R"(,"since":{"seq":)" + std::to_string(client.channel_seq) + ",\"epoch\":" + load::json_quote(found->second.epoch) + '}';
    }
  }
  return text + '}';
}

uint32_t ItemWriter::bytes(ClientId id, const Client& client, ItemKind kind, uint32_t number) const {
  switch (kind) {
    case ItemKind::kUpgrade: return static_cast<uint32_t>(request_head_.size() + 24 + request_tail_.size());
    case ItemKind::kHello: return client.has(kResuming) ? frame_bytes(hello_text(id, client).size()) : hello_bytes_;
    case ItemKind::kSubscribe: return client.has(kResuming) ? frame_bytes(subscribe_text(id, client).size()) : subscribe_bytes_;
    case ItemKind::kMessage: return message_bytes_;
    case ItemKind::kHeartbeat: return frame_bytes(kHeartbeatText.size());
    case ItemKind::kBye: return frame_bytes(kByeText.size());
    case ItemKind::kPing:
    case ItemKind::kPong: return frame_bytes(0);
    case ItemKind::kPongData: return frame_bytes(pongs_.at(id).at(number).size());
    case ItemKind::kClose: return frame_bytes(2);
    case ItemKind::kFin: return 1;
  }
  return 0;
}

uint32_t ItemWriter::mask_of(ClientId id, const Client& client, ItemKind kind, uint32_t number) const noexcept {
  return static_cast<uint32_t>(mix(settings_.seed + static_cast<uint64_t>(kind) * 0x10001u + client.generation, id, number));
}

uint32_t ItemWriter::text_frame(uint8_t* out, ClientId id, const Client& client, ItemKind kind, const std::string& text) const {
  const uint32_t mask = mask_of(id, client, kind, 0);
  const uint32_t length = static_cast<uint32_t>(text.size());
  const uint32_t head = load::write_client_header(out, load::kText, length, mask);
  std::memcpy(out + head, text.data(), length);
  ws::unmask(out + head, length, mask);
  return head + length;
}

uint32_t ItemWriter::publish_header(char* out, ClientId id, uint32_t number) const {
  static constexpr char kFormat[] = "{\"op\":\"pub\",\"id\":%u,\"channel\":\"%s-%08u\",\"key\":\"%s-%04x-%08x-%08x\"}\n";
  const int length = std::snprintf(out, 512, kFormat, kIdBase + number, settings_.channel.c_str(), plan_.channel_of(id, number),
                                   run_.c_str(), plans_ & 0xffffu, id, number);
  SLUICE_ASSERT(length > 0 && length < 512);
  return static_cast<uint32_t>(length);
}

uint32_t ItemWriter::write_message(uint8_t* out, ClientId id, uint32_t number) const {
  const uint32_t mask = static_cast<uint32_t>(mix(settings_.seed + 77, id, number));
  const auto opcode = static_cast<uint8_t>(plan_.text ? load::kText : load::kBinary);
  const uint32_t length = publish_header_bytes_ + plan_.size;
  const uint32_t head = load::write_client_header(out, opcode, length, mask);
  uint8_t* at = out + head;
  if (plan_.shape == MessagePlan::Shape::kEcho) {
    payload_->write_masked(at, id, number, mask);
    return head + length;
  }
  char text[512];
  std::memcpy(at, text, publish_header(text, id, number));
  at += publish_header_bytes_;
  char* stamp = reinterpret_cast<char*>(at);
  write_hex(stamp, 16, plan_.due_ns(plan_.turn_of(id, number)));
  write_hex(stamp + 16, 8, id);
  write_hex(stamp + 24, 8, number);
  // Of this run: a delivery of what another one published is no mistake of the server's order.
  std::memcpy(stamp + 32, run_.data(), 8);
  at += kStampBytes;
  payload_->write(at, id, number);
  ws::unmask(out + head, length, mask);
  return head + length;
}

uint32_t ItemWriter::write(uint8_t* out, ClientId id, const Client& client, ItemKind kind, uint32_t number) const {
  switch (kind) {
    case ItemKind::kUpgrade: {
      const std::string key = key_of(id, client.generation);
      uint8_t* at = out;
      for (const std::string* part : {&request_head_, &key, &request_tail_}) {
        std::memcpy(at, part->data(), part->size());
        at += part->size();
      }
      return static_cast<uint32_t>(at - out);
    }
    case ItemKind::kHello: return text_frame(out, id, client, kind, hello_text(id, client));
    case ItemKind::kSubscribe: return text_frame(out, id, client, kind, subscribe_text(id, client));
    case ItemKind::kMessage: return write_message(out, id, number);
    case ItemKind::kHeartbeat: return text_frame(out, id, client, kind, std::string(kHeartbeatText));
    case ItemKind::kBye: return text_frame(out, id, client, kind, std::string(kByeText));
    case ItemKind::kPing: return load::write_client_header(out, load::kPing, 0, mask_of(id, client, kind, 0));
    case ItemKind::kPong: return load::write_client_header(out, load::kPong, 0, mask_of(id, client, kind, 0));
    case ItemKind::kPongData: {
      const std::string& payload = pongs_.at(id).at(number);
      const uint32_t mask = mask_of(id, client, kind, 0);
      const uint32_t length = static_cast<uint32_t>(payload.size());
      const uint32_t head = load::write_client_header(out, load::kPong, length, mask);
      std::memcpy(out + head, payload.data(), length);
      ws::unmask(out + head, length, mask);
      return head + length;
    }
    case ItemKind::kClose: {
      const uint32_t mask = mask_of(id, client, kind, 0);
      const uint32_t head = load::write_client_header(out, load::kClose, 2, mask);
      store_be16(out + head, ws::kCloseNormal);
      ws::unmask(out + head, 2, mask);
      return head + 2;
    }
    case ItemKind::kFin: return 0;
  }
  return 0;
}

void ItemWriter::owe_pong(ClientId id, const uint8_t* payload, uint32_t length) {
  pongs_[id].emplace_back(reinterpret_cast<const char*>(payload), length);
}

void ItemWriter::drop_pong(ClientId id) {
  const auto found = pongs_.find(id);
  if (found == pongs_.end()) return;
  found->second.pop_front();
  if (found->second.empty()) pongs_.erase(found);
}

void ItemWriter::take_back_pong(ClientId id) {
  const auto found = pongs_.find(id);
  found->second.pop_back();
  if (found->second.empty()) pongs_.erase(found);
}

bool ItemWriter::read_stamp(const uint8_t* body, uint64_t length, Stamp& out) const noexcept {
  uint64_t sender;
  uint64_t number;
  if (length < kStampBytes || std::memcmp(body + 32, run_.data(), 8) != 0) return false;
  if (!read_hex(body, 16, out.due_ns) || !read_hex(body + 16, 8, sender) || !read_hex(body + 24, 8, number)) return false;
  out.sender = static_cast<ClientId>(sender);
  out.number = static_cast<uint32_t>(number);
  return true;
}

}  // namespace sluice::wiregen
