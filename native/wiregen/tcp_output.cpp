// What a client sends: handshake, items of its queue, acknowledgements, retransmissions.

#include <algorithm>

#include "base/assert.hpp"
#include "wire/tcp.hpp"
#include "wiregen/mix.hpp"
#include "wiregen/tcp.hpp"

namespace sluice::wiregen {

Tcp::Tcp(const Settings& settings, const AddressPlan& plan, Client* clients, ItemWriter& items, SegmentWriter& out)
    : settings_(settings),
      plan_(plan),
      clients_(clients),
      items_(items),
      out_(out),
      scratch_(ItemWriter::kMaxItem),
      peer_mss_(settings.segment_bytes()) {}

void Tcp::start(uint64_t now_ns) noexcept {
  now_ns_ = now_ns;
  wheel_.start(now_ns);
}

uint32_t Tcp::rto_ms(const Client& client) const noexcept {
  const uint32_t first = client.state() == TcpState::kSynSent ? settings_.syn_rto_ms : settings_.rto_ms;
  return first << std::min(client.retries(), 8u);
}

SegmentWriter::Segment Tcp::header_of(ClientId id, const Client& client, uint8_t flags, uint32_t seq) const {
  const uint16_t window = client.has(kSlowReader) ? client.read_window : settings_.window;
  return {.source_address = plan_.address(id),
          .source_port = plan_.port(id, client.generation),
          .window = window,
          .seq = seq,
          .ack = (flags & wire::kAck) != 0 ? client.rcv_nxt : 0,
          .flags = flags,
          .timestamps = client.has(kTimestamps),
          .stamp = stamp(),
          .stamp_echo = (flags & wire::kAck) != 0 ? client.peer_stamp : 0};
}

void Tcp::send_bare(ClientId id, const Client& client, uint8_t flags, uint32_t seq) {
  nic::Packet* packet = out_.begin(0);
  if (packet != nullptr) out_.send(packet, header_of(id, client, flags, seq), 0);
}

void Tcp::send_syn(ClientId id, Client& client) {
  client.sent_tick = tick();
  send_bare(id, client, wire::kSyn, client.snd_una);
  wheel_.arm(clients_, id, rto_ms(client));
}

void Tcp::open(ClientId id) {
  Client& client = clients_[id];
  SLUICE_ASSERT(client.state() == TcpState::kClosed || client.state() == TcpState::kTimeWait);
  client.generation = static_cast<uint8_t>((client.generation + 1) % plan_.generations());
  // RFC 6528: a clock that ticks every 4 us and a keyed hash of the connection.
  client.snd_una = static_cast<uint32_t>(now_ns_ / 4000 + mix(settings_.seed ^ 0x5eed, id, client.generation));
  client.snd_nxt = client.snd_una + 1;
  client.queue_seq = client.snd_nxt;
  client.rcv_nxt = 0;
  client.peer_stamp = 0;
  client.window = 0;
  client.shift_retries = 0;
  client.run_count = 0;
  client.clear(kAckOwed | kFinQueued | kFinReceived | kPartial | kRewound | kProbing | kTimestamps);
  if (settings_.timestamps) client.set(kTimestamps);
  client.state(TcpState::kSynSent);
  send_syn(id, client);
}

bool Tcp::queue(ClientId id, ItemKind kind) {
  Client& client = clients_[id];
  SLUICE_DEBUG_ASSERT(client.state() == TcpState::kEstablished);
  if (client.has(kFinQueued) || !SendQueue::push(client, kind)) return false;
  if (kind == ItemKind::kMessage) {
    ++client.sent;
    ++messages_queued_;
  }
  if (kind == ItemKind::kFin) client.set(kFinQueued);
  touch(id);
  return true;
}

void Tcp::touch(ClientId id) {
  Client& client = clients_[id];
  if (client.has(kTouched)) return;
  client.set(kTouched);
  touched_.push_back(id);
}

void Tcp::push_touched() {
  // push() touches nobody.
  for (const ClientId id : touched_) {
    clients_[id].clear(kTouched);
    push(id);
  }
  touched_.clear();
}

uint32_t Tcp::item_number(const Client& client, uint32_t run, uint32_t item, uint32_t pongs) const {
  const ItemKind kind = SendQueue::kind(client.runs[run]);
  if (kind == ItemKind::kMessage) return client.sent - SendQueue::messages_from(client, run) + 1 + item;
  return kind == ItemKind::kPongData ? pongs + item : 0;
}

uint32_t Tcp::queued_bytes(ClientId id) const {
  const Client& client = clients_[id];
  uint32_t total = 0;
  uint32_t pongs = 0;
  for (uint32_t run = 0; run < client.runs_used(); ++run) {
    const ItemKind kind = SendQueue::kind(client.runs[run]);
    const uint32_t count = SendQueue::count(client.runs[run]);
    if (kind != ItemKind::kPongData) {
      total += count * items_.bytes(id, client, kind, 0);
      continue;
    }
    for (uint32_t i = 0; i < count; ++i) total += items_.bytes(id, client, kind, pongs++);
  }
  return total;
}

// Bytes [offset, offset + bytes) of the queue; `fin` where its FIN is among them (which is no byte).
uint32_t Tcp::copy_queue(ClientId id, const Client& client, uint32_t offset, uint32_t bytes, uint8_t* out, bool& fin) {
  uint32_t at = 0;
  uint32_t copied = 0;
  uint32_t pongs = 0;
  for (uint32_t run = 0; run < client.runs_used(); ++run) {
    const ItemKind kind = SendQueue::kind(client.runs[run]);
    const uint32_t count = SendQueue::count(client.runs[run]);
    uint32_t item = 0;
    if (kind != ItemKind::kPongData) {
      // All of one size: those in front are passed over at once.
      const uint32_t size = items_.bytes(id, client, kind, 0);
      if (offset > at) item = std::min(count, (offset - at) / size);
      at += item * size;
    }
    for (; item < count; ++item) {
      if (at >= offset + bytes) return copied;
      if (kind == ItemKind::kFin) {
        fin = true;
        return copied;
      }
      const uint32_t number = item_number(client, run, item, pongs);
      const uint32_t size = items_.bytes(id, client, kind, number);
      const uint32_t skip = offset > at ? offset - at : 0;
      if (skip < size) {
        const uint32_t part = std::min(size - skip, offset + bytes - at - skip);
        if (skip == 0 && part == size) {
          items_.write(out + copied, id, client, kind, number);
        } else {
          items_.write(scratch_.data(), id, client, kind, number);
          std::copy_n(scratch_.data() + skip, part, out + copied);
        }
        copied += part;
      }
      at += size;
    }
    if (kind == ItemKind::kPongData) pongs += count;
  }
  return copied;
}

bool Tcp::send_data(ClientId id, Client& client, uint32_t offset, uint32_t bytes) {
  nic::Packet* packet = out_.begin(bytes);
  if (packet == nullptr) return false;
  SegmentWriter::Segment header = header_of(id, client, wire::kAck | wire::kPsh, client.queue_seq + offset);
  bool fin = false;
  const uint32_t copied = copy_queue(id, client, offset, bytes, out_.payload(packet, header), fin);
  SLUICE_DEBUG_ASSERT(copied + (fin ? 1 : 0) == bytes);
  if (fin) header.flags = copied > 0 ? header.flags | wire::kFin : wire::kFin | wire::kAck;
  out_.send(packet, header, copied);
  client.clear(kAckOwed);
  return true;
}

void Tcp::push(ClientId id) {
  Client& client = clients_[id];
  if (client.state() != TcpState::kEstablished) {
    if (client.has(kAckOwed)) send_bare(id, client, wire::kAck, client.snd_nxt);
    client.clear(kAckOwed);
    return;
  }
  const bool was_idle = client.snd_una == client.snd_nxt;
  const uint32_t queued = SendQueue::empty(client) ? 0 : queued_bytes(id);
  const uint32_t in_front = client.snd_una - client.queue_seq;
  const uint32_t limit = std::min(queued, in_front + client.window_bytes());
  const uint32_t mss = peer_mss_ - (client.has(kTimestamps) ? 12u : 0u);
  for (uint32_t at = client.snd_nxt - client.queue_seq; at < limit;) {
    const uint32_t bytes = std::min(mss, limit - at);
    if (!send_data(id, client, at, bytes)) break;
    at += bytes;
    client.snd_nxt += bytes;
  }
  if (queued > in_front) {
    // Also where the window is closed and nothing is in flight: then the timer sends the probe (RFC 9293 §3.8.6.1).
    if (was_idle) client.sent_tick = tick();
    wheel_.arm(clients_, id, rto_ms(client));
  }
  if (!client.has(kAckOwed)) return;
  client.clear(kAckOwed);
  send_bare(id, client, wire::kAck, client.snd_nxt);
}

void Tcp::reset(ClientId id) {
  Client& client = clients_[id];
  if (client.state() == TcpState::kEstablished || client.state() == TcpState::kSynSent) {
    ++counters_.resets_out;
    send_bare(id, client, wire::kRst | wire::kAck, client.snd_nxt);
  }
  gone(id, client, End::kClosed, TcpState::kClosed);
}

void Tcp::open_read_window(ClientId id, uint16_t bytes) {
  Client& client = clients_[id];
  client.read_window = bytes;
  client.set(kSlowReader | kAckOwed);
  touch(id);
}

void Tcp::retransmit(ClientId id, Client& client) {
  const uint32_t in_front = client.snd_una - client.queue_seq;
  const uint32_t queued = queued_bytes(id);
  if (queued <= in_front) return;
  const uint32_t mss = peer_mss_ - (client.has(kTimestamps) ? 12u : 0u);
  // At least a byte, into a closed window too: its answer says whether it has opened.
  const uint32_t bytes = std::min({mss, queued - in_front, std::max(client.window_bytes(), 1u)});
  ++counters_.retransmits;
  client.sent_tick = tick();
  if (!send_data(id, client, in_front, bytes)) return;
  // What came behind it is sent again as acknowledgements come (go-back-N).
  if (client.snd_nxt - client.snd_una > bytes) client.set(kRewound);
  client.snd_nxt = client.snd_una + bytes;
}

// What the client sent last may be in the queue to the device still: that it is not answered says nothing of the path.
bool Tcp::may_wait_here(const Client& client) const noexcept { return static_cast<int16_t>(client.sent_tick - emptied_tick_) >= 0; }

void Tcp::on_timer(ClientId id) {
  Client& client = clients_[id];
  if (client.state() == TcpState::kEstablished && client.has(kSlowReader)) user_->on_slow_tick(id);
  const bool waiting = client.state() == TcpState::kSynSent || (client.state() == TcpState::kEstablished && !SendQueue::empty(client));
  if (!waiting) return;
  const uint32_t elapsed_ms = static_cast<uint16_t>(tick() - client.sent_tick) * TimerWheel::kTickMs;
  const uint32_t rto = rto_ms(client);
  if (elapsed_ms < rto) return wheel_.arm(clients_, id, rto - elapsed_ms);
  if (may_wait_here(client)) {
    client.sent_tick = tick();
    return wheel_.arm(clients_, id, rto);
  }
  // There was no packet for it: nothing is in flight, and nothing is closed.
  if (client.snd_una == client.snd_nxt && client.window_bytes() > 0) return push(id);
  ++counters_.timeouts;
  if (client.retries() >= settings_.max_timeouts) {
    if (client.state() == TcpState::kEstablished) send_bare(id, client, wire::kRst | wire::kAck, client.snd_nxt);
    return gone(id, client, End::kTimeout, TcpState::kClosed);
  }
  client.retries(client.retries() + 1);
  if (client.state() == TcpState::kSynSent) {
    ++counters_.retransmits;
    return send_syn(id, client);
  }
  retransmit(id, client);
  wheel_.arm(clients_, id, rto_ms(client));
}

void Tcp::advance_timers() {
  wheel_.advance(clients_, now_ns_, [this](ClientId id) { on_timer(id); });
}

}  // namespace sluice::wiregen
