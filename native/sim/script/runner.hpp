#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/net/host.hpp"
#include "sim/script/application.hpp"
#include "sim/script/match.hpp"
#include "sim/script/script.hpp"

namespace sluice::sim::script {

// Runs a script against the real IP layer and the real TCP on virtual time.
class Runner {
 public:
  explicit Runner(const Script& script) : script_(script) {}
  ~Runner();

  // False with the place, what was expected, what came, and the exchange so far in `error`.
  bool run(std::string& error);

 private:
  bool fail(const Statement& statement, const std::string& what);
  bool apply_settings();
  bool set(const Statement& statement);
  bool set_up();
  bool step(const Statement& statement);
  bool finish();

  bool inject(const Statement& statement);
  bool expect(const Statement& statement);
  bool maybe(const Statement& statement);
  bool quiet(const Statement& statement);
  bool call(const Statement& statement);
  bool call_stream(const Statement& statement, ConnectionState& connection);
  bool connect(const Statement& statement, ConnectionState& connection);
  bool event(const Statement& statement);
  bool check(const Statement& statement);

  ConnectionState& connection(uint32_t number);
  uint64_t base(const Statement& statement) const { return statement.when.relative ? last_us_ : start_us_; }
  bool in_time(const Statement& statement, uint64_t base_us, uint64_t actual_us, std::string& why) const;
  void settle();
  void take_frames();
  bool resolve(const std::vector<uint8_t>& frame);
  void capture(std::vector<uint8_t> frame);
  template <typename Done>
  void run_until(uint64_t until_us, Done done);
  std::string time_text(uint64_t time_us) const;

  const Script& script_;
  std::string error_;
  HostOptions options_;
  Link link_;
  bool resolves_ = true;
  bool rest_ignored_ = false;
  uint64_t tolerance_us_ = 10'000;

  ManualClock clock_;
  std::unique_ptr<nic::SimNic> peer_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Application> application_;
  std::unique_ptr<tcp::TcpDriver> driver_;
  std::map<uint32_t, ConnectionState> connections_;
  std::deque<Captured> captured_;
  std::vector<std::string> trace_;
  uint64_t start_us_ = 0;
  uint64_t last_us_ = 0;
};

}  // namespace sluice::sim::script
