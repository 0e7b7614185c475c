#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"
#include "kernel/socket.hpp"
#include "kernel/socket_info.hpp"
#include "kernel/uring_driver.hpp"

// The streams of the io_uring driver.

namespace sluice {

using namespace uring;

UringDriver::Stream& UringDriver::open_stream(StreamId id) noexcept {
  Stream& stream = streams_[id];
  SLUICE_ASSERT(stream.flags & kOpen);
  return stream;
}

UringDriver::Stream* UringDriver::stream_of(const Cqe& cqe) noexcept {
  Stream& stream = streams_[static_cast<StreamId>(cqe.user_data)];
  const auto generation = static_cast<uint32_t>(cqe.user_data >> 32) & kGenerationMask;
  return (stream.flags & kOpen) && (stream.generation & kGenerationMask) == generation ? &stream : nullptr;
}

void UringDriver::open(StreamId id, int fd) noexcept {
  Stream& stream = streams_[id];
  SLUICE_ASSERT(!(stream.flags & kOpen));
  stream.fd = fd;
  stream.flags |= kOpen;
  high_water_ = std::max(high_water_, id + 1);
  arm(id);
}

void UringDriver::arm(StreamId id) noexcept {
  Stream& stream = streams_[id];
  SLUICE_ASSERT(!(stream.flags & kArmed));
  stream.flags |= kArmed;
  Sqe& entry = sqe();
  entry.opcode = kOpRecv;
  entry.flags = kSqeBufferSelect;
  entry.ioprio = kRecvMultishot;
  entry.fd = stream.fd;
  entry.buffer_group = UringBuffers::kGroup;
  entry.user_data = tag(Op::kReceive, stream.generation, id);
}

// ---- receiving ----

uint32_t UringDriver::on_received(const Cqe& cqe) {
  const auto id = static_cast<StreamId>(cqe.user_data);
  const uint32_t length = cqe.result > 0 ? static_cast<uint32_t>(cqe.result) : 0;
  UringBuffers::Piece piece{nullptr, BlockPool::kNone, false};
  if (cqe.flags & kCqeBuffer) {
    const bool stays = probe_.incremental_buffers && (cqe.flags & kCqeBufferMore);
    piece = buffers_.take(cqe.flags >> kCqeBufferShift, length, stays);
  }
  Stream* stream = stream_of(cqe);
  if (stream != nullptr) {
    const uint32_t generation = stream->generation;
    if (!(cqe.flags & kCqeMore)) stream->flags &= static_cast<uint16_t>(~(kArmed | kCancelling));
    if (length != 0) deliver(id, piece, length);
    if (stream->generation == generation && !(cqe.flags & kCqeMore)) receive_over(id, cqe.result);
  }
  if (piece.owned) pool_.unref(piece.block);
  return 1;
}

void UringDriver::deliver(StreamId id, const UringBuffers::Piece& piece, uint32_t length) {
  Stream& stream = streams_[id];
  ++counters_.receives;
  counters_.bytes_received += length;
  if (__builtin_expect(stream.held != 0 || (stream.flags & kPaused), 0)) {
    pool_.ref(piece.block);
    held_.push(stream.held, piece.data, length, piece.block);
    return;
  }
  sink_.on_data(id, piece.data, length);
}

// The multishot receive came to its end: by the peer's, by an error, for lack of blocks, or because it was cancelled.
void UringDriver::receive_over(StreamId id, int32_t result) {
  Stream& stream = streams_[id];
  if (result == 0) {
    stream.flags |= kEnd;
    if (stream.held == 0 && !(stream.flags & kPaused)) end(id);
    return;
  }
  if (result == -ENOBUFS) {
    buffers_.grow();
    if (wants_reading(stream)) starve(id);
    return;
  }
  if (result < 0 && result != -ECANCELED && result != -EINTR && result != -EAGAIN) {
    stream.error = static_cast<uint16_t>(-result);
    stream.flags |= kBroken;
    // What came before it is read first, unless nobody wants to read.
    if (stream.held == 0 || (stream.flags & kPaused)) return fail(id, stream.error);
    return queue(id);
  }
  if (wants_reading(stream) && stream.held == 0) arm(id);
}

void UringDriver::end(StreamId id) {
  Stream& stream = streams_[id];
  const uint32_t generation = stream.generation;
  stream.flags |= kEnded;
  sink_.on_end(id);
  if (stream.generation == generation) watch_errors(id);
}

// No receive is under way that would tell of a reset. Multishot, which is edge-triggered: the kernel always reports a peer's FIN too,
// and would do so again and again.
void UringDriver::watch_errors(StreamId id) noexcept {
  Stream& stream = streams_[id];
  if (stream.flags & kErrorPolled) return;
  stream.flags |= kErrorPolled;
  poll_file(stream.fd, 0, tag(Op::kError, stream.generation, id), true);
}

uint32_t UringDriver::on_polled(const Cqe& cqe, Op op) {
  Stream* stream = stream_of(cqe);
  if (stream == nullptr) return 0;
  const auto id = static_cast<StreamId>(cqe.user_data);
  if (op == Op::kWritable) {
    const bool wanted = (stream->flags & kWantWrite) != 0;
    stream->flags &= static_cast<uint16_t>(~(kWantWrite | kWritePolled));
    if (wanted) sink_.on_writable(id);
    return wanted ? 1 : 0;
  }
  if (!(cqe.flags & kCqeMore)) stream->flags &= static_cast<uint16_t>(~kErrorPolled);
  // A receive that is under way reports by itself.
  if (!(stream->flags & (kPaused | kEnded))) return 0;
  int error = 0;
  socklen_t length = sizeof error;
  ++counters_.system_calls;
  if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error == 0) return 0;
  fail(id, error);
  return 1;
}

