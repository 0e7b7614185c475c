// What a client does with a segment from the server.

#include <algorithm>

#include "wire/tcp.hpp"
#include "wiregen/tcp.hpp"

namespace sluice::wiregen {

namespace {

int32_t distance(uint32_t from, uint32_t to) noexcept { return static_cast<int32_t>(to - from); }

}  // namespace

void Tcp::on_segment(ClientId id, uint16_t port, const Incoming& segment) {
  ++counters_.segments_in;
  Client& client = clients_[id];
  // A port that the client had in an earlier life: nobody is there.
  if (client.state() == TcpState::kClosed || port != plan_.port(id, client.generation)) return refuse(plan_.address(id), port, segment);
  switch (client.state()) {
    case TcpState::kSynSent: {
      wire::TcpOptions options;
      wire::parse_tcp_options(segment.options, segment.options_bytes, options);
      return on_syn_sent(id, client, segment, options);
    }
    case TcpState::kEstablished: return on_established(id, client, segment);
    default: return on_time_wait(id, client, segment);
  }
}

// RFC 9293 §3.10.7.3.
void Tcp::on_syn_sent(ClientId id, Client& client, const Incoming& segment, const wire::TcpOptions& options) {
  const bool acks_syn = (segment.flags & wire::kAck) != 0 && segment.ack == client.snd_nxt;
  if ((segment.flags & wire::kRst) != 0) {
    if (!acks_syn) return;
    ++counters_.resets_in;
    return gone(id, client, End::kRefused, TcpState::kClosed);
  }
  if ((segment.flags & wire::kAck) != 0 && !acks_syn) return send_reset(plan_.address(id), plan_.port(id, client.generation), segment);
  // A SYN without ACK would be a simultaneous open, which no server does.
  if ((segment.flags & wire::kSyn) == 0 || !acks_syn) return;
  client.snd_una = segment.ack;
  client.rcv_nxt = segment.seq + 1;
  if (options.mss != 0) peer_mss_ = std::min(peer_mss_, std::max<uint16_t>(options.mss, 88));
  client.window_shift(options.has_window_shift ? options.window_shift : 0);
  client.retries(0);
  // The window of a SYN is not scaled (RFC 7323 §2.2).
  client.window = static_cast<uint16_t>(segment.window >> (client.shift_retries >> 4));
  if (!options.has_timestamp) client.clear(kTimestamps);
  client.peer_stamp = options.timestamp;
  client.state(TcpState::kEstablished);
  client.set(kAckOwed);
  ++counters_.opened;
  touch(id);
  user_->on_connected(id);
}

// RFC 9293 §3.10.7.4 with RFC 5961 §3 and §4: what is not exactly in place is answered by an acknowledgement.
bool Tcp::acceptable(ClientId id, Client& client, const Incoming& segment) {
  if ((segment.flags & wire::kRst) != 0) {
    if (segment.seq == client.rcv_nxt) {
      ++counters_.resets_in;
      gone(id, client, End::kReset, TcpState::kClosed);
    } else if (distance(client.rcv_nxt, segment.seq) > 0 && distance(client.rcv_nxt, segment.seq) < settings_.window) {
      ++counters_.challenges;
      client.set(kAckOwed);
      touch(id);
    }
    return false;
  }
  if ((segment.flags & wire::kSyn) != 0) {
    // A SYN/ACK that came again: our acknowledgement of it was lost.
    ++counters_.challenges;
    client.set(kAckOwed);
    touch(id);
    return false;
  }
  return (segment.flags & wire::kAck) != 0;
}

void Tcp::on_established(ClientId id, Client& client, const Incoming& segment) {
  if (!acceptable(id, client, segment)) return;
  if (client.has(kTimestamps)) {
    wire::TcpOptions options;
    wire::parse_tcp_options(segment.options, segment.options_bytes, options);
    if (options.has_timestamp) {
      // PAWS (RFC 7323 §5.3): older than what came in order already.
      if (distance(client.peer_stamp, options.timestamp) < 0) {
        ++counters_.duplicates;
        client.set(kAckOwed);
        return touch(id);
      }
      if (distance(client.rcv_nxt, segment.seq) <= 0) client.peer_stamp = options.timestamp;
    }
  }
  touch(id);
  on_ack(id, client, segment);
  if (client.state() != TcpState::kEstablished) return;
  on_data(id, client, segment);
}

void Tcp::on_ack(ClientId id, Client& client, const Incoming& segment) {
  const int32_t advance = distance(client.snd_una, segment.ack);
  if (advance < 0) return;
  const uint32_t in_flight = client.snd_nxt - client.snd_una;
  if (static_cast<uint32_t>(advance) > in_flight) {
    // After going back the peer may have more than what was sent since.
    if (!client.has(kRewound) || segment.ack - client.queue_seq > queued_bytes(id)) {
      ++counters_.bad_acks;
      client.set(kAckOwed);
      return;
    }
    client.snd_nxt = segment.ack;
  }
  const bool same_window = client.window == segment.window;
  client.window = segment.window;
  if (advance == 0) {
    if (in_flight == 0 || segment.length > 0 || !same_window) return;
    // The peer answers probes of its closed window: it is there.
    if (segment.window == 0) client.retries(std::min(client.retries(), 5u));
    const uint32_t duplicates = client.duplicate_acks() + 1;
    client.duplicate_acks(duplicates);
    // RFC 5681 §3.2.
    if (duplicates == 3 && segment.window > 0) retransmit(id, client);
    return;
  }
  client.snd_una = segment.ack;
  client.retries(0);
  client.duplicate_acks(0);
  client.sent_tick = tick();
  acknowledged(id, client);
}

void Tcp::acknowledged(ClientId id, Client& client) {
  while (!SendQueue::empty(client)) {
    const ItemKind kind = SendQueue::kind(client.runs[0]);
    const uint32_t size = items_.bytes(id, client, kind, kind == ItemKind::kMessage ? 1 : 0);
    uint32_t items = (client.snd_una - client.queue_seq) / size;
    if (items == 0) return;
    items = kind == ItemKind::kPongData ? 1 : std::min(items, SendQueue::count(client.runs[0]));
    client.queue_seq += items * size;
    if (kind == ItemKind::kMessage) messages_queued_ -= items;
    if (kind == ItemKind::kPongData) items_.drop_pong(id);
    SendQueue::pop(client, items);
  }
  client.clear(kRewound);
  finish_if_done(id, client);
}

void Tcp::on_data(ClientId id, Client& client, const Incoming& segment) {
  const bool fin = (segment.flags & wire::kFin) != 0;
  if (segment.length == 0 && !fin) {
    // A probe of a living connection (keep-alive) is answered; a pure acknowledgement is not.
    if (segment.seq != client.rcv_nxt) client.set(kAckOwed);
    return;
  }
  client.set(kAckOwed);
  const int32_t ahead = distance(client.rcv_nxt, segment.seq);
  if (ahead > 0) {
    ++counters_.out_of_order;
    return;
  }
  const uint32_t seen = static_cast<uint32_t>(-ahead);
  if (seen > segment.length || (seen == segment.length && !(fin && !client.has(kFinReceived)))) {
    ++counters_.duplicates;
    return;
  }
  uint32_t fresh = segment.length - seen;
  bool whole = true;
  if (client.has(kSlowReader) && fresh > client.read_window) {
    fresh = client.read_window;
    whole = false;
  }
  if (client.has(kSlowReader)) client.read_window = static_cast<uint16_t>(client.read_window - fresh);
  client.rcv_nxt += fresh;
  counters_.payload_in += fresh;
  if (fin && whole) {
    client.rcv_nxt += 1;
    client.set(kFinReceived);
  }
  if (fresh > 0) user_->on_bytes(id, segment.data + seen, fresh);
  if (!(fin && whole) || client.state() != TcpState::kEstablished) return;
  user_->on_peer_end(id);
  if (client.state() == TcpState::kEstablished) finish_if_done(id, client);
}

void Tcp::finish_if_done(ClientId id, Client& client) {
  if (!client.has(kFinQueued) || !client.has(kFinReceived) || !SendQueue::empty(client)) return;
  ++counters_.closed;
  // At once: the client may be somebody else by the end of the burst.
  if (client.has(kAckOwed)) send_bare(id, client, wire::kAck, client.snd_nxt);
  gone(id, client, End::kClosed, TcpState::kTimeWait);
}

void Tcp::on_time_wait(ClientId id, Client& client, const Incoming& segment) {
  // Our acknowledgement of its FIN was lost (RFC 9293 §3.10.7.4).
  if ((segment.flags & wire::kFin) == 0 || (segment.flags & wire::kRst) != 0) return;
  client.set(kAckOwed);
  touch(id);
}

void Tcp::forget_queue(ClientId id, Client& client) {
  for (uint32_t run = 0; run < client.runs_used(); ++run) {
    const uint32_t count = SendQueue::count(client.runs[run]);
    if (SendQueue::kind(client.runs[run]) == ItemKind::kMessage) messages_queued_ -= count;
    if (SendQueue::kind(client.runs[run]) != ItemKind::kPongData) continue;
    for (uint32_t i = 0; i < count; ++i) items_.drop_pong(id);
  }
  SendQueue::clear(client);
}

void Tcp::gone(ClientId id, Client& client, End end, TcpState next) {
  forget_queue(id, client);
  client.clear(kAckOwed);
  client.state(next);
  user_->on_gone(id, end);
}

// RFC 9293 §3.10.7.1: nobody is there.
void Tcp::refuse(uint32_t address, uint16_t port, const Incoming& segment) {
  ++counters_.unexpected;
  if ((segment.flags & wire::kRst) == 0) send_reset(address, port, segment);
}

void Tcp::send_reset(uint32_t address, uint16_t port, const Incoming& segment) {
  nic::Packet* packet = out_.begin(0);
  if (packet == nullptr) return;
  ++counters_.resets_out;
  SegmentWriter::Segment header{};
  header.source_address = address;
  header.source_port = port;
  if ((segment.flags & wire::kAck) != 0) {
    header.seq = segment.ack;
    header.flags = wire::kRst;
  } else {
    header.ack = segment.seq + segment.length + ((segment.flags & wire::kSyn) != 0) + ((segment.flags & wire::kFin) != 0);
    header.flags = wire::kRst | wire::kAck;
  }
  out_.send(packet, header, 0);
}

}  // namespace sluice::wiregen
