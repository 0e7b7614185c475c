#pragma once

#include <functional>
#include <map>
#include <string>

#include "test/wiregen/rig.hpp"
#include "ws/base64.hpp"
#include "ws/sha1.hpp"

// A namespace of its own: other tests have peers too, and all are one program.
namespace sluice::test::clients {

// The other side, written by itself: a TCP that keeps everything that it got as one string for each connection, answers the upgrade
// and hands whole client frames to the test.
class Peer {
 public:
  struct Flow {
    Wire address;
    uint32_t rcv_nxt = 0;
    uint32_t snd_nxt = 0;
    uint16_t window = 65535;
    Bytes stream;            // all that the client sent, in order
    size_t parsed = 0;
    bool upgraded = false;
    bool ended = false;      // the client's FIN came
    bool answers = true;     // acknowledges and upgrades by itself
  };
  struct Message {
    uint8_t opcode;
    Bytes payload;
  };
  using OnMessage = std::function<void(Peer&, Flow&, const Message&)>;

  Peer(Rig& rig, OnMessage on_message) : rig_(rig), on_message_(std::move(on_message)) {}

  // Runs both sides for so many milliseconds.
  void run(uint32_t ms) {
    for (uint32_t i = 0; i < ms && rig_.running; ++i) {
      rig_.run();
      for (const Wire& segment : rig_.sent()) {
        log.push_back(segment);
        if (lose && lose(segment)) continue;
        take(segment);
      }
    }
  }

  void send(Flow& flow, const Bytes& bytes, uint8_t flags = wire::kAck | wire::kPsh) {
    Wire segment = flow.address;
    segment.seq = flow.snd_nxt;
    segment.ack = flow.rcv_nxt;
    segment.window = flow.window;
    segment.flags = flags;
    segment.payload = bytes;
    flow.snd_nxt += static_cast<uint32_t>(bytes.size()) + ((flags & wire::kFin) != 0 ? 1 : 0);
    rig_.give(segment);
  }
  void send_frame(Flow& flow, uint8_t opcode, const Bytes& payload) { send(flow, frame(opcode, payload)); }

  static Bytes frame(uint8_t opcode, const Bytes& payload) {
    Bytes out(1, static_cast<char>(0x80 | opcode));
    if (payload.size() < 126) {
      out += static_cast<char>(payload.size());
    } else {
      out += static_cast<char>(126);
      out += static_cast<char>(payload.size() >> 8);
      out += static_cast<char>(payload.size() & 255);
    }
    return out + payload;
  }

  Flow& flow() { return flows.begin()->second; }

  std::map<std::pair<uint32_t, uint16_t>, Flow> flows;
  std::vector<Wire> log;
  std::function<bool(const Wire&)> lose;
  std::function<Bytes(const Bytes& request)> respond = [](const Bytes& request) { return response(request); };
  Bytes syn_options = Bytes("\x02\x04\x05\xb4", 4);

  static Bytes response(const Bytes& request, const std::string& protocol = "") {
    const size_t at = request.find("Sec-WebSocket-Key: ") + 19;
    const auto digest = ws::sha1(request.substr(at, 24) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    char accept[28];
    ws::base64_encode(accept, digest.data(), 20);
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + Bytes(accept, 28) +
           "\r\n" + (protocol.empty() ? "" : "Sec-WebSocket-Protocol: " + protocol + "\r\n") + "\r\n";
  }

 private:
  void take(const Wire& segment) {
    if (segment.has(wire::kRst)) return;
    if (segment.has(wire::kSyn)) return accept(segment);
    const auto found = flows.find({segment.address, segment.port});
    if (found == flows.end()) return;
    Flow& flow = found->second;
    const int32_t ahead = static_cast<int32_t>(segment.seq - flow.rcv_nxt);
    const bool fin = segment.has(wire::kFin);
    if (segment.payload.empty() && !fin) return;
    if (ahead <= 0 && static_cast<uint32_t>(-ahead) <= segment.payload.size()) {
      const Bytes fresh = segment.payload.substr(static_cast<uint32_t>(-ahead));
      flow.stream += fresh;
      flow.rcv_nxt += static_cast<uint32_t>(fresh.size());
      if (fin && !flow.ended) {
        flow.ended = true;
        ++flow.rcv_nxt;
      }
    }
    if (!flow.answers) return;
    const size_t before = rig_.nic.incoming.size();
    parse(flow);
    if (rig_.nic.incoming.size() == before) send(flow, "", wire::kAck);
  }

  void accept(const Wire& syn) {
    Flow& flow = flows[{syn.address, syn.port}];
    flow = {};
    flow.address.address = syn.address;
    flow.address.port = syn.port;
    flow.rcv_nxt = syn.seq + 1;
    flow.snd_nxt = 0xfffffff0u;  // wraps soon
    Wire answer = flow.address;
    answer.seq = flow.snd_nxt++;
    answer.ack = flow.rcv_nxt;
    answer.flags = wire::kSyn | wire::kAck;
    answer.options = syn_options;
    rig_.give(answer);
  }

  void parse(Flow& flow) {
    if (!flow.upgraded) {
      const size_t end = flow.stream.find("\r\n\r\n");
      if (end == Bytes::npos) return;
      flow.upgraded = true;
      flow.parsed = end + 4;
      send(flow, respond(flow.stream.substr(0, end + 4)));
    }
    for (Message message; next(flow, message);) on_message_(*this, flow, message);
  }

  static bool next(Flow& flow, Message& out) {
    const auto* at = reinterpret_cast<const uint8_t*>(flow.stream.data()) + flow.parsed;
    const size_t have = flow.stream.size() - flow.parsed;
    if (have < 6) return false;
    size_t length = at[1] & 127;
    size_t header = 2;
    if (length == 126) {
      length = load_be16(at + 2);
      header = 4;
    }
    if ((at[1] & 0x80) == 0 || have < header + 4 + length) return false;
    out.opcode = at[0] & 15;
    out.payload.assign(reinterpret_cast<const char*>(at) + header + 4, length);
    for (size_t i = 0; i < length; ++i) out.payload[i] = static_cast<char>(out.payload[i] ^ at[header + i % 4]);
    flow.parsed += header + 4 + length;
    return true;
  }

  Rig& rig_;
  OnMessage on_message_;
};

// Sends every data message back, answers close.
inline void echo(Peer& peer, Peer::Flow& flow, const Peer::Message& message) {
  peer.send_frame(flow, message.opcode, message.payload);
  if (message.opcode == 8) peer.send(flow, "", wire::kFin | wire::kAck);
}

}  // namespace sluice::test::clients
