#pragma once

#include <array>
#include <cstdint>

#include "net/context.hpp"
#include "net/icmp_refusal.hpp"

namespace sluice::net {

// A fragment of an IP packet; its frame's data is at the IP header, what is behind the packet is cut off.
struct Fragment {
  const Addressing* addressing;
  uint32_t id;
  uint32_t offset;        // of its bytes in the whole packet's payload
  uint32_t bytes;
  uint32_t header_bytes;  // in front of them; of IPv6 with the fragment header
  uint32_t named_at;      // IPv6: where in the packet the fragment header is named
  uint8_t protocol;       // of what is behind the header; of IPv6, behind the fragment header
  uint8_t ecn;
  bool more;
};

// Puts IP packets together again (RFC 791 §3.2, RFC 1122 §3.3.2, RFC 8200 §4.5). Everything is bounded: packets that are being put
// together, those of one source, fragments of each, frames of all of them, and for how long.
class Fragments {
 public:
  Fragments(Context& context, IcmpRefusal& refusal) : context_(context), refusal_(refusal) {}

  // Takes the frame. The whole packet where it was the last that was missing: a chain whose data is at a header that knows nothing of
  // fragments, with the headers behind it in the first piece. Null otherwise.
  nic::Packet* take(nic::Packet* frame, const Fragment& fragment);

  uint64_t next_due_us() const noexcept { return next_due_us_; }
  // Gives up what was not completed in time.
  void advance();
  void clear();

 private:
  static constexpr uint32_t kPackets = 64;
  static constexpr uint32_t kPacketsOfSource = 16;
  // The longest packet is 64 KiB: 45 fragments of an Ethernet's, 119 of the smallest that every IPv4 host takes.
  static constexpr uint32_t kFragmentsMax = 128;
  static constexpr uint32_t kFramesMax = 512;
  // RFC 1122 §3.3.2: between 60 and 120 s; RFC 8200 §4.5: 60 s.
  static constexpr uint64_t kLifeUs = 60'000'000;

  enum class State : uint8_t {
    kFree,
    kGathering,
    kRefused,  // what else comes of it is dropped (RFC 5722 §3)
  };
  struct Entry {
    IpAddress source;
    IpAddress target;
    uint64_t due_us;
    nic::Packet* first;    // by offset, through `link`
    nic::Packet* last;
    uint32_t id;
    uint32_t gathered;     // bytes
    uint32_t total;        // known with the last fragment
    uint32_t fragments;
    uint32_t frames;       // pieces of them
    uint32_t header_bytes; // of the first fragment's
    uint32_t named_at;
    State state;
    uint8_t protocol;      // of IPv4 a part of the name
    uint8_t ecn_seen;      // a bit for each of the four codepoints
    bool total_known;
    bool for_group;
  };
  enum class Verdict : uint8_t { kAdded, kDuplicate, kRefused };

  Entry* find(const Fragment& fragment) noexcept;
  Entry& open(const Fragment& fragment);
  Entry& free_entry(const IpAddress& source);
  Verdict insert(Entry& entry, nic::Packet* frame, const Fragment& fragment);
  bool make_room(const Entry& entry, uint32_t frames);
  nic::Packet* put_together(Entry& entry);
  nic::Packet* chain(Entry& entry);
  void gather_headers(nic::Packet* head, uint32_t bytes) noexcept;
  void refuse(Entry& entry);
  void release(Entry& entry) noexcept;
  void expire(Entry& entry);

  Context& context_;
  IcmpRefusal& refusal_;
  uint64_t next_due_us_ = UINT64_MAX;
  uint32_t used_ = 0;
  uint32_t frames_ = 0;
  std::array<Entry, kPackets> entries_{};
};

}  // namespace sluice::net
