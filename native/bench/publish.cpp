// pub: sluice.v1 publishers that wait for the acknowledgement, and subscribers that check every message.
// Connections 0 to S-1 subscribe, the following P publish. Publisher p's message n goes to channel (p + n) % C.
// What is refused with `retry_after_ms` is sent again after it, with the same key, and is counted.

#include <algorithm>
#include <cstdio>
#include <deque>

#include "base/assert.hpp"
#include "bench/client.hpp"
#include "bench/delivery_check.hpp"
#include "bench/header_line.hpp"
#include "bench/histogram.hpp"
#include "bench/pacer.hpp"
#include "bench/scenario.hpp"
#include "bench/seq_set.hpp"
#include "bench/window.hpp"

namespace sluice::load {

namespace {

struct Pending {
  uint64_t id = 0;  // 0: the slot is free
  uint64_t due_ns = 0;
};

struct Again {
  uint64_t at_ns;
  uint32_t conn;
  uint64_t id;
};

class Publish final : public Scenario {
 public:
  void start(Client& client) override {
    const Options& o = client.options();
    if (o.subprotocol != "sluice.v1") return client.fail("pub needs --subprotocol sluice.v1");
    if (o.size < DeliveryCheck::kNameBytes + 1) return client.fail("pub needs --size 17 or more");
    channels_ = o.channels;
    while (slots_ < o.depth * 2) slots_ *= 2;
    pending_.resize(size_t{slots_} * o.connections);
    acked_.resize(channels_);
    uint32_t pattern = o.size - DeliveryCheck::kNameBytes;
    payload_ = std::make_unique<Payload>(pattern);
    check_ = std::make_unique<DeliveryCheck>(o.subscribers, o.connections, pattern);
    // Keys of another run in the same log would be answered with that run's results.
    run_ = std::to_string(client.now_ns() % 1'000'000'000u);
    client.open_up_to(o.subscribers > 0 ? o.subscribers : o.connections);
  }

  void on_open(Client& client, Conn& conn) override {
    const Options& o = client.options();
    if (conn.index < o.subscribers) {
      std::string sub = R"({"op":"sub","id":1,"channel":")" + channel_name(client, conn.index % channels_) + "\"}";
      client.send(conn, kText, reinterpret_cast<const uint8_t*>(sub.data()), sub.size());
    } else if (client.open_count() == o.subscribers + o.connections) {
      begin(client);
    }
  }

  void on_message(Client& client, Conn& conn, const Frame& frame) override {
    HeaderLine header(frame.payload, frame.length);
    if (header.is_op("ok")) {
      conn.index < client.options().subscribers ? on_subscribed(client, conn, header) : on_ack(client, conn, header);
    } else if (header.is_op("err") && conn.index >= client.options().subscribers) {
      on_refused(client, conn, header);
    } else if (header.is_op("msg") && conn.index < client.options().subscribers) {
      std::string wrong = check_->check(conn.index, header);
      if (!wrong.empty()) return client.fail(wrong);
      ++deliveries_;
    } else {
      client.fail("connection " + std::to_string(conn.index) + ", which does not expect it, was sent " +
                  std::string(header.text().substr(0, 300)));
    }
  }

  void on_batch(Client& client, Conn& conn) override {
    const Options& o = client.options();
    if (o.rate > 0 || conn.index < o.subscribers || window_.over() || window_.phase() == Window::Phase::kBefore) return;
    while (conn.sent - conn.received < o.depth && publish_one(client, conn, client.now_ns())) {
    }
  }

  uint64_t on_turn(Client& client, uint64_t now_ns) override {
    const Options& o = client.options();
    window_.update(o, now_ns);
    uint64_t again_ns = send_again(client, now_ns);
    if (window_.over()) {
      if (published_ == acks_ && all_delivered(client)) finish(client);
      return again_ns;
    }
    return std::min(again_ns, publish_due(client, now_ns));
  }

  // Returns when the next one is due, or the window's next change.
  uint64_t publish_due(Client& client, uint64_t now_ns) {
    const Options& o = client.options();
    if (o.rate == 0 || window_.phase() == Window::Phase::kBefore) return window_.next_change_ns();
    while (pacer_.is_due(now_ns)) {
      Conn& conn = client.conn(o.subscribers + static_cast<uint32_t>(pacer_.taken() % o.connections));
      if (conn.sent - conn.received >= o.depth || !publish_one(client, conn, pacer_.next_due_ns())) return window_.next_change_ns();
      pacer_.take();
    }
    return std::min(window_.next_change_ns(), pacer_.next_due_ns());
  }

  std::string progress(const Client&, double seconds) override {
    char line[128];
    std::snprintf(line, sizeof line, "%.0f acknowledged/s, p99 %.0f us, %llu deliveries", static_cast<double>(acks_ - reported_) / seconds,
                  static_cast<double>(latency_.value_at(0.99)) / 1e3, static_cast<unsigned long long>(deliveries_));
    reported_ = acks_;
    return line;
  }

  void report(const Client& client, JsonObject& out) const override {
    out.number("channels", uint64_t{channels_});
    out.number("subscribers", uint64_t{client.options().subscribers});
    out.number("published", published_);
    out.number("refused", refused_);
    out.number("deliveries", deliveries_);
    window_.report(out, measured_);
    out.raw("latency", latency_.json());
  }

 private:
  static std::string channel_name(const Client& client, uint32_t channel) {
    return client.options().channel + "-" + std::to_string(channel);
  }

  void on_subscribed(Client& client, Conn& conn, const HeaderLine& header) {
    uint64_t head = 0;
    if (!header.number("server_seq", head)) return client.fail("the answer to sub has no server_seq");
    check_->subscribed(conn.index, head);
    const Options& o = client.options();
    if (++subscribed_ == o.subscribers) client.open_up_to(o.subscribers + o.connections);
  }

