#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ws/upgrade.hpp"

namespace sluice::ws::test {

inline const std::string kKeyLine = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
inline const std::string kUpgradeLines = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
inline const std::string kVersionLine = "Sec-WebSocket-Version: 13\r\n";
inline const std::string kHostLine = "Host: server.example.com\r\n";

// A valid handshake with further header lines.
inline std::string handshake(const std::string& lines = "", const std::string& target = "/chat") {
  return "GET " + target + " HTTP/1.1\r\n" + kHostLine + kUpgradeLines + kKeyLine + kVersionLine + lines + "\r\n";
}

inline std::string get(const std::string& target, const std::string& lines = "") {
  return "GET " + target + " HTTP/1.1\r\n" + kHostLine + lines + "\r\n";
}

struct Answer {
  HeadVerdict verdict = HeadVerdict::kNeedMore;
  RequestHead head;
  std::string target;
  std::string key;
  std::string subprotocol;

  bool operator==(const Answer& other) const {
    return verdict == other.verdict && head.status == other.head.status && std::string_view(head.detail) == other.head.detail &&
           head.head_method == other.head.head_method && head.keep_alive == other.head.keep_alive &&
           head.health_target == other.head.health_target && head.head_bytes == other.head.head_bytes && target == other.target &&
           key == other.key && subprotocol == other.subprotocol;
  }
};

// Presents the prefixes of `request` that end at the given places, as a connection does, until there is a verdict.
inline Answer present(std::string_view request, const std::vector<size_t>& ends, const UpgradePolicy& policy) {
  Answer answer;
  uint32_t scanned = 0;
  for (const size_t end : ends) {
    // A block of its own for each call: ASan sees a read past the end, and a view kept from the call before.
    const auto block = std::make_unique<uint8_t[]>(end);
    request.copy(reinterpret_cast<char*>(block.get()), end);
    const auto length = static_cast<uint32_t>(end);
    answer.verdict = parse_head(block.get(), length, scanned, policy, answer.head);
    REQUIRE(scanned <= length);
    if (answer.verdict == HeadVerdict::kNeedMore) {
      REQUIRE(scanned == length);  // nothing is looked at twice
      continue;
    }
    answer.target = answer.head.target;
    answer.key = answer.head.key;
    answer.subprotocol = answer.head.subprotocol;
    return answer;
  }
  return answer;
}

// The verdict, which must not depend on how the request was cut.
inline Answer ask(const std::string& request, const UpgradePolicy& policy = {}) {
  const Answer whole = present(request, {request.size()}, policy);
  std::vector<size_t> every;
  for (size_t cut = 0; cut <= request.size(); ++cut) {
    REQUIRE(present(request, {cut, request.size()}, policy) == whole);
    every.push_back(cut);
  }
  REQUIRE(present(request, every, policy) == whole);
  return whole;
}

// 0 where the request is not refused.
inline uint16_t refusal(const std::string& request, const UpgradePolicy& policy = {}) {
  const Answer answer = ask(request, policy);
  if (answer.verdict != HeadVerdict::kRefuse) return 0;
  REQUIRE(answer.head.detail[0] != '\0');
  return answer.head.status;
}

inline bool upgrades(const std::string& request, const UpgradePolicy& policy = {}) {
  return ask(request, policy).verdict == HeadVerdict::kUpgrade;
}

}  // namespace sluice::ws::test
