#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wiregen/address_plan.hpp"
#include "wiregen/client.hpp"
#include "wiregen/deliveries.hpp"
#include "wiregen/item_writer.hpp"
#include "wiregen/segment_writer.hpp"
#include "wiregen/session.hpp"
#include "wiregen/settings.hpp"
#include "wiregen/tcp.hpp"

namespace sluice::wiregen {

// What a phase acts with.
struct Stage {
  const Settings& settings;
  const AddressPlan& plan;
  Client* clients;
  ItemWriter& items;
  SegmentWriter& out;
  Tcp& tcp;
  Session& session;
  Deliveries& deliveries;
  std::vector<int> server_pids;
  uint32_t slow = 0;         // the last so many clients read slowly
  uint16_t slow_window = 0;
  uint32_t slow_every_ms = 0;
  std::string failure{};     // the first; ends the run

  uint64_t now() const noexcept { return tcp.now(); }
  void fail(const std::string& what) {
    if (failure.empty()) failure = what;
  }
  // Clients are opened in order, so the ready ones are the first; of these, all but the last few talk at full speed.
  uint32_t talkers() const noexcept {
    const auto ready = static_cast<uint32_t>(session.ready());
    return ready > slow ? ready - slow : 0;
  }
  std::string name_of(ClientId id) const { return "client " + std::to_string(id); }
};

}  // namespace sluice::wiregen
