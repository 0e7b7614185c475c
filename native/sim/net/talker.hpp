#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/prng.hpp"
#include "sim/net/conversation.hpp"
#include "sim/net/wire_checker.hpp"
#include "tcp/tcp_driver.hpp"

namespace sluice::sim {

// The application of one host: holds its side of every conversation and checks every byte, every end and every error that it is told
// of against what the other side did.
class Talker final : public StreamSink, public tcp::ConnectSink {
 public:
  // Asks to be called again at a time.
  using Wake = std::function<void(uint64_t at_us)>;

  Talker(uint32_t host, const ManualClock& clock, const std::vector<Conversation>& conversations, uint64_t seed, uint32_t capacity,
         Wake wake);
  void attach(tcp::TcpDriver& driver) { driver_ = &driver; }

  // Opens a conversation. False: it cannot be tried now.
  bool open(uint32_t number, const net::Flow& flow);
  // Writes, resumes and ends what is due.
  void pump();

  // This side has ended, one way or the other.
  bool done(uint32_t number) const { return sides_[number].done; }
  // It was opened, here or by the other side.
  bool began(uint32_t number) const { return sides_[number].done || sides_[number].id != kNoStream; }
  // Where this side stands, for a report on what is stuck.
  std::string progress(uint32_t number) const;
  uint64_t bytes_received() const noexcept { return bytes_received_; }
  const std::vector<Finding>& findings() const noexcept { return findings_; }

  StreamId on_accept() override;
  void on_data(StreamId id, uint8_t* data, uint32_t length) override;
  void on_end(StreamId id) override;
  void on_written(StreamId id, uint32_t accepted, uint32_t offered) override;
  void on_writable(StreamId id) override;
  void on_error(StreamId id, int error) override;
  void on_notice(NoticeKind, int) override {}
  void on_connect(StreamId id) override;

 private:
  static constexpr uint32_t kNobody = UINT32_MAX;

  struct Side {
    StreamId id = kNoStream;
    bool open = false;  // connected or bound
    bool done = false;
    bool waits = false;  // for on_writable
    bool shut = false;
    bool ended = false;  // the other side's end was told
    bool paused = false;
    uint64_t written = 0;
    uint64_t received = 0;
    uint64_t write_due_us = 0;
    uint64_t resume_due_us = 0;
    std::vector<uint8_t> offered;
    std::string outcome;
  };
  struct Stream {
    bool used = false;
    uint32_t conversation = kNobody;
    uint32_t name_bytes = 0;
    uint64_t name = 0;
  };

  const SidePlan& plan(uint32_t number) const { return conversations_[number].sides[side_of(number)]; }
  const SidePlan& other_plan(uint32_t number) const { return conversations_[number].sides[1 - side_of(number)]; }
  uint32_t side_of(uint32_t number) const { return conversations_[number].opener == host_ ? 0 : 1; }

  void finding(const char* rule, uint32_t number, const std::string& what);
  StreamId take_id();
  bool known(StreamId id, const char* call);
  // Takes bytes of the name from an accepted stream; what is left is the conversation's. False: the stream is gone.
  bool read_name(StreamId id, uint8_t*& data, uint32_t& length);
  void receive(uint32_t number, const uint8_t* data, uint32_t length);
  void pump_side(uint32_t number);
  bool may_write(const Side& side) const;
  bool answer(Side& side);
  void write_some(uint32_t number);
  void finish(uint32_t number, const char* outcome);
  void close(uint32_t number, bool reset, const char* outcome);
  bool abrupt_somewhere() const;

  uint32_t host_;
  const ManualClock& clock_;
  const std::vector<Conversation>& conversations_;
  Prng random_;
  Wake wake_;
  tcp::TcpDriver* driver_ = nullptr;
  std::vector<Side> sides_;
  std::vector<Stream> streams_;
  std::vector<Finding> findings_;
  uint64_t bytes_received_ = 0;
};

}  // namespace sluice::sim
