#include "wiregen/deliveries.hpp"

#include <cstring>

namespace sluice::wiregen {

Deliveries::Deliveries(const Settings& settings, const ItemWriter& items) : settings_(settings), items_(items), kept_(kKept) {}

std::string Deliveries::check(ClientId id, Client& client, const Assembler::Frame& message, uint64_t now_ns) {
  const uint32_t channel = settings_.channel_of(id);
  // Where the message that should come now is kept, if another subscriber had it already.
  const uint32_t seq = client.channel_seq + 1;
  Kept& kept = kept_[(channel * kPerChannel + seq % kPerChannel) % kKept];
  const bool known = kept.channel == channel && kept.seq == seq && kept.bytes.size() == message.length &&
                     std::memcmp(kept.bytes.data(), message.payload, message.length) == 0;
  if (!known) {
    std::string wrong = look_into(id, client, message, channel, kept);
    if (!wrong.empty()) return "client " + std::to_string(id) + ": " + wrong;
  }
  client.channel_seq = seq;
  if (client.has(kSlowReader)) return "";
  ++count_;
  latency_.record(now_ns > kept.due_ns ? now_ns - kept.due_ns : 0);
  lateness_.message(kept.due_ns, now_ns);
  return "";
}

std::string Deliveries::look_into(ClientId id, const Client& client, const Assembler::Frame& message, uint32_t channel, Kept& kept) {
  const load::HeaderLine header(message.payload, message.length);
  if (!header.is_op("msg")) return "neither msg nor an answer: " + std::string(header.text().substr(0, 200));
  uint64_t seq = 0;
  if (!header.number("server_seq", seq)) return "a delivery without server_seq";
  const std::string name = items_.channel_name(channel);
  if (header.string("channel") != name) return "a delivery of " + std::string(header.string("channel")) + " to a subscriber of " + name;
  if (seq != client.channel_seq + 1u) {
    return "server_seq " + std::to_string(seq) + " of " + name + " came after " + std::to_string(client.channel_seq);
  }
  ItemWriter::Stamp stamp;
  if (!items_.read_stamp(header.body(), header.body_length(), stamp)) return "a body that nobody here published";
  const uint32_t skip = ItemWriter::kStampBytes;
  if (!items_.payload().matches(header.body() + skip, header.body_length() - skip, stamp.sender, stamp.number)) {
    return "the body of server_seq " + std::to_string(seq) + " of " + name + " was changed (seen by client " + std::to_string(id) + ")";
  }
  kept.bytes.assign(reinterpret_cast<const char*>(message.payload), message.length);
  kept.seq = static_cast<uint32_t>(seq);
  kept.channel = channel;
  kept.due_ns = stamp.due_ns;
  return "";
}

}  // namespace sluice::wiregen
