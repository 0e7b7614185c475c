#include "wiregen/script.hpp"

#include <cstdlib>

namespace sluice::wiregen {

namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line) {
    if (c == '#') break;
    if (c != ' ' && c != '\t' && c != '\r') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

// A number and what follows it.
bool split_number(const std::string& text, double& number, std::string& unit) {
  char* end = nullptr;
  number = std::strtod(text.c_str(), &end);
  if (end == text.c_str()) return false;
  unit = end;
  return true;
}

std::string at_line(uint32_t line, const std::string& what) { return "line " + std::to_string(line) + ": " + what; }

}  // namespace

bool Statement::add(std::string key, std::string value) {
  taken_[key] = false;
  return values_.emplace(std::move(key), std::move(value)).second;
}

const std::string* Statement::take(std::string_view key) {
  const auto found = values_.find(std::string(key));
  if (found == values_.end()) return nullptr;
  taken_[found->first] = true;
  return &found->second;
}

void Statement::wrong(const std::string& what) {
  if (wrong_.empty()) wrong_ = at_line(line_, verb_ + ": " + what);
}

std::string Statement::text(std::string_view key, std::string_view fallback) {
  const std::string* value = take(key);
  return value == nullptr ? std::string(fallback) : *value;
}

double Statement::number(std::string_view key, double fallback, double least, double most) {
  const std::string* value = take(key);
  if (value == nullptr) return fallback;
  double number;
  std::string unit;
  bool good = split_number(*value, number, unit);
  if (good && unit == "%") number /= 100;
  else if (good && unit == "K") number *= 1e3;
  else if (good && unit == "M") number *= 1e6;
  else good = good && unit.empty();
  if (!good || number < least || number > most) {
    wrong(std::string(key) + "=" + *value + " is no number from " + std::to_string(least) + " to " + std::to_string(most));
    return fallback;
  }
  return number;
}

double Statement::seconds(std::string_view key, double fallback) {
  const std::string* value = take(key);
  if (value == nullptr) return fallback;
  double number;
  std::string unit;
  bool good = split_number(*value, number, unit);
  if (good && unit == "ms") number /= 1000;
  else if (good && unit == "min") number *= 60;
  else good = good && (unit.empty() || unit == "s");
  if (good && number >= 0) return number;
  wrong(std::string(key) + "=" + *value + " is no time: write 500ms, 10s or 5min");
  return fallback;
}

bool Statement::flag(std::string_view key) {
  const std::string value = text(key, "no");
  if (value != "yes" && value != "no") wrong(std::string(key) + "=" + value + " must be yes or no");
  return value == "yes";
}

std::string Statement::mistake() const {
  if (!wrong_.empty()) return wrong_;
  for (const auto& [key, taken] : taken_) {
    if (!taken) return at_line(line_, verb_ + " knows no '" + key + "'");
  }
  return "";
}

std::string parse_script(std::string_view text, std::vector<Statement>& out) {
  uint32_t line = 0;
  while (!text.empty()) {
    ++line;
    const size_t end = text.find('\n');
    std::vector<std::string> words = words_of(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (words.empty()) continue;
    const bool beside = words[0] == "also";
    if (beside) words.erase(words.begin());
    if (words.empty()) return at_line(line, "also what?");
    Statement statement(line, words[0], beside);
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      if (equals == std::string::npos || equals == 0) return at_line(line, "'" + words[i] + "' is not key=value");
      if (!statement.add(words[i].substr(0, equals), words[i].substr(equals + 1))) {
        return at_line(line, "'" + words[i].substr(0, equals) + "' is there twice");
      }
    }
    out.push_back(std::move(statement));
  }
  return "";
}

}  // namespace sluice::wiregen
