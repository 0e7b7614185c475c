#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The HTTP side: RFC 9112 request heads, the WebSocket handshake of RFC 6455 §4.2, /healthz, and a refusal for everything
// else. Pure: the caller gathers the bytes of one head (bounded by the policy) and presents them.

namespace sluice::ws {

// Configuration refuses a longer one: the response that names it has room for no more.
inline constexpr uint32_t kMaxSubprotocol = 256;

struct UpgradePolicy {
  uint32_t max_head_bytes = 8192;          // 431 above
  uint32_t max_headers = 64;               // 431 above
  std::vector<std::string> paths;          // where an upgrade is served; empty: anywhere. 404 elsewhere
  std::vector<std::string> subprotocols;   // in order of preference, tokens of at most kMaxSubprotocol; empty: none is negotiated
  bool require_subprotocol = false;        // 400 when no offered one is known
  std::vector<std::string> origins;        // allow-list, "*" for any, "https://*.example.org" for subdomains; a request without
                                           // an Origin (not a browser) is allowed; 403 otherwise. Empty: any
};

// kUnattended: no control plane is attached, so what is sent waits.
enum class HealthState : uint8_t { kServing, kDraining, kUnattended };

enum class HeadVerdict : uint8_t {
  kNeedMore,  // no end of head yet and the limits hold
  kUpgrade,   // valid handshake: answer with write_switching_protocols
  kHealth,    // GET or HEAD /healthz: answer with write_health; keep the connection where keep_alive
  kRefuse,    // answer with write_refusal(status) and close
};

struct RequestHead {
  uint16_t status = 0;             // kRefuse: 400, 403, 404, 405, 408, 411, 413, 414, 426, 431, 501, 505
  const char* detail = "";         // kRefuse: a static sentence that says what was wrong
  bool head_method = false;
  bool health_target = false;      // kRefuse too: a 405 of /healthz allows other methods
  bool keep_alive = false;
  uint32_t head_bytes = 0;         // size of the head with its empty line; what follows is the connection's next bytes
  std::string_view target;         // views into the presented bytes
  std::string_view key;
  std::string_view subprotocol;    // the negotiated one, a view into the policy's string; empty: none
};

// Presents everything that the connection has sent so far. `scanned` is the caller's memory of how far earlier calls have looked
// (start with 0), so that a head that comes byte by byte costs linear time; it starts at 0 again for the next head.
HeadVerdict parse_head(const uint8_t* data, uint32_t length, uint32_t& scanned, const UpgradePolicy& policy, RequestHead& out);

inline constexpr uint32_t kMaxResponse = 1024;
// Each writes a whole response into `out` (kMaxResponse bytes) and returns its size.
uint32_t write_switching_protocols(uint8_t* out, const RequestHead& head);
// `now_s`: seconds since 1970, for Date (RFC 9110 §6.6.1), which the answer to an upgrade may do without.
uint32_t write_health(uint8_t* out, const RequestHead& head, HealthState state, int64_t now_s);
// 405 carries Allow, 426 carries Upgrade and Sec-WebSocket-Version, 503 carries Retry-After (seconds). `head` is the refused request
// where there is one: the answer to a HEAD has no body. `detail` is at most kMaxDetail bytes.
inline constexpr uint32_t kMaxDetail = 512;
uint32_t write_refusal(uint8_t* out, uint16_t status, const char* detail, uint32_t retry_after_s, int64_t now_s,
                       const RequestHead* head = nullptr);

}  // namespace sluice::ws
