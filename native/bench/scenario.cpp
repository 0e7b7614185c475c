#include "bench/scenario.hpp"

#include "bench/client.hpp"

namespace sluice::load {

std::string Scenario::path_of(const Client& client, uint32_t) const { return client.options().path; }

void Scenario::on_lost(Client& client, Conn& conn, const Loss& loss) {
  client.fail("connection " + std::to_string(conn.index) + " was lost: " + loss.detail);
}

std::unique_ptr<Scenario> make_scenario(const std::string& name) {
  if (name == "echo") return make_echo();
  if (name == "idle") return make_idle();
  if (name == "fanout") return make_fanout();
  if (name == "connect") return make_connect();
  if (name == "pub") return make_publish();
  if (name == "slowloris") return make_slowloris();
  if (name == "neverread") return make_never_read();
  return nullptr;
}

}  // namespace sluice::load
