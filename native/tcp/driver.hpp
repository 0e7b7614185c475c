#pragma once

#include <span>

#include "tcp/keepalive.hpp"
#include "tcp/path_mtu.hpp"
#include "tcp/stack.hpp"
#include "tcp/tcp_driver.hpp"

namespace sluice::tcp {

// The stack behind the interface of a driver: turns, and what the application asks for.
class Driver final : public TcpDriver {
 public:
  Driver(const TcpOptions& options, const TcpEnvironment& environment)
      : stack_(options, environment),
        keepalive_(options), aging_(options) {}
  ~Driver() override;

  const char* name() const noexcept override { return "tcp"; }
  bool listen(const ListenOptions& options, std::string& error) override;
  uint16_t bound_port() const noexcept override { return stack_.listener.port; }
  void stop_listening() override { stack_.listener.open = false; }
  uint32_t poll(int64_t timeout_us, uint32_t budget) override;
  int wait_fd() const noexcept override { return stack_.reactor.wait_fd(); }
  void watch_doorbell(int fd) override { stack_.reactor.watch_doorbell(fd); }
  void write(StreamId id, const IoSlice* slices, uint32_t count) override;
  void write_last(StreamId id, const IoSlice* slices, uint32_t count) override;
  uint32_t write_at_once(std::span<const StreamId> ids, uint32_t which, const IoSlice& slice) override;
  uint32_t answers_most() const noexcept override { return SentRecords::kOwnMost; }
  bool answer(StreamId id, AnswerHead head, const uint8_t* data, uint32_t length) override;
  void flush() override;
  void prefetch(std::span<const StreamId> ids, bool near) const noexcept override;
  uint32_t share(const uint8_t* data, uint32_t length) override;
  void unshare(uint32_t shared) override { stack_.bodies.withdraw(shared); }
  uint32_t quiet_ms(StreamId id) const noexcept override;
  bool congested() const noexcept override;
  void notify_writable(StreamId id) override;
  void pause_reading(StreamId id) override;
  void resume_reading(StreamId id) override;
  void shutdown_send(StreamId id) override;
  void close(StreamId id, bool reset) override;
  bool peer_address(StreamId id, PeerAddress& out) const override;
  const DriverCounters& counters() const noexcept override { return stack_.driver_counters; }
  uint64_t memory_fixed() const noexcept override;
  uint64_t memory_per_stream() const noexcept override;

  bool connect(StreamId id, const net::Flow& flow, std::string& error) override;
  uint64_t next_deadline_us() const noexcept override;
  const TcpCounters& tcp_counters() const noexcept override { return stack_.counters; }
  TcpGauges gauges() const noexcept override;
  bool describe(StreamId id, ConnectionInfo& out) const override;
  bool inspect(StreamId id, StreamInfo& out) const override;
  void audit() const override;

  void on_segments(const net::Segment* segments, uint32_t count) override;
  void on_icmp_error(const net::IcmpError& error) override;

 private:
  void begin_call() noexcept;
  // A stream's row, of which something is about to change (short_flight.hpp); null: it is gone.
  Tcb* settled_stream(StreamId id);
  bool send_answer(Tcb& row, AnswerHead head, const uint8_t* data, uint32_t length);
  uint32_t turn(uint32_t budget);

  Stack stack_;
  Keepalive keepalive_;
  PathMtuAging aging_;
  uint32_t turns_put_off_ = 0;  // that timers have waited for
  bool polling_ = false;
  bool clock_read_ = false;  // since poll() returned
};

}  // namespace sluice::tcp
