#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/stream.hpp"

namespace sluice::test {

// The peer's end of one stream: what it sends and how much of what is sent to it its window takes.
struct FakePeer {
  std::deque<std::string> input;  // one receive each
  bool fin = false;
  int error = 0;
  std::string written;
  size_t window = SIZE_MAX;       // bytes that the socket still takes
  size_t write_limit = SIZE_MAX;  // bytes that one write takes
  uint32_t quiet_ms = UINT32_MAX;
  uint32_t quiet_asked = 0;       // times

  StreamId id = kNoStream;
  bool established = false;
  bool refused = false;
  bool paused = false;
  bool wants_writable = false;
  bool fin_sent = false;
  bool closed = false;
  bool reset = false;

  void send(std::string_view bytes) { input.emplace_back(bytes); }
};

// A driver without a network: the test scripts the peers, poll() and flush() call the sink as the contract of StreamDriver says.
class FakeDriver final : public StreamDriver {
 public:
  FakeDriver(BlockPool& blocks, StreamSink& sink) : blocks_(blocks), sink_(sink) {}

  std::shared_ptr<FakePeer> connect() {
    peers_.push_back(std::make_shared<FakePeer>());
    return peers_.back();
  }

  // Completions come in flush(), as io_uring's do, and not in write().
  bool complete_late = false;
  bool listening = true;
  // Of an answer that it takes at once; 0: none.
  uint32_t answers = 0;
  uint32_t answered = 0;  // so many
  // A call that the contract forbids.
  uint32_t violations = 0;

  const char* name() const noexcept override { return "fake"; }
  bool listen(const ListenOptions&, std::string&) override { return true; }
  uint16_t bound_port() const noexcept override { return 1; }
  void stop_listening() override { listening = false; }
  int wait_fd() const noexcept override { return -1; }
  void watch_doorbell(int) override {}

  uint32_t poll(int64_t, uint32_t budget) override {
    uint32_t handled = 0;
    const auto peers = peers_;
    for (const auto& peer : peers) handled += serve(peer, budget);
    std::erase_if(peers_, [](const auto& peer) { return peer->closed || peer->refused; });
    return handled;
  }

  void write(StreamId id, const IoSlice* slices, uint32_t count) override {
    if (count == 0 || count > kMaxSlices || pending_.count(id) != 0 || streams_.count(id) == 0) ++violations;
    pending_[id].assign(slices, slices + count);
    if (!complete_late) complete(id);
  }

  uint32_t answers_most() const noexcept override { return answers; }
  bool answer(StreamId id, AnswerHead head, const uint8_t* data, uint32_t length) override {
    if (pending_.count(id) != 0 || streams_.count(id) == 0 || head.bytes + length > answers) ++violations;
    FakePeer& peer = peer_of(id);
    if (peer.window != SIZE_MAX || peer.fin_sent) return false;
    peer.written.append(reinterpret_cast<const char*>(&head.word), head.bytes);
    peer.written.append(reinterpret_cast<const char*>(data), length);
    ++answered;
    return true;
  }

  void flush() override {
    while (!pending_.empty()) complete(pending_.begin()->first);
  }

  uint32_t quiet_ms(StreamId id) const noexcept override {
    const auto at = streams_.find(id);
    if (at == streams_.end()) return UINT32_MAX;
    ++at->second->quiet_asked;
    return at->second->quiet_ms;
  }
  void notify_writable(StreamId id) override { peer_of(id).wants_writable = true; }
  void pause_reading(StreamId id) override { peer_of(id).paused = true; }
  void resume_reading(StreamId id) override { peer_of(id).paused = false; }
  void shutdown_send(StreamId id) override {
    if (peer_of(id).fin_sent) ++violations;
    peer_of(id).fin_sent = true;
  }

  void close(StreamId id, bool reset) override {
    peer_of(id).closed = true;
    peer_of(id).reset = reset;
    streams_.erase(id);
    pending_.erase(id);
  }