void UringDriver::queue(StreamId id) noexcept {
  Stream& stream = streams_[id];
  if (stream.flags & kQueued) return;
  stream.flags |= kQueued;
  ready_.push(streams_, id);
}

uint32_t UringDriver::serve_ready(uint32_t budget) {
  uint32_t handled = 0;
  while (!ready_.empty() && handled < budget) {
    const StreamId id = ready_.pop(streams_);
    streams_[id].flags &= static_cast<uint16_t>(~kQueued);
    handled += serve_stream(id, budget - handled);
  }
  return handled;
}

uint32_t UringDriver::serve_stream(StreamId id, uint32_t budget) {
  Stream& stream = streams_[id];
  if (!(stream.flags & kOpen)) return 0;
  const uint32_t generation = stream.generation;
  uint32_t handled = 0;
  while (stream.held != 0 && !(stream.flags & kPaused)) {
    if (handled == budget) {
      queue(id);
      return handled;
    }
    const UringHeld::Entry entry = held_.pop(stream.held);
    sink_.on_data(id, entry.data, entry.length);
    pool_.unref(entry.block);
    ++handled;
    if (stream.generation != generation) return handled;
  }
  if (stream.flags & kBroken) {
    fail(id, stream.error);
    return handled + 1;
  }
  if (stream.flags & kPaused) return handled;
  if ((stream.flags & (kEnd | kEnded)) == kEnd) {
    end(id);
    return handled + 1;
  }
  if (wants_reading(stream) && !(stream.flags & kArmed)) arm(id);
  return handled;
}

void UringDriver::starve(StreamId id) {
  Stream& stream = streams_[id];
  // Served from ready_ it is armed anyway.
  if (stream.flags & kQueued) return;
  stream.flags |= kQueued;
  const bool first = starved_.empty();
  starved_.push(streams_, id);
  // That the ring is short of what the pool still has is nothing to report: the next poll fills it.
  if (first && pool_.free_count() == 0) note_exhausted();
}

// A block serves many small receives, but whoever comes first may take it whole: not all are armed for the sake of one.
void UringDriver::revive_starved() noexcept {
  constexpr uint32_t kAtOnce = 64;
  for (uint32_t i = 0; i < kAtOnce && !starved_.empty(); ++i) {
    const StreamId id = starved_.pop(streams_);
    Stream& stream = streams_[id];
    stream.flags &= static_cast<uint16_t>(~kQueued);
    if ((stream.flags & kOpen) && wants_reading(stream) && stream.held == 0 && !(stream.flags & kArmed)) arm(id);
  }
}

// ---- the end of a stream ----

void UringDriver::release(StreamId id, bool reset) noexcept {
  Stream& stream = open_stream(id);
  // A write that waits comes before the end.
  if (stream.flags & kWriting) submit(0);
  held_.drop(stream.held, pool_);
  const bool referenced = (stream.flags & (kArmed | kWritePolled | kErrorPolled)) != 0;
  if (referenced && reset) {
    // The requests hold the socket's file, so closing would send nothing until they are gone. Dissolving the association
    // (connect(2), AF_UNSPEC) resets it at once and ends them; cancelling them would search the kernel's table for each.
    sockaddr none{};
    none.sa_family = AF_UNSPEC;
    ::connect(stream.fd, &none, sizeof none);
  } else if (referenced) {
    ::shutdown(stream.fd, SHUT_RDWR);
  }
  close_socket(stream.fd, reset && !referenced);
  counters_.system_calls += referenced ? 2 : 1;
  ++stream.generation;
  stream.flags &= kQueued;
  stream.fd = -1;
  note_file_freed();
}

