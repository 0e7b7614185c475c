#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/conn.hpp"
#include "bench/frame.hpp"
#include "bench/json.hpp"

namespace sluice::load {

class Client;

enum class LossKind : uint8_t {
  kConnectFailed,
  kRefused,       // the answer was not 101
  kBadHandshake,
  kClosedByPeer,  // close frame or FIN
  kReset,
  kLocal,         // closed by us
};

struct Loss {
  LossKind kind;
  int code;            // errno, HTTP status or close code
  std::string detail;
};

// What a test does with its connections. All calls come from the client's loop.
class Scenario {
 public:
  virtual ~Scenario() = default;

  virtual void start(Client& client) = 0;
  // The path of a connection's request; the default is that of --url.
  virtual std::string path_of(const Client& client, uint32_t index) const;
  // Connected, but before the handshake is sent. True: the scenario drives the socket itself.
  virtual bool on_connected(Client&, Conn&) { return false; }
  virtual void on_open(Client& client, Conn& conn) = 0;
  // A whole message (text or binary). Valid during the call.
  virtual void on_message(Client& client, Conn& conn, const Frame& frame) = 0;
  // After the messages of one receive: what is sent from here leaves in one system call.
  virtual void on_batch(Client&, Conn&) {}
  // The default: any loss that the scenario did not ask for fails the run.
  virtual void on_lost(Client& client, Conn& conn, const Loss& loss);
  // Once per turn of the loop; returns when it wants the next one at the latest (monotonic ns).
  virtual uint64_t on_turn(Client& client, uint64_t now_ns) = 0;

  // A short line about the last second, and the members of the result.
  virtual std::string progress(const Client& client, double seconds) = 0;
  virtual void report(const Client& client, JsonObject& out) const = 0;
};

// nullptr: no such scenario.
std::unique_ptr<Scenario> make_scenario(const std::string& name);
std::unique_ptr<Scenario> make_echo();
std::unique_ptr<Scenario> make_idle();
std::unique_ptr<Scenario> make_fanout();
std::unique_ptr<Scenario> make_connect();
std::unique_ptr<Scenario> make_publish();
std::unique_ptr<Scenario> make_slowloris();
std::unique_ptr<Scenario> make_never_read();

}  // namespace sluice::load
