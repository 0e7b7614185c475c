#include "ws/utf8.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "sim/ws/utf8_oracle.hpp"

namespace sluice::ws {
namespace {

using sim::utf8_oracle;
using sim::Utf8Verdict;

Utf8State feed(Utf8State state, std::string_view text) {
  const std::vector<uint8_t> exact(text.begin(), text.end());  // so that ASan sees a read past the end
  return utf8_feed(state, exact.data(), static_cast<uint32_t>(exact.size()));
}

Utf8Verdict verdict(Utf8State state) {
  if (state == kUtf8Accept) return Utf8Verdict::kWhole;
  return state == kUtf8Reject ? Utf8Verdict::kInvalid : Utf8Verdict::kPrefix;
}

// The state after the text is the same however it is cut in two, or fed byte by byte.
void check_text(const std::string& text) {
  const Utf8State whole = feed(kUtf8Accept, text);
  REQUIRE(verdict(whole) == utf8_oracle(text));
  Utf8State by_byte = kUtf8Accept;
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    REQUIRE(feed(feed(kUtf8Accept, text.substr(0, cut)), text.substr(cut)) == whole);
    REQUIRE(verdict(by_byte) == utf8_oracle(text.substr(0, cut)));
    if (cut < text.size()) by_byte = feed(by_byte, text.substr(cut, 1));
  }
}

}  // namespace

TEST_CASE("every sequence of up to three bytes gets the verdict of its definition", "[ws][utf8]") {
  uint64_t wrong = 0;
  for (uint32_t value = 0; value < (1u << 24); ++value) {
    const char bytes[] = {static_cast<char>(value), static_cast<char>(value >> 8), static_cast<char>(value >> 16)};
    const auto state = utf8_feed(kUtf8Accept, reinterpret_cast<const uint8_t*>(bytes), sizeof bytes);
    wrong += verdict(state) != utf8_oracle({bytes, sizeof bytes});
  }
  CHECK(wrong == 0);
  for (uint32_t value = 0; value < (1u << 16); ++value) {
    const char bytes[] = {static_cast<char>(value), static_cast<char>(value >> 8)};
    const auto state = utf8_feed(kUtf8Accept, reinterpret_cast<const uint8_t*>(bytes), sizeof bytes);
    wrong += verdict(state) != utf8_oracle({bytes, sizeof bytes});
  }
  CHECK(wrong == 0);
}

TEST_CASE("every four-byte lead gets the verdict of its definition", "[ws][utf8]") {
  uint64_t wrong = 0;
  for (uint32_t lead = 0xf0; lead <= 0xff; ++lead) {
    for (uint32_t value = 0; value < (1u << 16); ++value) {
      for (const uint32_t last : {0x00u, 0x7fu, 0x80u, 0xbfu, 0xc0u, 0xffu}) {
        const char bytes[] = {static_cast<char>(lead), static_cast<char>(value), static_cast<char>(value >> 8), static_cast<char>(last)};
        const auto state = utf8_feed(kUtf8Accept, reinterpret_cast<const uint8_t*>(bytes), sizeof bytes);
        wrong += verdict(state) != utf8_oracle({bytes, sizeof bytes});
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("texts at the edges of RFC 3629 keep their verdict under every cut", "[ws][utf8]") {
  const char* texts[] = {
      "", "plain", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80",
      "\xed\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
      "\xe0\x9f\xbf", "\xe0\xa0\x80", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe",
      "\xff", "\x80", "\xbf", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3 ", "\xe2\x82 ",
  };
  for (const std::string text : texts) {
    check_text(text);
    // In every place around a block of the ASCII path.
    for (size_t lead : {1u, 15u, 16u, 17u, 63u, 64u, 65u, 80u}) check_text(std::string(lead, 'a') + text + std::string(20, 'b'));
  }
}

TEST_CASE("a byte that makes a text impossible is refused at once (Autobahn 6.4)", "[ws][utf8]") {
  CHECK(feed(kUtf8Accept, "\xf4\x90") == kUtf8Reject);
  CHECK(feed(kUtf8Accept, "\xed\xa0") == kUtf8Reject);
  CHECK(feed(kUtf8Accept, "\xe0\x9f") == kUtf8Reject);
  CHECK(feed(kUtf8Accept, "\xf0\x8f") == kUtf8Reject);
  CHECK(feed(kUtf8Accept, "\xc1") == kUtf8Reject);
  CHECK(feed(kUtf8Accept, "\xf5") == kUtf8Reject);
  CHECK(feed(kUtf8Reject, "a") == kUtf8Reject);
  CHECK(feed(kUtf8Reject, "") == kUtf8Reject);
}

TEST_CASE("random mixtures of characters and damage get the verdict of their definition", "[ws][utf8]") {
  std::mt19937 random(3629);
  const std::string pieces[] = {"a", "text of more than sixteen bytes", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", "\xef\xbb\xbf"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const auto count = static_cast<uint32_t>(random() % 24);
    for (uint32_t i = 0; i < count; ++i) text += pieces[random() % std::size(pieces)];
    if (!text.empty() && random() % 2 == 0) text[random() % text.size()] = static_cast<char>(random());
    check_text(text);
  }
}

}  // namespace sluice::ws
