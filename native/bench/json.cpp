#include "bench/json.hpp"

#include <cmath>
#include <cstdio>

namespace sluice::load {

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string& JsonObject::member(std::string_view name) {
  body_ += body_.empty() ? "{" : ",";
  body_ += json_quote(name);
  body_ += ':';
  return body_;
}

void JsonObject::number(std::string_view name, double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", std::isfinite(value) ? value : 0.0);
  // %.6g is enough for a ratio, not for a count of millions: those print whole.
  if (std::fabs(value) >= 1e5) std::snprintf(text, sizeof text, "%.0f", value);
  member(name) += text;
}

void JsonObject::string(std::string_view name, std::string_view value) { member(name) += json_quote(value); }

}  // namespace sluice::load
