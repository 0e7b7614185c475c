#include "sim/script/parse_tcp.hpp"

#include <charconv>

#include "wire/tcp.hpp"

namespace sluice::sim::script {

namespace {

constexpr struct {
  char letter;
  uint8_t flag;
} kFlags[] = {{'F', wire::kFin}, {'S', wire::kSyn}, {'R', wire::kRst}, {'P', wire::kPsh},
              {'.', wire::kAck}, {'U', wire::kUrg}, {'E', wire::kEce}, {'W', wire::kCwr}};

bool fail(std::string& why, const std::string& what) {
  why = what;
  return false;
}

bool read_seq(const std::string& text, uint32_t& out) {
  int64_t value = 0;
  if (!read_number(text, value) || value < 0 || value > UINT32_MAX) return false;
  out = static_cast<uint32_t>(value);
  return true;
}

// "1:101(100)", "1:101", "1" for no payload, "*" for any.
bool parse_range(const std::string& word, Tcp& out, std::string& why) {
  if (word == "*") {
    out.any_seq = true;
    out.length = kAny;
    return true;
  }
  const size_t colon = word.find(':');
  const size_t open = word.find('(');
  if (!read_seq(word.substr(0, colon), out.seq)) return fail(why, "'" + word + "' is no range such as 1:101(100), 1 or *");
  if (colon == std::string::npos) return true;
  uint32_t end = 0;
  if (!read_seq(word.substr(colon + 1, open == std::string::npos ? open : open - colon - 1), end)) {
    return fail(why, "'" + word + "' is no range such as 1:101(100)");
  }
  out.length = static_cast<uint32_t>(end - out.seq);
  int64_t said = out.length;
  if (open != std::string::npos && (word.back() != ')' || !read_number(word.substr(open + 1, word.size() - open - 2), said))) {
    return fail(why, "'" + word + "' is no range such as 1:101(100)");
  }
  if (said == out.length && out.length <= 65'535) return true;
  return fail(why, "'" + word + "' contradicts itself: from " + std::to_string(out.seq) + " to " + std::to_string(end) + " are " +
                       std::to_string(out.length) + " bytes");
}

bool parse_number_or_star(const std::string& text, int64_t& out) {
  out = kAny;
  return text == "*" || read_number(text, out);
}

bool parse_timestamp(const std::string& value, Options& out) {
  const size_t slash = value.find('/');
  if (slash == std::string::npos) return false;
  const std::string first = value.substr(0, slash);
  const std::string second = value.substr(slash + 1);
  out.has_timestamp = true;
  out.value_is_last = first == "last";
  out.echo_is_last = second == "last";
  return (out.value_is_last || parse_number_or_star(first, out.timestamp)) && (out.echo_is_last || parse_number_or_star(second, out.echo));
}

bool parse_sacks(const std::string& value, Options& out) {
  for (const std::string& range : split(value, ' ')) {
    const size_t colon = range.find(':');
    SackRange block{};
    if (colon == std::string::npos || !read_seq(range.substr(0, colon), block.begin) || !read_seq(range.substr(colon + 1), block.end)) {
      return false;
    }
    out.sacks.push_back(block);
  }
  return !out.sacks.empty() && out.sacks.size() <= 4;
}

bool parse_hex(const std::string& text, std::vector<uint8_t>& out) {
  if (text.empty() || text.size() % 2 != 0) return false;
  for (size_t at = 0; at < text.size(); at += 2) {
    uint8_t byte = 0;
    const char* const begin = text.data() + at;
    if (std::from_chars(begin, begin + 2, byte, 16).ptr != begin + 2) return false;
    out.push_back(byte);
  }
  return true;
}

bool parse_option(const std::string& text, bool expected, Options& out) {
  const size_t blank = text.find(' ');
  const std::string name = text.substr(0, blank);
  const std::string value = blank == std::string::npos ? "" : text.substr(blank + 1);
  if (text == "..." && expected) return out.others = true;
  if (text == "sackOK") return out.sack_permitted = true;
  if (name == "ts") return parse_timestamp(value, out);
  if (name == "sack") return parse_sacks(value, out);
  if (name == "raw" && !expected) return parse_hex(value, out.raw);
  if (name == "mss") return (out.has_mss = true) && parse_number_or_star(value, out.mss);
  if (name == "wscale") return (out.has_shift = true) && parse_number_or_star(value, out.shift);
  return false;
}

bool parse_options(const std::string& word, bool expected, Options& out, std::string& why) {
  out.given = true;
  if (word.back() != '>') return fail(why, "the option list has no '>' at its end");
  for (const std::string& one : split(word.substr(1, word.size() - 2), ',')) {
    if (parse_option(one, expected, out)) continue;
    const std::string more = expected ? "..." : "raw HEX";
    return fail(why, "'" + one + "' is no option; there are mss N, sackOK, ts N/N, wscale N, sack N:N N:N and " + more);
  }
  return true;
}

}  // namespace

bool is_flags(const std::string& word) {
  if (word == "-") return true;
  for (const char letter : word) {
    bool known = false;
    for (const auto& flag : kFlags) known = known || flag.letter == letter;
    if (!known) return false;
  }
  return !word.empty();
}

bool parse_condition(const std::string& text, Condition& out) {
  static constexpr struct {
    const char* sign;
    Compare how;
  } kSigns[] = {{"<=", Compare::kAtMost}, {">=", Compare::kAtLeast}, {"!=", Compare::kNot}, {"<", Compare::kLess}, {">", Compare::kMore}};
  if (text == "*") return true;
  out.how = Compare::kEqual;
  std::string number = text;
  for (const auto& each : kSigns) {
    const std::string sign = each.sign;
    if (text.compare(0, sign.size(), sign) != 0) continue;
    out.how = each.how;
    number = text.substr(sign.size());
    break;
  }
  return read_number(number, out.value);
}

bool parse_tcp(Tokens& tokens, bool expected, Tcp& out, std::string& why) {
  const std::string flags = tokens.next();
  for (const char letter : flags) {
    for (const auto& flag : kFlags) {
      if (flag.letter == letter) out.flags |= flag.flag;
    }
  }
  if (!parse_range(tokens.next(), out, why)) return false;
  if (tokens.accept("ack")) {
    const std::string word = tokens.next();
    if (!parse_number_or_star(word, out.ack)) return fail(why, "'ack' wants a number or *, not '" + word + "'");
  } else if ((out.flags & wire::kAck) != 0 && !expected) {
    return fail(why, "a packet with the flag '.' wants 'ack N'");
  }
  if (tokens.accept("win")) {
    const std::string word = tokens.next();
    if (!parse_condition(word, out.window)) return fail(why, "'win' wants a number, *, or a bound such as >=1000, not '" + word + "'");
  }
  if (!tokens.peek().empty() && tokens.peek()[0] == '<') return parse_options(tokens.next(), expected, out.options, why);
  return true;
}

}  // namespace sluice::sim::script
