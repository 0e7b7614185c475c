#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "base/prng.hpp"
#include "base/sha_instructions.hpp"
#include "session/welcome.hpp"

namespace sluice::session {
namespace {

const uint8_t* bytes(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

std::string hex(const Hmac::Digest& digest) {
  std::string out;
  for (const uint8_t byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string mac(const std::string& key, const std::string& text) {
  return hex(Hmac(bytes(key), static_cast<uint32_t>(key.size())).digest(text));
}

std::string token_of(const ResumeTokens& tokens, const std::string& statement) {
  char out[ResumeTokens::kTokenMax];
  return {out, tokens.sign(out, bytes(statement), static_cast<uint32_t>(statement.size()))};
}

int32_t verify(const ResumeTokens& tokens, const std::string& token, std::string& statement) {
  uint8_t out[ResumeTokens::kStatementMax];
  const int32_t length = tokens.verify(out, token);
  statement.assign(reinterpret_cast<const char*>(out), length < 0 ? 0 : static_cast<size_t>(length));
  return length;
}

}  // namespace

TEST_CASE("HMAC-SHA256 gives the known answers of RFC 4231", "[session][digest]") {
  CHECK(mac(std::string(20, '\x0b'), "Hi There") == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(mac("Jefe", "what do ya want for nothing?") == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(mac(std::string(20, '\xaa'), std::string(50, '\xdd')) == "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}

TEST_CASE("SHA-256 is the same with the processor's instructions and without", "[session][digest]") {
  if (!has_sha_instructions()) {
    std::puts("SKIPPED: SHA-256 with instructions: this processor has none");
    return;
  }
  Prng prng(7);
  for (int round = 0; round < 1000; ++round) {
    uint8_t block[kSha256Block];
    for (uint8_t& byte : block) byte = static_cast<uint8_t>(prng.next());
    Sha256State portable;
    for (uint32_t& word : portable) word = static_cast<uint32_t>(prng.next());
    Sha256State native = portable;
    sha256_block_portable(portable, block);
    sha256_block_native(native, block);
    REQUIRE(native == portable);
  }
}

TEST_CASE("SHA-256 of several blocks at once is that of each", "[session][digest]") {
  Prng prng(11);
  for (uint32_t count = 0; count <= 5; ++count) {
    uint8_t blocks[5][kSha256Block];
    Sha256State each[5];
    for (uint32_t i = 0; i < count; ++i) {
      for (uint8_t& byte : blocks[i]) byte = static_cast<uint8_t>(prng.next());
      for (uint32_t& word : each[i]) word = static_cast<uint32_t>(prng.next());
    }
    Sha256State portable[5];
    Sha256State native[5];
    for (uint32_t i = 0; i < count; ++i) portable[i] = native[i] = each[i];
    for (uint32_t i = 0; i < count; ++i) sha256_block_portable(each[i], blocks[i]);
    sha256_blocks_portable(portable, blocks[0], count);
    if (has_sha_instructions()) sha256_blocks_native(native, blocks[0], count);
    for (uint32_t i = 0; i < count; ++i) {
      REQUIRE(portable[i] == each[i]);
      if (has_sha_instructions()) REQUIRE(native[i] == each[i]);
    }
  }
}

TEST_CASE("HMACs of several short texts at once are those of each", "[session][digest]") {
  const Hmac hmac(bytes("a key of some length"), 20);
  Prng prng(13);
  for (uint32_t length = 0; length <= Hmac::kShortMost; ++length) {
    const uint32_t count = 1 + length % Hmac::kTogether;
    uint8_t blocks[Hmac::kTogether][kSha256Block];
    std::string texts[Hmac::kTogether];
    for (uint32_t i = 0; i < count; ++i) {
      for (uint8_t& byte : blocks[i]) byte = static_cast<uint8_t>(prng.next());
      texts[i].assign(reinterpret_cast<const char*>(blocks[i]), length);
    }
    Hmac::Digest digests[Hmac::kTogether];
    hmac.digest_short(blocks[0], length, count, digests);
    for (uint32_t i = 0; i < count; ++i) REQUIRE(digests[i] == hmac.digest(texts[i]));
  }
}

TEST_CASE("base64url of every length comes back", "[session][base64url]") {
  Prng prng(3);
  for (uint32_t length = 0; length < 70; ++length) {
    std::string data;
    for (uint32_t i = 0; i < length; ++i) data += static_cast<char>(prng.next());
    char text[100];
    const char* const end = base64url_encode(text, bytes(data), length);
    REQUIRE(end == text + base64url_chars(length));
    uint8_t back[100];
    REQUIRE(base64url_decode(back, {text, end}) == static_cast<int32_t>(length));
    REQUIRE(std::string(reinterpret_cast<char*>(back), length) == data);
  }
  uint8_t out[8];
  for (const char* const bad : {"A", "AAAAA", "A=", "AA==", "A+", "AA/A", "A.AA", "\xc3\xa4"}) CHECK(base64url_decode(out, bad) == -1);
}

TEST_CASE("a resume token says what was signed, and only whole ones do", "[session][token]") {
  const ResumeTokens tokens(bytes(std::string(32, '\x01')), 32);
  std::string found;
  for (const uint32_t length : {1u, 21u, 26u, 255u, ResumeTokens::kStatementMax}) {
    const std::string statement(length, '\x5a');
    const std::string token = token_of(tokens, statement);
    REQUIRE(verify(tokens, token, found) == static_cast<int32_t>(length));
    REQUIRE(found == statement);
    const ResumeTokens others(bytes(std::string(32, '\x02')), 32);
    CHECK(verify(others, token, found) == -1);
    for (size_t i = 0; i < token.size(); ++i) {
      std::string bad = token;
      bad[i] = bad[i] == 'A' ? 'B' : 'A';
      if (verify(tokens, bad, found) != -1) FAIL("character " << i << " of a token does not count");
    }
    for (const std::string& bad : {token + 'A', token.substr(1), token.substr(0, token.size() - 1), '.' + token, token + '.'}) {
      CHECK(verify(tokens, bad, found) == -1);
    }
  }
  CHECK(verify(tokens, "", found) == -1);
  CHECK(verify(tokens, ".", found) == -1);
  CHECK(verify(tokens, std::string(5000, 'A') + '.' + std::string(ResumeTokens::kMacChars, 'A'), found) == -1);
}

TEST_CASE("tokens that are signed together are those that are signed one by one", "[session][token]") {
  const ResumeTokens tokens(bytes(std::string(32, '\x01')), 32);
  Prng prng(17);
  // Of the last the signed text takes more than a block.
  for (const uint32_t length : {1u, 21u, 30u, 31u, 64u}) {
    for (const uint32_t count : {0u, 1u, 2u, 8u, 9u, 40u}) {
      std::string statements;
      for (uint32_t i = 0; i < count * length; ++i) statements += static_cast<char>(prng.next());
      const uint32_t token = base64url_chars(length) + 1 + ResumeTokens::kMacChars;
      const uint32_t stride = token + 3;
      std::string out(count * stride, '#');
      tokens.sign_many(out.data(), stride, bytes(statements), length, count);
      std::string wanted;
      for (uint32_t i = 0; i < count; ++i) wanted += token_of(tokens, statements.substr(i * length, length)) + "###";
      REQUIRE(out == wanted);
    }
  }
}

TEST_CASE("welcomes of new sessions carry their ids and tokens", "[session][welcome]") {
  const ResumeTokens tokens(bytes(std::string(32, '\x01')), 32);
  const uint32_t words[] = {0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210, 1, 2, 3, 4};
  constexpr std::string_view kTail = R"(","resumed":false})";
  const uint32_t each = Welcomes::bytes_each(kTail);
  std::string out(2 * each, '\0');
  Welcomes::write(out.data(), each, tokens, words, 2, 3, kTail);
  const std::string statement("\x03\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10\0\0\0\x01", 21);
  const std::string first = token_of(tokens, statement);
  CHECK(out.substr(0, each) == R"({"op":"welcome","session":"0123456789abcdeffedcba9876543210","resume":")" + first + std::string(kTail));
  const std::string second = token_of(tokens, std::string("\x03\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x01", 21));
  // More than are signed together.
  constexpr uint32_t kMany = 70;
  uint32_t many[4 * kMany];
  for (uint32_t i = 0; i < 4 * kMany; ++i) many[i] = words[i % 8];
  constexpr std::string_view kBetween = "###";
  const size_t stride = each + kBetween.size();
  std::string all(kMany * stride, '#');
  Welcomes::write(all.data(), stride, tokens, many, kMany, 3, kTail);
  std::string wanted;
  for (uint32_t i = 0; i < kMany; ++i) wanted.append(out, i % 2 * each, each).append(kBetween);
  CHECK(all == wanted);
  CHECK(out.substr(each) == R"({"op":"welcome","session":"00000001000000020000000300000004","resume":")" + second + std::string(kTail));
}

}  // namespace sluice::session
