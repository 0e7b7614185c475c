#include "wiregen/session.hpp"

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "bench/accept_key.hpp"
#include "ws/frame.hpp"
#include "ws/http_text.hpp"

namespace sluice::wiregen {

namespace {

constexpr uint32_t kMaxHead = 8192;
constexpr std::string_view kHeartbeat = R"({"op":"hb"})";

std::string_view text_of(const Assembler::Frame& frame) noexcept {
  return {reinterpret_cast<const char*>(frame.payload), static_cast<size_t>(frame.length)};
}

bool lists(std::string_view list, std::string_view wanted) noexcept {
  std::string_view element;
  while (ws::next_element(list, element)) {
    if (ws::equals_ignoring_case(element, wanted)) return true;
  }
  return false;
}

}  // namespace

std::string describe(const Loss& loss) {
  switch (loss.kind) {
    case Loss::Kind::kRefused: return "refused by a reset";
    case Loss::Kind::kReset: return "reset by the server";
    case Loss::Kind::kTimeout: return "no answer in spite of retransmissions";
    case Loss::Kind::kNoUpgrade: return "no upgrade (status " + std::to_string(loss.code) + "): " + loss.detail;
    case Loss::Kind::kClosedByServer: return "closed by the server with " + std::to_string(loss.code) + ' ' + loss.detail;
    case Loss::Kind::kBroken: return loss.detail;
  }
  return "";
}

Session::Session(const Settings& settings, Client* clients, ItemWriter& items, Tcp& tcp)
    : settings_(settings), clients_(clients), items_(items), tcp_(tcp) {
  tcp.user(this);
}

void Session::open(ClientId id, bool resume) {
  Client& client = clients_[id];
  client.clear(kLeaving | kResuming | kSlowReader);
  if (resume) client.set(kResuming);
  client.step(Step::kUpgrading);
  tcp_.open(id);
}

void Session::on_connected(ClientId id) { SLUICE_ASSERT(tcp_.queue(id, ItemKind::kUpgrade)); }

void Session::leave(ClientId id) {
  Client& client = clients_[id];
  client.set(kLeaving);
  if (client.step() == Step::kReady) --ready_;
  // What is not open yet has no close frame to send, and who does not read would not see the answer.
  if (client.step() != Step::kReady || client.has(kSlowReader) || !tcp_.queue(id, ItemKind::kClose)) return tcp_.reset(id);
  client.step(Step::kClosing);
}

void Session::drop(ClientId id, bool reset) {
  Client& client = clients_[id];
  client.set(kLeaving);
  if (client.step() == Step::kReady) --ready_;
  client.step(Step::kEnded);
  if (reset || client.state() != TcpState::kEstablished || !tcp_.queue(id, ItemKind::kFin)) tcp_.reset(id);
}

void Session::on_bytes(ClientId id, const uint8_t* data, uint32_t length) {
  Client& client = clients_[id];
  // After a FIN of ours alone: what still comes is the server's business.
  if (client.step() == Step::kEnded) return;
  assembler_.gather(id, client, data, length);
  const uint8_t* at = data;
  const uint8_t* const end = data + length;
  if (client.step() == Step::kUpgrading && !on_response(id, client, at, end)) return;
  while (client.state() == TcpState::kEstablished && client.step() != Step::kEnded) {
    Assembler::Frame frame;
    const Assembler::Result result = assembler_.next(at, end, frame);
    if (result == Assembler::Result::kNeedMore) break;
    if (result == Assembler::Result::kViolation) return broken(id, client, assembler_.violation());
    on_frame(id, client, frame);
  }
  if (client.state() != TcpState::kEstablished) return;
  if (client.step() == Step::kEnded) return assembler_.drop(id, client);
  assembler_.keep(id, client, at, static_cast<uint32_t>(end - at));
}

// False: the head is not whole, or wrong. True: `at` stands behind it.
bool Session::on_response(ClientId id, Client& client, const uint8_t*& at, const uint8_t* end) {
  const std::string_view text(reinterpret_cast<const char*>(at), static_cast<size_t>(end - at));
  const size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) {
    if (text.size() > kMaxHead) broken(id, client, "a response head of more than 8 KiB");
    else assembler_.keep(id, client, at, static_cast<uint32_t>(text.size()));
    return false;
  }
  uint16_t status = 0;
  const std::string wrong = wrong_with(id, client, text.substr(0, head + 2), status);
  if (!wrong.empty()) {
    lose(id, client, {Loss::Kind::kNoUpgrade, status, wrong});
    tcp_.reset(id);
    return false;
  }
  at += head + 4;
  on_upgraded(id, client);
  return client.state() == TcpState::kEstablished;
}

