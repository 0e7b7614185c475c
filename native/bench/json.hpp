#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::load {

// Writes one JSON object, member by member, in the order of the calls. Used for results only, never per message.
class JsonObject {
 public:
  void number(std::string_view name, uint64_t value) { member(name) += std::to_string(value); }
  void number(std::string_view name, double value);
  void boolean(std::string_view name, bool value) { member(name) += value ? "true" : "false"; }
  void string(std::string_view name, std::string_view value);
  // `value` is JSON already.
  void raw(std::string_view name, std::string_view value) { member(name) += value; }

  std::string text() const { return body_.empty() ? "{}" : body_ + "}"; }

 private:
  std::string& member(std::string_view name);
  std::string body_;
};

std::string json_quote(std::string_view text);

}  // namespace sluice::load
