#include "bench/client.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/assert.hpp"

namespace sluice::load {

namespace {

constexpr int kMaxEvents = 1024;
constexpr uint64_t kReceiveBytes = 512 * 1024;
constexpr uint64_t kTransmitBytes = 256 * 1024;
// Of the 28,232 ports that Linux gives out by default: the fuller an address, the longer connect() searches for a free one. With 18,000
// connections from one address it took most of the time and looked like a slow server (2,000 openings a second instead of 10,000).
constexpr uint32_t kPortsPerSource = 4'000;

volatile std::sig_atomic_t end_asked = 0;

uint64_t to_ns(double seconds) noexcept { return static_cast<uint64_t>(seconds * 1e9); }

}  // namespace

uint64_t monotonic_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

Client::Client(const Options& options, Scenario& scenario)
    : options_(options), scenario_(scenario), epoll_(epoll_create1(EPOLL_CLOEXEC)), rx_(kReceiveBytes), tx_(kTransmitBytes) {
  SLUICE_ASSERT(epoll_ >= 0);
  uint32_t most = options.connections + options.subscribers + 1;  // fan-out has one publisher beside them
  for (uint32_t step : options.steps) most = std::max(most, step);
  conns_.reserve(most);
  sources_ = options.sources;
  started_ns_ = now_ns_ = last_progress_ns_ = last_report_ns_ = monotonic_ns();
  // Every run ends: the scenario's own time, the opening, and a minute for what goes wrong.
  double steps = options.steps.empty() ? 1 : static_cast<double>(options.steps.size());
  double limit = options.deadline_s > 0
                     ? options.deadline_s
                     : options.warmup_s + options.duration_s + steps * (options.hold_s + options.open_timeout_s) + options.stall_s + 60;
  deadline_ns_ = now_ns_ + to_ns(limit);
}

Client::~Client() {
  for (Conn& conn : conns_) {
    if (conn.fd >= 0) drop(conn, true);
  }
  close(epoll_);
}

void Client::end_now() noexcept { end_asked = 1; }

bool Client::run() {
  scenario_.start(*this);
  while (!finished_ && failure_.empty()) {
    uint64_t wake = std::min(scenario_.on_turn(*this, now_ns_ = monotonic_ns()), last_report_ns_ + 1'000'000'000u);
    flush();
    if (finished_ || !failure_.empty()) break;
    wait(wake);
    if (end_asked != 0) finish();
    open_more();
    check_deadlines();
    report_progress();
  }
  return failure_.empty();
}

void Client::wait(uint64_t deadline_ns) {
  epoll_event events[kMaxEvents];
  int count = 0;
  uint64_t spin_until = options_.spin_us > 0 ? now_ns_ + static_cast<uint64_t>(options_.spin_us * 1e3) : 0;
  for (;;) {
    uint64_t now = monotonic_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    if (now < spin_until) left = 0;
    timespec timeout = {static_cast<time_t>(left / 1'000'000'000u), static_cast<long>(left % 1'000'000'000u)};
    count = epoll_pwait2(epoll_, events, kMaxEvents, &timeout, nullptr);
    if (count < 0 && errno == EINTR) count = 0;
    if (count != 0 || now >= spin_until || now >= deadline_ns) break;
  }
  now_ns_ = monotonic_ns();
  if (count < 0) return fail(std::string("epoll_wait: ") + std::strerror(errno));
  for (int i = 0; i < count && failure_.empty(); ++i) on_event(events[i].data.u32, events[i].events);
}

void Client::check_deadlines() {
  if (!failure_.empty() || finished_) return;
  if (now_ns_ > deadline_ns_) fail("the run did not end by its deadline");
  if (now_ns_ > last_progress_ns_ + to_ns(options_.stall_s)) {
    fail("nothing arrived for " + std::to_string(static_cast<int>(options_.stall_s)) + " s");
  }
}

void Client::report_progress() {
  if (now_ns_ < last_report_ns_ + 1'000'000'000u) return;
  double since = static_cast<double>(now_ns_ - last_report_ns_) / 1e9;
  last_report_ns_ = now_ns_;
  std::string line = scenario_.progress(*this, since);
  if (options_.quiet) return;
  double at = static_cast<double>(now_ns_ - started_ns_) / 1e9;
  std::fprintf(stderr, "%7.1f s  %u open  %s\n", at, open_, line.c_str());
}

void Client::fail(const std::string& why) {
  if (failure_.empty()) failure_ = why;
}

void Client::open_up_to(uint32_t count) {
  SLUICE_ASSERT(count >= conns_.size());
  uint32_t before = static_cast<uint32_t>(conns_.size());
  // Scenarios call this while they hold a connection: growing must not move any.
  SLUICE_ASSERT(count <= conns_.capacity());
  conns_.resize(count);
  for (uint32_t i = before; i < count; ++i) conns_[i].index = i;
  wanted_ = count;
  if (options_.sources == 0) sources_ = (count + kPortsPerSource - 1) / kPortsPerSource;
  progressed();
  open_more();
}

void Client::open_more() {
  while (next_open_ < wanted_ && in_progress_ < options_.open_burst && failure_.empty()) {
    if (!start_connect(conns_[next_open_++])) return;
  }
}

void Client::lost(Conn& conn, const Loss& loss) {
  if (conn.state == ConnState::kClosed) return;
  drop(conn, loss.kind == LossKind::kReset);
  scenario_.on_lost(*this, conn, loss);
}

void Client::drop(Conn& conn, bool reset) {
  if (conn.fd < 0) return;
  if (tx_conn_ == &conn) {
    tx_conn_ = nullptr;
    tx_used_ = 0;
  }
  if (conn.state == ConnState::kOpen || conn.state == ConnState::kClosing) --open_;
  if (conn.state == ConnState::kConnecting || conn.state == ConnState::kHandshake || conn.state == ConnState::kGreeting) --in_progress_;
  if (reset) {
    linger abort = {1, 0};
    setsockopt(conn.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  }
  close(conn.fd);
  conn.fd = -1;
  conn.state = ConnState::kClosed;
  conn.in.clear();
  conn.out.clear();
}

}  // namespace sluice::load
