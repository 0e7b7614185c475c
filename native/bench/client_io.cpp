// Moving bytes: one receive buffer and one transmit buffer serve all connections.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/assert.hpp"
#include "bench/client.hpp"
#include "bench/socket_io.hpp"

namespace sluice::load {

void Client::watch(Conn& conn, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u32 = conn.index;
  SLUICE_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_MOD, conn.fd, &event) == 0);
}

void Client::stop_reading(Conn& conn) { watch(conn, EPOLLRDHUP); }

void Client::on_event(uint32_t index, uint32_t events) {
  Conn& conn = conns_[index];
  if (conn.fd < 0) return;  // closed earlier in this batch of events
  if (conn.state == ConnState::kConnecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) on_connect_result(conn);
    return;
  }
  if (conn.wants_write && (events & EPOLLOUT) != 0) send_backlog(conn);
  if (conn.fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) receive(conn);
}

void Client::receive(Conn& conn) {
  ssize_t got = recv(conn.fd, rx_.data(), rx_.size(), 0);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    return lost(conn, {LossKind::kReset, errno, std::strerror(errno)});
  }
  if (got == 0) return lost(conn, {LossKind::kClosedByPeer, 0, "end of stream without a close frame"});
  // Read here and not once a turn: a turn may serve a thousand connections, and both ends of a latency come from this clock.
  now_ns_ = last_progress_ns_ = monotonic_ns();
  if (conn.in.empty()) return consume(conn, rx_.data(), static_cast<uint64_t>(got));
  conn.in.insert(conn.in.end(), rx_.data(), rx_.data() + got);
  // Parsed out of a vector of its own: consume() keeps the rest in conn.in.
  std::vector<uint8_t> whole;
  whole.swap(conn.in);
  consume(conn, whole.data(), whole.size());
  if (conn.in.empty() && conn.fd >= 0) {
    whole.clear();
    conn.in.swap(whole);  // keeps the capacity
  }
}

void Client::consume(Conn& conn, const uint8_t* data, uint64_t length) {
  uint64_t at = 0;
  if (conn.raw) return lost(conn, {LossKind::kRefused, 0, std::string(reinterpret_cast<const char*>(data), length < 40 ? length : 40)});
  if (conn.state == ConnState::kHandshake) {
    at = consume_handshake(conn, data, length);
    if (conn.fd < 0) return;
  }
  bool any = false;
  while (conn.state >= ConnState::kGreeting && at < length) {
    Frame frame;
    uint64_t used = 0;
    ParseResult result = parse_frame(data + at, length - at, frame, used);
    if (result == ParseResult::kNeedMore) break;
    if (result == ParseResult::kInvalid) return fail("the server sent an invalid frame on connection " + std::to_string(conn.index));
    at += used;
    any = true;
    if (!consume_frame(conn, frame)) return;
  }
  if (at < length) conn.in.assign(data + at, data + length);
  if (any && conn.state == ConnState::kOpen) scenario_.on_batch(*this, conn);
}

// False: the connection is gone.
bool Client::consume_frame(Conn& conn, const Frame& frame) {
  if (frame.opcode >= kClose) return on_control(conn, frame);
  if (!frame.fin || frame.opcode == kContinuation) {
    fail("the server fragmented a message, which this client does not expect");
    return false;
  }
  if (options_.socket_io) {
    on_socket_io(conn, frame);
  } else if (in_sluice_session()) {
    on_session_message(conn, frame);
  } else {
    scenario_.on_message(*this, conn, frame);
  }
  return conn.fd >= 0 && failure_.empty();
}

bool Client::on_control(Conn& conn, const Frame& frame) {
  if (frame.opcode == kPing) {
    send(conn, kPong, frame.payload, frame.length);
    return true;
  }
  if (frame.opcode == kPong) return true;
  int code = frame.length >= 2 ? load_be16(frame.payload) : 1005;
  if (conn.state == ConnState::kClosing) {
    // The server has answered our close. It closes the TCP connection first (RFC 6455 §7.1.1), so its FIN ends this.
    return true;
  }
  std::string reason = frame.length > 2 ? std::string(reinterpret_cast<const char*>(frame.payload + 2), frame.length - 2) : "";
  lost(conn, {LossKind::kClosedByPeer, code, "closed by the server with " + std::to_string(code) + " " + reason});
  return false;
}

