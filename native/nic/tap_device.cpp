#include "nic/tap_device.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace sluice::nic {

namespace {

struct Request {
  nlmsghdr header;
  ifinfomsg info;
};

const rtattr* find_attribute(const rtattr* at, size_t bytes, uint16_t type) noexcept {
  for (auto left = static_cast<int>(bytes); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if ((at->rta_type & NLA_TYPE_MASK) == type) return at;
  }
  return nullptr;
}

const rtattr* find_within(const rtattr* outer, uint16_t type) noexcept {
  if (outer == nullptr) return nullptr;
  return find_attribute(static_cast<const rtattr*>(RTA_DATA(outer)), RTA_PAYLOAD(outer), type);
}

uint32_t number_within(const rtattr* outer, uint16_t type) noexcept {
  const rtattr* const found = find_within(outer, type);
  uint32_t value = 0;
  if (found != nullptr && RTA_PAYLOAD(found) >= sizeof value) std::memcpy(&value, RTA_DATA(found), sizeof value);
  return value;
}

// What the kernel says of the link, or 0 bytes.
size_t ask(unsigned index, void* answer, size_t room) noexcept {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return 0;
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.info.ifi_family = AF_UNSPEC;
  request.info.ifi_index = static_cast<int>(index);
  const bool sent = ::send(fd, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request);
  const ssize_t bytes = sent ? ::recv(fd, answer, room, 0) : 0;
  ::close(fd);
  return bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

// Of `net_tap0,iface=tap0` the name; empty where it is no TAP device, or the kernel is to choose.
std::string tap_of(const std::string& device) {
  if (device.rfind("net_tap", 0) != 0) return "";
  constexpr char kKey[] = ",iface=";
  const size_t at = device.find(kKey);
  if (at == std::string::npos) return "";
  const size_t begin = at + sizeof kKey - 1;
  return device.substr(begin, device.find(',', begin) - begin);
}

}  // namespace

bool tap_is_taken(const std::string& name) noexcept {
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) return false;
  alignas(nlmsghdr) char answer[16'384];
  const size_t bytes = ask(index, answer, sizeof answer);
  const auto* const header = reinterpret_cast<const nlmsghdr*>(answer);
  if (!NLMSG_OK(header, bytes) || header->nlmsg_type != RTM_NEWLINK || header->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return false;
  const auto* const info = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
  const rtattr* const link = find_attribute(IFLA_RTA(info), IFLA_PAYLOAD(header), IFLA_LINKINFO);
  const rtattr* const kind = find_within(link, IFLA_INFO_KIND);
  if (kind == nullptr || RTA_PAYLOAD(kind) < 4 || std::memcmp(RTA_DATA(kind), "tun", 4) != 0) return false;
  // Said of devices with several queues only, as DPDK makes them; the kernel gives others to one process anyway.
  const rtattr* const data = find_within(link, IFLA_INFO_DATA);
  return number_within(data, IFLA_TUN_NUM_QUEUES) + number_within(data, IFLA_TUN_NUM_DISABLED_QUEUES) != 0;
}

std::string taken_tap(const std::vector<std::string>& words) {
  constexpr char kOption[] = "--vdev";
  constexpr size_t kOptionBytes = sizeof kOption - 1;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].compare(0, kOptionBytes, kOption) != 0) continue;
    const bool apart = words[i].size() == kOptionBytes;
    if (apart && i + 1 == words.size()) break;
    const std::string name = tap_of(apart ? words[i + 1] : words[i].substr(kOptionBytes + 1));
    if (!name.empty() && tap_is_taken(name)) return name;
  }
  return "";
}

std::string tap_taken_error(const std::string& name) {
  return "another process has the TAP device " + name + ", and two would each be given some of its connections: stop that one (`fuser -v " +
         "/dev/net/tun` says which use TAP devices), or name another device (iface=)";
}

}  // namespace sluice::nic
