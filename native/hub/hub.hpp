#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "hub/subscriber_set.hpp"

namespace sluice::hub {

// One contiguous piece of frames, ready to be sent as it is.
struct Piece {
  const uint8_t* data;
  uint32_t length;
  uint32_t messages;
  uint32_t shared = 0;  // what the sink called it
};

// Whoever writes to connections.
class DeliverySink {
 public:
  virtual ~DeliverySink() = default;
  // Many will be given these bytes: a name for them where the sink can make use of that, else 0. unshare() follows the last deliver().
  virtual uint32_t share(const Piece& piece) {
    static_cast<void>(piece);
    return 0;
  }
  virtual void unshare(uint32_t shared) { static_cast<void>(shared); }
  // deliver() follows soon.
  virtual void prefetch(std::span<const uint32_t> slots) { static_cast<void>(slots); }
  // Hands `pieces` to the connections of a group of slots, at most SubscriberSet::kGroup. Those whose bits the result has, by their place
  // in the group, are over their send budget and get none.
  virtual uint32_t deliver(std::span<const uint32_t> slots, std::span<const Piece> pieces) = 0;
  // The slot was taken out of the channel at `next_seq`: it has everything before and nothing from there on.
  virtual void lagging(uint32_t slot, uint32_t channel, uint64_t next_seq) = 0;
};

// Subscribers of one core and the fan-out to them. Publishes are gathered for the length of a turn: adjacent frames of a channel
// merge into one piece, so that a subscriber gets all of them with one write and without a copy.
class Hub {
 public:
  // True when it is new. `seq`: what was published before; 0 where the channel has no order.
  bool subscribe(uint32_t channel, uint32_t slot, DeliverySink& sink, uint64_t seq = 0);
  bool unsubscribe(uint32_t channel, uint32_t slot, DeliverySink& sink);
  // subscribe() follows soon.
  [[gnu::always_inline]] void prefetch(uint32_t channel, uint32_t slot) const noexcept {
    const auto at = index_.find(channel);
    if (at != index_.end()) channels_[at->second].subscribers.prefetch(slot);
  }

  // Takes the slot out of every channel, at the cost of a look at each: for a slot whose channels nobody knows any more.
  void forget(uint32_t slot, DeliverySink& sink);

  // Frames at `data` stay as they are until flushing() is over. `seq` 0: the channel has no order; otherwise a message that is not above
  // the channel's last is ignored (false): a control plane that replays after a crash delivers nothing twice.
  bool publish(uint32_t channel, const uint8_t* data, uint32_t length, uint64_t seq);

  // Delivers what was published, to at most `most` subscribers; returns deliveries (messages × subscribers). Where that was not all of
  // them it goes on with the next call, channel by channel; what is published meanwhile comes behind.
  uint64_t flush(DeliverySink& sink, uint32_t most = UINT32_MAX);
  // Something waits for flush().
  bool flushing() const noexcept { return walk_.on || next_dirty_ != dirty_.size(); }

  // Calls fn(channel, last sequence number, subscribers) for each channel.
  template <typename Fn>
  void for_each(Fn&& fn) const {
    for (const auto& [id, place] : index_) fn(id, channels_[place].last_seq, channels_[place].subscribers);
  }

  uint64_t subscriptions() const noexcept { return subscriptions_; }
  uint64_t channels() const noexcept { return index_.size(); }
  uint64_t memory() const noexcept;

 private:
  struct Channel {
    uint32_t id;
    uint64_t last_seq = 0;
    uint64_t pending_first_seq = 0;
    SubscriberSet subscribers;
    std::vector<Piece> pending;
  };

  // A channel's messages on their way to its subscribers.
  struct Walk {
    bool on = false;
    uint32_t channel = 0;
    uint32_t place = 0;  // in the subscribers: where to go on
    uint64_t first_seq = 0;
    uint64_t messages = 0;
    std::vector<Piece> pieces;
    std::vector<uint32_t> over_budget;
  };

  Channel* find(uint32_t id) noexcept;
  static void begin(Walk& walk, Channel& channel, DeliverySink& sink);
  bool begin_next(DeliverySink& sink);
  // Takes what it used off `most`.
  uint64_t go_on(Walk& walk, Channel& channel, DeliverySink& sink, uint32_t& most);
  // Before the set of subscribers changes: who is in it gets what was published so far.
  void settle(Channel& channel, DeliverySink& sink);
  void drop_if_empty(uint32_t id);

  // A channel without subscribers is not kept: a core knows those that somebody here listens to.
  std::unordered_map<uint32_t, uint32_t> index_;
  std::vector<Channel> channels_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> dirty_;
  size_t next_dirty_ = 0;  // those before it are done
  Walk walk_;
  uint64_t settled_ = 0;   // deliveries that flush() has not returned yet
  uint64_t subscriptions_ = 0;
  uint64_t set_memory_ = 0;
};

}  // namespace sluice::hub
