#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/attach_protocol.hpp"
#include "queue/flag.hpp"

namespace sluice::core {

class Engine;

// Gives the region of a detached engine to one control plane at a time, on a thread of its own. A former owner that does not stop when
// it is asked to is killed before the next one begins: two writers of one ring would be worse than any death.
class Conductor {
 public:
  static std::unique_ptr<Conductor> create(Engine& engine, std::string& error);
  ~Conductor();

  // From the cores' threads: the event rings hold something for a control plane that sleeps.
  void wake_owner() noexcept;
  // From the cores' threads: what the control plane wrote cannot be. It is dropped.
  void report_corruption() noexcept;

 private:
  static constexpr uint64_t kStopWithinUs = 5'000'000;
  static constexpr uint64_t kRequestWithinUs = 2'000'000;
  static constexpr size_t kMaxStandbys = 8;

  struct Client {
    int fd = -1;
    int process = -1;  // pidfd
    uint32_t pid = 0;
  };

  explicit Conductor(Engine& engine) : engine_(engine) {}

  bool open(std::string& error);
  void run();
  void accept_client();
  void read_candidate();
  void stand_by();
  void read_standbys();
  void count_standbys();
  void read_owner();
  void answer(const Client& client, const std::string& reason);
  void refuse(const std::string& reason);
  void drop_candidate();
  void owner_gone();
  void ask_to_stop();
  void kill_owner();
  void grant(Client client);
  bool send_grant(const AttachReply& reply, int snapshot);
  void count_pause();
  void release(Client& client);

  Engine& engine_;
  std::string path_;
  int listener_ = -1;
  int control_ = -1;  // eventfd: stop, or corruption
  int wake_ = -1;     // eventfd: the owner's doorbell
  Client owner_;
  Client candidate_;
  std::vector<Client> standbys_;  // the one that waits longest first
  bool candidate_waits_ = false;
  uint64_t deadline_us_ = 0;       // of what is being waited for: a request, or the owner's stop; 0 none
  uint64_t pause_began_us_ = 0;    // 0: none is being measured
  uint32_t former_pid_ = 0;
  uint32_t epoch_ = 0;
  bool planned_ = false;
  queue::Flag stopping_;
  queue::Flag corrupt_;
  std::thread thread_;
};

}  // namespace sluice::core
