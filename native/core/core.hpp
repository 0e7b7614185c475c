#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/commands.hpp"
#include "core/device_side.hpp"
#include "core/endings.hpp"
#include "core/heartbeat.hpp"
#include "core/inbox.hpp"
#include "core/inspection.hpp"
#include "core/lifecycle.hpp"
#include "core/parts.hpp"
#include "core/turn_budget.hpp"

namespace sluice::core {

// One core: a driver, its connections, its end of the rings. Owned by one thread, its own or the control plane's; a turn is
// receive(), then whatever the control plane does with the events, then transmit().
class Core final : public StreamSink, public hub::DeliverySink, public Outbox::Listener {
 public:
  Core(queue::Region& region, uint32_t index, const CoreOptions& options);
  ~Core() override;

  // The core's receive blocks, for the driver that is then given to attach().
  BlockPool& blocks() noexcept { return parts_.blocks; }
  uint32_t capacity() const noexcept { return parts_.table.capacity(); }
  uint32_t index() const noexcept { return parts_.core; }
  // `device` is what the driver polls, where it does; it outlives the core.
  void attach(std::unique_ptr<StreamDriver> driver, DeviceSide* device = nullptr);
  StreamDriver& driver() noexcept { return *driver_; }
  queue::Counters& counters() noexcept { return parts_.counters; }
  const ConnectionRow& row(uint32_t slot) const noexcept { return parts_.table[slot]; }

  // Takes in what has come and what time has brought, at most the budget of a turn. Waits for at most timeout_us (negative: for
  // as long as nothing is due). True when events were made visible to a reader that sleeps.
  bool receive(int64_t timeout_us);
  // Carries out commands, goes on with the fan-out and offers all writes. Returns how much it did; true in `reader_waits` as
  // CommandReader::done. `whole`: the fan-out to its end, so that no command's bytes are referred to any more.
  uint32_t transmit(bool& reader_waits, bool whole = false);

  // After a turn without anything to do, for a loop that hosts the core: true when the driver's wait_fd() announces what comes.
  bool prepare_wait() { return device_ == nullptr || device_->prepare_wait(); }
  bool polls_device() const noexcept { return device_ != nullptr; }

  // ---- without a control plane, and with another (core/conductor.hpp) ----

  // The control plane is gone: what it had handed over is carried out, what it was in the middle of is dropped.
  void detach();
  // It wrote what cannot be: whatever it had not handed over is dropped.
  void drop_commands() noexcept { commands_.reset(); }
  // What the next one has to know; it is attached from here on.
  void attach_owner(std::vector<uint8_t>& snapshot);
  // It takes events.
  void owner_runs() noexcept { served_ = true; }
  // Since the last one was gone nobody has taken events yet.
  bool served() const noexcept { return served_; }
  void close_all(uint16_t code, const char* reason) { lifecycle_.close_all(code, reason); }

  uint32_t handled() const noexcept { return handled_; }
  // Grows with every event written.
  uint32_t event_position() const noexcept { return parts_.events.position(); }
  bool corrupted() const noexcept { return commands_.corrupted(); }
  CommandReader& commands() noexcept { return commands_; }
  // How long the next receive() should hold back so that more messages come with each receive; 0 under light load.
  uint32_t pacing_us() const noexcept { return pacing_us_; }

  // StreamSink
  StreamId on_accept() override;
  void on_data(StreamId id, uint8_t* data, uint32_t length) override;
  void on_end(StreamId id) override;
  void on_written(StreamId id, uint32_t accepted, uint32_t offered) override;
  void on_writable(StreamId id) override;
  void on_error(StreamId id, int error) override;
  void on_notice(NoticeKind kind, int error) override;

  // hub::DeliverySink
  void prefetch(std::span<const uint32_t> slots) override {
    for (const uint32_t slot : slots) __builtin_prefetch(&parts_.table[slot], 1);
    driver_->prefetch(slots, true);
  }
  uint32_t share(const hub::Piece& piece) override { return driver_->share(piece.data, piece.length); }
  void unshare(uint32_t shared) override { driver_->unshare(shared); }
  uint32_t deliver(std::span<const uint32_t> slots, std::span<const hub::Piece> pieces) override;
  void lagging(uint32_t slot, uint32_t channel, uint64_t next_seq) override;

  // Outbox::Listener
  void on_drained(uint32_t slot) override;

 private:
  static constexpr uint64_t kCareEveryUs = 20'000;
  static constexpr uint64_t kCountEveryUs = 100'000;

  // A fan-out goes on turn by turn: in between its subscribers' acknowledgements come in, while what they concern is still in the cache,
  // and other connections have their share.
  static constexpr uint32_t kSubscribersATurn = 1024;
  // On a device all memory that a delivery takes comes round with its acknowledgement: what few have out at a time stays in the cache.
  static constexpr uint32_t kSubscribersATurnOfDevice = 256;
  // A device or a pool that has no room holds a fan-out up, but does not stop it: what is not taken is the outbox's to keep.
  static constexpr uint64_t kHeldUpUs = 10'000;
  // Meanwhile: the device has frames for longer than that, and to look at it again and again only costs CPU.
  static constexpr uint32_t kHeldUpPacingUs = 200;

  uint64_t now_us() noexcept;
  uint32_t take_in(int64_t wait_us);
  void take_care();
  void fan_out(bool whole);
  uint32_t deliver_at_once(std::span<const uint32_t> slots, const hub::Piece& piece);
  bool deliver_later(uint32_t slot, std::span<const hub::Piece> pieces);
  void publish_counters();

  Parts parts_;
  Lifecycle lifecycle_;
  Endings endings_;
  Inbox inbox_;
  Heartbeat heartbeat_;
  CommandReader commands_;
  Inspection inspection_;
  std::unique_ptr<StreamDriver> driver_;
  DeviceSide* device_ = nullptr;
  uint64_t care_due_us_ = 0;
  uint64_t count_due_us_ = 0;
  uint64_t fanned_out_us_ = 0;
  bool held_up_ = false;      // the last turn's slice of a fan-out
  bool served_ = true;
  bool unconfirmed_ = false;  // commands were carried out whose bytes may still be referred to
  uint64_t paced_messages_ = 0;
  uint64_t paced_receives_ = 0;
  uint32_t handled_ = 0;
  TurnBudget budget_;
  uint32_t pacing_us_ = 0;
};

}  // namespace sluice::core
