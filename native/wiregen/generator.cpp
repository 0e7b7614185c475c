#include "wiregen/generator.hpp"

#include <sys/mman.h>

#include <new>

namespace sluice::wiregen {

ClientTable::ClientTable(uint32_t count) : bytes_(size_t{count} * sizeof(Client)) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  madvise(memory, bytes_, MADV_HUGEPAGE);
  // All zero is a client that was never there (TcpState::kClosed, Step::kNone).
  clients_ = static_cast<Client*>(memory);
}

ClientTable::~ClientTable() {
  if (clients_ != nullptr) munmap(clients_, bytes_);
}

Generator::Generator(nic::Nic& nic, Scenario& scenario, Clock clock, std::vector<int> server_pids)
    : scenario_(scenario),
      clock_(clock),
      table_(scenario.settings.clients),
      items_(scenario.settings),
      out_(nic, scenario.settings),
      tcp_(scenario.settings, plan_, table_.data(), items_, out_),
      session_(scenario.settings, table_.data(), items_, tcp_),
      deliveries_(scenario.settings, items_),
      stage_{scenario.settings, plan_, table_.data(), items_, out_, tcp_, session_, deliveries_, std::move(server_pids)},
      port_(nic, scenario.settings, plan_, table_.data(), out_, tcp_, clock),
      conductor_(scenario, stage_) {}

bool Generator::start(std::string& error) {
  if (table_.data() == nullptr) {
    error = "no memory for " + std::to_string(scenario_.settings.clients) + " clients of 64 bytes";
    return false;
  }
  const Settings& settings = scenario_.settings;
  if (!plan_.plan(settings.first_host, settings.hosts, settings.clients, error)) return false;
  tcp_.start(clock_());
  return true;
}

void Generator::find_server() {
  const uint64_t now = tcp_.now();
  if (asks_ > 0 && now - asked_ns_ < kAskEveryNs) return;
  if (asks_ == kMaxAsks) {
    return stage_.fail(
        "nobody answers for the server's address (ARP, neighbour discovery): is it on this link, and does it know the way back?");
  }
  ++asks_;
  asked_ns_ = now;
  port_.resolver().ask();
}

bool Generator::turn() {
  tcp_.now(clock_());
  deliveries_.lateness().turn(tcp_.now());
  busy_ = false;
  // A server that does not take what is there gets no further answers to what it sends: its frames wait in the device meanwhile.
  const bool held_up = hold_up_.look(out_.waiting(), out_.counters().frames - out_.waiting(), tcp_.now());
  for (uint32_t i = 0; i < kBurstsPerTurn && !held_up; ++i) {
    const uint32_t got = port_.receive();
    if (got == 0) break;
    busy_ = true;
    tcp_.push_touched();
    if (got < Port::kBurst) break;
  }
  tcp_.advance_timers();
  bool over = false;
  if (playing_) {
    // What is due waits as well while the server takes nothing: it would be thrown away behind the frames that wait already.
    if (out_.waiting() < SegmentWriter::kBacklog / 4 || hold_up_.stuck()) over = conductor_.turn();
  } else if (port_.resolver().server_known()) {
    playing_ = true;
    conductor_.start();
  } else {
    find_server();
  }
  tcp_.push_touched();
  out_.flush();
  if (out_.waiting() == 0) tcp_.all_sent();
  return !over && stage_.failure.empty();
}

void Generator::report(load::JsonObject& out) const {
  const Tcp::Counters& tcp = tcp_.counters();
  load::JsonObject wire;
  wire.number("frames_in", port_.counters().frames);
  wire.number("bytes_in", port_.counters().bytes);
  wire.number("frames_out", out_.counters().frames);
  wire.number("bytes_out", out_.counters().bytes);
  wire.number("dropped_out", out_.counters().dropped);
  wire.number("no_packet", out_.counters().no_packet);
  wire.number("bad_checksum", port_.counters().bad_checksum);
  wire.number("malformed", port_.counters().malformed);
  wire.number("foreign", port_.counters().foreign);
  wire.number("retransmits", tcp.retransmits);
  wire.number("timeouts", tcp.timeouts);
  wire.number("out_of_order", tcp.out_of_order);
  wire.number("duplicates", tcp.duplicates);
  wire.number("challenges", tcp.challenges);
  wire.number("unexpected", tcp.unexpected);
  wire.number("bad_acks", tcp.bad_acks);
  wire.number("resets_in", tcp.resets_in);
  wire.number("resets_out", tcp.resets_out);
  out.raw("wire", wire.text());
  const Session::Counters& session = session_.counters();
  out.number("opened", tcp.opened);
  out.number("ready", session_.ready());
  out.number("resumed", session.resumed);
  out.number("pings", session.pings);
  out.number("heartbeats", session.heartbeats);
  out.number("unanswered", session.unanswered);
  out.number("bytes_per_client", uint64_t{sizeof(Client)});
}

}  // namespace sluice::wiregen
