#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "sim/script/encode.hpp"
#include "tcp/tcp_driver.hpp"

namespace sluice::sim::script {

struct AppEvent {
  uint64_t time_us;
  std::string kind;   // accepted, connected, data, end, error
  int64_t value = 0;  // bytes, or an errno
};

// The application on top of the stack in a script: does what the script says and remembers what it is told.
class Application final : public StreamSink, public tcp::ConnectSink {
 public:
  Application(const ManualClock& clock, uint32_t capacity) : clock_(clock), capacity_(capacity) {}
  void attach(tcp::TcpDriver& driver) { driver_ = &driver; }

  bool refuse = false;

  // Streams by the peer's port, as connections of a script are told apart.
  std::deque<AppEvent>& events(uint16_t remote_port) { return streams_[remote_port].events; }
  StreamId id_of(uint16_t remote_port) { return streams_[remote_port].id; }
  StreamId begin_connect(uint16_t remote_port);
  void abandon_connect(uint16_t remote_port) { drop(streams_[remote_port]); }
  void write(uint16_t remote_port, uint64_t bytes);
  void shutdown(uint16_t remote_port);
  void close(uint16_t remote_port, bool reset);
  // Bytes that were not what the peer sent at that place.
  const std::string& complaint() const { return complaint_; }

  // Names streams whose first call came from within on_accept, and offers what could not be written.
  void settle();

  StreamId on_accept() override;
  void on_data(StreamId id, uint8_t* data, uint32_t length) override;
  void on_end(StreamId id) override;
  void on_written(StreamId id, uint32_t accepted, uint32_t offered) override;
  void on_writable(StreamId id) override;
  void on_error(StreamId id, int error) override;
  void on_notice(NoticeKind, int) override {}
  void on_connect(StreamId id) override;

 private:
  struct Stream {
    StreamId id = kNoStream;
    std::deque<AppEvent> events;
    uint64_t written = 0;  // accepted by the stack
    uint64_t wanted = 0;
    uint64_t received = 0;
    bool waits = false;
    bool shutting = false;
    std::vector<uint8_t> offered;
  };

  StreamId take_id();
  void drop(Stream& stream);
  Stream& stream_of(StreamId id);
  void offer(Stream& stream);
  void note(Stream& stream, const char* kind, int64_t value = 0);

  const ManualClock& clock_;
  uint32_t capacity_;
  tcp::TcpDriver* driver_ = nullptr;
  std::map<uint16_t, Stream> streams_;
  std::map<StreamId, uint16_t> ports_;
  std::vector<StreamId> nameless_;
  std::string complaint_;
};

}  // namespace sluice::sim::script
