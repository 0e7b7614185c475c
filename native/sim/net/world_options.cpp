#include "sim/net/world_options.hpp"

#include <algorithm>

#include "base/prng.hpp"

namespace sluice::sim {

namespace {

class Chooser {
 public:
  explicit Chooser(uint64_t seed) : random_(seed) {}

  bool half() { return random_.below(2) == 0; }
  bool one_in(uint32_t n) { return random_.below(n) == 0; }
  uint32_t between(uint32_t low, uint32_t high) { return low + random_.below(high - low + 1); }
  // Evenly spread over magnitudes.
  uint32_t magnitude(uint32_t low, uint32_t high) {
    uint32_t octaves = 0;
    while (octaves < 31 && (low << octaves) < high) ++octaves;
    const uint32_t base = low << random_.below(octaves + 1);
    return std::min(high, base + random_.below(base + 1));
  }
  uint64_t next() { return random_.next(); }

  template <typename T>
  T pick(std::initializer_list<T> list) {
    return *(list.begin() + random_.below(static_cast<uint32_t>(list.size())));
  }

 private:
  Prng random_;
};

void choose_faults(Chooser& choose, WorldOptions& out) {
  const bool loss = choose.half(), bursts = choose.one_in(4), reorder = choose.half(), duplicate = choose.half();
  const bool corrupt = choose.half(), truncate = choose.one_in(3), jitter = choose.half(), stall = choose.one_in(3);
  const bool black_hole = choose.one_in(6), calm = choose.one_in(8);
  for (HostOptions& host : out.hosts) {
    nic::FaultDirection& rx = host.faults.rx;
    host.faults.seed = choose.next();
    if (calm) continue;
    if (loss) rx.loss = choose.magnitude(1'000, 300'000);
    if (loss && bursts) rx.loss_burst = choose.between(2, 6);
    if (loss && bursts) rx.loss /= rx.loss_burst;
    if (reorder) rx.reorder = choose.magnitude(1'000, 200'000);
    if (reorder) rx.reorder_by_us = choose.magnitude(100, 50'000);
    if (duplicate) rx.duplicate = choose.magnitude(1'000, 200'000);
    if (corrupt) rx.corrupt = choose.magnitude(1'000, 100'000);
    if (truncate) rx.truncate = choose.magnitude(1'000, 50'000);
    if (jitter) rx.jitter_us = choose.magnitude(100, 30'000);
    if (stall) rx.stall = choose.magnitude(100, 2'000);
    if (stall) rx.stall_for_us = choose.magnitude(10'000, 2'000'000);
    if (black_hole) rx.drop_above = choose.between(600, 1'400);
  }
}

void choose_paths(Chooser& choose, WorldOptions& out) {
  const uint32_t delay = choose.magnitude(1, 100'000);
  const bool slow = choose.half();
  for (nic::SimPathOptions& path : out.paths) {
    path.delay_ns = delay * 1'000ull;
    if (slow) path.bits_per_second = choose.magnitude(2'000'000, 1'000'000'000);
    if (slow) path.queue_bytes = choose.magnitude(8'000, 500'000);
    path.mtu = 9'000;
  }
}

void choose_device(Chooser& choose, HostOptions& out, uint16_t mtu) {
  nic::NicCapabilities& can = out.nic.capabilities;
  can.mtu = mtu;
  can.rx_checksum = choose.half();
  can.tx_ip_checksum = choose.half();
  can.tx_l4_checksum = choose.half();
  can.tso = can.tx_l4_checksum && can.tx_ip_checksum && choose.half();
  can.max_pieces = static_cast<uint16_t>(can.tso ? choose.between(4, 24) : choose.between(1, 4));
  out.nic.packets = choose.pick({1'536u, 3'072u, 6'144u});
  // Jumbo frames in packets that hold them whole, or in several of the usual size.
  const bool chained = mtu > 2'030 && choose.half();
  out.nic.packet_bytes = chained ? 2'048 : std::max<uint32_t>(2'048, mtu + 18u);
  out.nic.tx_ring = choose.pick({32u, 256u, 1'024u});
  out.nic.rx_ring = choose.pick({64u, 512u, 2'048u});
  out.nic.tx_read_ns = choose.half() ? 0 : choose.magnitude(100, 200'000);
  out.nic.rx_piece_bytes = choose.one_in(3) ? choose.between(128, 700) : 0;
}

void choose_tcp(Chooser& choose, tcp::TcpOptions& out) {
  out.capacity = 256;
  out.ecn = choose.half();
  out.timestamps = !choose.one_in(3);
  out.sack = !choose.one_in(3);
  out.nagle = choose.one_in(4);
  out.syn_cookies_always = choose.one_in(5);
  out.congestion = choose.half() ? tcp::Congestion::kCubic : tcp::Congestion::kNewReno;
  if (choose.one_in(3)) out.mss_max = static_cast<uint16_t>(choose.between(100, 1'400));
  if (choose.half()) out.receive_window_initial = choose.magnitude(2'048, 65'535);
  out.receive_window_max = std::max(out.receive_window_initial, choose.magnitude(8'000, 4u << 20));
  out.send_buffer = choose.magnitude(4'096, 1u << 20);
  out.time_wait_max = 1'024;
  out.half_open_max = choose.pick({2u, 1'024u});
  out.time_wait_ms = choose.magnitude(100, 10'000);
  out.fin_wait2_ms = 20'000;
  // A reset that was lost leaves the other side in the belief that all is well: only asking again ends that.
  out.keepalive_idle_ms = 30'000;
  out.keepalive_interval_ms = 10'000;
  out.keepalive_probes = 9;
}

SidePlan choose_side(Chooser& choose, uint32_t most) {
  SidePlan out;
  out.bytes = choose.one_in(6) ? 0 : choose.magnitude(1, most);
  out.chunk = choose.magnitude(1, 64'000);
  out.chunk = std::max<uint32_t>(out.chunk, static_cast<uint32_t>(out.bytes / 400));
  if (choose.one_in(3)) out.think_us = choose.magnitude(10, 300'000);
  if (choose.one_in(3)) out.pause_share = choose.magnitude(10'000, 500'000);
  out.pause_us = choose.magnitude(1'000, 3'000'000);
  if (out.pause_share != 0) out.pause_us = std::min<uint32_t>(out.pause_us, 400'000'000u / std::max<uint32_t>(1, out.pause_share));
  return out;
}

void choose_conversations(Chooser& choose, WorldOptions& out) {
  const bool abrupt = choose.one_in(3);
  const uint32_t count = choose.magnitude(1, 40);
  const uint32_t most = std::min<uint32_t>(400'000, 1'200'000 / count);
  for (uint32_t i = 0; i < count; ++i) {
    Conversation one;
    one.number = i;
    one.opener = choose.one_in(3) ? 1 : 0;
    one.start_us = choose.one_in(4) ? choose.between(0, static_cast<uint32_t>(out.heal_us * 2)) : choose.between(0, 500'000);
    for (SidePlan& side : one.sides) {
      side = choose_side(choose, most);
      if (!abrupt || !choose.one_in(3)) continue;
      side.ending = choose.half() ? Ending::kReset : Ending::kClose;
      side.reset_after = choose.between(0, most);
    }
    one.sides[0].bytes = std::max<uint64_t>(one.sides[0].bytes, kNameBytes);
    out.conversations.push_back(one);
  }
}

}  // namespace

WorldOptions choose_world(uint64_t seed) {
  WorldOptions out;
  out.seed = seed;
  Chooser choose(seed);
  out.heal_us = choose.between(1'000'000, 15'000'000);
  const bool v6 = choose.one_in(3);
  const uint16_t mtu = choose.pick<uint16_t>({576, 1'280, 1'500, 1'500, 1'500, 9'000});
  for (uint32_t i = 0; i < 2; ++i) {
    HostOptions& host = out.hosts[i];
    host.index = i;
    choose_device(choose, host, v6 ? std::max<uint16_t>(mtu, 1'280) : mtu);
    host.nic.capabilities.mac = {{2, 0, 0, 0, 0, static_cast<uint8_t>(1 + i)}};
    const uint8_t four[4] = {10, 0, 0, static_cast<uint8_t>(1 + i)};
    net::IpAddress address = net::IpAddress::from_v4(four);
    if (v6) address = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(1 + i)}};
    host.net.addresses = {{address, static_cast<uint8_t>(v6 ? 64 : 24)}};
    host.net.key = {choose.next(), choose.next()};
    host.secret = {choose.next(), choose.next()};
    choose_tcp(choose, host.tcp);
    if (choose.one_in(3)) host.blocks = choose.between(4, 16);
    if (choose.one_in(4)) out.memory_limit[i] = choose.between(8, 200);
  }
  choose_faults(choose, out);
  choose_paths(choose, out);
  out.link_flaps = choose.one_in(8);
  choose_conversations(choose, out);
  return out;
}

std::string WorldOptions::text() const {
  std::string out;
  for (uint32_t i = 0; i < 2; ++i) {
    const nic::FaultDirection& rx = hosts[i].faults.rx;
    const tcp::TcpOptions& tcp = hosts[i].tcp;
    const nic::SimNicOptions& nic = hosts[i].nic;
    const auto add = [&](const char* name, uint64_t value) {
      if (value != 0) out += std::string(" ") + name + "=" + std::to_string(value);
    };
    out += "  host " + std::to_string(i) + ":";
    add("loss_ppm", rx.loss), add("burst", rx.loss_burst), add("reorder_ppm", rx.reorder), add("duplicate_ppm", rx.duplicate);
    add("corrupt_ppm", rx.corrupt), add("truncate_ppm", rx.truncate), add("jitter_us", rx.jitter_us), add("stall_ppm", rx.stall);
    add("drop_above", rx.drop_above), add("mtu", nic.capabilities.mtu), add("delay_us", paths[i].delay_ns / 1'000);
    add("bits_per_s", paths[i].bits_per_second), add("queue", paths[i].queue_bytes), add("packets", nic.packets);
    add("memory_limit", memory_limit[i]), add("rx_pieces", nic.rx_piece_bytes), add("pieces", nic.capabilities.max_pieces);
    add("tso", nic.capabilities.tso), add("tx_checksum", nic.capabilities.tx_l4_checksum), add("rx_checksum", nic.capabilities.rx_checksum);
    add("ts", tcp.timestamps), add("sack", tcp.sack), add("ecn", tcp.ecn), add("nagle", tcp.nagle), add("cookies", tcp.syn_cookies_always);
    add("newreno", tcp.congestion == tcp::Congestion::kNewReno), add("mss_max", tcp.mss_max), add("window", tcp.receive_window_initial);
    add("window_max", tcp.receive_window_max), add("send_buffer", tcp.send_buffer), add("blocks", hosts[i].blocks);
    out += "\n";
  }
  out += "  " + std::to_string(conversations.size()) + " conversations, faults end at " + std::to_string(heal_us) + " us";
  return out + (link_flaps ? ", the link flaps\n" : "\n");
}

}  // namespace sluice::sim
