#include "kernel/socket_info.hpp"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

namespace sluice {

namespace {

// `kernel` is what getsockname or getpeername fills.
void write_address(const sockaddr_storage& kernel, uint8_t* ip, uint16_t& port, uint8_t& family) noexcept {
  if (kernel.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(kernel);
    std::memcpy(ip, &v4.sin_addr, 4);
    port = ntohs(v4.sin_port);
    family = 4;
    return;
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(kernel);
  port = ntohs(v6.sin6_port);
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) != 0;
  family = mapped ? 4 : 6;
  std::memcpy(ip, v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
}

uint32_t queued(int fd, unsigned long request) noexcept {
  int bytes = 0;
  return ioctl(fd, request, &bytes) == 0 && bytes > 0 ? static_cast<uint32_t>(bytes) : 0;
}

StreamPhase phase_of(uint8_t ca_state) noexcept {
  return ca_state <= TCP_CA_Loss ? static_cast<StreamPhase>(ca_state) : StreamPhase::kOpen;
}
static_assert(static_cast<int>(StreamPhase::kDisorder) == TCP_CA_Disorder && static_cast<int>(StreamPhase::kReduced) == TCP_CA_CWR);
static_assert(static_cast<int>(StreamPhase::kRecovery) == TCP_CA_Recovery && static_cast<int>(StreamPhase::kLoss) == TCP_CA_Loss);

void write_info(const tcp_info& info, StreamInfo& out) noexcept {
  constexpr uint32_t kNoThreshold = 0x7fffffff;
  out.state = static_cast<StreamState>(info.tcpi_state);
  out.phase = phase_of(info.tcpi_ca_state);
  const uint8_t options = info.tcpi_options;
  out.flags = static_cast<uint8_t>(((options & TCPI_OPT_TIMESTAMPS) != 0 ? kStreamTimestamps : 0) |
                                   ((options & TCPI_OPT_SACK) != 0 ? kStreamSack : 0) |
                                   ((options & TCPI_OPT_WSCALE) != 0 ? kStreamWindowScale : 0) |
                                   ((options & TCPI_OPT_ECN) != 0 ? kStreamEcn : 0));
  out.send_shift = info.tcpi_snd_wscale;
  out.receive_shift = info.tcpi_rcv_wscale;
  out.backoff = info.tcpi_backoff;
  out.mss = info.tcpi_snd_mss;
  // The kernel counts in segments.
  out.cwnd = info.tcpi_snd_cwnd * info.tcpi_snd_mss;
  out.ssthresh = info.tcpi_snd_ssthresh >= kNoThreshold ? UINT32_MAX : info.tcpi_snd_ssthresh * info.tcpi_snd_mss;
  out.srtt_us = info.tcpi_rtt;
  out.rttvar_us = info.tcpi_rttvar;
  out.rto_us = info.tcpi_rto;
  out.send_window = info.tcpi_snd_wnd;
  out.receive_window = info.tcpi_rcv_space;
  out.in_flight = info.tcpi_unacked * info.tcpi_snd_mss;
  out.lost = info.tcpi_lost * info.tcpi_snd_mss;
  out.retransmits = info.tcpi_total_retrans;
  out.last_sent_ms = info.tcpi_last_data_sent;
  out.last_received_ms = info.tcpi_last_data_recv;
}

}  // namespace

bool inspect_socket(int fd, StreamInfo& out) noexcept {
  out = StreamInfo{};
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  write_address(address, out.local_ip, out.local_port, out.family);
  length = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  write_address(address, out.remote_ip, out.remote_port, out.family);
  // An older kernel fills less of it.
  tcp_info info{};
  length = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  write_info(info, out);
  out.send_queue = queued(fd, SIOCOUTQ);
  out.receive_queue = queued(fd, SIOCINQ);
  return true;
}

}  // namespace sluice
