#pragma once

#include <cstdint>
#include <vector>

#include "base/receive_block.hpp"
#include "net/ip_layer.hpp"
#include "tcp/challenge_limit.hpp"
#include "tcp/expected_acks.hpp"
#include "tcp/flow_table.hpp"
#include "tcp/half_open.hpp"
#include "tcp/local_addresses.hpp"
#include "tcp/late_acks.hpp"
#include "tcp/orphans.hpp"
#include "tcp/resent.hpp"
#include "tcp/sent_records.hpp"
#include "tcp/shared_bodies.hpp"
#include "tcp/spent_cookies.hpp"
#include "tcp/syn_cookie.hpp"
#include "tcp/tcb.hpp"
#include "tcp/tcp_driver.hpp"
#include "tcp/time_wait.hpp"
#include "tcp/timer_wheel.hpp"
#include "tcp/token_bucket.hpp"
#include "tcp/transfer.hpp"
#include "tcp/waiting_syns.hpp"

namespace sluice::tcp {

// First in, first out; doubles when it is full.
template <typename T>
class Fifo {
 public:
  bool empty() const noexcept { return head_ == items_.size(); }
  size_t size() const noexcept { return items_.size() - head_; }
  T& front() noexcept { return items_[head_]; }
  void push(const T& item) { items_.push_back(item); }
  void pop() noexcept {
    // What was taken out is given back when it is the greater part, so that each item is moved once on average.
    if (++head_ < 1024 || head_ * 2 < items_.size()) return;
    items_.erase(items_.begin(), items_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
  const T& front() const noexcept { return items_[head_]; }

 private:
  std::vector<T> items_;
  size_t head_ = 0;
};

// Keys for each purpose, all from the one secret: what one shows to the outside says nothing of another.
struct Secrets {
  explicit Secrets(const SipKey& secret) noexcept;
  SipKey flows;
  SipKey sequence;
  SipKey cookies;
  SipKey timestamps;
  SipKey ports;
  SipKey addresses;
  SipKey challenges;
};

struct Listener {
  bool open = false;
  bool any_address = false;
  net::IpAddress address{};
  uint16_t port = 0;
};

// A row whose acknowledgement may wait (RFC 9293 §3.8.6.3). All wait equally long, so they stand in a queue.
struct DelayedAck {
  uint32_t row;
  uint32_t due_ms;
};

// A row whose acknowledgement is held back for a moment; all for the same.
struct HeldAck {
  uint32_t row;
  uint32_t due_us;
};

// A transfer with data that the pace holds back.
struct Paced {
  uint32_t transfer;
  uint32_t due_us;
};

// A short flight, in the order of sending, by its first record.
struct FlightOut {
  uint32_t row;
  uint32_t record;
  uint32_t sent_us;
};
// What is not over by then gets a timer, none of which is due before.
inline constexpr uint32_t kShortFlightUs = 2000;

// Everything that the roles of the stack (input, acknowledgement, sending, …) work on. Each role is a few functions over this.
struct Stack {
  Stack(const TcpOptions& given, const TcpEnvironment& environment);

  const TcpOptions options;
  net::IpLayer& ip;
  Reactor& reactor;
  nic::PacketPool& packets;
  const uint32_t packets_total;     // of the pool: it does not change
  StreamSink& sink;
  ConnectSink* connect_sink;
  const Secrets secrets;

  uint64_t now_us = 0;
  uint32_t now_whole_ms = 0;
  void set_now(uint64_t us) noexcept {
    now_us = us;
    now_whole_ms = static_cast<uint32_t>(us / 1000);
  }
  // Asked several times for each segment: worked out once a turn.
  uint32_t now_ms() const noexcept { return now_whole_ms; }
  uint32_t now_us32() const noexcept { return static_cast<uint32_t>(now_us); }

  TcpCounters counters;
  DriverCounters driver_counters;
  TcpGauges gauges;

  LocalAddresses locals;
  FlowTable flows;
  Slab<Tcb> rows;
  OrphanLists orphans;
  const uint32_t orphans_sending_max;
  Slab<Transfer> transfers;
  LazyArray<uint32_t> stream_rows;  // 1 + row of each stream; 0: none
  WaitingSyns waiting_syns;
  HalfOpenTable half_open;
  TimeWaitTable time_wait;
  TimerWheel timers;
  SharedBodies bodies;
  SentRecords records;
  uint32_t short_flights = 0;
  ExpectedAcks expected;
  ResentPackets resent;
  SynCookies cookies;
  SpentCookies spent_cookies;
  Listener listener;
  ReceiveBlock block;
  TokenBucket resets;
  ChallengeLimit challenges;
  LateAcks late_acks;
  bool cookies_sent = false;        // an acknowledgement without a connection may be a cookie's
  uint32_t cookies_sent_ms = 0;

  std::vector<uint32_t> ack_list;   // rows that owe an acknowledgement with the next flush
  std::vector<uint32_t> read_list;  // rows with bytes to deliver that could not be delivered when they came
  Fifo<uint32_t> write_list;        // rows whose application waits to write and may
  std::vector<uint32_t> idle_list;  // rows whose transfer may have nothing left in it
  std::vector<uint32_t> dying;      // rows to be freed when nobody is in the middle of one
  bool prompt_owed = false;         // one of ack_list is not to wait for the turn's end
  Fifo<DelayedAck> delayed_acks;
  Fifo<HeldAck> held_acks;
  Fifo<Paced> paced;
  Fifo<Paced> spread;               // the same, with another wait (pacing.cpp)
  Fifo<FlightOut> flights_out;

  uint32_t row_of(const Tcb& row) const noexcept { return rows.index_of(row); }
  net::Flow flow_of(const Tcb& row) const noexcept {
    return {locals[row.local], row.remote, row.local_port, row.remote_port};
  }
  bool is(const Tcb& row, const net::Flow& flow) const noexcept {
    return row.remote_port == flow.remote_port && row.local_port == flow.local_port && row.remote == flow.remote &&
           locals[row.local] == flow.local;
  }
  Transfer* transfer_of(const Tcb& row) noexcept { return row.has_transfer() ? &transfers[row.transfer] : nullptr; }
  const Transfer* transfer_of(const Tcb& row) const noexcept { return row.has_transfer() ? &transfers[row.transfer] : nullptr; }
  // Null for a stream that is gone.
  Tcb* find_stream(StreamId id) noexcept {
    if (id >= stream_rows.size() || stream_rows[id] == 0) return nullptr;
    return &rows[stream_rows[id] - 1];
  }
};

// The row's transfer, a fresh one where it has none; null where all are in use.
Transfer* attach_transfer(Stack& stack, Tcb& row) noexcept;
// Gives the transfer back if nothing is in it.
void detach_if_idle(Stack& stack, Tcb& row) noexcept;
// The same with the turn's flush: the application, which has just been given bytes, most often answers, and needs it again.
void detach_later(Stack& stack, Tcb& row);
void detach_idle(Stack& stack) noexcept;

// A row in the flow table, that of an orphan where all others are in use; null where there is none.
Tcb* open_row(Stack& stack, const net::Flow& flow, uint8_t local, uint32_t hash) noexcept;
// Takes the row out of the tables and gives back every packet. The row itself is free at the end of the turn, so that whoever is in
// the middle of it may still look at its state. The stream, if there is one, is cut off without a word.
void close_row(Stack& stack, Tcb& row) noexcept;
// The same without touching the flow table, whose entry has become another record's.
void close_row_keeping_flow(Stack& stack, Tcb& row) noexcept;
void free_dying(Stack& stack) noexcept;
// The row is out of one of the lists that hold rows by their index. A closed row keeps its place until it is out of all.
void unlist(Stack& stack, Tcb& row, TcbFlag list) noexcept;

void bind_stream(Stack& stack, Tcb& row, StreamId id) noexcept;
// The stream's id is no more this row's.
void unbind_stream(Stack& stack, Tcb& row) noexcept;

}  // namespace sluice::tcp
