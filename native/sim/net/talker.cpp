#include "sim/net/talker.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::sim {

Talker::Talker(uint32_t host, const ManualClock& clock, const std::vector<Conversation>& conversations, uint64_t seed, uint32_t capacity,
               Wake wake)
    : host_(host),
      clock_(clock),
      conversations_(conversations),
      random_(seed),
      wake_(std::move(wake)),
      sides_(conversations.size()),
      streams_(capacity) {}

void Talker::finding(const char* rule, uint32_t number, const std::string& what) {
  if (findings_.size() >= 20) return;
  const std::string whose = number == kNobody ? "an unnamed stream" : "conversation " + std::to_string(number);
  findings_.push_back({rule, "host " + std::to_string(host_) + " at " + std::to_string(clock_.now_us()) + " us, " + whose + ": " + what});
}

StreamId Talker::take_id() {
  for (StreamId id = 0; id < streams_.size(); ++id) {
    if (streams_[id].used) continue;
    streams_[id] = {};
    streams_[id].used = true;
    return id;
  }
  return kNoStream;
}

bool Talker::known(StreamId id, const char* call) {
  if (id < streams_.size() && streams_[id].used) return true;
  finding("stale-call", kNobody, std::string(call) + " for stream " + std::to_string(id) + ", which was given up");
  return false;
}

bool Talker::open(uint32_t number, const net::Flow& flow) {
  const StreamId id = take_id();
  if (id == kNoStream) return false;
  streams_[id].conversation = number;
  sides_[number].id = id;
  std::string error;
  if (driver_->connect(id, flow, error)) return true;
  streams_[id].used = false;
  sides_[number].id = kNoStream;
  return false;
}

void Talker::on_connect(StreamId id) {
  if (!known(id, "on_connect")) return;
  sides_[streams_[id].conversation].open = true;
  wake_(clock_.now_us());
}

StreamId Talker::on_accept() { return take_id(); }

// ---- receiving ----

bool Talker::read_name(StreamId id, uint8_t*& data, uint32_t& length) {
  Stream& stream = streams_[id];
  for (; stream.name_bytes < kNameBytes && length > 0; ++data, --length, ++stream.name_bytes) stream.name = stream.name << 8 | *data;
  if (stream.name_bytes < kNameBytes) return true;
  const auto number = static_cast<uint32_t>(stream.name);
  const bool named = stream.name >> 32 == kNameMark && number < sides_.size() && conversations_[number].opener != host_;
  if (!named) finding("bytes", kNobody, "it begins with no name of a conversation");
  const bool repeated = named && (sides_[number].id != kNoStream || sides_[number].done);
  if (repeated) finding("bytes", number, "it begins twice");
  if (!named || repeated) {
    stream.used = false;
    driver_->close(id, true);
    return false;
  }
  stream.conversation = number;
  Side& side = sides_[number];
  side.id = id;
  side.open = true;
  side.received = kNameBytes;
  wake_(clock_.now_us());
  return true;
}

void Talker::receive(uint32_t number, const uint8_t* data, uint32_t length) {
  Side& side = sides_[number];
  const uint32_t from = 1 - side_of(number);
  if (side.ended) finding("end", number, "bytes behind the end");
  for (uint32_t i = 0; i < length; ++i) {
    if (data[i] == conversation_byte(number, from, side.received + i)) continue;
    finding("bytes", number, "byte " + std::to_string(side.received + i) + " is not what was written there");
    break;
  }
  side.received += length;
  if (side.received > other_plan(number).bytes) finding("bytes", number, "more bytes than were written: " + std::to_string(side.received));
}

