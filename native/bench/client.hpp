#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/conn.hpp"
#include "bench/options.hpp"
#include "bench/scenario.hpp"

namespace sluice::load {

uint64_t monotonic_ns() noexcept;

// The event loop: opens connections, frames and sends, receives and parses, and calls the scenario. One thread, one epoll
// set, one receive and one transmit buffer for all connections.
class Client {
 public:
  Client(const Options& options, Scenario& scenario);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Runs until the scenario finished or failed. True: finished.
  bool run();
  // For a signal's handler: the run is finished, as it stands.
  static void end_now() noexcept;

  const Options& options() const noexcept { return options_; }
  uint64_t now_ns() const noexcept { return now_ns_; }
  Conn& conn(uint32_t index) noexcept { return conns_[index]; }
  uint32_t open_count() const noexcept { return open_; }
  uint32_t in_progress() const noexcept { return in_progress_; }
  const std::string& failure() const noexcept { return failure_; }

  // Makes room for `count` connections in all and opens those from the current count on, a burst at a time.
  void open_up_to(uint32_t count);
  // Opens a closed connection again.
  void reopen(uint32_t index);

  // Appends one masked frame to what goes to `conn`; it leaves at the end of the turn or with the next connection's frame.
  void send(Conn& conn, uint8_t opcode, const uint8_t* payload, uint64_t length);
  // A message of the scenario's in two steps, so that its payload is built in place: `length` bytes, unmasked, then commit().
  uint8_t* begin_message(Conn& conn, uint64_t length);
  void commit_message(uint8_t opcode, uint64_t length);
  void send_raw(Conn& conn, const void* data, uint64_t length);
  void flush();

  void send_close(Conn& conn, uint16_t code);
  // Closes the socket at once; by RST where `reset`, so that tens of thousands of ports do not linger in TIME_WAIT.
  void drop(Conn& conn, bool reset);
  void stop_reading(Conn& conn);

  // A scenario that rightly hears nothing calls this to say that it is not stuck.
  void progressed() noexcept { last_progress_ns_ = now_ns_; }
  void finish() noexcept { finished_ = true; }
  void fail(const std::string& why);

 private:
  void open_more();
  bool start_connect(Conn& conn);
  void bind_source(int fd, uint32_t index) const;
  void on_event(uint32_t index, uint32_t events);
  void on_connect_result(Conn& conn);
  void begin_handshake(Conn& conn);
  void receive(Conn& conn);
  void consume(Conn& conn, const uint8_t* data, uint64_t length);
  uint64_t consume_handshake(Conn& conn, const uint8_t* data, uint64_t length);
  bool consume_frame(Conn& conn, const Frame& frame);
  bool on_control(Conn& conn, const Frame& frame);
  void on_session_message(Conn& conn, const Frame& frame);
  void on_socket_io(Conn& conn, const Frame& frame);
  uint8_t* begin_frame(Conn& conn, uint64_t length);
  void commit_frame(uint8_t opcode, uint64_t length);
  void opened(Conn& conn);
  void lost(Conn& conn, const Loss& loss);
  void send_backlog(Conn& conn);
  void watch(Conn& conn, uint32_t events);
  bool in_sluice_session() const noexcept { return options_.subprotocol == "sluice.v1"; }

  void wait(uint64_t deadline_ns);
  void check_deadlines();
  void report_progress();

  const Options& options_;
  Scenario& scenario_;
  std::vector<Conn> conns_;
  int epoll_ = -1;
  uint32_t wanted_ = 0;        // connections to open
  uint32_t next_open_ = 0;     // the first one not yet started
  uint32_t open_ = 0;
  uint32_t in_progress_ = 0;
  uint32_t sources_ = 1;
  uint64_t handshakes_ = 0;
  uint64_t now_ns_ = 0;
  uint64_t started_ns_ = 0;
  uint64_t last_progress_ns_ = 0;
  uint64_t last_report_ns_ = 0;
  uint64_t deadline_ns_ = 0;
  bool finished_ = false;
  std::string failure_;

  std::vector<uint8_t> rx_;
  std::vector<uint8_t> tx_;
  uint64_t tx_used_ = 0;
  Conn* tx_conn_ = nullptr;
  uint32_t mask_ = 0x9e3779b9u;
};

}  // namespace sluice::load
