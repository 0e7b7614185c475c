#include "net/fragments.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::net {

namespace {

constexpr uint32_t kFragmentHeader = 8;
constexpr uint32_t kLongest = 65'535;
// What upper layers look at in one piece: TCP's longest header, or an ICMP message with what an error quotes.
constexpr uint32_t kHeadersInOne = 128;
constexpr uint8_t kSeenNotCapable = 1 << 0;
constexpr uint8_t kSeenCongestion = 1 << 3;

// Where a fragment's bytes lie, kept with its first piece.
struct Range {
  uint32_t begin;
  uint32_t end;
};
Range range_of(const nic::Packet* frame) noexcept { return {frame->scratch[0], frame->scratch[1]}; }

void make_whole_v4(nic::Packet* head, uint32_t header_bytes, uint32_t payload, bool congestion) noexcept {
  uint8_t* const ip = head->data;
  if (congestion) ip[1] |= 3;
  store_be16(ip + 2, static_cast<uint16_t>(header_bytes + payload));
  store_be16(ip + 6, 0);
  store_be16(ip + 10, 0);
  wire::Checksum sum;
  sum.add(ip, header_bytes);
  wire::store_checksum(ip + 10, sum.finish());
}

// The fragment header is taken out: what names it names what is behind it.
void make_whole_v6(nic::Packet* head, uint32_t header_bytes, uint32_t payload, bool congestion, uint32_t named_at) noexcept {
  const uint32_t kept = header_bytes - kFragmentHeader;
  head->data[named_at] = head->data[kept];
  std::memmove(head->data + kFragmentHeader, head->data, kept);
  head->pull(kFragmentHeader);
  if (congestion) head->data[1] |= 0x30;
  store_be16(head->data + 4, static_cast<uint16_t>(kept - wire::Ipv6View::kBytes + payload));
}

}  // namespace

nic::Packet* Fragments::take(nic::Packet* frame, const Fragment& fragment) {
  Entry* entry = find(fragment);
  if (entry == nullptr) entry = &open(fragment);
  if (entry->state == State::kRefused) {
    context_.drop(frame, context_.counters.dropped_fragment);
    return nullptr;
  }
  switch (insert(*entry, frame, fragment)) {
    case Verdict::kDuplicate:
      // RFC 8200 §4.5: the network may double a fragment, which is no overlap.
      context_.drop(frame, context_.counters.dropped_fragment);
      return nullptr;
    case Verdict::kRefused:
      context_.drop(frame, context_.counters.dropped_fragment);
      refuse(*entry);
      return nullptr;
    case Verdict::kAdded: break;
  }
  ++context_.counters.fragments_in;
  return entry->total_known && entry->gathered == entry->total ? put_together(*entry) : nullptr;
}

// RFC 791 §3.2: by addresses, protocol and identification; RFC 8200 §4.5: without the protocol.
Fragments::Entry* Fragments::find(const Fragment& fragment) noexcept {
  if (used_ == 0) return nullptr;
  const bool v4 = fragment.addressing->target.is_v4();
  for (Entry& entry : entries_) {
    if (entry.state == State::kFree || entry.id != fragment.id || (v4 && entry.protocol != fragment.protocol)) continue;
    if (entry.source == fragment.addressing->source && entry.target == fragment.addressing->target) return &entry;
  }
  return nullptr;
}

Fragments::Entry& Fragments::open(const Fragment& fragment) {
  Entry& entry = free_entry(fragment.addressing->source);
  entry = {};
  entry.source = fragment.addressing->source;
  entry.target = fragment.addressing->target;
  entry.for_group = fragment.addressing->for_group;
  entry.id = fragment.id;
  entry.protocol = fragment.protocol;
  entry.state = State::kGathering;
  entry.due_us = context_.now_us + kLifeUs;
  next_due_us_ = std::min(next_due_us_, entry.due_us);
  ++used_;
  return entry;
}

