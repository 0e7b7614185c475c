#pragma once

#include <cstdint>
#include <vector>

#include "wire/tcp_options.hpp"
#include "wiregen/address_plan.hpp"
#include "wiregen/client.hpp"
#include "wiregen/item_writer.hpp"
#include "wiregen/segment_writer.hpp"
#include "wiregen/settings.hpp"
#include "wiregen/timer_wheel.hpp"

namespace sluice::wiregen {

enum class End : uint8_t {
  kClosed,     // both sides ended
  kReset,
  kRefused,    // RST answered the SYN
  kTimeout,    // no answer to the SYN, or none to data
};

// What TCP tells the layer above. Calls come from within Tcp's functions; the callee may queue items.
class TcpUser {
 public:
  virtual ~TcpUser() = default;
  virtual void on_connected(ClientId id) = 0;
  virtual void on_bytes(ClientId id, const uint8_t* data, uint32_t length) = 0;
  // The peer's FIN: nothing more will come.
  virtual void on_peer_end(ClientId id) = 0;
  // The connection is gone.
  virtual void on_gone(ClientId id, End end) = 0;
  virtual void on_slow_tick(ClientId id) = 0;
};

// A segment from the server: checksums are good, lengths are checked.
struct Incoming {
  uint32_t seq;
  uint32_t ack;
  uint16_t window;
  uint8_t flags;
  const uint8_t* options;
  uint32_t options_bytes;
  const uint8_t* data;
  uint32_t length;
};

// The clients' side of TCP (RFC 9293): handshake, acknowledgement, retransmission with back-off, fast retransmission, the peer's
// window, close, resistance to blind resets. There is no congestion window: a client has little in flight by its nature. Segments
// that come out of order are dropped and asked for again.
class Tcp {
 public:
  struct Counters {
    uint64_t segments_in = 0;
    uint64_t payload_in = 0;
    uint64_t opened = 0;
    uint64_t closed = 0;
    uint64_t resets_in = 0;
    uint64_t resets_out = 0;
    uint64_t timeouts = 0;
    uint64_t retransmits = 0;
    uint64_t out_of_order = 0;
    uint64_t duplicates = 0;      // came again
    uint64_t challenges = 0;      // RFC 5961: answered a suspicious RST or SYN by an acknowledgement
    uint64_t unexpected = 0;      // for a connection that is not there
    uint64_t bad_acks = 0;        // acknowledge what was never sent
  };

  Tcp(const Settings& settings, const AddressPlan& plan, Client* clients, ItemWriter& items, SegmentWriter& out);

  void user(TcpUser* user) noexcept { user_ = user; }
  void now(uint64_t now_ns) noexcept { now_ns_ = now_ns; }
  uint64_t now() const noexcept { return now_ns_; }
  void start(uint64_t now_ns) noexcept;

  // Sends a SYN from the client's next port.
  void open(ClientId id);
  // False: the queue has too many different items; again later.
  bool queue(ClientId id, ItemKind kind);
  // Sends what the window allows, and the acknowledgement where nothing carried it. touch() has it done at the end of the burst.
  void push(ClientId id);
  void touch(ClientId id);
  void push_touched();
  void reset(ClientId id);
  // From now on `bytes` may come, and no more until it is called again.
  void open_read_window(ClientId id, uint16_t bytes);
  void slow_tick_in(ClientId id, uint32_t ms) { wheel_.arm(clients_, id, ms); }

  void on_segment(ClientId id, uint16_t port, const Incoming& segment);
  // For an address that is a client's, but none has that port.
  void refuse(uint32_t address, uint16_t port, const Incoming& segment);
  void advance_timers();
  // The device has taken every frame.
  void all_sent() noexcept { emptied_tick_ = tick(); }

  const Counters& counters() const noexcept { return counters_; }
  uint64_t messages_queued() const noexcept { return messages_queued_; }
  uint32_t queued_bytes(ClientId id) const;

 private:
  void on_syn_sent(ClientId id, Client& client, const Incoming& segment, const wire::TcpOptions& options);
  void on_established(ClientId id, Client& client, const Incoming& segment);
  bool acceptable(ClientId id, Client& client, const Incoming& segment);
  void on_ack(ClientId id, Client& client, const Incoming& segment);
  void acknowledged(ClientId id, Client& client);
  void on_data(ClientId id, Client& client, const Incoming& segment);
  void on_time_wait(ClientId id, Client& client, const Incoming& segment);
  void finish_if_done(ClientId id, Client& client);
  void gone(ClientId id, Client& client, End end, TcpState next);
  void forget_queue(ClientId id, Client& client);

  bool send_data(ClientId id, Client& client, uint32_t offset, uint32_t bytes);
  uint32_t copy_queue(ClientId id, const Client& client, uint32_t offset, uint32_t bytes, uint8_t* out, bool& fin);
  void send_syn(ClientId id, Client& client);
  void send_bare(ClientId id, const Client& client, uint8_t flags, uint32_t seq);
  void send_reset(uint32_t address, uint16_t port, const Incoming& segment);
  SegmentWriter::Segment header_of(ClientId id, const Client& client, uint8_t flags, uint32_t seq) const;
  uint32_t item_number(const Client& client, uint32_t run, uint32_t item, uint32_t pongs) const;
  uint16_t tick() const noexcept { return TimerWheel::tick_of(now_ns_); }
  uint32_t stamp() const noexcept { return static_cast<uint32_t>(now_ns_ / 1'000'000); }
  uint32_t rto_ms(const Client& client) const noexcept;
  bool may_wait_here(const Client& client) const noexcept;
  void on_timer(ClientId id);
  void retransmit(ClientId id, Client& client);

  const Settings& settings_;
  const AddressPlan& plan_;
  Client* const clients_;
  ItemWriter& items_;
  SegmentWriter& out_;
  TcpUser* user_ = nullptr;
  TimerWheel wheel_;
  std::vector<ClientId> touched_;
  std::vector<uint8_t> scratch_;
  uint64_t now_ns_ = 0;
  uint16_t emptied_tick_ = 0;  // when no frame waited for the device
  uint64_t messages_queued_ = 0;
  // All connections go to one server, so this is the same for all: the least that it said.
  uint16_t peer_mss_;
  Counters counters_;
};

}  // namespace sluice::wiregen
