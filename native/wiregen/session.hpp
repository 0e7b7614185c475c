#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/header_line.hpp"
#include "wiregen/assembler.hpp"
#include "wiregen/client.hpp"
#include "wiregen/item_writer.hpp"
#include "wiregen/settings.hpp"
#include "wiregen/tcp.hpp"

namespace sluice::wiregen {

// Why a connection is no more that was to stay.
struct Loss {
  enum class Kind : uint8_t { kRefused, kReset, kTimeout, kNoUpgrade, kClosedByServer, kBroken };
  Kind kind;
  uint16_t code = 0;         // HTTP status, close code
  std::string detail;
};
std::string describe(const Loss& loss);

class SessionUser {
 public:
  virtual ~SessionUser() = default;
  // The conversation can begin: upgraded, and with the gateway welcomed and subscribed.
  virtual void on_ready(ClientId id, bool resumed) = 0;
  // A data message, whole. With the gateway neither welcome nor heartbeat nor the answer to sub.
  virtual void on_message(ClientId id, const Assembler::Frame& message) = 0;
  // Once, for a connection that was not leaving. It may live on a little: on_gone() follows.
  virtual void on_lost(ClientId id, const Loss& loss) = 0;
  virtual void on_gone(ClientId id) = 0;
  virtual void on_slow_tick(ClientId id) = 0;
};

// A client's conversation above TCP: upgrade (RFC 6455 §4.1), hello and sub, pings and heartbeats, close.
class Session final : public TcpUser {
 public:
  struct Counters {
    uint64_t upgraded = 0;
    uint64_t ready = 0;          // in all, reconnects included
    uint64_t resumed = 0;
    uint64_t pings = 0;          // received
    uint64_t pongs = 0;
    uint64_t heartbeats = 0;
    uint64_t unanswered = 0;     // pings and heartbeats for which the queue had no room
  };

  Session(const Settings& settings, Client* clients, ItemWriter& items, Tcp& tcp);

  void user(SessionUser* user) noexcept { user_ = user; }
  // Of every so manieth client the resume token is kept; 0: of none.
  void keep_tokens(uint32_t every) noexcept { keep_every_ = every; }

  void open(ClientId id, bool resume);
  // Closes as RFC 6455 §7.1.1 wants: close frames, then the server's FIN, then ours.
  void leave(ClientId id);
  // Without a word: by RST, or by FIN.
  void drop(ClientId id, bool reset);

  const Counters& counters() const noexcept { return counters_; }
  // Connections that are ready now.
  uint64_t ready() const noexcept { return ready_; }

  void on_connected(ClientId id) override;
  void on_bytes(ClientId id, const uint8_t* data, uint32_t length) override;
  void on_peer_end(ClientId id) override;
  void on_gone(ClientId id, End end) override;
  void on_slow_tick(ClientId id) override { user_->on_slow_tick(id); }

 private:
  bool on_response(ClientId id, Client& client, const uint8_t*& at, const uint8_t* end);
  std::string wrong_with(ClientId id, const Client& client, std::string_view head, uint16_t& status) const;
  bool subscribes_early(const Client& client) const noexcept { return settings_.early && !client.has(kResuming); }
  void on_upgraded(ClientId id, Client& client);
  void on_frame(ClientId id, Client& client, const Assembler::Frame& frame);
  void on_ping(ClientId id, Client& client, const Assembler::Frame& frame);
  void on_close_frame(ClientId id, Client& client, const Assembler::Frame& frame);
  void on_data_frame(ClientId id, Client& client, const Assembler::Frame& message);
  void on_welcome(ClientId id, Client& client, const load::HeaderLine& header);
  void on_subscribed(ClientId id, Client& client, const load::HeaderLine& header);
  void become_ready(ClientId id, Client& client);
  void lose(ClientId id, Client& client, Loss loss);
  void broken(ClientId id, Client& client, std::string detail);
  bool keeps_token(ClientId id) const noexcept { return keep_every_ != 0 && id % keep_every_ == 0; }

  const Settings& settings_;
  Client* const clients_;
  ItemWriter& items_;
  Tcp& tcp_;
  SessionUser* user_ = nullptr;
  Assembler assembler_;
  uint32_t keep_every_ = 0;
  uint64_t ready_ = 0;
  Counters counters_;
};

}  // namespace sluice::wiregen
