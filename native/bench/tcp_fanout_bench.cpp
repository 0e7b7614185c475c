#include <benchmark/benchmark.h>

#include <ctime>

#include "bench/memory_nic.hpp"
#include "net/interface.hpp"

// A fan-out through TCP and IP, frames in memory: a message of some 300 bytes to one connection after the other, 256 a turn as the core
// does it, and the acknowledgement of each a turn later. Writing what arrives, and what the device would do, is not measured.

namespace {

using namespace sluice;
using bench::MemoryNic;

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Crowd final : public tcp::Reactor, public StreamSink {
 public:
  static constexpr uint32_t kTurn = 256;
  static constexpr uint32_t kGroup = 8;

  explicit Crowd(uint32_t clients) : clients_(clients), nic_(clients), interface_(nic_, addresses()), memory_(64u << 6),
                                     blocks_(memory_.data(), 1u << 6, 64) {
    tcp::TcpOptions options;
    options.capacity = clients;
    options.half_open_per_address_max = 60'000;
    std::string error;
    driver_ = tcp::TcpDriver::make(options, {&interface_, this, &blocks_, this, nullptr, {1, 2}}, error);
    SLUICE_ASSERT(driver_ != nullptr && driver_->listen({"10.9.0.1", MemoryNic::kPort, 16, false}, error));
    interface_.attach(*driver_);
    interface_.start(clock_us_);
    open();
  }

  // Returns what it took.
  double deliver(const std::vector<uint8_t>& message) {
    double spent = 0;
    const uint32_t shared = driver_->share(message.data(), static_cast<uint32_t>(message.size()));
    const IoSlice slice{message.data(), static_cast<uint32_t>(message.size()), shared};
    said_ += static_cast<uint32_t>(message.size());
    for (uint32_t from = 0; from < clients_; from += kTurn) {
      const double before = cpu_seconds();
      fan_out(from, slice);
      spent += cpu_seconds() - before;
      for (uint32_t client = from; client < from + kTurn; ++client) acknowledge(client);
      clock_us_ += 100;
      const double again = cpu_seconds();
      driver_->poll(0, kTurn);
      spent += cpu_seconds() - again;
    }
    driver_->unshare(shared);
    driver_->flush();
    SLUICE_ASSERT(driver_->gauges().active == 0);
    return spent;
  }

  // tcp::Reactor
  uint64_t now_us() noexcept override { return clock_us_; }
  uint32_t receive(uint32_t budget) override { return interface_.receive(clock_us_, budget); }
  void wait(int64_t) override {}
  int wait_fd() const noexcept override { return -1; }
  void watch_doorbell(int) override {}
  bool reaches_us(const net::Flow&) const noexcept override { return true; }

  // StreamSink
  StreamId on_accept() override { return accepted_++; }
  void on_data(StreamId, uint8_t*, uint32_t) override {}
  void on_end(StreamId) override {}
  void on_written(StreamId, uint32_t, uint32_t) override {}
  void on_writable(StreamId) override {}
  void on_error(StreamId, int) override { SLUICE_ASSERT(false); }
  void on_notice(NoticeKind, int) override {}

 private:
  static net::InterfaceOptions addresses() {
    net::InterfaceOptions options;
    options.addresses = {{net::IpAddress::from_v4(MemoryNic::kOwn), 24}};
    options.gateways = {net::IpAddress::from_v4(MemoryNic::kRouter)};
    return options;
  }

  void open() {
    const auto all = [&](uint32_t from, uint32_t seq, uint8_t flags) {
      for (uint32_t client = from; client < from + kTurn; ++client) {
        const uint32_t ack = flags == wire::kSyn ? 0 : nic_.isn(client) + 1;
        nic_.say(client, client + seq, ack, flags, static_cast<uint32_t>(clock_us_ / 1000));
      }
      clock_us_ += 100;
      do {
        driver_->poll(0, kTurn);
        driver_->flush();
      } while (nic_.waits());
    };
    for (uint32_t from = 0; from < clients_; from += kTurn) {
      all(from, 0, wire::kSyn);
      // SYNs are answered some a turn.
      for (uint32_t i = 0; i < kTurn / kGroup; ++i) driver_->poll(0, kTurn);
      driver_->flush();
      all(from, 1, wire::kAck);
    }
    SLUICE_ASSERT(accepted_ == clients_);
  }

  void fan_out(uint32_t from, const IoSlice& slice) {
    for (uint32_t at = from; at < from + kTurn; at += kGroup) {
      StreamId ids[kGroup];
      StreamId next[kGroup];
      for (uint32_t i = 0; i < kGroup; ++i) {
        ids[i] = at + i;
        next[i] = std::min(ids[i] + kGroup, clients_ - 1);
      }
      driver_->prefetch(next, true);
      const uint32_t sent = driver_->write_at_once(ids, (1u << kGroup) - 1, slice);
      SLUICE_ASSERT(sent == (1u << kGroup) - 1);
    }
    driver_->flush();
  }
  void acknowledge(uint32_t client) {
    nic_.say(client, client + 1, nic_.isn(client) + 1 + said_, wire::kAck, static_cast<uint32_t>(clock_us_ / 1000));
  }

  uint32_t clients_;
  uint64_t clock_us_ = 1'000'000'000;
  MemoryNic nic_;
  net::Interface interface_;
  std::vector<uint8_t> memory_;
  BlockPool blocks_;
  std::unique_ptr<tcp::TcpDriver> driver_;
  uint32_t accepted_ = 0;
  uint32_t said_ = 0;
};

void fan_out(benchmark::State& state) {
  const auto clients = static_cast<uint32_t>(state.range(0)) / Crowd::kTurn * Crowd::kTurn;
  Crowd crowd(clients);
  const std::vector<uint8_t> message(296, 'x');
  for (auto _ : state) state.SetIterationTime(crowd.deliver(message));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * clients);
  using benchmark::Counter;
  const double billions = static_cast<double>(state.iterations()) * clients / 1e9;
  state.counters["ns_per_delivery"] = Counter(billions, Counter::kIsRate | Counter::kInvert);
}
BENCHMARK(fan_out)->Arg(10'000)->Arg(1'000'000)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