// RFC 6455 §4.1: what the server's answer must hold. `head` is the lines with their ends.
std::string Session::wrong_with(ClientId id, const Client& client, std::string_view head, uint16_t& status) const {
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  if (!line.starts_with("HTTP/1.1 ") || line.size() < 12) return "not an HTTP/1.1 answer: " + std::string(line.substr(0, 60));
  for (const char c : line.substr(9, 3)) status = static_cast<uint16_t>(status * 10 + (c - '0'));
  if (status != 101) return std::string(line.substr(0, 80));
  bool upgrade = false;
  bool connection = false;
  std::string_view accept;
  std::string_view protocol;
  for (head.remove_prefix(line_end + 2); !head.empty();) {
    const size_t end = head.find("\r\n");
    const std::string_view field = head.substr(0, end);
    head.remove_prefix(end + 2);
    const size_t colon = field.find(':');
    if (colon == std::string_view::npos) return "a field without a colon";
    const std::string_view name = field.substr(0, colon);
    const std::string_view value = ws::trim(field.substr(colon + 1));
    if (ws::equals_ignoring_case(name, "upgrade")) upgrade = ws::equals_ignoring_case(value, "websocket");
    else if (ws::equals_ignoring_case(name, "connection")) connection = connection || lists(value, "upgrade");
    else if (ws::equals_ignoring_case(name, "sec-websocket-accept")) accept = value;
    else if (ws::equals_ignoring_case(name, "sec-websocket-protocol")) protocol = value;
    else if (ws::equals_ignoring_case(name, "sec-websocket-extensions")) return "an extension that was not offered";
  }
  if (!upgrade || !connection) return "Upgrade or Connection is missing or wrong";
  if (accept != load::accept_key(items_.key_of(id, client.generation))) return "Sec-WebSocket-Accept does not answer the key";
  if (protocol != settings_.subprotocol) return "Sec-WebSocket-Protocol is '" + std::string(protocol) + "'";
  return "";
}

void Session::on_upgraded(ClientId id, Client& client) {
  ++counters_.upgraded;
  if (!settings_.gateway()) return become_ready(id, client);
  client.step(Step::kHello);
  SLUICE_ASSERT(tcp_.queue(id, ItemKind::kHello));
  if (subscribes_early(client)) SLUICE_ASSERT(tcp_.queue(id, ItemKind::kSubscribe));
}

void Session::become_ready(ClientId id, Client& client) {
  client.step(Step::kReady);
  ++ready_;
  ++counters_.ready;
  const bool resumed = client.has(kResuming);
  client.clear(kResuming);
  user_->on_ready(id, resumed);
}

void Session::on_frame(ClientId id, Client& client, const Assembler::Frame& frame) {
  switch (static_cast<ws::Opcode>(frame.opcode)) {
    case ws::Opcode::kPing: return on_ping(id, client, frame);
    case ws::Opcode::kPong: ++counters_.pongs; return;
    case ws::Opcode::kClose: return on_close_frame(id, client, frame);
    default: break;
  }
  Assembler::Frame message;
  if (!assembler_.join(id, frame, message)) return;
  if (message.opcode == 0) return broken(id, client, "a continuation of nothing (RFC 6455 5.4)");
  on_data_frame(id, client, message);
}

void Session::on_ping(ClientId id, Client& client, const Assembler::Frame& frame) {
  ++counters_.pings;
  if (client.has(kSilent)) return;
  if (frame.length == 0) {
    if (!tcp_.queue(id, ItemKind::kPong)) ++counters_.unanswered;
    return;
  }
  // Before it is queued: its size is asked for at once.
  items_.owe_pong(id, frame.payload, static_cast<uint32_t>(frame.length));
  if (tcp_.queue(id, ItemKind::kPongData)) return;
  items_.take_back_pong(id);
  ++counters_.unanswered;
}

