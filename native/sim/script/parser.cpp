#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

#include "sim/script/parse_tcp.hpp"
#include "sim/script/script.hpp"
#include "sim/script/tokens.hpp"

namespace sluice::sim::script {

namespace {

constexpr const char* kCalls[] = {"listen", "unlisten", "connect", "write",  "shutdown", "close",
                                  "reset",  "pause",    "resume",  "memory", "link",     "refuse"};
constexpr const char* kEvents[] = {"accepted", "connected", "data", "end", "error"};
constexpr const char* kChecks[] = {"state", "counter", "gauge", "info", "packets", "net"};

constexpr struct {
  const char* name;
  PacketKind kind;
} kPackets[] = {{"echo", PacketKind::kEcho}, {"echo-reply", PacketKind::kEchoReply}, {"icmp", PacketKind::kIcmp},
                {"arp", PacketKind::kArp},   {"ns", PacketKind::kSolicit},           {"na", PacketKind::kAdvertise},
                {"ip", PacketKind::kIp},     {"udp", PacketKind::kUdp}};

template <typename List>
std::string listed(const List& names) {
  std::string out;
  for (const char* const name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

template <typename List>
bool contains(const List& names, const std::string& word) {
  return std::any_of(std::begin(names), std::end(names), [&](const char* name) { return word == name; });
}

class Parser {
 public:
  Parser(const std::string& path, Script& out, std::string& error) : path_(path), out_(out), error_(error) {}

  bool line(const std::string& text, int number) {
    const size_t comment = text.find('#');
    // "#2" names a connection; a comment's mark stands at the start or is followed by anything else.
    size_t end = comment;
    while (end != std::string::npos && end > 0 && end + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[end + 1])) != 0) {
      end = text.find('#', end + 1);
    }
    Tokens tokens(text.substr(0, end));
    if (!tokens.more()) return true;
    statement_ = {};
    statement_.line = number;
    statement_.text = text.substr(0, end);
    if (!(tokens.accept("set") ? settings(tokens) : timed(tokens))) return false;
    out_.statements.push_back(statement_);
    return true;
  }

 private:
  bool fail(const std::string& what) {
    error_ = path_ + ":" + std::to_string(statement_.line) + ": " + what;
    return false;
  }

  bool settings(Tokens& tokens) {
    statement_.kind = Kind::kSet;
    statement_.words = tokens.rest();
    if (statement_.words.size() == 2) return true;
    return fail("'set' wants a name and a value, as in: set tcp.delayed_ack_ms 40");
  }

  static bool read_time(const std::string& text, int64_t& out) {
    double seconds = 0;
    const char* const end = text.data() + text.size();
    const auto [at, bad] = std::from_chars(text.data(), end, seconds);
    if (bad != std::errc{} || at != end || !(seconds >= 0 && seconds < 1e6)) return false;
    out = std::llround(seconds * 1e6);
    return true;
  }

  // "+0.1", "0.1", "+0.1~0.3".
  bool time(const std::string& word) {
    When& when = statement_.when;
    when.relative = word[0] == '+';
    const std::string text = when.relative ? word.substr(1) : word;
    const size_t tilde = text.find('~');
    const bool good = read_time(text.substr(0, tilde), when.earliest_us);
    when.latest_us = when.earliest_us;
    if (good && (tilde == std::string::npos || read_time(text.substr(tilde + 1), when.latest_us)) && when.latest_us >= when.earliest_us) {
      return true;
    }
    return fail("a statement begins with its time in seconds, as in +0.1, 0.1 or +0.1~0.3, or with 'set'; not with '" + word + "'");
  }

  bool timed(Tokens& tokens) {
    if (!time(tokens.next())) return false;
    if (!connection(tokens)) return false;
    if (tokens.accept("<")) return packet(tokens, Kind::kInject);
    if (tokens.accept(">")) return packet(tokens, Kind::kExpect);
    if (tokens.accept("?>")) return packet(tokens, Kind::kMaybe);
    const std::string word = tokens.peek();
    if (tokens.accept("quiet")) return ends(tokens);
    if (tokens.accept("check")) return check(tokens);
    if (contains(kCalls, word)) return words(tokens, Kind::kCall);
    if (contains(kEvents, word)) return words(tokens, Kind::kEvent);
    return fail("'" + word + "' is nothing that can happen; there are <, >, ?>, quiet, check, the calls " + listed(kCalls) +
                " and the events " + listed(kEvents));
  }

  bool connection(Tokens& tokens) {
    if (tokens.peek().empty() || tokens.peek()[0] != '#') return true;
    int64_t number = 0;
    const std::string word = tokens.next();
    if (!read_number(word.substr(1), number) || number < 1 || number > 9'999) return fail("'" + word + "' is no connection: #1 to #9999");
    statement_.connection = static_cast<uint32_t>(number);
    return true;
  }

  bool ends(Tokens& tokens) { return !tokens.more() || fail("nothing may stand behind: '" + tokens.peek() + "'"); }

  bool words(Tokens& tokens, Kind kind) {
    statement_.kind = kind;
    statement_.words = tokens.rest();
    return statement_.words.size() <= 2 || fail("'" + statement_.words[0] + "' takes one word at most");
  }

  bool check(Tokens& tokens) {
    statement_.kind = Kind::kCheck;
    statement_.words.push_back(tokens.next());
    const std::string what = statement_.words[0];
    if (!contains(kChecks, what)) return fail("'" + what + "' cannot be checked; there are " + listed(kChecks));
    if (what != "packets") statement_.words.push_back(tokens.next());
    if (what == "state") return ends(tokens);
    const std::string bound = tokens.next();
    if (!parse_condition(bound, statement_.condition))
      return fail("a check ends with a number or a bound such as >=3, not '" + bound + "'");
    return ends(tokens);
  }

  bool packet(Tokens& tokens, Kind kind) {
    statement_.kind = kind;
    if (!connection(tokens)) return false;
    Packet& packet = statement_.packet;
    if (is_flags(tokens.peek())) {
      std::string why;
      if (!parse_tcp(tokens, kind != Kind::kInject, packet.tcp, why)) return fail(why);
    } else if (!other(tokens, packet)) {
      return false;
    }
    while (tokens.more()) {
      const std::string word = tokens.next();
      const size_t equals = word.find('=');
      if (equals == std::string::npos) return fail("'" + word + "' is not key=value, as in ecn=ce");
      packet.fields[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return true;
  }

  bool other(Tokens& tokens, Packet& packet) {
    const std::string name = tokens.next();
    std::string known;
    for (const auto& each : kPackets) {
      known += std::string(", ") + each.name;
      if (name != each.name) continue;
      packet.kind = each.kind;
      if (tokens.more() && tokens.peek().find('=') == std::string::npos) packet.what = tokens.next();
      return true;
    }
    return fail("'" + name + "' is no packet; there are flags of TCP (S, F, R, P, U, E, W, '.' or '-')" + known);
  }

  const std::string& path_;
  Script& out_;
  std::string& error_;
  Statement statement_;
};

}  // namespace

bool read_number(const std::string& text, int64_t& out) {
  const char* const end = text.data() + text.size();
  const auto [at, bad] = std::from_chars(text.data(), end, out);
  return !text.empty() && bad == std::errc{} && at == end;
}

bool Condition::holds(int64_t actual) const noexcept {
  switch (how) {
    case Compare::kAnything:
      return true;
    case Compare::kEqual:
      return actual == value;
    case Compare::kNot:
      return actual != value;
    case Compare::kLess:
      return actual < value;
    case Compare::kAtMost:
      return actual <= value;
    case Compare::kMore:
      return actual > value;
    case Compare::kAtLeast:
      return actual >= value;
  }
  return false;
}

std::string Condition::text() const {
  static constexpr const char* kSigns[] = {"*", "", "!=", "<", "<=", ">", ">="};
  return how == Compare::kAnything ? "*" : kSigns[static_cast<int>(how)] + std::to_string(value);
}

bool parse(const std::string& path, const std::string& text, Script& out, std::string& error) {
  out = {path, {}};
  Parser parser(path, out, error);
  int number = 0;
  for (const std::string& line : split(text, '\n')) {
    if (!parser.line(line, ++number)) return false;
  }
  if (!out.statements.empty()) return true;
  error = path + ": there is no statement in it";
  return false;
}

bool parse_file(const std::string& path, Script& out, std::string& error) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    error = path + ": cannot be read";
    return false;
  }
  return parse(path, std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()), out, error);
}

}  // namespace sluice::sim::script
