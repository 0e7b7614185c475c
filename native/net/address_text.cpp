#include "net/address_text.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace sluice::net {

bool parse_address(const std::string& text, IpAddress& out) noexcept {
  uint8_t four[4];
  if (inet_pton(AF_INET, text.c_str(), four) == 1) {
    out = IpAddress::from_v4(four);
    return true;
  }
  return inet_pton(AF_INET6, text.c_str(), out.bytes) == 1 && !out.is_v4();
}

bool parse_address_with_prefix(const std::string& text, InterfaceAddress& out) noexcept {
  const size_t slash = text.find('/');
  if (slash == std::string::npos || !parse_address(text.substr(0, slash), out.address)) return false;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, out.prefix);
  return error == std::errc() && rest == end && out.prefix <= (out.address.is_v4() ? 32 : 128);
}

}  // namespace sluice::net