void Talker::on_data(StreamId id, uint8_t* data, uint32_t length) {
  if (!known(id, "on_data")) return;
  if (length == 0) finding("bytes", streams_[id].conversation, "a delivery of nothing");
  bytes_received_ += length;
  if (streams_[id].conversation == kNobody && !read_name(id, data, length)) return;
  const uint32_t number = streams_[id].conversation;
  if (number == kNobody) return;
  Side& side = sides_[number];
  if (side.paused) finding("paused", number, "a delivery while it is paused");
  receive(number, data, length);
  const SidePlan& mine = plan(number);
  if (mine.pause_share != 0 && random_.chance(mine.pause_share)) {
    driver_->pause_reading(id);
    side.paused = true;
    side.resume_due_us = clock_.now_us() + 1 + random_.below(mine.pause_us);
    wake_(side.resume_due_us);
  }
  if (mine.ending == Ending::kReset && side.received >= mine.reset_after) close(number, true, "reset");
}

void Talker::on_end(StreamId id) {
  if (!known(id, "on_end")) return;
  const uint32_t number = streams_[id].conversation;
  if (number == kNobody) {
    // A name that was cut off: the other side closed before it had written it.
    if (!abrupt_somewhere()) finding("end", number, "an end before its name");
    streams_[id].used = false;
    driver_->close(id, false);
    return;
  }
  Side& side = sides_[number];
  if (side.ended) finding("end", number, "a second end");
  side.ended = true;
  const SidePlan& other = other_plan(number);
  if (other.ending == Ending::kReset) finding("end", number, "an end where the other side resets");
  if (side.received != other.bytes) {
    finding("end", number, "an end after " + std::to_string(side.received) + " of " + std::to_string(other.bytes) + " bytes");
  }
  wake_(clock_.now_us());
}

bool Talker::abrupt_somewhere() const {
  return std::any_of(conversations_.begin(), conversations_.end(), [](const Conversation& each) {
    return each.sides[0].ending != Ending::kShutdown || each.sides[1].ending != Ending::kShutdown;
  });
}

void Talker::on_error(StreamId id, int error) {
  if (!known(id, "on_error")) return;
  const uint32_t number = streams_[id].conversation;
  streams_[id].used = false;
  const std::string what = "it broke, errno " + std::to_string(error);
  if (number == kNobody) {
    if (!abrupt_somewhere()) finding("error", number, what);
    return;
  }
  if (other_plan(number).ending == Ending::kShutdown) finding("error", number, what + ", though the other side ends in peace");
  finish(number, "broken");
}

// ---- sending ----

bool Talker::may_write(const Side& side) const { return !side.waits && side.offered.empty() && side.write_due_us <= clock_.now_us(); }

// What is short enough, now and then. False: it is to be written.
bool Talker::answer(Side& side) {
  constexpr uint32_t kHead = 4;
  const auto bytes = static_cast<uint32_t>(side.offered.size());
  if (bytes < kHead || bytes > driver_->answers_most() || side.written % 4 == 0) return false;
  AnswerHead head{0, kHead};
  std::memcpy(&head.word, side.offered.data(), kHead);
  if (!driver_->answer(side.id, head, side.offered.data() + kHead, bytes - kHead)) return false;
  side.written += bytes;
  side.offered.clear();
  return true;
}

void Talker::write_some(uint32_t number) {
  Side& side = sides_[number];
  const SidePlan& mine = plan(number);
  const uint64_t left = mine.bytes - side.written;
  const auto bytes = static_cast<uint32_t>(std::min<uint64_t>(left, 1 + random_.below(mine.chunk)));
  side.offered.resize(bytes);
  for (uint32_t i = 0; i < bytes; ++i) side.offered[i] = conversation_byte(number, side_of(number), side.written + i);
  if (mine.think_us != 0) {
    side.write_due_us = clock_.now_us() + 1 + random_.below(mine.think_us);
    wake_(side.write_due_us);
  }
  if (answer(side)) return;
  // In up to three slices: what is written is seldom in one piece.
  IoSlice slices[3];
  uint32_t count = 0;
  for (uint32_t at = 0; at < bytes && count < 3; ++count) {
    const uint32_t length = count == 2 ? bytes - at : std::min(bytes - at, 1 + random_.below(bytes));
    // Now and then as bytes that others are given as well.
    const bool many = (side.written + count) % 3 == 0;
    slices[count] = {side.offered.data() + at, length, many ? driver_->share(side.offered.data() + at, length) : 0};
    at += length;
  }
  driver_->write(side.id, slices, count);
  for (uint32_t i = 0; i < count; ++i) {
    if (slices[i].shared != 0) driver_->unshare(slices[i].shared);
  }
}

