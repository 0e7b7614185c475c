#pragma once

#include <map>
#include <vector>

#include "base/stream.hpp"
#include "sim/net/sabotage.hpp"

namespace sluice::sim {

// Between the driver and its application: does the wrong thing with what is delivered.
class SabotageSink final : public StreamSink {
 public:
  SabotageSink(StreamSink& inner, Sabotage what) : inner_(inner), what_(what) {}

  StreamId on_accept() override { return inner_.on_accept(); }
  void on_data(StreamId id, uint8_t* data, uint32_t length) override {
    const bool fifth = ++count_ % 5 == 0 && length > 2;
    if (what_ == Sabotage::kLoseData && fifth) return inner_.on_data(id, data, length - 1);
    if (what_ == Sabotage::kSwapData && fifth) std::swap(data[0], data[length - 1]);
    inner_.on_data(id, data, length);
    if (what_ == Sabotage::kDoubleData && fifth) inner_.on_data(id, data, 1);
    if (what_ == Sabotage::kEarlyEnd && fifth) inner_.on_end(id);
  }
  void on_end(StreamId id) override {
    if (what_ != Sabotage::kLoseEnd) inner_.on_end(id);
  }
  void on_written(StreamId id, uint32_t accepted, uint32_t offered) override { inner_.on_written(id, accepted, offered); }
  void on_writable(StreamId id) override { inner_.on_writable(id); }
  void on_error(StreamId id, int error) override { inner_.on_error(id, error); }
  void on_notice(NoticeKind kind, int error) override { inner_.on_notice(kind, error); }

 private:
  StreamSink& inner_;
  Sabotage what_;
  uint32_t count_ = 0;
};

}  // namespace sluice::sim
