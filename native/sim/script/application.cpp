#include "sim/script/application.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace sluice::sim::script {

StreamId Application::take_id() {
  for (StreamId id = 0; id < capacity_; ++id) {
    if (ports_.count(id) == 0 && std::find(nameless_.begin(), nameless_.end(), id) == nameless_.end()) return id;
  }
  return kNoStream;
}

StreamId Application::begin_connect(uint16_t remote_port) {
  Stream& stream = streams_[remote_port];
  stream = {};
  stream.id = take_id();
  if (stream.id != kNoStream) ports_[stream.id] = remote_port;
  return stream.id;
}

void Application::drop(Stream& stream) {
  ports_.erase(stream.id);
  stream.id = kNoStream;
}

void Application::settle() {
  const std::vector<StreamId> nameless = std::move(nameless_);
  nameless_.clear();
  for (const StreamId id : nameless) {
    PeerAddress peer{};
    if (!driver_->peer_address(id, peer)) continue;
    Stream& stream = streams_[peer.port];
    stream = {};
    stream.id = id;
    ports_[id] = peer.port;
    note(stream, "accepted");
  }
  for (auto& [port, stream] : streams_) {
    if (stream.id != kNoStream && !stream.waits && stream.offered.empty()) offer(stream);
  }
}

Application::Stream& Application::stream_of(StreamId id) {
  if (ports_.count(id) == 0) settle();
  SLUICE_ASSERT(ports_.count(id) == 1);
  return streams_[ports_[id]];
}

void Application::note(Stream& stream, const char* kind, int64_t value) {
  if (std::string(kind) == "data" && !stream.events.empty() && stream.events.back().kind == "data") {
    stream.events.back().value += value;
    stream.events.back().time_us = clock_.now_us();
    return;
  }
  stream.events.push_back({clock_.now_us(), kind, value});
}

void Application::write(uint16_t remote_port, uint64_t bytes) {
  streams_[remote_port].wanted += bytes;
  settle();
}

void Application::shutdown(uint16_t remote_port) {
  streams_[remote_port].shutting = true;
  settle();
}

void Application::close(uint16_t remote_port, bool reset) {
  Stream& stream = streams_[remote_port];
  const StreamId id = stream.id;
  drop(stream);
  driver_->close(id, reset);
}

void Application::offer(Stream& stream) {
  if (stream.written == stream.wanted) {
    if (stream.shutting) driver_->shutdown_send(stream.id);
    stream.shutting = false;
    return;
  }
  const auto bytes = static_cast<uint32_t>(std::min<uint64_t>(stream.wanted - stream.written, 1u << 20));
  stream.offered.resize(bytes);
  for (uint32_t i = 0; i < bytes; ++i) stream.offered[i] = stack_byte(stream.written + i);
  const IoSlice slice{stream.offered.data(), bytes};
  driver_->write(stream.id, &slice, 1);
}

StreamId Application::on_accept() {
  if (refuse) return kNoStream;
  const StreamId id = take_id();
  if (id != kNoStream) nameless_.push_back(id);
  return id;
}

void Application::on_data(StreamId id, uint8_t* data, uint32_t length) {
  Stream& stream = stream_of(id);
  for (uint32_t i = 0; i < length && complaint_.empty(); ++i) {
    if (data[i] != peer_byte(stream.received + i))
      complaint_ = "byte " + std::to_string(stream.received + i) + " reached the application changed";
  }
  stream.received += length;
  note(stream, "data", length);
}

void Application::on_end(StreamId id) { note(stream_of(id), "end"); }

void Application::on_written(StreamId id, uint32_t accepted, uint32_t offered) {
  Stream& stream = stream_of(id);
  stream.written += accepted;
  stream.offered.clear();
  if (accepted == offered) return;
  stream.waits = true;
  driver_->notify_writable(id);
}

void Application::on_writable(StreamId id) { stream_of(id).waits = false; }

void Application::on_error(StreamId id, int error) {
  Stream& stream = stream_of(id);
  note(stream, "error", error);
  drop(stream);
}

void Application::on_connect(StreamId id) { note(stream_of(id), "connected"); }

}  // namespace sluice::sim::script