void UringDriver::fail(StreamId id, int error) {
  release(id, false);
  sink_.on_error(id, error);
}

// ---- writing ----

void UringDriver::write(StreamId id, const IoSlice* slices, uint32_t count) {
  SLUICE_ASSERT(count > 0 && count <= kMaxSlices);
  if (!sends_.fits(count)) {
    submit(0);
    report_sends();
  }
  Stream& stream = open_stream(id);
  stream.flags |= kWriting;
  Sqe& entry = sqe();
  const uint32_t index = sends_.add(entry, stream.fd, id, stream.generation, slices, count, probe_.silent_sends);
  entry.user_data = tag(Op::kSend, 0, index);
}

// Looks for completions of sends behind those of other requests, which stay where they are until poll().
void UringDriver::note_sends() noexcept {
  if (sends_.count() == 0) return;
  const uint32_t ready = ring_.ready();
  for (; scanned_ < ready; ++scanned_) {
    Cqe& cqe = ring_.peek(scanned_);
    if (static_cast<Op>(cqe.user_data >> 56) != Op::kSend) continue;
    sends_.complete(static_cast<uint32_t>(cqe.user_data), cqe.result);
    cqe.user_data = tag(Op::kNone, 0, 0);
  }
}

void UringDriver::report_sends() {
  // A copy: the sink may write again from within on_written.
  UringSends::Send sends[UringSends::kMostSends];
  const uint32_t count = sends_.take_all(sends);
  for (uint32_t i = 0; i < count; ++i) {
    const UringSends::Send& send = sends[i];
    Stream& stream = streams_[send.id];
    if (!(stream.flags & kOpen) || stream.generation != send.generation) continue;
    stream.flags &= static_cast<uint16_t>(~kWriting);
    const int error = send.result < 0 ? -send.result : 0;
    const uint32_t accepted = send.result > 0 ? static_cast<uint32_t>(send.result) : 0;
    ++counters_.sends;
    counters_.bytes_sent += accepted;
    if (accepted < send.offered) ++counters_.sends_short;
    // The sink may be in the middle of anything when it writes: that the stream broke is told from the next poll().
    if (error != 0 && error != EAGAIN && error != EINTR && error != ENOBUFS && error != ENOMEM && !(stream.flags & kBroken)) {
      stream.flags |= kBroken;
      stream.error = static_cast<uint16_t>(error);
      queue(send.id);
    }
    sink_.on_written(send.id, accepted, send.offered);
  }
}

// ---- what the core asks for ----

void UringDriver::notify_writable(StreamId id) {
  Stream& stream = open_stream(id);
  stream.flags |= kWantWrite;
  if (stream.flags & kWritePolled) return;
  stream.flags |= kWritePolled;
  poll_file(stream.fd, POLLOUT, tag(Op::kWritable, stream.generation, id), false);
  signal_leftover();
}

void UringDriver::pause_reading(StreamId id) {
  Stream& stream = open_stream(id);
  if (stream.flags & kPaused) return;
  stream.flags |= kPaused;
  if ((stream.flags & (kArmed | kCancelling)) == kArmed) {
    stream.flags |= kCancelling;
    cancel(tag(Op::kReceive, stream.generation, id));
  }
  watch_errors(id);
  signal_leftover();
}

void UringDriver::resume_reading(StreamId id) {
  Stream& stream = open_stream(id);
  if (!(stream.flags & kPaused)) return;
  stream.flags &= static_cast<uint16_t>(~kPaused);
  if (stream.held != 0 || (stream.flags & (kEnd | kEnded)) == kEnd) {
    queue(id);
  } else if (wants_reading(stream) && !(stream.flags & (kArmed | kQueued))) {
    arm(id);
  }
  signal_leftover();
}

void UringDriver::shutdown_send(StreamId id) {
  Stream& stream = open_stream(id);
  if (stream.flags & kWriting) submit(0);
  ++counters_.system_calls;
  ::shutdown(stream.fd, SHUT_WR);
}

void UringDriver::close(StreamId id, bool reset) { release(id, reset); }

bool UringDriver::peer_address(StreamId id, PeerAddress& out) const {
  const Stream& stream = streams_[id];
  return (stream.flags & kOpen) && peer_of(stream.fd, out);
}

bool UringDriver::inspect(StreamId id, StreamInfo& out) const {
  const Stream& stream = streams_[id];
  return (stream.flags & kOpen) && inspect_socket(stream.fd, out);
}

}  // namespace sluice
