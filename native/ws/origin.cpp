#include "ws/origin.hpp"

#include <algorithm>

#include "ws/http_text.hpp"

namespace sluice::ws {

namespace {

constexpr std::string_view kWildcard = "://*.";

// What a "*" may stand for: one or more labels of a host name. A slash, a colon or an at-sign in it would let
// "https://evil.example/.example.org" through.
bool labels(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || is_alpha(c) || c == '-' || c == '_' || c == '.'; });
}

bool matches(std::string_view origin, std::string_view pattern) {
  if (pattern == "*") return true;
  const size_t wildcard = pattern.find(kWildcard);
  // RFC 6454 §6.2 serializes scheme and host in lower case; configuration may not.
  if (wildcard == std::string_view::npos) return equals_ignoring_case(origin, pattern);
  const std::string_view prefix = pattern.substr(0, wildcard + 3);
  const std::string_view suffix = pattern.substr(wildcard + 4);
  if (origin.size() <= prefix.size() + suffix.size()) return false;
  const size_t suffix_at = origin.size() - suffix.size();
  return equals_ignoring_case(origin.substr(0, prefix.size()), prefix) && equals_ignoring_case(origin.substr(suffix_at), suffix) &&
         labels(origin.substr(prefix.size(), suffix_at - prefix.size()));
}

}  // namespace

bool origin_allowed(std::string_view origin, const std::vector<std::string>& patterns) {
  if (patterns.empty()) return true;
  return std::any_of(patterns.begin(), patterns.end(), [origin](const std::string& pattern) { return matches(origin, pattern); });
}

}  // namespace sluice::ws
