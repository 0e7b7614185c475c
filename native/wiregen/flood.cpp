#include "wiregen/flood.hpp"

#include <cstring>

#include "wire/tcp.hpp"

namespace sluice::wiregen {

namespace {

struct Kind {
  std::string_view name;
  uint8_t flags;
};
constexpr Kind kKinds[] = {
    {"syn", wire::kSyn},           {"rst", wire::kRst},           {"syn-in", wire::kSyn},
    {"data", wire::kAck | wire::kPsh}, {"ack", wire::kAck}, {"fin", wire::kFin | wire::kAck},
};

const Kind* find_kind(std::string_view name) noexcept {
  for (const Kind& kind : kKinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

constexpr char kForged[] = "forged by somebody who cannot see the connection";

}  // namespace

Flood::Flood(Statement& line) : kind_(line.text("kind", "syn")), rate_(line.number("rate", 1000, 0.1, 100e6)) {
  if (find_kind(kind_) == nullptr) line.wrong("kind=" + kind_ + " must be syn, rst, syn-in, data, ack or fin");
}

void Flood::turn(Stage& stage) {
  // What cannot leave in time is not made up for: a flood has no memory. Who sends it does not stand still while this process has no CPU,
  // and does not send the more afterwards; and what finds the ring full is lost, as on any link.
  for (uint32_t i = 0; pacer_.is_due(stage.now()); ++i) {
    pacer_.take();
    if (i < kPerTurn && !stage.out.refused()) send(stage);
  }
}

SegmentWriter::Segment Flood::forged(Stage& stage) {
  SegmentWriter::Segment segment{};
  segment.flags = find_kind(kind_)->flags;
  segment.window = 1024;
  segment.seq = static_cast<uint32_t>(random_.next());
  if ((segment.flags & wire::kAck) != 0) segment.ack = static_cast<uint32_t>(random_.next());
  if (kind_ != "syn") {
    const ClientId id = random_.below(stage.settings.clients);
    segment.source_address = stage.plan.address(id);
    segment.source_port = stage.plan.port(id, stage.clients[id].generation);
    return segment;
  }
  // Unicast addresses outside loopback and of none of the clients.
  do {
    segment.source_address = random_.below(0xdf000000u - 0x01000000u) + 0x01000000u;
  } while (segment.source_address >> 24 == 127 || stage.plan.is_host(segment.source_address));
  segment.source_port = static_cast<uint16_t>(1024 + random_.below(64512));
  return segment;
}

void Flood::send(Stage& stage) {
  const bool data = kind_ == "data";
  nic::Packet* packet = stage.out.begin(data ? sizeof kForged - 1 : 0);
  if (packet == nullptr) return;
  const SegmentWriter::Segment segment = forged(stage);
  if (data) std::memcpy(stage.out.payload(packet, segment), kForged, sizeof kForged - 1);
  stage.out.send(packet, segment, data ? sizeof kForged - 1 : 0);
  ++sent_;
}

}  // namespace sluice::wiregen
