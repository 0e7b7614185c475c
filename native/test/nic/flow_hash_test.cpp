#include <catch2/catch.hpp>

#include <cstring>
#include <set>
#include <vector>

#include "nic/flow_hash.hpp"

using namespace sluice;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Ends {
  Bytes from;
  Bytes to;
  uint16_t from_port;
  uint16_t to_port;

  Ends back() const { return {to, from, to_port, from_port}; }
};

const Ends kV4{{10, 9, 0, 2}, {10, 9, 0, 1}, 40'001, 9000};
const Ends kV6{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 40'001, 9000};

Bytes ports(const Ends& ends) {
  return {static_cast<uint8_t>(ends.from_port >> 8), static_cast<uint8_t>(ends.from_port), static_cast<uint8_t>(ends.to_port >> 8),
          static_cast<uint8_t>(ends.to_port)};
}

Bytes v4(const Ends& ends, uint8_t protocol, const Bytes& text, uint8_t more_fragments = 0) {
  const Bytes head{0x45, 0, 0, static_cast<uint8_t>(20 + text.size()), 0, 1, more_fragments, 0, 64, protocol, 0, 0};
  return head + ends.from + ends.to + text;
}

Bytes v6(const Ends& ends, uint8_t next, const Bytes& text) {
  const Bytes head{0x60, 0, 0, 0, 0, static_cast<uint8_t>(text.size()), next, 64};
  return head + ends.from + ends.to + text;
}

Bytes ethernet(const Bytes& packet, const Bytes& tags = {}) {
  const Bytes type = packet[0] >> 4 == 4 ? Bytes{0x08, 0x00} : Bytes{0x86, 0xdd};
  return Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2} + tags + type + packet;
}

Bytes tcp(const Ends& ends) { return ports(ends) + Bytes(16, 0); }

std::optional<uint16_t> hash(const Bytes& frame) { return nic::flow_hash(frame.data(), static_cast<uint32_t>(frame.size())); }

// Microsoft's definition: for each bit that is set, from the first on, 32 bits of the key from there.
uint32_t toeplitz(const Bytes& input) {
  Bytes key;
  for (int i = 0; i < 40; ++i) key.push_back(nic::kSymmetricPair[i % 2]);
  uint32_t result = 0;
  for (size_t bit = 0; bit < input.size() * 8; ++bit) {
    if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
    for (size_t i = 0; i < 32; ++i) {
      const size_t at = bit + i;
      if ((key[at / 8] >> (7 - at % 8) & 1) != 0) result ^= 1u << (31 - i);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("the hash is the Toeplitz hash of addresses and ports, as a device computes it", "[nic]") {
  for (uint16_t port = 1024; port < 1064; ++port) {
    Ends ends = kV4;
    ends.from_port = port;
    const uint32_t want = toeplitz(ends.from + ends.to + ports(ends));
    REQUIRE(hash(ethernet(v4(ends, 6, tcp(ends)))) == static_cast<uint16_t>(want));
    REQUIRE(want >> 16 == (want & 0xffff));
    ends.from = kV6.from;
    ends.to = kV6.to;
    REQUIRE(hash(ethernet(v6(ends, 6, tcp(ends)))) == static_cast<uint16_t>(toeplitz(ends.from + ends.to + ports(ends))));
  }
}

TEST_CASE("both directions of a flow have one hash", "[nic]") {
  REQUIRE(hash(ethernet(v4(kV4, 6, tcp(kV4)))) == hash(ethernet(v4(kV4.back(), 6, tcp(kV4.back())))));
  REQUIRE(hash(ethernet(v6(kV6, 6, tcp(kV6)))) == hash(ethernet(v6(kV6.back(), 6, tcp(kV6.back())))));
}

TEST_CASE("VLAN tags and IPv6 extension headers do not hide a flow", "[nic]") {
  const Bytes tag{0x81, 0x00, 0x00, 0x07};
  REQUIRE(hash(ethernet(v4(kV4, 6, tcp(kV4)), tag)) == hash(ethernet(v4(kV4, 6, tcp(kV4)))));
  REQUIRE(hash(ethernet(v4(kV4, 6, tcp(kV4)), Bytes{0x88, 0xa8, 0, 9} + tag)) == hash(ethernet(v4(kV4, 6, tcp(kV4)))));
  const Bytes options = Bytes{6, 0, 1, 4, 0, 0, 0, 0} + tcp(kV6);
  REQUIRE(hash(ethernet(v6(kV6, 60, options))) == hash(ethernet(v6(kV6, 6, tcp(kV6)))));
}

TEST_CASE("an ICMP error has the hash of the flow that it quotes", "[nic]") {
  const Ends router{{10, 9, 0, 254}, {10, 9, 0, 1}, 0, 0};
  const Bytes too_big = Bytes{3, 4, 0, 0, 0, 0, 0x05, 0x14} + v4(kV4.back(), 6, tcp(kV4.back()));
  REQUIRE(hash(ethernet(v4(router, 1, too_big))) == hash(ethernet(v4(kV4, 6, tcp(kV4)))));
  const Bytes too_big6 = Bytes{2, 0, 0, 0, 0, 0, 0x05, 0x14} + v6(kV6.back(), 6, tcp(kV6.back()));
  REQUIRE(hash(ethernet(v6(kV6, 58, too_big6))) == hash(ethernet(v6(kV6, 6, tcp(kV6)))));
}

TEST_CASE("what is of no flow has no hash", "[nic]") {
  const Bytes echo{8, 0, 0, 0, 0, 1, 0, 1};
  REQUIRE_FALSE(hash(ethernet(v4(kV4, 1, echo))));
  REQUIRE_FALSE(hash(ethernet(v4(kV4, 17, tcp(kV4)))));
  REQUIRE_FALSE(hash(ethernet(v4(kV4, 6, tcp(kV4), 0x20))));
  REQUIRE_FALSE(hash(Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6} + Bytes(28, 0)));
}

TEST_CASE("a frame that is cut off anywhere is read within its bounds", "[nic]") {
  const Bytes nested = Bytes{3, 4, 0, 0, 0, 0, 5, 0x14} + v4(kV4, 6, tcp(kV4));
  for (const Bytes& whole : {ethernet(v4(kV4, 1, nested)), ethernet(v6(kV6, 60, Bytes{6, 0, 1, 4, 0, 0, 0, 0} + tcp(kV6)))}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<long>(length));
      const std::optional<uint16_t> got = hash(cut);
      REQUIRE((!got || got == hash(whole)));
    }
  }
}

TEST_CASE("flows spread evenly over any number of cores", "[nic]") {
  for (uint32_t cores = 1; cores <= 7; ++cores) {
    std::vector<uint32_t> shares(cores);
    Ends ends = kV4;
    for (uint32_t port = 0; port < 16'384; ++port) {
      ends.from_port = static_cast<uint16_t>(32'768 + port);
      const uint32_t core = nic::core_of(*hash(ethernet(v4(ends, 6, tcp(ends)))), cores);
      REQUIRE(core < cores);
      ++shares[core];
    }
    for (const uint32_t share : shares) REQUIRE(share > 16'384 / cores * 8 / 10);
  }
}
