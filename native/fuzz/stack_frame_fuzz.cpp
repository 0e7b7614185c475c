#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "sim/net/host.hpp"
#include "sim/net/tcp_frame.hpp"
#include "sim/ws/frame_receiver.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

// Frames into the whole stack (IP, TCP, WebSocket frames on top) on virtual time. The input is a list of steps: raw frames, TCP segments
// that are made to fit (addresses, checksums, numbers that count from where the stack is), time, and what an application may do. Nothing
// may crash, every table must stay sound, everything sent must be well formed, and every packet must go home.

namespace {

using namespace sluice;

constexpr uint16_t kPort = 80;
constexpr uint8_t kStackMac[6] = {2, 0, 0, 0, 0, 1};
constexpr uint8_t kPeerMac[6] = {2, 0, 0, 0, 0, 2};
constexpr uint8_t kStackIp[4] = {10, 0, 0, 1};
constexpr uint8_t kPeerIp[4] = {10, 0, 0, 2};

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool more() const { return at_ < end_; }
  uint8_t byte() { return more() ? *at_++ : 0; }
  uint16_t word() {
    const uint8_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }
  std::vector<uint8_t> bytes(size_t count) {
    count = std::min<size_t>(count, static_cast<size_t>(end_ - at_));
    std::vector<uint8_t> out(at_, at_ + count);
    at_ += count;
    return out;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

// Echoes, and reads what comes as WebSocket frames.
class Application final : public StreamSink, public tcp::ConnectSink {
 public:
  tcp::TcpDriver* driver = nullptr;

  StreamId on_accept() override {
    for (StreamId id = 0; id < kStreams; ++id) {
      if (streams_[id] != nullptr) continue;
      streams_[id] = std::make_unique<ws::sim::FrameReceiver>(1'000);
      return id;
    }
    return kNoStream;
  }
  void on_data(StreamId id, uint8_t* data, uint32_t length) override {
    SLUICE_ASSERT(streams_[id] != nullptr && length > 0);
    streams_[id]->feed({reinterpret_cast<const char*>(data), length});
    const IoSlice slice{data, std::min<uint32_t>(length, 64)};
    driver->write(id, &slice, 1);
  }
  void on_end(StreamId id) override { driver->shutdown_send(id); }
  void on_written(StreamId, uint32_t accepted, uint32_t offered) override { SLUICE_ASSERT(accepted <= offered); }
  void on_writable(StreamId) override {}
  void on_error(StreamId id, int error) override {
    SLUICE_ASSERT(streams_[id] != nullptr && error != 0);
    streams_[id] = nullptr;
  }
  void on_notice(NoticeKind, int) override {}
  void on_connect(StreamId) override {}

  void act(uint8_t what, uint16_t value) {
    const StreamId id = value % kStreams;
    if (streams_[id] == nullptr) return connect(what, id);
    switch (what % 6) {
      case 0:
        return driver->pause_reading(id);
      case 1:
        return driver->resume_reading(id);
      case 2:
        return driver->shutdown_send(id);
      case 3:
        return close(id, (value & 0x100) != 0);
      case 4:
        return driver->notify_writable(id);
      default:
        break;
    }
    const std::vector<uint8_t> text(value, 'x');
    const IoSlice slice{text.data(), value};
    if (value != 0) driver->write(id, &slice, 1);
  }

 private:
  static constexpr StreamId kStreams = 16;

  void connect(uint8_t what, StreamId id) {
    if (what % 6 != 5) return;
    std::string error;
    const net::Flow flow{net::IpAddress::from_v4(kStackIp), net::IpAddress::from_v4(kPeerIp), static_cast<uint16_t>(5'000 + id), 1'000};
    streams_[id] = std::make_unique<ws::sim::FrameReceiver>(1'000);
    if (!driver->connect(id, flow, error)) streams_[id] = nullptr;
  }
  void close(StreamId id, bool reset) {
    streams_[id] = nullptr;
    driver->close(id, reset);
  }

  std::unique_ptr<ws::sim::FrameReceiver> streams_[kStreams];
};

class Fuzz {
 public:
  explicit Fuzz(uint8_t options) : peer_("peer", clock_, wide()), host_(clock_, host_options(options)) {
    clock_.set_ns(1'000'000'000'000);
    nic::SimNic::join(host_.device(), peer_, {}, {});
    std::string error;
    driver_ = host_.make_driver(application_, &application_, nullptr, error);
    SLUICE_ASSERT(driver_ != nullptr);
    application_.driver = driver_.get();
    ListenOptions listen;
    listen.address = "10.0.0.1";
    listen.port = kPort;
    SLUICE_ASSERT(driver_->listen(listen, error));
    host_.start();
    turn();
  }

  void run(Input& input) {
    for (int steps = 0; input.more() && steps < 200; ++steps) {
      const uint8_t what = input.byte();
      switch (what % 8) {
        case 0:
          raw(input);
          break;
        case 1:
          clock_.advance_us(uint64_t{1} << (input.byte() % 28));
          break;
        case 2:
          application_.act(what >> 3, input.word());
          break;
        case 3:
          host_.pool().set_limit(16 + input.byte());
          break;
        default:
          segment(input, what >> 3);
          break;
      }
      turn();
    }
    driver_->audit();
    driver_.reset();
    host_.ip().flush();
    clock_.advance_us(1'000);
    host_.device().advance();
  }
  // Neighbours that never answered may still hold what waits for them.
  uint32_t packets_held() { return host_.pool().outstanding(); }

 private:
  static nic::SimNicOptions wide() {
    nic::SimNicOptions out;
    out.packets = 1;
    return out;
  }
  static sim::HostOptions host_options(uint8_t options) {
    sim::HostOptions out;
    out.nic.packets = 256;
    out.nic.rx_piece_bytes = (options & 1) != 0 ? 128 : 0;
    out.nic.capabilities.max_pieces = 4;
    std::memcpy(out.nic.capabilities.mac.bytes, kStackMac, 6);
    out.net.addresses = {{net::IpAddress::from_v4(kStackIp), 24}};
    out.net.neighbors = 16;
    out.tcp.capacity = 16;
    out.tcp.orphans_max = 16;
    out.tcp.orphans_sending_max = 4;
    out.tcp.half_open_max = 4;
    out.tcp.time_wait_max = 4;
    out.tcp.syn_cookies_always = (options & 2) != 0;
    out.tcp.keepalive_idle_ms = (options & 4) != 0 ? 5'000 : 0;
    out.tcp.nagle = (options & 8) != 0;
    out.tcp.receive_window_initial = out.tcp.receive_window_max = 4'096;
    out.blocks = 4;
    out.secret = {1, 2};
    return out;
  }

  void raw(Input& input) {
    std::vector<uint8_t> frame = input.bytes(input.word() % 1'514);
    if (frame.size() >= 6 && (frame[0] & 2) == 0) std::memcpy(frame.data(), kStackMac, 6);
    if (!frame.empty()) peer_.inject(std::move(frame));
  }

  // Numbers are small differences to what the peer's next and the stack's last were, so that most are near the windows.
  void segment(Input& input, uint8_t flags) {
    const uint8_t choice = input.byte();
    const uint32_t seq = seq_ + static_cast<int16_t>(input.word());
    const uint32_t ack = stack_next_ + static_cast<int16_t>(input.word());
    const std::vector<uint8_t> options = input.bytes(choice % 11 * 4);
    const std::vector<uint8_t> payload = input.bytes((choice & 0x80) != 0 ? input.byte() * 4 : input.byte() % 8);
    static constexpr uint8_t kFlags[8] = {wire::kAck,
                                          wire::kSyn,
                                          wire::kAck | wire::kPsh,
                                          wire::kAck | wire::kFin,
                                          wire::kRst,
                                          wire::kSyn | wire::kAck,
                                          wire::kAck | wire::kRst,
                                          wire::kAck | wire::kEce};
    const auto ip_bytes = static_cast<uint16_t>(40 + options.size() + payload.size());
    std::vector<uint8_t> frame(14 + 40);
    wire::EthernetView::write(frame.data(), kStackMac, kPeerMac, wire::kTypeIpv4, 0);
    wire::Ipv4View::write(&frame[14], {.total_bytes = ip_bytes,
                                       .tos = static_cast<uint8_t>(choice >> 5 & 3),
                                       .protocol = wire::kProtocolTcp,
                                       .source = kPeerIp,
                                       .target = kStackIp});
    const bool active = (choice & 0x10) != 0;
    wire::TcpView::write(&frame[34], {.source_port = static_cast<uint16_t>(1'000 + (active ? 0 : choice % 3)),
                                      .target_port = static_cast<uint16_t>(active ? 5'000 + choice % 3 : kPort),
                                      .seq = seq,
                                      .ack = ack,
                                      .window = static_cast<uint16_t>(choice * 97),
                                      .header_bytes = static_cast<uint8_t>(20 + options.size()),
                                      .flags = kFlags[flags % 8]});
    frame.insert(frame.end(), options.begin(), options.end());
    frame.insert(frame.end(), payload.begin(), payload.end());
    wire::Checksum sum;
    wire::add_pseudo_header_v4(sum, kPeerIp, kStackIp, wire::kProtocolTcp, static_cast<uint16_t>(ip_bytes - 20));
    sum.add(&frame[34], static_cast<uint32_t>(ip_bytes - 20));
    wire::store_checksum(&frame[34 + wire::TcpView::kChecksumOffset], sum.finish());
    if ((kFlags[flags % 8] & wire::kSyn) != 0) seq_ = seq + 1;
    if (seq == seq_) seq_ += static_cast<uint32_t>(payload.size());
    peer_.inject(std::move(frame));
  }

  void turn() {
    for (int round = 0; round < 4; ++round) {
      peer_.advance();
      driver_->poll(0, 64);
      driver_->flush();
      host_.device().advance();
      for (std::vector<uint8_t> frame = peer_.take(); !frame.empty(); frame = peer_.take()) look_at(frame);
    }
    driver_->audit();
  }

  void look_at(const std::vector<uint8_t>& frame) {
    const auto length = static_cast<uint32_t>(frame.size());
    if (load_be16(&frame[12]) == wire::kTypeArp && frame[21] == 1 && std::memcmp(&frame[38], kPeerIp, 4) == 0) return answer(frame);
    const auto tcp = sim::read_tcp_frame(frame.data(), length);
    if (!tcp) return;
    SLUICE_ASSERT(tcp->checksums_good && tcp->options_good);
    stack_next_ = tcp->seq + tcp->span();
  }
  void answer(std::vector<uint8_t> frame) {
    std::memcpy(frame.data(), kStackMac, 6);
    std::memcpy(&frame[6], kPeerMac, 6);
    frame[21] = 2;
    std::memcpy(&frame[32], &frame[22], 10);
    std::memcpy(&frame[22], kPeerMac, 6);
    std::memcpy(&frame[28], kPeerIp, 4);
    std::memcpy(&frame[38], kStackIp, 4);
    peer_.inject(std::move(frame));
  }

  ManualClock clock_;
  nic::SimNic peer_;
  sim::Host host_;
  Application application_;
  std::unique_ptr<tcp::TcpDriver> driver_;
  uint32_t seq_ = 1'000;
  uint32_t stack_next_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  Fuzz fuzz(input.byte());
  fuzz.run(input);
  SLUICE_ASSERT(fuzz.packets_held() <= 64);
  return 0;
}
