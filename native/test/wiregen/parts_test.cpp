// Addresses, timers and the scenario's language.
#include <catch2/catch.hpp>

#include <array>
#include <set>

#include "bench/accept_key.hpp"
#include "wiregen/address_plan.hpp"
#include "wiregen/conductor.hpp"
#include "wiregen/payload.hpp"
#include "wiregen/timer_wheel.hpp"
#include "ws/sha1.hpp"

using namespace sluice;
using namespace sluice::wiregen;

TEST_CASE("wiregen: every address and port leads back to its client, in every generation", "[wiregen]") {
  const auto [clients, hosts] = GENERATE(std::pair{1u, 1u}, std::pair{1000u, 7u}, std::pair{64512u, 1u}, std::pair{200'000u, 300u});
  AddressPlan plan;
  std::string error;
  REQUIRE(plan.plan(0x0a400002, hosts, clients, error));
  std::set<uint64_t> seen;
  const uint32_t step = clients > 5000 ? 977 : 1;
  for (ClientId id = 0; id < clients; id += step) {
    for (uint32_t generation = 0; generation < std::min(plan.generations(), 4u); ++generation) {
      const uint16_t port = plan.port(id, static_cast<uint8_t>(generation));
      CHECK(port >= 1024);
      CHECK(plan.find(plan.address(id), port) == id);
      CHECK(seen.insert(static_cast<uint64_t>(plan.address(id)) << 16 | port).second);
    }
  }
  CHECK(plan.find(0x0a400002 + hosts, 2000) == kNoClient);
  CHECK(plan.find(0x0a400001, 2000) == kNoClient);
  CHECK(plan.find(0x0a400002, 80) == kNoClient);
}

TEST_CASE("wiregen: too many clients for the hosts are refused", "[wiregen]") {
  AddressPlan plan;
  std::string error;
  CHECK_FALSE(plan.plan(0x0a400002, 2, 64512 * 2 + 1, error));
  CHECK(error.find("hosts") != std::string::npos);
}

TEST_CASE("wiregen: the wheel calls nobody too early, and everybody", "[wiregen]") {
  TimerWheel wheel;
  std::vector<Client> clients(500);
  std::vector<uint64_t> called(500, 0);
  wheel.start(5'000'000'000);
  for (ClientId id = 0; id < 500; ++id) wheel.arm(clients.data(), id, id * 37 + 1);
  for (uint64_t ms = 5000; ms < 25'000; ms += 7) {
    wheel.advance(clients.data(), ms * 1'000'000, [&](ClientId id) { called[id] = ms; });
  }
  for (ClientId id = 0; id < 500; ++id) {
    REQUIRE(called[id] != 0);
    CHECK(called[id] >= 5000 + id * 37 + 1 - TimerWheel::kTickMs);
    CHECK(called[id] <= 5000 + id * 37 + 1 + 2 * TimerWheel::kTickMs);
  }
}

TEST_CASE("wiregen: a payload is its owner's and its number's alone", "[wiregen]") {
  const Payload payload(64);
  std::vector<uint8_t> bytes(64);
  payload.write(bytes.data(), 1'000'000, 5);
  CHECK(payload.matches(bytes.data(), 64, 1'000'000, 5));
  CHECK_FALSE(payload.matches(bytes.data(), 64, 1'000'001, 5));
  CHECK_FALSE(payload.matches(bytes.data(), 64, 1'000'000, 6));
  CHECK_FALSE(payload.matches(bytes.data(), 63, 1'000'000, 5));
  for (const uint8_t byte : bytes) CHECK((byte >= 0x20 && byte < 0x7f));
}

TEST_CASE("wiregen: a payload is masked as RFC 6455 has it, whatever its length", "[wiregen]") {
  for (uint32_t size = 1; size < 100; ++size) {
    const Payload payload(size);
    std::vector<uint8_t> plain(size);
    std::vector<uint8_t> masked(size);
    payload.write(plain.data(), 77, 3);
    payload.write_masked(masked.data(), 77, 3, 0x89abcdef);
    static constexpr uint8_t kKey[4] = {0xef, 0xcd, 0xab, 0x89};
    for (uint32_t i = 0; i < size; ++i) plain[i] = static_cast<uint8_t>(plain[i] ^ kKey[i % 4]);
    REQUIRE(masked == plain);
  }
}

TEST_CASE("wiregen: a scenario's mistakes are named with their line", "[wiregen]") {
  const auto mistake = [](const std::string& rest) {
    Scenario scenario;
    return read_scenario("server address=10.0.0.1:80\nclients count=10 network=10.1.0.0/16\n" + rest, scenario);
  };
  CHECK(mistake("open rate=10K inflight=5 # fast\n\nhold for=5min\n").empty());
  CHECK(mistake("also flood kind=rst rate=1M\nhold for=500ms\n").empty());
  CHECK(mistake("").find("no phase") != std::string::npos);
  CHECK(mistake("open speed=10\n") == "line 3: open knows no 'speed'");
  CHECK(mistake("open\nopen rate=fast\n").starts_with("line 4: open: rate=fast"));
  CHECK(mistake("hold for=5h\n").starts_with("line 3: hold: for=5h"));
  CHECK(mistake("dance\n").starts_with("line 3: no 'dance'"));
  CHECK(mistake("open rate\n").starts_with("line 3: 'rate'"));
  CHECK(mistake("open rate=1 rate=2\n").find("twice") != std::string::npos);
  CHECK(mistake("publish rate=10\n").find("sluice.v1") != std::string::npos);
  CHECK(mistake("also flood\n").find("beside") != std::string::npos);
  CHECK(mistake("also open\nhold\n").find("flood") != std::string::npos);
  Scenario scenario;
  CHECK(read_scenario("clients count=1 network=10.1.0.0/16\nopen\n", scenario).find("server") != std::string::npos);
  const std::string amid = "server address=10.1.0.5:80\nclients count=9 network=10.1.0.0/16\nopen\n";
  CHECK(read_scenario(amid, scenario).find("network") != std::string::npos);
}

TEST_CASE("wiregen: its SHA-1 is the server's, with and without the processor's instructions", "[wiregen]") {
  std::string text;
  for (uint32_t length = 0; length < 300; ++length) {
    const std::array<uint8_t, 20> expected = ws::sha1(text);
    std::array<uint8_t, 20> digest{};
    load::sha1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data());
    REQUIRE(digest == expected);
    digest = {};
    load::sha1_portable(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data());
    REQUIRE(digest == expected);
    text += static_cast<char>(length * 37 + 11);
  }
}