void Talker::on_written(StreamId id, uint32_t accepted, uint32_t offered) {
  if (!known(id, "on_written") || streams_[id].conversation == kNobody) return;
  const uint32_t number = streams_[id].conversation;
  Side& side = sides_[number];
  if (offered != side.offered.size() || accepted > offered) finding("written", number, "another count than was offered");
  side.written += accepted;
  side.offered.clear();
  if (accepted == offered) return;
  side.waits = true;
  driver_->notify_writable(id);
}

void Talker::on_writable(StreamId id) {
  if (!known(id, "on_writable") || streams_[id].conversation == kNobody) return;
  const uint32_t number = streams_[id].conversation;
  if (!sides_[number].waits) finding("written", number, "writable, and nobody waited for it");
  sides_[number].waits = false;
  wake_(clock_.now_us());
}

void Talker::finish(uint32_t number, const char* outcome) {
  Side& side = sides_[number];
  side.id = kNoStream;
  side.open = false;
  side.done = true;
  side.outcome = outcome;
}

void Talker::close(uint32_t number, bool reset, const char* outcome) {
  const StreamId id = sides_[number].id;
  streams_[id].used = false;
  finish(number, outcome);
  driver_->close(id, reset);
}

void Talker::pump_side(uint32_t number) {
  Side& side = sides_[number];
  const SidePlan& mine = plan(number);
  if (side.paused && side.resume_due_us <= clock_.now_us()) {
    side.paused = false;
    driver_->resume_reading(side.id);
  }
  while (side.open && side.written < mine.bytes && may_write(side)) write_some(number);
  if (!side.open || side.written < mine.bytes || !side.offered.empty()) return;
  if (mine.ending == Ending::kClose) return close(number, false, "closed at once");
  const bool nothing_comes = side.ended || side.received == other_plan(number).bytes;
  if (mine.ending == Ending::kReset && nothing_comes) return close(number, true, "reset");
  if (!side.shut && mine.ending == Ending::kShutdown) {
    side.shut = true;
    driver_->shutdown_send(side.id);
  }
  if (side.ended && side.shut) close(number, false, "ended");
}

void Talker::pump() {
  for (uint32_t number = 0; number < sides_.size(); ++number) {
    if (sides_[number].open) pump_side(number);
  }
}

std::string Talker::progress(uint32_t number) const {
  const Side& side = sides_[number];
  std::string out = "host " + std::to_string(host_) + " wrote " + std::to_string(side.written) + "/" + std::to_string(plan(number).bytes) +
                    ", received " + std::to_string(side.received) + "/" + std::to_string(other_plan(number).bytes);
  if (side.done) return out + ", " + side.outcome;
  if (!side.open) return out + ", not open";
  if (side.shut) out += ", shut";
  if (side.ended) out += ", ended";
  if (side.paused) out += ", paused";
  if (side.waits) out += ", waits";
  tcp::ConnectionInfo info{};
  if (!driver_->describe(side.id, info)) return out + ", without a connection";
  return out + ", state " + std::to_string(static_cast<int>(info.state)) + " cwnd " + std::to_string(info.cwnd) + " rto " +
         std::to_string(info.rto_ms) + " window " + std::to_string(info.send_window) + "/" + std::to_string(info.receive_window) +
         " in flight " + std::to_string(info.in_flight) + " queued " + std::to_string(info.send_queue) + "/" +
         std::to_string(info.receive_queue) + " out of order " + std::to_string(info.out_of_order);
}

}  // namespace sluice::sim
