#include "net/context.hpp"

#include <algorithm>

#include "net/special_addresses.hpp"

namespace sluice::net {

Context::Context(nic::Nic& device, const InterfaceOptions& settings, NeighborCache::Link& link)
    : nic(device), options(settings),
      mtu(settings.mtu == 0 ? device.capabilities().mtu : std::min(settings.mtu, device.capabilities().mtu)),
      routes(settings, link_local_of(device.capabilities().mac)), neighbors(settings, link), transmitter(device, options, counters) {}

nic::Packet* Context::allocate(uint32_t bytes) noexcept {
  nic::Packet* const packet = nic.pool().allocate(bytes);
  if (packet == nullptr) {
    ++counters.unsent_no_packet;
  } else {
    packet->length = static_cast<uint16_t>(bytes);
  }
  return packet;
}

}  // namespace sluice::net
