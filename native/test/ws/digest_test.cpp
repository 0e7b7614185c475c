#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "base/prng.hpp"
#include "base/sha_instructions.hpp"
#include "ws/base64.hpp"
#include "ws/sha1.hpp"
#include "ws/sha1_block.hpp"

namespace sluice::ws {
namespace {

std::string hex(std::string_view message) {
  std::string out;
  for (const uint8_t byte : sha1(message)) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string base64(const std::string& data) {
  std::string out((data.size() + 2) / 3 * 4, '\0');
  base64_encode(out.data(), reinterpret_cast<const uint8_t*>(data.data()), static_cast<uint32_t>(data.size()));
  return out;
}

}  // namespace

TEST_CASE("SHA-1 gives the known answers of RFC 3174 and FIPS 180", "[ws][digest]") {
  CHECK(hex("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  CHECK(hex(std::string(1'000'000, 'a')) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  std::string repeated;
  for (int i = 0; i < 80; ++i) repeated += "01234567";
  CHECK(hex(repeated) == "dea356a2cddd90c7a7ecedc5ebb563934f460452");
}

TEST_CASE("SHA-1 pads right around the end of a block", "[ws][digest]") {
  // From coreutils sha1sum.
  CHECK(hex(std::string(55, 'a')) == "c1c8bbdc22796e28c0e15163d20899b65621d65a");
  CHECK(hex(std::string(56, 'a')) == "c2db330f6083854c99d4b5bfb6e8f29f201be699");
  CHECK(hex(std::string(63, 'a')) == "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
  CHECK(hex(std::string(64, 'a')) == "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

TEST_CASE("SHA-1 is the same with the processor's instructions and without", "[ws][digest]") {
  if (!has_sha_instructions()) {
    std::puts("SKIPPED: SHA-1 with instructions: this processor has none");
    return;
  }
  Prng random(1);
  Sha1State one = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  Sha1State other = one;
  for (int i = 0; i < 1000; ++i) {
    uint8_t block[64];
    for (uint8_t& byte : block) byte = static_cast<uint8_t>(random.next());
    sha1_block_portable(one, block);
    sha1_block_native(other, block);
    REQUIRE(one == other);
  }
}

TEST_CASE("base64 gives the known answers of RFC 4648", "[ws][digest]") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64("fooba") == "Zm9vYmE=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xef\xbe") == "/+++");
}

TEST_CASE("a key is sixteen bytes in base64 and nothing else", "[ws][digest]") {
  CHECK(base64_of_16_bytes("dGhlIHNhbXBsZSBub25jZQ=="));
  CHECK(base64_of_16_bytes("++++++++++//////////AA=="));
  CHECK_FALSE(base64_of_16_bytes(""));
  CHECK_FALSE(base64_of_16_bytes("dGhlIHNhbXBsZSBub25jZQ="));
  CHECK_FALSE(base64_of_16_bytes("dGhlIHNhbXBsZSBub25jZQ==="));
  CHECK_FALSE(base64_of_16_bytes("dGhlIHNhbXBsZSBub25jZQA="));
  CHECK_FALSE(base64_of_16_bytes("dGhlIHNhbXBsZSBub25jZQAA"));
  CHECK_FALSE(base64_of_16_bytes("dGhlIHNhbXBsZSBub25=ZQ=="));
  CHECK_FALSE(base64_of_16_bytes("dGhlIHNhbXBsZSBub25-ZQ=="));
}

}  // namespace sluice::ws