// One source, or one that pretends to be, takes no more than its share; where all places are taken the oldest is given up.
Fragments::Entry& Fragments::free_entry(const IpAddress& source) {
  Entry* free = nullptr;
  Entry* oldest = nullptr;
  Entry* oldest_of_source = nullptr;
  uint32_t of_source = 0;
  for (Entry& entry : entries_) {
    if (entry.state == State::kFree) {
      free = &entry;
      continue;
    }
    if (oldest == nullptr || entry.due_us < oldest->due_us) oldest = &entry;
    if (!(entry.source == source)) continue;
    ++of_source;
    if (oldest_of_source == nullptr || entry.due_us < oldest_of_source->due_us) oldest_of_source = &entry;
  }
  if (of_source < kPacketsOfSource && free != nullptr) return *free;
  Entry& victim = of_source >= kPacketsOfSource ? *oldest_of_source : *oldest;
  ++context_.counters.fragments_evicted;
  release(victim);
  return victim;
}

Fragments::Verdict Fragments::insert(Entry& entry, nic::Packet* frame, const Fragment& fragment) {
  const Range range{fragment.offset, fragment.offset + fragment.bytes};
  nic::Packet* before = nullptr;
  if (entry.last != nullptr && range_of(entry.last).begin < range.begin) {
    before = entry.last;  // they come in order mostly
  } else {
    for (nic::Packet* at = entry.first; at != nullptr && range_of(at).begin < range.begin; at = at->link) before = at;
  }
  nic::Packet* const after = before == nullptr ? entry.first : before->link;
  if (after != nullptr && range_of(after).begin == range.begin && range_of(after).end == range.end) {
    const bool was_last = entry.total_known && entry.total == range.end;
    return was_last != fragment.more ? Verdict::kDuplicate : Verdict::kRefused;
  }
  // RFC 5722 §3, RFC 8200 §4.5: nobody but an attacker sends fragments that overlap.
  const bool overlaps = (before != nullptr && range_of(before).end > range.begin) ||
                        (after != nullptr && range_of(after).begin < range.end);
  const bool two_ends = entry.total_known ? range.end > entry.total || !fragment.more : !fragment.more && after != nullptr;
  if (overlaps || two_ends || entry.fragments == kFragmentsMax) return Verdict::kRefused;
  const uint32_t frames = pieces_of(frame);
  if (!make_room(entry, frames)) return Verdict::kRefused;
  if (range.begin == 0) {
    entry.header_bytes = fragment.header_bytes;
    entry.named_at = fragment.named_at;
  } else {
    frame->pull(static_cast<uint16_t>(fragment.header_bytes));
  }
  frame->scratch[0] = range.begin;
  frame->scratch[1] = range.end;
  frame->link = after;
  (before == nullptr ? entry.first : before->link) = frame;
  if (after == nullptr) entry.last = frame;
  entry.gathered += fragment.bytes;
  entry.ecn_seen |= static_cast<uint8_t>(1u << fragment.ecn);
  ++entry.fragments;
  entry.frames += frames;
  frames_ += frames;
  if (!fragment.more) {
    entry.total = range.end;
    entry.total_known = true;
  }
  return Verdict::kAdded;
}

// Frames that wait for others are missing to everybody else.
bool Fragments::make_room(const Entry& entry, uint32_t frames) {
  const uint32_t most = std::min(kFramesMax, context_.nic.pool().total_count() / 16);
  while (frames_ + frames > most) {
    Entry* oldest = nullptr;
    for (Entry& other : entries_) {
      if (&other == &entry || other.frames == 0) continue;
      if (oldest == nullptr || other.due_us < oldest->due_us) oldest = &other;
    }
    if (oldest == nullptr) return false;
    ++context_.counters.fragments_evicted;
    release(*oldest);
  }
  return true;
}

