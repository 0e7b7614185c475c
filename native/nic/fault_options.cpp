#include "nic/fault_options.hpp"

#include <charconv>
#include <cmath>
#include <cstddef>

namespace sluice::nic {

namespace {

enum class Kind : uint8_t { kShare, kTime, kCount };

struct Key {
  std::string_view name;
  Kind kind;
  uint32_t FaultDirection::*field;
};

constexpr Key kKeys[] = {
    {"loss", Kind::kShare, &FaultDirection::loss},
    {"loss_burst", Kind::kCount, &FaultDirection::loss_burst},
    {"duplicate", Kind::kShare, &FaultDirection::duplicate},
    {"corrupt", Kind::kShare, &FaultDirection::corrupt},
    {"truncate", Kind::kShare, &FaultDirection::truncate},
    {"reorder", Kind::kShare, &FaultDirection::reorder},
    {"reorder_by", Kind::kTime, &FaultDirection::reorder_by_us},
    {"delay", Kind::kTime, &FaultDirection::delay_us},
    {"jitter", Kind::kTime, &FaultDirection::jitter_us},
    {"stall", Kind::kShare, &FaultDirection::stall},
    {"stall_for", Kind::kTime, &FaultDirection::stall_for_us},
    {"drop_above", Kind::kCount, &FaultDirection::drop_above},
    {"spare_below", Kind::kCount, &FaultDirection::spare_below},
};

// A number and the unit behind it.
bool split_number(std::string_view text, double& value, std::string_view& unit) {
  const char* const end = text.data() + text.size();
  const auto [at, bad] = std::from_chars(text.data(), end, value);
  if (bad != std::errc{} || !std::isfinite(value) || value < 0) return false;
  unit = {at, static_cast<size_t>(end - at)};
  return true;
}

bool read_value(Kind kind, std::string_view text, uint32_t& out) {
  double value = 0;
  std::string_view unit;
  if (!split_number(text, value, unit)) return false;
  double scaled = -1;
  if (kind == Kind::kShare) {
    if (unit == "%") scaled = value * 10'000;
    if (unit == "ppm") scaled = value;
    if (scaled > 1'000'000) return false;
  } else if (kind == Kind::kTime) {
    if (unit == "us") scaled = value;
    if (unit == "ms") scaled = value * 1'000;
    if (unit == "s") scaled = value * 1'000'000;
  } else if (unit.empty() && value == std::floor(value)) {
    scaled = value;
  }
  if (scaled < 0 || scaled > 4e9) return false;
  out = static_cast<uint32_t>(std::lround(scaled));
  return true;
}

const char* example(Kind kind) {
  if (kind == Kind::kShare) return "a share such as 1% or 50ppm";
  return kind == Kind::kTime ? "a time such as 50ms, 200us or 1s" : "a whole number";
}

std::string known_keys() {
  std::string out;
  for (const Key& key : kKeys) out += std::string(key.name) + ", ";
  return out + "seed";
}

const Key* find_key(std::string_view name) {
  for (const Key& key : kKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

bool read_seed(std::string_view text, uint64_t& out) {
  const char* const end = text.data() + text.size();
  const auto [at, bad] = std::from_chars(text.data(), end, out);
  return bad == std::errc{} && at == end;
}

bool read_item(std::string_view item, FaultOptions& out, std::string& error) {
  const size_t equals = item.find('=');
  if (equals == std::string_view::npos) {
    error = "faults: '" + std::string(item) + "' is not key=value, as in loss=1%";
    return false;
  }
  std::string_view name = item.substr(0, equals);
  const std::string_view value = item.substr(equals + 1);
  if (name == "seed") {
    if (read_seed(value, out.seed)) return true;
    error = "faults: seed wants a whole number, not '" + std::string(value) + "'";
    return false;
  }
  const bool only_rx = name.substr(0, 3) == "rx.";
  const bool only_tx = name.substr(0, 3) == "tx.";
  if (only_rx || only_tx) name.remove_prefix(3);
  const Key* const key = find_key(name);
  if (key == nullptr) {
    error = "faults: there is no '" + std::string(name) + "'; there are " + known_keys();
    error += ", each but seed with rx. or tx. before it or not";
    return false;
  }
  uint32_t number = 0;
  if (!read_value(key->kind, value, number)) {
    error = "faults: " + std::string(name) + " wants " + example(key->kind) + ", not '" + std::string(value) + "'";
    return false;
  }
  if (!only_tx) out.rx.*key->field = number;
  if (!only_rx) out.tx.*key->field = number;
  return true;
}

}  // namespace

bool parse_faults(std::string_view text, FaultOptions& out, std::string& error) {
  FaultOptions read = out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (!read_item(text.substr(0, comma), read, error)) return false;
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  out = read;
  return true;
}

}  // namespace sluice::nic
