#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "fuzz/ws_delivery.hpp"
#include "ws/upgrade.hpp"

// A request head must get the same verdict in whatever pieces it comes, its views must lie in what was presented, and the answer must
// be one well-formed response that carries nothing of the request but its subprotocol.

namespace {

using namespace sluice::ws;

struct Answer {
  HeadVerdict verdict = HeadVerdict::kNeedMore;
  RequestHead head;
  std::string target;
  std::string response;

  bool operator==(const Answer& other) const {
    return verdict == other.verdict && head.status == other.head.status && head.detail == std::string_view(other.head.detail) &&
           head.head_bytes == other.head.head_bytes && target == other.target && response == other.response;
  }
};

UpgradePolicy make_policy(uint8_t options) {
  UpgradePolicy policy;
  if ((options & 1) != 0) policy.paths = {"/ws", "/"};
  if ((options & 2) != 0) policy.subprotocols = {"v2", "v1"};
  if ((options & 4) != 0) policy.require_subprotocol = true;
  if ((options & 8) != 0) policy.origins = {"https://a.example", "https://*.b.example:1"};
  if ((options & 16) != 0) policy.max_head_bytes = 256;
  if ((options & 32) != 0) policy.max_headers = 6;
  return policy;
}

bool inside(std::string_view view, const uint8_t* data, size_t length) {
  const auto* const begin = reinterpret_cast<const uint8_t*>(view.data());
  return view.empty() || (begin >= data && begin + view.size() <= data + length);
}

void check_status(const RequestHead& head) {
  static constexpr uint16_t kStatuses[] = {400, 403, 404, 405, 411, 413, 414, 426, 431, 501, 505};
  SLUICE_ASSERT(std::find(std::begin(kStatuses), std::end(kStatuses), head.status) != std::end(kStatuses));
  SLUICE_ASSERT(head.detail[0] != '\0');
}

std::string respond(const Answer& answer) {
  uint8_t out[kMaxResponse];
  uint32_t size = 0;
  switch (answer.verdict) {
    case HeadVerdict::kNeedMore: return "";
    case HeadVerdict::kUpgrade: size = write_switching_protocols(out, answer.head); break;
    case HeadVerdict::kHealth: size = write_health(out, answer.head, HealthState::kServing, 0); break;
    case HeadVerdict::kRefuse: size = write_refusal(out, answer.head.status, answer.head.detail, 1, 0, &answer.head); break;
  }
  SLUICE_ASSERT(size <= kMaxResponse);
  return {reinterpret_cast<char*>(out), size};
}

void check_answer(const Answer& answer, std::string_view presented, const UpgradePolicy& policy) {
  SLUICE_ASSERT(answer.response.starts_with("HTTP/1.1 "));
  const size_t end = answer.response.find("\r\n\r\n");
  SLUICE_ASSERT(end != std::string::npos);
  if (answer.verdict == HeadVerdict::kRefuse) return check_status(answer.head);
  SLUICE_ASSERT(answer.head.head_bytes <= presented.size() && answer.head.head_bytes <= policy.max_head_bytes);
  SLUICE_ASSERT(presented.substr(0, answer.head.head_bytes).ends_with("\r\n\r\n"));
  SLUICE_ASSERT(presented.find("\r\n\r\n") + 4 == answer.head.head_bytes);
  if (answer.verdict == HeadVerdict::kHealth) return;
  SLUICE_ASSERT(end + 4 == answer.response.size());
  const std::string_view chosen = answer.head.subprotocol;
  SLUICE_ASSERT(chosen.empty() || std::find(policy.subprotocols.begin(), policy.subprotocols.end(), chosen) != policy.subprotocols.end());
  SLUICE_ASSERT(!chosen.empty() || !policy.require_subprotocol);
}

Answer present(std::string_view request, const std::vector<size_t>& ends, const UpgradePolicy& policy) {
  Answer answer;
  uint32_t scanned = 0;
  for (const size_t end : ends) {
    const auto block = std::make_unique<uint8_t[]>(end);  // ASan sees a read past the end, and a view kept from the call before
    request.copy(reinterpret_cast<char*>(block.get()), end);
    answer.verdict = parse_head(block.get(), static_cast<uint32_t>(end), scanned, policy, answer.head);
    SLUICE_ASSERT(scanned <= end);
    SLUICE_ASSERT(inside(answer.head.target, block.get(), end) && inside(answer.head.key, block.get(), end));
    if (answer.verdict == HeadVerdict::kNeedMore) {
      SLUICE_ASSERT(scanned == end && end < policy.max_head_bytes);
      continue;
    }
    answer.target = answer.head.target;
    answer.response = respond(answer);
    check_answer(answer, request.substr(0, end), policy);
    return answer;
  }
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto delivery = fuzz::read_delivery(data, size);
  const UpgradePolicy policy = make_policy(delivery.options);
  const Answer whole = present(delivery.stream, {delivery.stream.size()}, policy);
  SLUICE_ASSERT(delivery.ends.empty() || present(delivery.stream, delivery.ends, policy) == whole);
  return 0;
}