  void begin(Client& client) {
    const Options& o = client.options();
    window_.begin(o, client.now_ns());
    if (o.rate > 0) return pacer_.start(o.rate, client.now_ns());
    for (uint32_t i = 0; i < o.connections; ++i) on_batch(client, client.conn(o.subscribers + i));
  }

  Pending& slot_of(uint32_t publisher, uint64_t id) { return pending_[size_t{publisher} * slots_ + id % slots_]; }

  // False: the slot of this id still waits (acknowledgements came out of order); the next one frees it.
  bool publish_one(Client& client, Conn& conn, uint64_t due_ns) {
    const Options& o = client.options();
    uint32_t publisher = conn.index - o.subscribers;
    uint64_t id = conn.sent + 1;
    Pending& slot = slot_of(publisher, id);
    if (slot.id != 0) return false;
    slot = {id, due_ns};
    send_publish(client, conn, id);
    ++conn.sent;
    ++published_;
    return true;
  }

  void send_publish(Client& client, Conn& conn, uint64_t id) {
    const Options& o = client.options();
    uint32_t publisher = conn.index - o.subscribers;
    char header[256];
    int length = std::snprintf(header, sizeof header, "{\"op\":\"pub\",\"id\":%llu,\"channel\":\"%s-%u\",\"key\":\"%s-%u-%llu\"}\n",
                               static_cast<unsigned long long>(id), o.channel.c_str(), channel_of(publisher, id), run_.c_str(), publisher,
                               static_cast<unsigned long long>(id));
    SLUICE_ASSERT(length > 0 && length < static_cast<int>(sizeof header));
    uint32_t head = static_cast<uint32_t>(length);
    uint8_t* at = client.begin_message(conn, head + o.size);
    std::memcpy(at, header, head);
    DeliveryCheck::write_name(at + head, publisher, id);
    payload_->write(at + head + DeliveryCheck::kNameBytes, publisher, id);
    client.commit_message(o.text ? kText : kBinary, head + o.size);
  }

  // Back-pressure, which a client bears (docs/PROTOCOL.md): everything else that is refused ends the run.
  void on_refused(Client& client, Conn& conn, const HeaderLine& header) {
    uint32_t publisher = conn.index - client.options().subscribers;
    uint64_t id = 0;
    uint64_t after_ms = 0;
    bool known = header.number("id", id) && slot_of(publisher, id).id == id;
    if (!known || !header.number("retry_after_ms", after_ms)) {
      return client.fail("connection " + std::to_string(conn.index) + " was refused: " + std::string(header.text().substr(0, 300)));
    }
    ++refused_;
    check_->may_come_late(publisher, id);
    Again again{client.now_ns() + after_ms * 1'000'000, conn.index, id};
    auto later = [](const Again& one, const Again& other) { return one.at_ns < other.at_ns; };
    again_.insert(std::upper_bound(again_.begin(), again_.end(), again, later), again);
  }

  // Returns when the next one is due.
  uint64_t send_again(Client& client, uint64_t now_ns) {
    while (!again_.empty() && again_.front().at_ns <= now_ns) {
      Again again = again_.front();
      again_.pop_front();
      send_publish(client, client.conn(again.conn), again.id);
    }
    return again_.empty() ? kNever : again_.front().at_ns;
  }

  uint32_t channel_of(uint32_t publisher, uint64_t id) const noexcept { return static_cast<uint32_t>((publisher + id) % channels_); }

  void on_ack(Client& client, Conn& conn, const HeaderLine& header) {
    uint32_t publisher = conn.index - client.options().subscribers;
    uint64_t id = 0;
    uint64_t seq = 0;
    if (!header.number("id", id) || !header.number("server_seq", seq) || header.string("msg_id").empty()) {
      return client.fail("an acknowledgement lacks id, server_seq or msg_id: " + std::string(header.text().substr(0, 200)));
    }
    Pending& slot = slot_of(publisher, id);
    if (slot.id != id) return client.fail("publish " + std::to_string(id) + " was acknowledged twice or never sent");
    slot.id = 0;
    if (!acked_[channel_of(publisher, id)].insert(seq)) {
      return client.fail("server_seq " + std::to_string(seq) + " of a channel was given twice");
    }
    ++conn.received;
    ++acks_;
    if (!window_.measuring()) return;
    ++measured_;
    latency_.record(client.now_ns() - slot.due_ns);
  }

  bool all_delivered(const Client& client) const {
    for (uint32_t s = 0; s < client.options().subscribers; ++s) {
      const SeqSet& acked = acked_[s % channels_];
      if (acked.count() > 0 && check_->last_seq(s) < acked.highest()) return false;
    }
    return true;
  }

  void finish(Client& client) {
    for (uint32_t c = 0; c < channels_; ++c) {
      if (!acked_[c].dense()) client.fail("channel " + channel_name(client, c) + " is not dense: " + acked_[c].describe());
    }
    client.finish();
  }

  uint32_t channels_ = 1;
  uint32_t slots_ = 2;
  std::string run_;
  std::vector<Pending> pending_;
  std::deque<Again> again_;  // by time
  std::vector<SeqSet> acked_;
  std::unique_ptr<Payload> payload_;
  std::unique_ptr<DeliveryCheck> check_;
  Window window_;
  Pacer pacer_;
  Histogram latency_;
  uint32_t subscribed_ = 0;
  uint64_t published_ = 0;
  uint64_t acks_ = 0;
  uint64_t measured_ = 0;
  uint64_t reported_ = 0;
  uint64_t deliveries_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> make_publish() { return std::make_unique<Publish>(); }

}  // namespace sluice::load
