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
  if (length >= 12) std::memcpy(macs_[host].data(), frame + 6, 6);
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

// A SYN with a new number begins a new incarnation, and one behind the end: SYN cookies give a late copy of the peer's SYN the number that
// they gave the first (RFC 4987 §3.6). SYNs that came before it are what a SYN-ACK may answer.
void WireChecker::new_incarnation(Entry& entry, const TcpFrame& syn) {
  const TcpFrame* answered = nullptr;
  if (syn.has(wire::kAck)) {
    for (const TcpFrame& came : entry.syns) {
      if (came.seq + 1 == syn.ack) answered = &came;
    }
    if (answered == nullptr) broken("ack", "a SYN-ACK for a SYN that never came");
  }
  const bool same_opening = syn.has(wire::kAck) && !entry.endpoints.empty() && entry.endpoints.back()->answers(syn.ack - 1);
  if (!same_opening) entry.endpoints.clear();
  entry.blind = false;
  entry.endpoints.push_back(std::make_unique<WireEndpoint>(syn, answered));
}

WireEndpoint* WireChecker::owner(Entry& entry, const TcpFrame& frame) noexcept {
  if (entry.endpoints.empty()) return nullptr;
  for (auto each = entry.endpoints.rbegin(); each != entry.endpoints.rend(); ++each) {
    const bool its_syn = frame.has(wire::kSyn) && (*each)->iss() == frame.seq;
    if (its_syn || (!frame.has(wire::kSyn) && (*each)->may_be_from(frame))) return each->get();
  }
  return entry.endpoints.back().get();
}

void WireChecker::sent_segment(uint32_t host, const TcpFrame& frame) {
  Entry& entry = entries_[{host, {frame.source, frame.target, frame.source_port, frame.target_port}}];
  WireEndpoint* endpoint = owner(entry, frame);
  if (frame.has(wire::kSyn)) {
    const bool same = endpoint != nullptr && endpoint->may_repeat_syn() && endpoint->iss() == frame.seq &&
                      (!frame.has(wire::kAck) || endpoint->answers(frame.ack - 1));
    if (!same) new_incarnation(entry, frame);
    endpoint = owner(entry, frame);
  }
  if (reopens_[host] && endpoint != nullptr && endpoint->ended_unopened() && !frame.has(wire::kSyn | wire::kRst)) entry.blind = true;
  if (entry.blind) return;
  if (endpoint != nullptr) return endpoint->sent(frame, *this);
  if (!frame.has(wire::kRst)) broken("unopened", "a segment of a connection that was never opened: " + to_text(frame, 0, 0));
}

void WireChecker::delivered(uint32_t host, const uint8_t* frame, uint32_t length) {
  const auto segment = read_tcp_frame(frame, length);
  if (!segment || !segment->checksums_good) return;
  // No checksum of the packet covers the Ethernet header: one whose target was corrupted is not this station's.
  if (std::memcmp(macs_[host].data(), frame, 6) != 0) return;
  Entry& entry = entries_[{host, {segment->target, segment->source, segment->target_port, segment->source_port}}];
  if (segment->has(wire::kSyn) && !segment->has(wire::kAck | wire::kRst)) {
    if (entry.syns.size() == kSyns) entry.syns.erase(entry.syns.begin());
    entry.syns.push_back(*segment);
    entry.syns.back().payload = nullptr;
  }
  for (const auto& each : entry.endpoints) each->delivered(*segment);
  resets_came_[host] = resets_came_[host] || segment->has(wire::kRst);
}

void WireChecker::caught_up(uint32_t host) {
  if (!resets_came_[host]) return;
  resets_came_[host] = false;
  for (auto& [key, entry] : entries_) {
    if (key.host != host) continue;
    for (const auto& each : entry.endpoints) each->caught_up();
  }
}

}  // namespace sluice::sim
