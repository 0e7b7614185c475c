#include "addon/options.hpp"

namespace sluice::addon {

namespace {

void read(const Napi::Object& object, const char* name, uint32_t& out) {
  const Napi::Value value = object.Get(name);
  if (value.IsNumber()) out = value.As<Napi::Number>().Uint32Value();
}

std::string text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

std::vector<std::string> texts(const Napi::Object& object, const char* name) {
  std::vector<std::string> out;
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) return out;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) out.push_back(array.Get(i).ToString().Utf8Value());
  return out;
}

void read_region(const Napi::Object& object, queue::RegionOptions& region) {
  region.name = text(object, "name");
  read(object, "cores", region.cores);
  read(object, "connectionsPerCore", region.connections_per_core);
  read(object, "eventRecords", region.event_records);
  read(object, "commandRecords", region.command_records);
  read(object, "commandDataBytes", region.command_data_bytes);
  read(object, "receiveBlockBytes", region.receive_block_bytes);
  read(object, "receiveBlocks", region.receive_blocks);
  read(object, "assemblyBytes", region.assembly_bytes);
  read(object, "arenaChunkBytes", region.arena_chunk_bytes);
  read(object, "arenaChunks", region.arena_chunks);
}

void read_core(const Napi::Object& object, core::CoreOptions& options) {
  options.protocol = text(object, "protocol") == "sluice.v1" ? core::Protocol::kSluice : core::Protocol::kPlain;
  read(object, "maxMessage", options.max_message);
  read(object, "sendBudget", options.send_budget);
  read(object, "upgradeTimeoutMs", options.upgrade_timeout_ms);
  read(object, "helloTimeoutMs", options.hello_timeout_ms);
  read(object, "closeTimeoutMs", options.close_timeout_ms);
  read(object, "attachWaitMs", options.attach_wait_ms);
  read(object, "heartbeatMs", options.heartbeat_ms);
  read(object, "pacingUs", options.pacing_us);
  read(object, "maxHeadBytes", options.upgrade.max_head_bytes);
  read(object, "maxHeaders", options.upgrade.max_headers);
  options.upgrade.paths = texts(object, "paths");
  options.upgrade.subprotocols = texts(object, "subprotocols");
  options.upgrade.require_subprotocol = object.Get("requireSubprotocol").ToBoolean().Value();
  options.upgrade.origins = texts(object, "origins");
}

core::NetworkOptions read_network(const Napi::Object& object) {
  core::NetworkOptions network;
  network.eal = text(object, "eal");
  network.port = text(object, "port");
  network.pcap = text(object, "pcap");
  network.ips = texts(object, "ips");
  network.gateways = texts(object, "gateways");
  uint32_t vlan = 0;
  uint32_t mtu = 0;
  read(object, "vlan", vlan);
  read(object, "mtu", mtu);
  network.vlan = static_cast<uint16_t>(vlan);
  network.mtu = static_cast<uint16_t>(mtu);
  network.exception = text(object, "exception");
  network.exception_device = text(object, "exceptionDevice");
  network.exception_for = texts(object, "exceptionFor");
  read(object, "packets", network.packets);
  read(object, "spinUs", network.spin_us);
  read(object, "keepaliveMs", network.keepalive_ms);
  return network;
}

}  // namespace

core::EngineOptions read_options(const Napi::Object& object) {
  core::EngineOptions options;
  read_region(object, options.region);
  read_core(object, options.core);
  const std::string driver = text(object, "driver");
  options.driver = driver == "epoll" ? KernelDriverKind::kEpoll : driver == "uring" ? KernelDriverKind::kUring : KernelDriverKind::kAuto;
  const Napi::Value network = object.Get("network");
  if (network.IsObject()) options.network = read_network(network.As<Napi::Object>());
  options.listen.address = text(object, "address");
  options.detached = object.Get("detached").ToBoolean().Value();
  uint32_t port = 0;
  read(object, "port", port);
  options.listen.port = static_cast<uint16_t>(port);
  return options;
}

}  // namespace sluice::addon
