// Opening a connection: connect, upgrade request, its answer, and for sluice.v1 hello and welcome.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/assert.hpp"
#include "bench/client.hpp"
#include "bench/handshake.hpp"
#include "bench/header_line.hpp"
#include "bench/socket_io.hpp"

namespace sluice::load {

// A port can be used once per (source address, server): more connections than ports need more addresses. The whole of
// 127.0.0.0/8 is local, so no address need be configured.
void Client::bind_source(int fd, uint32_t index) const {
  if (sources_ <= 1 || options_.host.compare(0, 4, "127.") != 0) return;
  int on = 1;
  // The port is then chosen at connect(), where the kernel knows the whole 4-tuple.
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in source = {};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f000002u + (index % sources_));
  bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source);
}

bool Client::start_connect(Conn& conn) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    fail(std::string("socket: ") + std::strerror(errno) + " (this process holds " + std::to_string(open_) + " connections)");
    return false;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A small window and no further reading: the server's send buffer is what fills (neverread).
  int small = 4096;
  if (options_.scenario == "neverread") setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  bind_source(fd, static_cast<uint32_t>(handshakes_));
  sockaddr_in server = {};
  server.sin_family = AF_INET;
  server.sin_port = htons(options_.port);
  if (inet_pton(AF_INET, options_.host.c_str(), &server.sin_addr) != 1) {
    close(fd);
    fail("not a numeric IPv4 address: " + options_.host);
    return false;
  }
  conn.fd = fd;
  conn.state = ConnState::kConnecting;
  conn.wants_write = true;
  conn.raw = false;
  conn.nonce = ++handshakes_;
  conn.started_ns = now_ns_;
  conn.sent = conn.received = 0;
  ++in_progress_;
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
  event.data.u32 = conn.index;
  SLUICE_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server) != 0 && errno != EINPROGRESS) {
    lost(conn, {LossKind::kConnectFailed, errno, std::strerror(errno)});
  }
  return true;
}

void Client::reopen(uint32_t index) {
  SLUICE_ASSERT(conns_[index].state == ConnState::kClosed);
  start_connect(conns_[index]);
}

void Client::on_connect_result(Conn& conn) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(conn.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return lost(conn, {LossKind::kConnectFailed, error, std::strerror(error)});
  conn.wants_write = false;
  watch(conn, EPOLLIN | EPOLLRDHUP);
  if (scenario_.on_connected(*this, conn)) {
    conn.raw = true;
    conn.state = ConnState::kOpen;
    --in_progress_;
    ++open_;
    return;
  }
  begin_handshake(conn);
}

void Client::begin_handshake(Conn& conn) {
  conn.state = ConnState::kHandshake;
  std::string path = scenario_.path_of(*this, conn.index);
  if (options_.socket_io) path = socket_io_path(path);
  std::string request = handshake_request({options_.host, options_.port, path, options_.subprotocol, conn.nonce});
  send_raw(conn, request.data(), request.size());
  flush();
}

uint64_t Client::consume_handshake(Conn& conn, const uint8_t* data, uint64_t length) {
  HandshakeAnswer answer;
  std::string_view bytes(reinterpret_cast<const char*>(data), length);
  switch (check_handshake(bytes, conn.nonce, options_.subprotocol, answer)) {
    case HandshakeResult::kNeedMore:
      return 0;
    case HandshakeResult::kRefused:
      lost(conn, {LossKind::kRefused, answer.status, "status " + std::to_string(answer.status)});
      return 0;
    case HandshakeResult::kInvalid:
      lost(conn, {LossKind::kBadHandshake, answer.status, answer.detail});
      return 0;
    case HandshakeResult::kAccepted:
      break;
  }
  if (!in_sluice_session() && !options_.socket_io) {
    opened(conn);
    return answer.head_bytes;
  }
  conn.state = ConnState::kGreeting;
  // A Socket.IO server speaks first.
  if (options_.socket_io) return answer.head_bytes;
  std::string hello = R"({"op":"hello","device":"load-)" + std::to_string(conn.index) + '"';
  if (!options_.token.empty()) hello += R"(,"token":")" + options_.token + '"';
  hello += '}';
  send(conn, kText, reinterpret_cast<const uint8_t*>(hello.data()), hello.size());
  return answer.head_bytes;
}

void Client::opened(Conn& conn) {
  conn.state = ConnState::kOpen;
  --in_progress_;
  ++open_;
  scenario_.on_open(*this, conn);
}

// What the protocol itself asks of a client: the welcome opens, a heartbeat is answered, the rest is the scenario's.
void Client::on_session_message(Conn& conn, const Frame& frame) {
  HeaderLine header(frame.payload, frame.length);
  if (header.is_op("hb")) {
    constexpr char kHeartbeat[] = R"({"op":"hb"})";
    send(conn, kText, reinterpret_cast<const uint8_t*>(kHeartbeat), sizeof kHeartbeat - 1);
    return;
  }
  if (conn.state != ConnState::kGreeting) return scenario_.on_message(*this, conn, frame);
  if (header.is_op("welcome")) return opened(conn);
  lost(conn, {LossKind::kRefused, 0, "the answer to hello was " + std::string(header.text().substr(0, 200))});
}

// The same for Socket.IO: its open packet is answered by a connect, whose answer opens, and a ping by a pong.
void Client::on_socket_io(Conn& conn, const Frame& frame) {
  const auto answer = [&](std::string_view text) {
    send(conn, kText, reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  Frame message;
  const SocketIoPacket packet = read_socket_io(frame, message);
  if (packet == SocketIoPacket::kPing) return answer(kSocketIoPong);
  if (packet == SocketIoPacket::kEvent && conn.state == ConnState::kOpen) return scenario_.on_message(*this, conn, message);
  if (packet == SocketIoPacket::kOpen && conn.state == ConnState::kGreeting) return answer(kSocketIoConnect);
  if (packet == SocketIoPacket::kConnected && conn.state == ConnState::kGreeting) return opened(conn);
  const std::string text(reinterpret_cast<const char*>(frame.payload), frame.length < 200 ? frame.length : 200);
  lost(conn, {LossKind::kRefused, 0, "not what a Socket.IO server says here: " + text});
}

}  // namespace sluice::load
