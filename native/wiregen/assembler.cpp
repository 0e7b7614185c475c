#include "wiregen/assembler.hpp"

#include "base/bytes.hpp"

namespace sluice::wiregen {

namespace {

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kMasked = 0x80;

bool opcode_known(uint8_t opcode) noexcept { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

}  // namespace

Assembler::Result Assembler::next(const uint8_t*& at, const uint8_t* end, Frame& out) {
  const auto have = static_cast<uint64_t>(end - at);
  if (have < 2) return Result::kNeedMore;
  const uint8_t opcode = at[0] & 15;
  if ((at[0] & kReserved) != 0) violation_ = "a frame has a reserved bit set (RFC 6455 5.2)";
  else if ((at[1] & kMasked) != 0) violation_ = "a frame of the server is masked (RFC 6455 5.1)";
  else if (!opcode_known(opcode)) violation_ = "a frame has an opcode that is not defined (RFC 6455 5.2)";
  else if (opcode >= 8 && ((at[0] & kFinal) == 0 || at[1] > 125)) violation_ = "a control frame is fragmented or too long (RFC 6455 5.5)";
  else violation_ = "";
  if (*violation_ != '\0') return Result::kViolation;
  uint64_t length = at[1];
  uint32_t header = 2;
  if (length == 126) {
    header = 4;
    if (have < header) return Result::kNeedMore;
    length = load_be16(at + 2);
  } else if (length == 127) {
    header = 10;
    if (have < header) return Result::kNeedMore;
    length = load_be64(at + 2);
  }
  if (length > kMaxMessage || (header == 4 && length < 126) || (header == 10 && length < 65536)) {
    violation_ = "a frame's length is not in its shortest form, or above 16 MiB (RFC 6455 5.2)";
    return Result::kViolation;
  }
  if (have < header + length) return Result::kNeedMore;
  out = {opcode, (at[0] & kFinal) != 0, at + header, length};
  at += header + length;
  return Result::kFrame;
}

void Assembler::gather(ClientId id, Client& client, const uint8_t*& data, uint32_t& length) {
  if (!client.has(kPartial)) return;
  const auto found = partial_.find(id);
  std::string& bytes = found->second;
  bytes.append(reinterpret_cast<const char*>(data), length);
  data = reinterpret_cast<const uint8_t*>(bytes.data());
  length = static_cast<uint32_t>(bytes.size());
}

void Assembler::keep(ClientId id, Client& client, const uint8_t* data, uint32_t length) {
  if (length == 0) return drop(id, client);
  if (client.has(kPartial)) {
    std::string& bytes = partial_.find(id)->second;
    bytes.erase(0, bytes.size() - length);
    return;
  }
  client.set(kPartial);
  std::string bytes;
  if (!spare_.empty()) {
    bytes = std::move(spare_.back());
    spare_.pop_back();
  }
  bytes.assign(reinterpret_cast<const char*>(data), length);
  partial_.emplace(id, std::move(bytes));
}

void Assembler::drop(ClientId id, Client& client) {
  if (!fragments_.empty() && client.state() != TcpState::kEstablished) fragments_.erase(id);
  if (!client.has(kPartial)) return;
  client.clear(kPartial);
  const auto found = partial_.find(id);
  if (spare_.size() < 1024 && found->second.capacity() <= 65536) spare_.push_back(std::move(found->second));
  partial_.erase(found);
}

bool Assembler::join(ClientId id, const Frame& frame, Frame& out) {
  if (frame.opcode != 0 && frame.final) {
    out = frame;
    return true;
  }
  Fragments& fragments = fragments_[id];
  if (frame.opcode != 0) fragments = {frame.opcode, {}};
  fragments.bytes.append(reinterpret_cast<const char*>(frame.payload), frame.length);
  if (!frame.final) return false;
  joined_ = std::move(fragments.bytes);
  out = {fragments.opcode, true, reinterpret_cast<const uint8_t*>(joined_.data()), joined_.size()};
  fragments_.erase(id);
  return true;
}

}  // namespace sluice::wiregen