  bool peer_address(StreamId id, PeerAddress& out) const override {
    out = PeerAddress{{192, 0, 2, 7}, static_cast<uint16_t>(1000 + id), 4};
    return streams_.count(id) != 0;
  }

  bool inspect(StreamId id, StreamInfo& out) const override {
    if (streams_.count(id) == 0) return false;
    out.remote_ip[0] = 192, out.remote_ip[2] = 2, out.remote_ip[3] = 7;
    out.remote_port = static_cast<uint16_t>(1000 + id);
    out.family = 4;
    out.state = StreamState::kEstablished;
    return true;
  }

  const DriverCounters& counters() const noexcept override { return counters_; }
  uint64_t memory_fixed() const noexcept override { return 0; }
  uint64_t memory_per_stream() const noexcept override { return 0; }

 private:
  FakePeer& peer_of(StreamId id) {
    const auto at = streams_.find(id);
    if (at != streams_.end()) return *at->second;
    ++violations;
    return nobody_;
  }

  uint32_t serve(const std::shared_ptr<FakePeer>& peer, uint32_t budget) {
    if (!peer->established) establish(peer);
    if (peer->wants_writable && !peer->closed && peer->window != 0) {
      peer->wants_writable = false;
      sink_.on_writable(peer->id);
    }
    uint32_t handled = 0;
    while (!peer->closed && !peer->paused && !peer->input.empty() && handled < budget) {
      if (!receive(*peer)) break;
      ++handled;
    }
    if (peer->closed || peer->paused) return handled;
    if (peer->error != 0) {
      peer->closed = true;
      streams_.erase(peer->id);
      sink_.on_error(peer->id, peer->error);
    } else if (peer->input.empty() && peer->fin) {
      peer->fin = false;
      sink_.on_end(peer->id);
    }
    return handled;
  }

  void establish(const std::shared_ptr<FakePeer>& peer) {
    peer->established = true;
    peer->id = sink_.on_accept();
    peer->refused = peer->id == kNoStream;
    peer->closed = peer->refused;
    if (peer->refused) return;
    ++counters_.accepted;
    if (!streams_.emplace(peer->id, peer).second) ++violations;
  }

  // Pieces that are longer than a block come in several receives.
  bool receive(FakePeer& peer) {
    const uint32_t block = blocks_.acquire();
    if (block == BlockPool::kNone) {
      ++counters_.receive_exhausted;
      return false;
    }
    std::string piece = std::move(peer.input.front());
    peer.input.pop_front();
    if (piece.size() > blocks_.block_size()) {
      peer.input.push_front(piece.substr(blocks_.block_size()));
      piece.resize(blocks_.block_size());
    }
    std::memcpy(blocks_.data(block), piece.data(), piece.size());
    ++counters_.receives;
    sink_.on_data(peer.id, blocks_.data(block), static_cast<uint32_t>(piece.size()));
    blocks_.unref(block);
    return true;
  }

  void complete(StreamId id) {
    const std::vector<IoSlice> slices = pending_[id];
    pending_.erase(id);
    FakePeer& peer = peer_of(id);
    if (peer.fin_sent) ++violations;
    uint32_t offered = 0;
    uint32_t accepted = 0;
    for (const IoSlice& slice : slices) {
      const size_t left = std::min(peer.window, peer.write_limit - std::min<size_t>(accepted, peer.write_limit));
      const auto taken = static_cast<uint32_t>(std::min<size_t>(left, slice.length));
      if (accepted == offered) {
        peer.written.append(reinterpret_cast<const char*>(slice.data), taken);
        if (peer.window != SIZE_MAX) peer.window -= taken;
        accepted += taken;
      }
      offered += slice.length;
    }
    ++counters_.sends;
    sink_.on_written(id, accepted, offered);
  }

  BlockPool& blocks_;
  StreamSink& sink_;
  DriverCounters counters_;
  std::vector<std::shared_ptr<FakePeer>> peers_;
  std::map<StreamId, std::shared_ptr<FakePeer>> streams_;
  std::map<StreamId, std::vector<IoSlice>> pending_;
  FakePeer nobody_;
};

}  // namespace sluice::test