nic::Packet* Fragments::put_together(Entry& entry) {
  const bool congestion = (entry.ecn_seen & kSeenCongestion) != 0;
  const uint32_t payload = entry.total;
  const uint32_t header_bytes = entry.header_bytes;
  const uint32_t named_at = entry.named_at;
  const bool v4 = entry.target.is_v4();
  // Headers may differ in length: the first one's counts.
  const bool too_long = payload + header_bytes - (v4 ? 0 : wire::Ipv6View::kBytes + kFragmentHeader) > kLongest;
  // RFC 3168 §5.3: a mark must not be lost, and one on what cannot carry it means that the packet was tampered with.
  if (too_long || (congestion && (entry.ecn_seen & kSeenNotCapable) != 0)) {
    refuse(entry);
    return nullptr;
  }
  nic::Packet* const head = chain(entry);
  gather_headers(head, std::min(header_bytes + payload, header_bytes + kHeadersInOne));
  if (v4) {
    make_whole_v4(head, header_bytes, payload, congestion);
  } else {
    make_whole_v6(head, header_bytes, payload, congestion, named_at);
  }
  // A device verifies no checksum of parts.
  head->flags = v4 ? nic::kRxIpChecksumGood : 0;
  ++context_.counters.packets_reassembled;
  return head;
}

// The fragments as pieces of one frame; the entry is free.
nic::Packet* Fragments::chain(Entry& entry) {
  nic::Packet* const head = entry.first;
  for (nic::Packet* frame = head; frame != nullptr;) {
    nic::Packet* const following = frame->link;
    frame->link = nullptr;
    nic::Packet* last = frame;
    while (last->next != nullptr) last = last->next;
    last->next = following;
    frame = following;
  }
  frames_ -= entry.frames;
  entry = {};
  --used_;
  return head;
}

void Fragments::gather_headers(nic::Packet* head, uint32_t bytes) noexcept {
  while (head->length < bytes && head->next != nullptr) {
    nic::Packet* const piece = head->next;
    const uint32_t some = std::min({bytes - head->length, uint32_t{piece->length}, uint32_t{head->tailroom()}});
    if (some == 0) return;
    std::memcpy(head->data + head->length, piece->data, some);
    head->length = static_cast<uint16_t>(head->length + some);
    piece->pull(static_cast<uint16_t>(some));
    if (piece->length != 0) continue;
    head->next = piece->next;
    piece->next = nullptr;
    context_.nic.pool().unref(piece);
  }
}

// Nothing is said about it (RFC 8200 §4.5), and the place is kept so that what is on its way is not taken for a new packet's.
void Fragments::refuse(Entry& entry) {
  ++context_.counters.fragments_refused;
  const uint64_t due_us = entry.due_us;
  const Entry named = entry;
  release(entry);
  entry = {};
  entry.source = named.source;
  entry.target = named.target;
  entry.id = named.id;
  entry.protocol = named.protocol;
  entry.due_us = due_us;
  entry.state = State::kRefused;
  ++used_;
}

void Fragments::release(Entry& entry) noexcept {
  SLUICE_ASSERT(entry.state != State::kFree && used_ != 0);
  for (nic::Packet* frame = entry.first; frame != nullptr;) {
    nic::Packet* const following = frame->link;
    frame->link = nullptr;
    context_.nic.pool().unref_frame(frame);
    frame = following;
  }
  frames_ -= entry.frames;
  entry = {};
  --used_;
}

void Fragments::advance() {
  if (context_.now_us < next_due_us_) return;
  next_due_us_ = UINT64_MAX;
  for (Entry& entry : entries_) {
    if (entry.state == State::kFree) continue;
    if (entry.due_us <= context_.now_us) {
      expire(entry);
    } else {
      next_due_us_ = std::min(next_due_us_, entry.due_us);
    }
  }
}

void Fragments::expire(Entry& entry) {
  if (entry.state == State::kGathering) {
    ++context_.counters.fragments_timed_out;
    // RFC 1122 §3.3.2, RFC 8200 §4.5: the sender is told where the first fragment came, which says what packet it was.
    const bool has_first = entry.first != nullptr && range_of(entry.first).begin == 0;
    if (has_first) refusal_.timed_out(entry.first, {entry.source, entry.target, 0, entry.for_group});
  }
  release(entry);
}

void Fragments::clear() {
  for (Entry& entry : entries_) {
    if (entry.state != State::kFree) release(entry);
  }
}

}  // namespace sluice::net
