#include "addon/inline_loop.hpp"

#include <sys/prctl.h>
#include <time.h>

#include "base/clock.hpp"

namespace sluice::addon {

InlineLoop::InlineLoop(uv_loop_t* loop, core::Core& core, std::function<void()> turn) : core_(core), turn_(std::move(turn)) {
  // Pacing waits are shorter than the kernel's default slack of 50 µs, which would double them.
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  told_position_ = core_.event_position();
  uv_poll_init(loop, &poll_, core_.driver().wait_fd());
  poll_.data = this;
  uv_poll_start(&poll_, UV_READABLE, &InlineLoop::on_readable);
  uv_timer_init(loop, &timer_);
  timer_.data = this;
  uv_timer_start(&timer_, &InlineLoop::on_tick, kTickMs, kTickMs);
  uv_idle_init(loop, &idle_);
  idle_.data = this;
}

void InlineLoop::on_readable(uv_poll_t* handle, int, int) { static_cast<InlineLoop*>(handle->data)->visit(); }

void InlineLoop::on_tick(uv_timer_t* handle) {
  auto* const self = static_cast<InlineLoop*>(handle->data);
  self->tell_others();
  self->visit();
}

void InlineLoop::tell_others() {
  const uint64_t now = uv_hrtime();
  if (now - told_others_ns_ < kTellNs) return;
  const uint64_t idle = uv_metrics_idle_time(timer_.loop);
  others_.loop_had(idle - idle_ns_, now - told_others_ns_);
  idle_ns_ = idle;
  told_others_ns_ = now;
}

void InlineLoop::on_idle(uv_idle_t* handle) { static_cast<InlineLoop*>(handle->data)->visit(); }

// An idle handle keeps libuv from blocking in its poll phase, where Node's own I/O is looked at all the same.
void InlineLoop::keep_polling(bool on) {
  if (polling_ == on || closing_) return;
  polling_ = on;
  if (on) {
    uv_idle_start(&idle_, &InlineLoop::on_idle);
  } else {
    uv_idle_stop(&idle_);
  }
}

void InlineLoop::visit() {
  if (visiting_ || closing_) return;
  visiting_ = true;
  const uint64_t begin = monotonic_us();
  bool quiet = false;
  for (uint32_t i = 0; i < kRoundsPerVisit && !closing_; ++i) {
    quiet = !round();
    if (quiet || monotonic_us() - begin > kVisitUs) break;
    if (const uint32_t wait_us = core_.pacing_us(); wait_us != 0) {
      const timespec wait{0, static_cast<long>(wait_us) * 1000};
      nanosleep(&wait, nullptr);
    }
  }
  // What is left may be of the core's own making, such as an event that the last round's commands led to: no file would wake the loop.
  if (!closing_) keep_polling(!quiet || (core_.polls_device() && !core_.prepare_wait()));
  visiting_ = false;
}

// True when there was something to do, so that there may be more.
bool InlineLoop::round() {
  static_cast<void>(core_.receive(0));
  if (core_.event_position() != told_position_) {
    told_position_ = core_.event_position();
    turn_();
    // The control plane may have stopped the engine.
    if (closing_) return false;
  }
  bool reader_waits = false;
  const uint32_t commands = core_.transmit(reader_waits);
  return core_.handled() != 0 || commands != 0 || core_.event_position() != told_position_;
}

void InlineLoop::pump(bool whole) {
  // Safe in the middle of a turn as well: JavaScript runs between receive() and transmit(), never inside of either.
  if (closing_) return;
  bool reader_waits = false;
  core_.transmit(reader_waits, whole);
}

void InlineLoop::close(std::function<void()> done) {
  if (closing_) return;
  closing_ = true;
  closed_ = std::move(done);
  const auto on_close = [](uv_handle_t* handle) {
    auto* self = static_cast<InlineLoop*>(handle->data);
    if (--self->open_handles_ != 0) return;
    // Moved out first: what it does may delete this loop, and with it a function that were called where it lies.
    const std::function<void()> closed = std::move(self->closed_);
    if (closed) closed();
  };
  uv_poll_stop(&poll_);
  uv_timer_stop(&timer_);
  uv_idle_stop(&idle_);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), on_close);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), on_close);
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), on_close);
}

}  // namespace sluice::addon
