#pragma once

#include <cstdint>
#include <vector>

#include "net/counters.hpp"
#include "net/options.hpp"
#include "net/waiting_packets.hpp"
#include "nic/nic.hpp"

namespace sluice::net {

// Link-layer addresses of neighbours, IPv4 and IPv6 alike: the states of RFC 4861 §7.3.2 also decide when ARP asks again (RFC 1122
// §2.3.2.1). Bounded: where it is full the entry that was unused the longest goes.
class NeighborCache {
 public:
  // What the cache asks of the link that it serves.
  class Link {
   public:
    virtual ~Link() = default;
    // Asks for the neighbour's address; only it where its MAC is known.
    virtual void solicit(const IpAddress& target, const nic::MacAddress* known) = 0;
    // A packet that waited can go.
    virtual void release(nic::Packet* packet, const nic::MacAddress& mac) = 0;
    // A packet waited in vain, or longer than others that came after it.
    virtual void give_up(nic::Packet* packet) = 0;
  };

  // What a message proves about its sender.
  enum class Evidence : uint8_t {
    kAsked,          // it asked for us and named its MAC: ARP request, neighbour solicitation (RFC 4861 §7.2.3)
    kAnswered,       // it answered what we asked: solicited, with the override flag
    kAnsweredWeakly, // the same without the override flag
    kAnnounced,      // unsolicited, with override: gratuitous ARP
    kAnnouncedWeakly,
  };

  NeighborCache(const InterfaceOptions& options, Link& link);

  // The MAC to send to now; null while it is being asked for: the packet may then be given to hold().
  const nic::MacAddress* resolve(const IpAddress& address, uint64_t now_us);
  void hold(const IpAddress& address, nic::Packet* packet);
  void heard(const IpAddress& address, const uint8_t* mac, Evidence evidence, uint64_t now_us);
  // A packet came from the neighbour: it is there, and can be reached by that MAC.
  void seen(const IpAddress& address, const uint8_t* mac, uint64_t now_us);
  // Whoever uses the neighbour hears nothing from behind it: it is asked at once whether it is still there, and forgotten where it is not.
  void doubt(const IpAddress& address, uint64_t now_us);
  // Repeats and gives up what is due.
  void advance(uint64_t now_us);
  uint64_t next_due_us() const noexcept { return next_due_us_; }
  // Forgets all and gives up what waits.
  void clear();

  uint32_t size() const noexcept { return size_; }
  uint64_t memory() const noexcept { return entries_.size() * sizeof(Entry) + buckets_.size() * sizeof(uint32_t) + waiting_.bytes(); }

  // Clients that come all at once before theirs, or the router, is known: what has no place is sent again a second later.
  static constexpr uint32_t kWaitingPerNeighbor = 128;
  // All together have room for so many each, and whoever has fewer waiting is given it.
  static constexpr uint32_t kWaitingShare = 8;
  static constexpr uint64_t kReachableUs = 30'000'000;  // RFC 4861 §10, and the following
  static constexpr uint64_t kDelayUs = 5'000'000;
  static constexpr uint64_t kRetransmitUs = 1'000'000;
  static constexpr uint8_t kMaxSolicits = 3;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  enum class State : uint8_t { kFree, kIncomplete, kReachable, kStale, kDelay, kProbe };

  struct Entry {
    IpAddress address{};
    nic::MacAddress mac{};
    State state = State::kFree;
    uint8_t solicits = 0;
    uint32_t next = kNone;     // in its bucket
    uint64_t due_us = 0;       // kReachable: until when; otherwise the next step
    uint64_t used_us = 0;
    WaitingPackets::List waiting{};
  };

  uint32_t bucket_of(const IpAddress& address) const noexcept;
  Entry* find(const IpAddress& address) noexcept;
  Entry& create(const IpAddress& address, uint64_t now_us);
  uint32_t free_slot();
  void remove(Entry& entry);
  void start_timer(Entry& entry, State state, uint64_t due_us) noexcept;
  void confirm(Entry& entry, uint64_t now_us) noexcept;
  void learn(Entry& entry, const uint8_t* mac, State state, uint64_t now_us);
  void release_waiting(Entry& entry);
  Entry& crowded() noexcept;
  void step(Entry& entry, uint64_t now_us);

  Link& link_;
  SipKey key_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> buckets_;
  WaitingPackets waiting_;
  uint32_t size_ = 0;
  uint32_t hand_ = 0;
  uint32_t crowded_ = 0;  // where crowded() looks first
  uint32_t last_ = 0;  // entry of the last resolve(): most packets go where the one before went
  uint64_t next_due_us_ = UINT64_MAX;
};

}  // namespace sluice::net