uint8_t* Client::begin_message(Conn& conn, uint64_t length) {
  if (!options_.socket_io) return begin_frame(conn, length);
  uint8_t* const at = begin_frame(conn, length + kSocketIoEventBytes);
  std::memcpy(at, kSocketIoEventHead.data(), kSocketIoEventHead.size());
  return at + kSocketIoEventHead.size();
}

void Client::commit_message(uint8_t opcode, uint64_t length) {
  if (!options_.socket_io) return commit_frame(opcode, length);
  uint8_t* const end = tx_.data() + tx_used_ + kMaxClientHeader + kSocketIoEventHead.size() + length;
  std::memcpy(end, kSocketIoEventTail.data(), kSocketIoEventTail.size());
  commit_frame(kText, length + kSocketIoEventBytes);
}

uint8_t* Client::begin_frame(Conn& conn, uint64_t length) {
  uint64_t need = kMaxClientHeader + length;
  if (tx_conn_ != &conn || tx_used_ + need > tx_.size()) flush();
  if (need > tx_.size()) tx_.resize(need);
  tx_conn_ = &conn;
  return tx_.data() + tx_used_ + kMaxClientHeader;
}

void Client::commit_frame(uint8_t opcode, uint64_t length) {
  uint8_t* start = tx_.data() + tx_used_;
  mask_ = mask_ * 1664525u + 1013904223u;
  uint8_t header[kMaxClientHeader];
  uint32_t header_bytes = write_client_header(header, opcode, length, mask_);
  std::memcpy(start, header, header_bytes);
  copy_masked(start + header_bytes, start + kMaxClientHeader, length, mask_);
  tx_used_ += header_bytes + length;
  if (options_.send_each) flush();
}

void Client::send(Conn& conn, uint8_t opcode, const uint8_t* payload, uint64_t length) {
  uint8_t* at = begin_frame(conn, length);
  if (length > 0) std::memcpy(at, payload, length);
  commit_frame(opcode, length);
}

void Client::send_raw(Conn& conn, const void* data, uint64_t length) {
  if (tx_conn_ != &conn || tx_used_ + length > tx_.size()) flush();
  SLUICE_ASSERT(length <= tx_.size());
  tx_conn_ = &conn;
  std::memcpy(tx_.data() + tx_used_, data, length);
  tx_used_ += length;
}

void Client::flush() {
  Conn* conn = tx_conn_;
  tx_conn_ = nullptr;
  uint64_t length = tx_used_;
  tx_used_ = 0;
  if (conn == nullptr || length == 0 || conn->fd < 0) return;
  uint64_t sent = 0;
  if (conn->out.empty()) {
    ssize_t result = ::send(conn->fd, tx_.data(), length, MSG_NOSIGNAL | MSG_DONTWAIT);
    // An error here (EPIPE, ECONNRESET) shows again at the next receive, which says it once.
    if (result < 0 && errno != EAGAIN && errno != EINTR) return;
    sent = result > 0 ? static_cast<uint64_t>(result) : 0;
    if (sent == length) return;
  }
  conn->out.insert(conn->out.end(), tx_.data() + sent, tx_.data() + length);
  if (!conn->wants_write) {
    conn->wants_write = true;
    watch(*conn, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
  }
}

void Client::send_backlog(Conn& conn) {
  if (tx_conn_ == &conn) flush();
  ssize_t result = ::send(conn.fd, conn.out.data(), conn.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (result < 0) return;
  conn.out.erase(conn.out.begin(), conn.out.begin() + result);
  if (!conn.out.empty()) return;
  conn.wants_write = false;
  watch(conn, EPOLLIN | EPOLLRDHUP);
}

void Client::send_close(Conn& conn, uint16_t code) {
  uint8_t payload[2];
  store_be16(payload, code);
  send(conn, kClose, payload, sizeof payload);
  conn.state = ConnState::kClosing;
}

}  // namespace sluice::load
