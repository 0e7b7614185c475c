#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "net/address.hpp"
#include "nic/nic.hpp"

namespace sluice::sim::script {

// The key=value words of a packet. Reads are remembered, so that a word that nobody asked for is found.
class Fields {
 public:
  explicit Fields(const std::map<std::string, std::string>& words) : words_(words) {}

  bool has(const char* key);
  int64_t number(const char* key, int64_t otherwise);
  std::string word(const char* key, const char* otherwise);
  net::IpAddress address(const char* key, const net::IpAddress& otherwise);
  nic::MacAddress mac(const char* key, const nic::MacAddress& otherwise);

  // False where a value could not be read or a key was not asked for.
  bool good(std::string& error) const;

 private:
  const std::string* find(const char* key);

  const std::map<std::string, std::string>& words_;
  std::map<std::string, bool> asked_;
  std::string error_;
};

bool read_address(const std::string& text, net::IpAddress& out);
bool read_mac(const std::string& text, nic::MacAddress& out);

}  // namespace sluice::sim::script
