#include "tcp/stack.hpp"

#include <algorithm>

#include "tcp/short_flight.hpp"

namespace sluice::tcp {

namespace {

SipKey derive(const SipKey& secret, uint8_t purpose) noexcept {
  const uint8_t first[2] = {purpose, 0};
  const uint8_t second[2] = {purpose, 1};
  return {siphash24(secret, first, sizeof first), siphash24(secret, second, sizeof second)};
}

// A transfer that sends holds a packet, and one that receives out of order holds one; besides there are those that have only a timer.
uint32_t transfer_count(const TcpOptions& options, const nic::PacketPool& packets) noexcept {
  if (options.active_max != 0) return options.active_max;
  return std::min(options.capacity + options.orphans_max, packets.total_count() + options.orphans_max + 1024);
}

// What pools keep back for small packets, which may have to be sent again too.
constexpr uint32_t kPacketsInReserve = 1024;

// A crowd that does not acknowledge keeps no more of them than it could keep packets.
uint32_t record_count(const nic::PacketPool& packets) noexcept { return packets.total_count() / 2 + 1; }

// Each keeps a packet at least.
uint32_t sending_orphans(const TcpOptions& options, const nic::PacketPool& packets) noexcept {
  if (options.orphans_sending_max != 0) return options.orphans_sending_max;
  return std::max(65'536u, packets.total_count() / 4);
}

}  // namespace

Secrets::Secrets(const SipKey& secret) noexcept
    : flows(derive(secret, 1)), sequence(derive(secret, 2)), cookies(derive(secret, 3)), timestamps(derive(secret, 4)),
      ports(derive(secret, 5)), addresses(derive(secret, 6)), challenges(derive(secret, 7)) {}

Stack::Stack(const TcpOptions& given, const TcpEnvironment& environment)
    : options(given), ip(*environment.ip), reactor(*environment.reactor), packets(environment.ip->pool()),
      packets_total(packets.total_count()), sink(*environment.sink), connect_sink(environment.connect_sink),
      secrets(environment.secret), now_us(environment.reactor->now_us()),
      flows(given.capacity + given.orphans_max + given.half_open_max + given.time_wait_max, secrets.flows),
      rows(given.capacity + given.orphans_max), orphans(rows),
      orphans_sending_max(sending_orphans(given, packets)), transfers(transfer_count(given, packets)), stream_rows(given.capacity),
      waiting_syns(packets_total), half_open(given.half_open_max, given.half_open_per_address_max, flows, locals, secrets.addresses),
      time_wait(given.time_wait_max, flows, locals), timers(transfers, now_ms()), bodies(packets),
      records(record_count(packets)), resent(packets.total_count() + kPacketsInReserve + record_count(packets)), cookies(secrets.cookies),
      spent_cookies(given.spent_cookies_max), block(*environment.blocks), resets(given.resets_per_s),
      challenges(given.challenge_acks_per_s, secrets.challenges) {
  if (!given.populate) return;
  flows.populate_if_small();
  half_open.populate_if_small();
  waiting_syns.populate_if_small();
}

Transfer* attach_transfer(Stack& stack, Tcb& row) noexcept {
  if (row.has_transfer()) return &stack.transfers[row.transfer];
  SLUICE_ASSERT(!row.in_short_flight());
  if (stack.transfers.used() + stack.short_flights >= stack.transfers.size()) return nullptr;
  const uint32_t index = stack.transfers.allocate();
  if (index == kNone) return nullptr;
  row.transfer = index;
  stack.transfers.prefetch_next();
  Transfer& transfer = stack.transfers[index];
  transfer.tcb = stack.row_of(row);
  transfer.write_end = row.snd_nxt;
  transfer.recover = row.snd_una;
  transfer.sacked_end = row.snd_una;
  return &transfer;
}

void detach_if_idle(Stack& stack, Tcb& row) noexcept {
  Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) return;
  const bool sending = transfer->send_head != nullptr || row.snd_una != row.snd_nxt || transfer->phase != Phase::kOpen;
  const bool receiving = transfer->held_head != nullptr || transfer->fin_known;
  if (sending || receiving || transfer->timer != TimerKind::kNone) return;
  stack.timers.remove(row.transfer);
  stack.transfers.release(row.transfer);
  row.transfer = kNone;
}

void detach_later(Stack& stack, Tcb& row) {
  if (!row.has_transfer() || row.has(kInIdleList)) return;
  row.set(kInIdleList);
  stack.idle_list.push_back(stack.row_of(row));
}

void detach_idle(Stack& stack) noexcept {
  for (const uint32_t index : stack.idle_list) {
    Tcb& row = stack.rows[index];
    if (!row.has(kDying)) detach_if_idle(stack, row);
    unlist(stack, row, kInIdleList);
  }
  stack.idle_list.clear();
}

Tcb* open_row(Stack& stack, const net::Flow& flow, uint8_t local, uint32_t hash) noexcept {
  uint32_t index = stack.rows.allocate();
  if (index == kNone && evict_orphan(stack)) index = stack.rows.allocate();
  if (index == kNone) return nullptr;
  Tcb& row = stack.rows[index];
  row.remote = flow.remote;
  row.remote_port = flow.remote_port;
  row.local_port = flow.local_port;
  row.local = local;
  row.stream = kNoStream;
  row.transfer = kNone;
  row.flags = kUsed | kHashed;
  row.free_next = hash;
  stack.flows.insert(hash, FlowRef::make(FlowKind::kTcb, index));
  ++stack.gauges.connections;
  return &row;
}

namespace {

void drop_transfer(Stack& stack, Tcb& row) noexcept {
  if (row.in_short_flight()) return end_short_flight(stack, row);
  Transfer* const transfer = stack.transfer_of(row);
  if (transfer == nullptr) return;
  while (transfer->send_head != nullptr) {
    nic::Packet* const packet = transfer->send_head;
    transfer->send_head = packet->link;
    stack.resent.remove(*transfer, packet);
    release_sent(stack.packets, stack.records, packet);
    --stack.gauges.packets_sending;
  }
  while (transfer->held_head != nullptr) {
    nic::Packet* const frame = transfer->held_head;
    transfer->held_head = frame->link;
    stack.packets.unref_frame(frame);
    --stack.gauges.packets_received;
  }
  stack.timers.remove(row.transfer);
  stack.transfers.release(row.transfer);
  row.transfer = kNone;
}

}  // namespace

void close_row_keeping_flow(Stack& stack, Tcb& row) noexcept {
  SLUICE_ASSERT(row.has(kUsed) && !row.has(kDying));
  if (row.has(kInOrphanList)) stack.orphans.remove(row);
  if (row.has(kOrphan)) --stack.gauges.orphans;
  drop_transfer(stack, row);
  unbind_stream(stack, row);
  row.state = State::kClosed;
  row.set(kDying);
  row.set(kAwaitsFree);
  row.clear(kHashed);
  row.clear(kOrphan);
  --stack.gauges.connections;
  stack.dying.push_back(stack.row_of(row));
}

void close_row(Stack& stack, Tcb& row) noexcept {
  SLUICE_ASSERT(row.has(kHashed));
  stack.flows.remove(row.free_next, FlowRef::make(FlowKind::kTcb, stack.row_of(row)));
  close_row_keeping_flow(stack, row);
}

void free_dying(Stack& stack) noexcept {
  for (const uint32_t index : stack.dying) {
    Tcb& row = stack.rows[index];
    row.clear(kAwaitsFree);
    if ((row.flags & kListed) != 0) continue;
    row.flags = 0;
    stack.rows.release(index);
  }
  stack.dying.clear();
}

void unlist(Stack& stack, Tcb& row, TcbFlag list) noexcept {
  row.clear(list);
  if (!row.has(kDying) || row.has(kAwaitsFree) || (row.flags & kListed) != 0) return;
  row.set(kAwaitsFree);
  stack.dying.push_back(stack.row_of(row));
}

void bind_stream(Stack& stack, Tcb& row, StreamId id) noexcept {
  SLUICE_ASSERT(id < stack.stream_rows.size() && stack.stream_rows[id] == 0);
  row.stream = id;
  stack.stream_rows[id] = stack.row_of(row) + 1;
}

void unbind_stream(Stack& stack, Tcb& row) noexcept {
  if (row.stream == kNoStream) return;
  stack.stream_rows[row.stream] = 0;
  row.stream = kNoStream;
}

}  // namespace sluice::tcp
