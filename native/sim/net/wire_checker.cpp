#include "sim/net/wire_checker.hpp"

#include <cstring>

#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace sluice::sim {

namespace {

constexpr size_t kFindings = 20;
constexpr size_t kSyns = 16;

bool looks_like_tcp(const uint8_t* frame, uint32_t length) {
  const auto ethernet = wire::EthernetView::parse(const_cast<uint8_t*>(frame), length);
  if (!ethernet || length < ethernet->header_bytes() + 20) return false;
  const uint8_t* const ip = frame + ethernet->header_bytes();
  if (ethernet->type() == wire::kTypeIpv4) return ip[9] == wire::kProtocolTcp;
  return ethernet->type() == wire::kTypeIpv6 && ip[6] == wire::kProtocolTcp;
}

}  // namespace

bool WireChecker::Key::operator<(const Key& other) const noexcept {
  if (host != other.host) return host < other.host;
  return std::memcmp(&flow, &other.flow, sizeof flow) < 0;
}

void WireChecker::broken(const char* rule, const std::string& what) {
  if (findings_.size() >= kFindings) return;
  std::string where = "host " + std::to_string(current_host_) + " at " + std::to_string(now_ns_ / 1'000) + " us";
  if (current_ != nullptr) {
    where += ", " + to_text(current_->source) + ":" + std::to_string(current_->source_port) + " to " + to_text(current_->target) + ":" +
             std::to_string(current_->target_port);
  }
  findings_.push_back({rule, where + ": " + what});
}

void WireChecker::sent(uint32_t host, uint64_t now_ns, const uint8_t* frame, uint32_t length) {
  now_ns_ = now_ns;
  current_host_ = host;
  ++frames_;
  hash_ = siphash13({hash_, now_ns * 8 + host}, frame, length);
  const auto segment = read_tcp_frame(frame, length);
  if (!segment) {
    if (looks_like_tcp(frame, length)) broken("malformed", "a TCP segment whose lengths do not fit");
    return;
  }
  ++segments_;
  current_ = &*segment;
  if (!segment->checksums_good) broken("checksum", "a wrong checksum: " + to_text(*segment, 0, 0));
  sent_segment(host, *segment);
  current_ = nullptr;
}

// A SYN with a new number begins a new incarnation. SYNs that came before it are what a SYN-ACK may answer.
void WireChecker::new_incarnation(Entry& entry, const TcpFrame& syn) {
  const TcpFrame* answered = nullptr;
  if (syn.has(wire::kAck)) {
    for (const TcpFrame& came : entry.syns) {
      if (came.seq + 1 == syn.ack) answered = &came;
    }
    if (answered == nullptr) broken("ack", "a SYN-ACK for a SYN that never came");
  }
  entry.blind = false;
  entry.endpoint = std::make_unique<WireEndpoint>(syn, answered);
}

void WireChecker::sent_segment(uint32_t host, const TcpFrame& frame) {
  Entry& entry = entries_[{host, {frame.source, frame.target, frame.source_port, frame.target_port}}];
  if (frame.has(wire::kSyn)) {
    const bool same = entry.endpoint != nullptr && entry.endpoint->iss() == frame.seq &&
                      (!frame.has(wire::kAck) || entry.endpoint->answers(frame.ack - 1));
    if (!same) new_incarnation(entry, frame);
  }
  if (reopens_[host] && entry.endpoint != nullptr && entry.endpoint->over() && !frame.has(wire::kSyn | wire::kRst)) entry.blind = true;
  if (entry.blind) return;
  if (entry.endpoint != nullptr) return entry.endpoint->sent(frame, *this);
  if (!frame.has(wire::kRst)) broken("unopened", "a segment of a connection that was never opened: " + to_text(frame, 0, 0));
}

void WireChecker::delivered(uint32_t host, const uint8_t* frame, uint32_t length) {
  const auto segment = read_tcp_frame(frame, length);
  if (!segment || !segment->checksums_good) return;
  Entry& entry = entries_[{host, {segment->target, segment->source, segment->target_port, segment->source_port}}];
  if (segment->has(wire::kSyn) && !segment->has(wire::kAck | wire::kRst)) {
    if (entry.syns.size() == kSyns) entry.syns.erase(entry.syns.begin());
    entry.syns.push_back(*segment);
    entry.syns.back().payload = nullptr;
  }
  if (entry.endpoint != nullptr) entry.endpoint->delivered(*segment);
}

}  // namespace sluice::sim
