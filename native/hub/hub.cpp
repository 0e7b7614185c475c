#include "hub/hub.hpp"

#include <bit>

#include "base/assert.hpp"

namespace sluice::hub {

Hub::Channel* Hub::find(uint32_t id) noexcept {
  const auto at = index_.find(id);
  return at == index_.end() ? nullptr : &channels_[at->second];
}

bool Hub::subscribe(uint32_t id, uint32_t slot, DeliverySink& sink, uint64_t seq) {
  Channel* channel = find(id);
  if (channel == nullptr) {
    uint32_t at;
    if (free_.empty()) {
      at = static_cast<uint32_t>(channels_.size());
      channels_.emplace_back();
    } else {
      at = free_.back();
      free_.pop_back();
    }
    index_.emplace(id, at);
    channel = &channels_[at];
    *channel = Channel{};
    channel->id = id;
  }
  // What was published before the subscription is not for this subscriber.
  settle(*channel, sink);
  // A channel without subscribers is forgotten: without this a replayed publish would pass for a new one.
  if (seq > channel->last_seq) channel->last_seq = seq;
  set_memory_ -= channel->subscribers.memory();
  const bool added = channel->subscribers.insert(slot);
  set_memory_ += channel->subscribers.memory();
  subscriptions_ += added ? 1 : 0;
  return added;
}

bool Hub::unsubscribe(uint32_t id, uint32_t slot, DeliverySink& sink) {
  Channel* channel = find(id);
  if (channel == nullptr) return false;
  settle(*channel, sink);
  set_memory_ -= channel->subscribers.memory();
  const bool removed = channel->subscribers.erase(slot);
  set_memory_ += channel->subscribers.memory();
  subscriptions_ -= removed ? 1 : 0;
  drop_if_empty(id);
  return removed;
}

void Hub::forget(uint32_t slot, DeliverySink& sink) {
  if (walk_.on) settle(*find(walk_.channel), sink);
  std::vector<uint32_t> emptied;
  for (const auto& [id, place] : index_) {
    Channel& channel = channels_[place];
    set_memory_ -= channel.subscribers.memory();
    if (channel.subscribers.erase(slot)) --subscriptions_;
    set_memory_ += channel.subscribers.memory();
    if (channel.subscribers.size() == 0 && channel.pending.empty()) emptied.push_back(id);
  }
  for (const uint32_t id : emptied) drop_if_empty(id);
}

void Hub::drop_if_empty(uint32_t id) {
  const auto at = index_.find(id);
  if (at == index_.end() || channels_[at->second].subscribers.size() != 0) return;
  const uint32_t place = at->second;
  SLUICE_ASSERT(channels_[place].pending.empty() && !(walk_.on && walk_.channel == id));
  set_memory_ -= channels_[place].subscribers.memory();
  channels_[place] = Channel{};
  free_.push_back(place);
  index_.erase(at);
}

bool Hub::publish(uint32_t id, const uint8_t* data, uint32_t length, uint64_t seq) {
  Channel* channel = find(id);
  if (channel == nullptr) return true;
  if (seq != 0) {
    if (seq <= channel->last_seq) return false;
    channel->last_seq = seq;
  }
  auto& pending = channel->pending;
  if (pending.empty()) {
    dirty_.push_back(id);
    channel->pending_first_seq = seq;
  }
  if (!pending.empty() && pending.back().data + pending.back().length == data) {
    pending.back().length += length;
    ++pending.back().messages;
  } else {
    pending.push_back(Piece{data, length, 1});
  }
  return true;
}

void Hub::begin(Walk& walk, Channel& channel, DeliverySink& sink) {
  // For fewer a copy each is as good.
  constexpr uint32_t kMany = 16;
  const bool many = channel.subscribers.size() >= kMany;
  walk.on = true;
  walk.channel = channel.id;
  walk.place = 0;
  walk.first_seq = channel.pending_first_seq;
  walk.pieces.swap(channel.pending);
  walk.messages = 0;
  for (Piece& piece : walk.pieces) {
    walk.messages += piece.messages;
    if (many) piece.shared = sink.share(piece);
  }
}

uint64_t Hub::go_on(Walk& walk, Channel& channel, DeliverySink& sink, uint32_t& most) {
  uint64_t delivered = 0;
  walk.place = channel.subscribers.visit(
      walk.place, most, [&](const uint32_t* slots, uint32_t count) { sink.prefetch({slots, count}); },
      [&](const uint32_t* slots, uint32_t count) {
        const uint32_t over_budget = sink.deliver({slots, count}, walk.pieces);
        delivered += count * walk.messages;
        for (uint32_t left = over_budget; left != 0; left &= left - 1) {
          delivered -= walk.messages;
          walk.over_budget.push_back(slots[std::countr_zero(left)]);
        }
      });
  if (walk.place != SubscriberSet::kEnd) return delivered;
  walk.on = false;
  for (const Piece& piece : walk.pieces) {
    if (piece.shared != 0) sink.unshare(piece.shared);
  }
  walk.pieces.clear();
  // Not before: taking one out moves others.
  set_memory_ -= channel.subscribers.memory();
  for (const uint32_t slot : walk.over_budget) {
    channel.subscribers.erase(slot);
    --subscriptions_;
    sink.lagging(slot, channel.id, walk.first_seq);
  }
  set_memory_ += channel.subscribers.memory();
  walk.over_budget.clear();
  return delivered;
}

void Hub::settle(Channel& channel, DeliverySink& sink) {
  uint32_t all = UINT32_MAX;
  if (walk_.on && walk_.channel == channel.id) settled_ += go_on(walk_, channel, sink, all);
  if (channel.pending.empty()) return;
  Walk walk;
  begin(walk, channel, sink);
  settled_ += go_on(walk, channel, sink, all);
}

bool Hub::begin_next(DeliverySink& sink) {
  while (next_dirty_ < dirty_.size()) {
    Channel* const channel = find(dirty_[next_dirty_++]);
    // Gone when its last subscriber left after the publish; or a change of its subscribers has had it delivered.
    if (channel == nullptr || channel->pending.empty()) continue;
    begin(walk_, *channel, sink);
    return true;
  }
  dirty_.clear();
  next_dirty_ = 0;
  return false;
}

uint64_t Hub::flush(DeliverySink& sink, uint32_t most) {
  uint64_t delivered = 0;
  while (most != 0 && (walk_.on || begin_next(sink))) {
    Channel& channel = *find(walk_.channel);
    delivered += go_on(walk_, channel, sink, most);
    if (!walk_.on) drop_if_empty(channel.id);
  }
  delivered += settled_;
  settled_ = 0;
  return delivered;
}

uint64_t Hub::memory() const noexcept {
  // A node of the index: next pointer and pair, rounded up by malloc.
  constexpr uint64_t kIndexNode = 32;
  return channels_.capacity() * sizeof(Channel) + index_.size() * kIndexNode + index_.bucket_count() * sizeof(void*) + set_memory_;
}

}  // namespace sluice::hub
