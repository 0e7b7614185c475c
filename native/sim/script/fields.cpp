#include "sim/script/fields.hpp"

#include <arpa/inet.h>

#include <cstdio>

#include "sim/script/script.hpp"

namespace sluice::sim::script {

const std::string* Fields::find(const char* key) {
  asked_[key] = true;
  const auto at = words_.find(key);
  return at == words_.end() ? nullptr : &at->second;
}

bool Fields::has(const char* key) { return find(key) != nullptr; }

int64_t Fields::number(const char* key, int64_t otherwise) {
  const std::string* const text = find(key);
  if (text == nullptr) return otherwise;
  int64_t value = otherwise;
  if (!read_number(*text, value)) error_ = std::string(key) + "= wants a number, not '" + *text + "'";
  return value;
}

std::string Fields::word(const char* key, const char* otherwise) {
  const std::string* const text = find(key);
  return text == nullptr ? otherwise : *text;
}

net::IpAddress Fields::address(const char* key, const net::IpAddress& otherwise) {
  const std::string* const text = find(key);
  net::IpAddress out = otherwise;
  if (text != nullptr && !read_address(*text, out)) error_ = std::string(key) + "= wants an address, not '" + *text + "'";
  return out;
}

nic::MacAddress Fields::mac(const char* key, const nic::MacAddress& otherwise) {
  const std::string* const text = find(key);
  nic::MacAddress out = otherwise;
  if (text != nullptr && !read_mac(*text, out)) error_ = std::string(key) + "= wants a MAC such as 02:00:00:00:00:01, not '" + *text + "'";
  return out;
}

bool Fields::good(std::string& error) const {
  error = error_;
  for (const auto& [key, value] : words_) {
    if (error.empty() && asked_.count(key) == 0) error = "'" + key + "=' means nothing for this packet";
  }
  return error.empty();
}

bool read_address(const std::string& text, net::IpAddress& out) {
  uint8_t four[4];
  if (inet_pton(AF_INET, text.c_str(), four) == 1) {
    out = net::IpAddress::from_v4(four);
    return true;
  }
  return inet_pton(AF_INET6, text.c_str(), out.bytes) == 1;
}

bool read_mac(const std::string& text, nic::MacAddress& out) {
  unsigned b[6];
  int used = 0;
  if (std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &used) != 6) return false;
  for (int i = 0; i < 6; ++i) out.bytes[i] = static_cast<uint8_t>(b[i]);
  return used == static_cast<int>(text.size());
}

}  // namespace sluice::sim::script
