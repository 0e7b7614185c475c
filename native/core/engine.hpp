#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/conductor.hpp"
#include "core/core.hpp"
#include "core/network.hpp"
#include "kernel/factory.hpp"
#include "queue/flag.hpp"
#include "queue/region.hpp"

namespace sluice::core {

struct EngineOptions {
  queue::RegionOptions region;
  CoreOptions core;
  KernelDriverKind driver = KernelDriverKind::kAuto;
  ListenOptions listen;
  std::optional<NetworkOptions> network;  // our own stack on a DPDK port instead of kernel sockets
  bool detached = false;  // control planes attach to it from processes of their own
};

// The data plane: a region and its cores. A core runs on a thread of its own (run_threads) or is driven by whoever owns the engine.
class Engine {
 public:
  // Null with a sentence in `error` that says what to do.
  static std::unique_ptr<Engine> create(const EngineOptions& options, std::string& error);
  ~Engine();

  queue::Region& region() noexcept { return *region_; }
  uint32_t cores() const noexcept { return static_cast<uint32_t>(cores_.size()); }
  Core& core(uint32_t index) noexcept { return *cores_[index]; }
  uint16_t port() const noexcept { return port_; }
  const char* driver_name() noexcept { return device_ ? "dpdk" : cores_[0]->driver().name(); }
  const std::string& driver_reason() const noexcept { return driver_reason_; }

  // Starts a thread for each core; `wake` is called from those threads when the control plane sleeps and has events.
  void run_threads(std::function<void()> wake);
  void stop_threads();
  // Closes every connection and file; the region stays mapped. No core may be used after it.
  void close_cores();
  // Rings a core's doorbell: it has commands.
  void ring(uint32_t core) noexcept;

  // ---- a detached engine; called from its conductor's thread while the cores have theirs ----

  // Starts a thread for each core, and gives control planes leave to attach. False with a sentence in `error`.
  bool run_detached(std::string& error);
  // Has `work` done by the core's thread, and waits for it.
  void on_core(uint32_t core, const std::function<void(Core&)>& work);
  void on_cores(const std::function<void(Core&)>& work);
  int doorbell(uint32_t core) const noexcept { return doorbells_[core]; }

 private:
  Engine() = default;

  // Work that another thread has for a core's.
  struct Mail {
    queue::Flag waiting;
    std::mutex mutex;
    std::condition_variable done;
    const std::function<void(Core&)>* work = nullptr;
  };

  void do_mail(uint32_t index);
  void describe(const EngineOptions& options);
  bool open_device(const EngineOptions& options, std::string& error);
  bool add_core(const EngineOptions& options, uint32_t index, std::string& error);
  bool attach_kernel_driver(const EngineOptions& options, Core& core, std::string& error);
  bool attach_network(const NetworkOptions& options, Network::Share share, Core& core, std::string& error);
  void run(uint32_t index);

  std::unique_ptr<queue::Region> region_;
  std::unique_ptr<nic::DpdkDevice> device_;
  std::vector<std::unique_ptr<Network>> networks_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::vector<int> doorbells_;
  std::vector<std::thread> threads_;
  std::vector<std::unique_ptr<Mail>> mail_;
  std::unique_ptr<Conductor> conductor_;
  std::function<void()> wake_;
  queue::Flag stopping_;
  std::string driver_reason_;
  uint16_t port_ = 0;
};

}  // namespace sluice::core
