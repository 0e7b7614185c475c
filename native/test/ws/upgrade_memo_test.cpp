#include "ws/upgrade_memo.hpp"

#include "test/ws/upgrade_fixture.hpp"

namespace sluice::ws::test {

namespace {

const uint8_t* bytes_of(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

// What the memo knows of the request, from a block of its own: ASan sees a read past the end.
bool recalls(const UpgradeMemo& memo, const std::string& request, Answer& out) {
  const auto block = std::make_unique<uint8_t[]>(request.size());
  request.copy(reinterpret_cast<char*>(block.get()), request.size());
  if (!memo.recall(block.get(), static_cast<uint32_t>(request.size()), out.head)) return false;
  out.verdict = HeadVerdict::kUpgrade;
  out.target = out.head.target;
  out.key = out.head.key;
  out.subprotocol = out.head.subprotocol;
  return true;
}

void remember(UpgradeMemo& memo, const std::string& request, const UpgradePolicy& policy) {
  RequestHead head;
  uint32_t scanned = 0;
  REQUIRE(parse_head(bytes_of(request), static_cast<uint32_t>(request.size()), scanned, policy, head) == HeadVerdict::kUpgrade);
  memo.remember(bytes_of(request), head);
}

std::string with_key(std::string request, const std::string& key) {
  return request.replace(request.find("dGhlIHNhbXBsZSBub25jZQ=="), 24, key);
}

const std::string kRequest = handshake("Origin: https://example.org\r\nSec-WebSocket-Protocol: chat\r\n", "/chat?room=1");

}  // namespace

TEST_CASE("a head that differs in its key only is what parsing it says", "[ws][upgrade][memo]") {
  UpgradePolicy policy;
  policy.subprotocols = {"superchat", "chat"};
  UpgradeMemo memo;
  Answer answer;
  CHECK_FALSE(recalls(memo, kRequest, answer));
  remember(memo, kRequest, policy);
  for (const char* const key : {"dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "zzzzzzzzzz+/zzzzzzzzzz=="}) {
    const std::string request = with_key(kRequest, key);
    REQUIRE(recalls(memo, request, answer));
    CHECK(answer == ask(request, policy));
    REQUIRE(recalls(memo, request + "what follows the head", answer));
    CHECK(answer == ask(request, policy));
  }
}

TEST_CASE("anything else is left to the parser", "[ws][upgrade][memo]") {
  const UpgradePolicy policy;
  UpgradeMemo memo;
  remember(memo, kRequest, policy);
  Answer answer;
  for (const char* const key :
       {"dGhlIHNhbXBsZSBub25jZQ=a", "dGhlIHNhbXBsZSBub25jZ\r\n==", "dGhlIHNhbXBsZSBub25j!Q==", "dGhl HNhbXBsZSBub25jZQ=="}) {
    CHECK_FALSE(recalls(memo, with_key(kRequest, key), answer));
  }
  for (size_t length = 0; length < kRequest.size(); ++length) CHECK_FALSE(recalls(memo, kRequest.substr(0, length), answer));
  const size_t key_at = kRequest.find("dGhlIHNhbXBsZSBub25jZQ==");
  for (size_t at = 0; at < kRequest.size(); ++at) {
    if (at >= key_at && at < key_at + 24) continue;
    std::string other = kRequest;
    other[at] = static_cast<char>(other[at] ^ 1);
    CHECK_FALSE(recalls(memo, other, answer));
  }
}

TEST_CASE("a memo holds several heads, the latest, and none that is very long", "[ws][upgrade][memo]") {
  const UpgradePolicy policy;
  UpgradeMemo memo;
  Answer answer;
  std::vector<std::string> requests;
  for (char c = 'a'; c < 'k'; ++c) requests.push_back(handshake("User-Agent: " + std::string(1, c) + "\r\n"));
  for (const std::string& request : requests) remember(memo, request, policy);
  CHECK_FALSE(recalls(memo, requests.front(), answer));
  for (size_t back = 1; back <= 4; ++back) {
    REQUIRE(recalls(memo, requests[requests.size() - back], answer));
    CHECK(answer == ask(requests[requests.size() - back], policy));
  }
  const std::string long_one = handshake("User-Agent: " + std::string(2000, 'x') + "\r\n");
  remember(memo, long_one, policy);
  CHECK_FALSE(recalls(memo, long_one, answer));
  CHECK(recalls(memo, requests.back(), answer));
}

}  // namespace sluice::ws::test
