#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

// A packet script: what a peer sends, what the application does, and what must come back when. docs/PACKET-SCRIPTS.md is the
// language's description.

namespace sluice::sim::script {

inline constexpr int64_t kAny = INT64_MIN;

// When a statement happens, in microseconds: from the last one, or from the start.
struct When {
  bool relative = true;
  int64_t earliest_us = 0;
  int64_t latest_us = 0;
};

enum class Compare : uint8_t { kAnything, kEqual, kNot, kLess, kAtMost, kMore, kAtLeast };

struct Condition {
  Compare how = Compare::kAnything;
  int64_t value = 0;

  bool holds(int64_t actual) const noexcept;
  std::string text() const;
};

struct SackRange {
  uint32_t begin;
  uint32_t end;
};

struct Options {
  bool given = false;   // a list in angle brackets was there
  bool others = false;  // "...": more than what is listed may be there
  bool sack_permitted = false;
  bool has_mss = false;
  bool has_shift = false;
  bool has_timestamp = false;
  bool value_is_last = false;  // "last" for the timestamp's value: the one sent before
  bool echo_is_last = false;
  int64_t mss = 0;  // kAny where a star stands for it
  int64_t shift = 0;
  int64_t timestamp = 0;
  int64_t echo = 0;
  std::vector<SackRange> sacks;
  std::vector<uint8_t> raw;  // bytes that no name is for, behind the others
};

struct Tcp {
  uint8_t flags = 0;
  uint32_t seq = 0;
  int64_t length = 0;  // kAny: whatever
  bool any_seq = false;
  int64_t ack = kAny;
  Condition window;
  Options options;
};

enum class PacketKind : uint8_t { kTcp, kEcho, kEchoReply, kIcmp, kArp, kSolicit, kAdvertise, kIp, kUdp };

// Everything but the TCP header is words: "icmp too-big mtu=1400 quote=1" has `what` too-big and two fields.
struct Packet {
  PacketKind kind = PacketKind::kTcp;
  std::string what;
  std::map<std::string, std::string> fields;
  Tcp tcp;
};

enum class Kind : uint8_t { kSet, kInject, kExpect, kMaybe, kCall, kEvent, kCheck, kQuiet };

struct Statement {
  int line = 0;
  std::string text;
  Kind kind = Kind::kQuiet;
  When when;
  uint32_t connection = 1;
  Packet packet;
  std::vector<std::string> words;  // of a call, an event or a check
  Condition condition;             // of a check
};

struct Script {
  std::string path;
  std::vector<Statement> statements;
};

// False with "path:line: what is wrong and what may stand there" in `error`.
bool parse(const std::string& path, const std::string& text, Script& out, std::string& error);
bool parse_file(const std::string& path, Script& out, std::string& error);

// Times and numbers as scripts write them, for those who read fields.
bool read_number(const std::string& text, int64_t& out);

}  // namespace sluice::sim::script
