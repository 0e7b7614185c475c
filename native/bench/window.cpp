#include "bench/window.hpp"

#include <cstdio>

namespace sluice::load {

void Window::begin(const Options& options, uint64_t now_ns) noexcept {
  phase_ = Phase::kWarmup;
  next_ns_ = now_ns + static_cast<uint64_t>(options.warmup_s * 1e9);
}

bool Window::update(const Options& options, uint64_t now_ns) {
  if (now_ns < next_ns_) return false;
  if (phase_ == Phase::kWarmup) {
    phase_ = Phase::kMeasuring;
    next_ns_ = now_ns + static_cast<uint64_t>(options.duration_s * 1e9);
    from_ = sample_cpu(options.server_pids, now_ns);
    return true;
  }
  if (phase_ == Phase::kMeasuring) {
    finish(options, now_ns);
    return true;
  }
  return false;
}

void Window::finish(const Options& options, uint64_t now_ns) {
  phase_ = Phase::kOver;
  next_ns_ = kNever;
  to_ = sample_cpu(options.server_pids, now_ns);
}

void Window::report(JsonObject& out, uint64_t count) const {
  double wall = seconds();
  if (phase_ != Phase::kOver || wall <= 0) return;
  double client = to_.client_s - from_.client_s;
  out.number("window_s", wall);
  out.number("count", count);
  out.number("per_second", static_cast<double>(count) / wall);
  JsonObject cpu;
  cpu.number("client_s", client);
  cpu.number("client_busy", client / wall);
  if (from_.server_known && to_.server_known) {
    double user = to_.server_user_s - from_.server_user_s;
    double system = to_.server_system_s - from_.server_system_s;
    double precise = to_.server_precise_s - from_.server_precise_s;
    // schedstat is exact to the nanosecond but forgets threads that end; where the two differ by more than the ticks'
    // rounding, a thread ended within the window and the process's own total is right.
    double total = user + system;
    bool threads_lived = precise > total - 0.03 && precise < total + 0.03;
    double server = threads_lived ? precise : total;
    cpu.number("server_s", server);
    cpu.number("server_user_s", user);
    cpu.number("server_system_s", system);
    cpu.number("server_busy", server / wall);
    if (server > 0) out.number("per_cpu_second", static_cast<double>(count) / server);
  }
  out.raw("cpu", cpu.text());
}

}  // namespace sluice::load
