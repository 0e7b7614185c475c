#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::wiregen {

// A line of a scenario: `verb key=value key=value`. Values are taken by name; what nobody took is a mistake of the author's.
class Statement {
 public:
  Statement(uint32_t line, std::string verb, bool beside) : line_(line), verb_(std::move(verb)), beside_(beside) {}

  uint32_t line() const noexcept { return line_; }
  const std::string& verb() const noexcept { return verb_; }
  // `also …`: runs beside the phase that follows.
  bool beside() const noexcept { return beside_; }
  // False where the key is there already.
  bool add(std::string key, std::string value);

  // Each takes a value. A number may end in K or M, a share in %, a time in ms, s or min.
  std::string text(std::string_view key, std::string_view fallback);
  double number(std::string_view key, double fallback, double least = 0, double most = 1e12);
  double seconds(std::string_view key, double fallback);
  bool flag(std::string_view key);  // yes or no; no where it is missing
  bool has(std::string_view key) const { return values_.contains(std::string(key)); }

  void wrong(const std::string& what);
  // The first mistake, with its line; empty when there was none and every value was taken.
  std::string mistake() const;

 private:
  const std::string* take(std::string_view key);

  uint32_t line_;
  std::string verb_;
  bool beside_;
  std::map<std::string, std::string> values_;
  std::map<std::string, bool> taken_;
  std::string wrong_;
};

// Comments begin with '#'. Returns the mistake, or nothing.
std::string parse_script(std::string_view text, std::vector<Statement>& out);

}  // namespace sluice::wiregen