void Session::on_close_frame(ClientId id, Client& client, const Assembler::Frame& frame) {
  const bool asked = client.step() == Step::kClosing;
  if (client.step() == Step::kReady) --ready_;
  client.step(Step::kEnded);
  if (!asked) {
    const uint16_t code = frame.length >= 2 ? load_be16(frame.payload) : static_cast<uint16_t>(ws::kCloseNoStatus);
    const std::string reason(frame.length > 2 ? text_of(frame).substr(2) : std::string_view{});
    if (!tcp_.queue(id, ItemKind::kClose)) ++counters_.unanswered;
    lose(id, client, {Loss::Kind::kClosedByServer, code, reason});
  }
  // The server closes the connection first (RFC 6455 §7.1.1).
}

void Session::on_data_frame(ClientId id, Client& client, const Assembler::Frame& message) {
  if (!settings_.gateway()) {
    if (client.step() == Step::kReady) user_->on_message(id, message);
    return;
  }
  if (text_of(message) == kHeartbeat) {
    ++counters_.heartbeats;
    if (!client.has(kSilent) && client.step() == Step::kReady && !tcp_.queue(id, ItemKind::kHeartbeat)) ++counters_.unanswered;
    return;
  }
  if (client.step() == Step::kReady) return user_->on_message(id, message);
  if (client.step() == Step::kClosing) return;
  const load::HeaderLine header(message.payload, message.length);
  if (client.step() == Step::kHello && header.is_op("welcome")) return on_welcome(id, client, header);
  if (client.step() == Step::kSubscribing && header.is_op("ok")) return on_subscribed(id, client, header);
  broken(id, client, "unexpected while opening: " + std::string(header.text().substr(0, 200)));
}

void Session::on_welcome(ClientId id, Client& client, const load::HeaderLine& header) {
  const bool resumed = header.text().find("\"resumed\":true") != std::string_view::npos;
  if (client.has(kResuming) && !resumed) return broken(id, client, "the session was not resumed");
  if (resumed) ++counters_.resumed;
  if (keeps_token(id)) items_.resumes()[id].token = std::string(header.string("resume"));
  client.step(Step::kSubscribing);
  if (!subscribes_early(client)) SLUICE_ASSERT(tcp_.queue(id, ItemKind::kSubscribe));
}

void Session::on_subscribed(ClientId id, Client& client, const load::HeaderLine& header) {
  uint64_t head = 0;
  if (!header.number("server_seq", head)) return broken(id, client, "the answer to sub has no server_seq");
  // After resuming, what was missed comes from where it broke off.
  if (!client.has(kResuming)) client.channel_seq = static_cast<uint32_t>(head);
  if (keeps_token(id)) items_.resumes()[id].epoch = std::string(header.string("epoch"));
  become_ready(id, client);
}

void Session::lose(ClientId id, Client& client, Loss loss) {
  if (client.has(kLeaving)) return;
  if (client.step() == Step::kReady) --ready_;
  client.set(kLeaving);
  client.step(Step::kEnded);
  user_->on_lost(id, loss);
}

void Session::broken(ClientId id, Client& client, std::string detail) {
  lose(id, client, {Loss::Kind::kBroken, 0, std::move(detail)});
  tcp_.reset(id);
}

void Session::on_peer_end(ClientId id) {
  Client& client = clients_[id];
  // Without a close frame before it this is an abnormal closure (RFC 6455 §7.1.5).
  lose(id, client, {Loss::Kind::kClosedByServer, ws::kCloseAbnormal, "the stream ended"});
  if (!client.has(kFinQueued) && !tcp_.queue(id, ItemKind::kFin)) tcp_.reset(id);
}

void Session::on_gone(ClientId id, End end) {
  Client& client = clients_[id];
  assembler_.drop(id, client);
  if (end != End::kClosed) {
    const Loss::Kind kind = end == End::kReset ? Loss::Kind::kReset : end == End::kRefused ? Loss::Kind::kRefused : Loss::Kind::kTimeout;
    lose(id, client, {kind, 0, ""});
  }
  client.step(Step::kNone);
  user_->on_gone(id);
}

}  // namespace sluice::wiregen
