#include "core/engine.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "nic/dpdk_library.hpp"

namespace sluice::core {

namespace {

// What comes meanwhile finds room in the device's ring: 1,024 frames are a million a second and more.
constexpr std::chrono::microseconds kUnservedRest{500};

// CPUs that this process was given: by taskset, systemd or a cpuset.
std::vector<int> own_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace

std::unique_ptr<Engine> Engine::create(const EngineOptions& options, std::string& error) {
  std::unique_ptr<Engine> engine(new Engine());
  engine->region_ = queue::Region::create(options.region, error);
  if (!engine->region_) return nullptr;
  if (options.network && !engine->open_device(options, error)) return nullptr;
  for (uint32_t index = 0; index < options.region.cores; ++index) {
    if (!engine->add_core(options, index, error)) return nullptr;
  }
  engine->describe(options);
  queue::RegionHeader& header = engine->region_->header();
  std::strncpy(header.driver, engine->driver_name(), sizeof header.driver - 1);
  // For inspectors: why the driver is not the preferred one, or what it has to work with.
  const bool uring = std::strcmp(header.driver, "uring") == 0;
  const std::string about = uring ? uring_features() : engine->driver_reason_;
  std::strncpy(header.driver_reason, about.c_str(), sizeof header.driver_reason - 1);
  return engine;
}

bool Engine::open_device(const EngineOptions& options, std::string& error) {
  nic::DpdkOptions device;
  device.eal = options.network->eal.c_str();
  device.port = options.network->port.c_str();
  device.queues = options.region.cores;
  device.packets = options.network->packets;
  device.mtu = options.network->mtu;
  device.vlan = options.network->vlan;
  device.exception = options.network->exception.c_str();
  device.exception_device = options.network->exception_device.c_str();
  device_ = nic::open_dpdk(device, error);
  if (!device_) return false;
  driver_reason_ = device_->note();
  return true;
}

bool Engine::attach_kernel_driver(const EngineOptions& options, Core& core, std::string& error) {
  auto driver = make_kernel_driver(options.driver, {core.capacity(), &core.blocks(), &core}, error);
  if (!driver) return false;
  driver_reason_ = std::exchange(error, "");
  core.attach(std::move(driver));
  return true;
}

bool Engine::attach_network(const NetworkOptions& options, Network::Share share, Core& core, std::string& error) {
  auto network = Network::make(options, device_->queue(share.index), device_->kernel(share.index), share, error);
  if (!network) return false;
  auto driver = network->make_driver(core.capacity(), core.blocks(), core, error);
  if (!driver) return false;
  core.attach(std::move(driver), network.get());
  networks_.push_back(std::move(network));
  return true;
}

void Engine::describe(const EngineOptions& options) {
  queue::RegionHeader& header = region_->header();
  std::strncpy(header.listen_address, options.listen.address.c_str(), sizeof header.listen_address - 1);
  header.listen_port = port_;
  header.max_message = options.core.max_message;
  header.send_budget = options.core.send_budget;
  header.heartbeat_ms = options.core.heartbeat_ms;
  if (!options.detached) return;
  header.detached = 1;
  region_->disown();
  for (const auto& core : cores_) core->detach();
}

bool Engine::add_core(const EngineOptions& options, uint32_t index, std::string& error) {
  auto core = std::make_unique<Core>(*region_, index, options.core);
  const bool attached = options.network ? attach_network(*options.network, {index, options.region.cores}, *core, error)
                                        : attach_kernel_driver(options, *core, error);
  if (!attached) return false;
  const int doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (doorbell < 0) {
    error = std::string("cannot create a doorbell: ") + std::strerror(errno) + ". Raise the limit on open files (ulimit -n).";
    return false;
  }
  doorbells_.push_back(doorbell);
  core->driver().watch_doorbell(doorbell);
  ListenOptions listen = options.listen;
  listen.reuse_port = options.region.cores > 1;
  // With port 0 the first core's choice is everybody's.
  if (index > 0) listen.port = port_;
  if (!core->driver().listen(listen, error)) return false;
  port_ = core->driver().bound_port();
  cores_.push_back(std::move(core));
  mail_.push_back(std::make_unique<Mail>());
  return true;
}

Engine::~Engine() { close_cores(); }

void Engine::close_cores() {
  stop_threads();
  conductor_.reset();
  cores_.clear();
  networks_.clear();
  device_.reset();
  for (const int fd : doorbells_) ::close(fd);
  doorbells_.clear();
}

void Engine::run_threads(std::function<void()> wake) {
  wake_ = std::move(wake);
  const std::vector<int> cpus = own_cpus();
  for (uint32_t index = 0; index < cores(); ++index) {
    threads_.emplace_back([this, index] { run(index); });
    if (cpus.empty()) continue;
    cpu_set_t set;
    CPU_ZERO(&set);
    // The first CPU is left to the control plane where there are enough.
    CPU_SET(cpus[cpus.size() > cores() ? index + 1 : index % cpus.size()], &set);
    // Where a cpuset has changed meanwhile the call fails, and the scheduler places the thread.
    static_cast<void>(pthread_setaffinity_np(threads_.back().native_handle(), sizeof set, &set));
  }
}

void Engine::stop_threads() {
  stopping_.set();
  for (uint32_t index = 0; index < threads_.size(); ++index) ring(index);
  for (const auto& mail : mail_) {
    const std::scoped_lock lock(mail->mutex);
    mail->done.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Engine::ring(uint32_t core) noexcept {
  const uint64_t one = 1;
  // A full eventfd is already readable.
  static_cast<void>(!::write(doorbells_[core], &one, sizeof one));
}

bool Engine::run_detached(std::string& error) {
  conductor_ = Conductor::create(*this, error);
  if (!conductor_) return false;
  run_threads([this] { conductor_->wake_owner(); });
  return true;
}

void Engine::on_core(uint32_t core, const std::function<void(Core&)>& work) {
  Mail& mail = *mail_[core];
  std::unique_lock lock(mail.mutex);
  mail.work = &work;
  mail.waiting.set();
  ring(core);
  mail.done.wait(lock, [&] { return mail.work == nullptr || stopping_.is_set(); });
  mail.work = nullptr;
}

void Engine::on_cores(const std::function<void(Core&)>& work) {
  for (uint32_t core = 0; core < cores(); ++core) on_core(core, work);
}

void Engine::do_mail(uint32_t index) {
  Mail& mail = *mail_[index];
  const std::scoped_lock lock(mail.mutex);
  mail.waiting.clear();
  if (mail.work != nullptr) (*mail.work)(*cores_[index]);
  mail.work = nullptr;
  mail.done.notify_all();
}

void Engine::run(uint32_t index) {
  Core& core = *cores_[index];
  queue::RingConsumer& commands = core.commands().ring();
  while (!stopping_.is_set()) {
    if (mail_[index]->waiting.is_set()) do_mail(index);
    if (core.corrupted()) {
      if (!conductor_) break;
      core.counters().add(queue::Counter::owners_corrupt);
      core.drop_commands();
      conductor_->report_corruption();
    }
    const bool sleep = commands.prepare_sleep();
    const bool wake_for_events = core.receive(sleep ? -1 : 0);
    if (sleep) commands.wake();
    if (wake_for_events) wake_();
    const uint32_t before = core.event_position();
    bool reader_waits = false;
    core.transmit(reader_waits);
    if (reader_waits || core.event_position() != before) wake_();
    // A poll loop would take the CPU that the next control plane needs to begin, and nothing is answered before that.
    if (!core.served()) std::this_thread::sleep_for(kUnservedRest);
  }
}

}  // namespace sluice::core
