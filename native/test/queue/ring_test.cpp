#include "queue/ring.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice::queue {
namespace {

struct Ring {
  explicit Ring(uint32_t count, uint32_t start = 0) : capacity(count), header(std::make_unique<RingHeader>()), records(count) {
    header->head.store(start);
    header->tail.store(start);
  }
  RingProducer producer() { return {header.get(), records.data(), capacity}; }
  RingConsumer consumer() { return {header.get(), records.data(), capacity}; }

  uint32_t capacity;
  std::unique_ptr<RingHeader> header;
  std::vector<Record> records;
};

Record numbered(uint64_t number) {
  const auto low = static_cast<uint32_t>(number);
  return {static_cast<uint8_t>(low), static_cast<uint8_t>(low >> 8), static_cast<uint16_t>(low), low, ~low, low * 3, low * 5, low * 7,
          static_cast<uint32_t>(number >> 32), low ^ 0x5a5a5a5a};
}

bool is_numbered(const Record& record, uint64_t number) {
  const Record expected = numbered(number);
  return std::memcmp(&record, &expected, sizeof record) == 0;
}

TEST_CASE("ring: a record is seen once it is published and reusable once it is confirmed", "[queue]") {
  Ring ring(4);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  Record* record = producer.try_claim();
  REQUIRE(record != nullptr);
  *record = numbered(1);
  CHECK(consumer.available() == 0);
  CHECK_FALSE(producer.publish());
  REQUIRE(consumer.available() == 1);
  CHECK(is_numbered(consumer.peek(0), 1));
  CHECK(producer.unconfirmed() == 1);
  consumer.advance(1);
  CHECK(producer.unconfirmed() == 1);
  CHECK_FALSE(consumer.confirm());
  CHECK(producer.unconfirmed() == 0);
}

TEST_CASE("ring: full until the consumer confirms", "[queue]") {
  Ring ring(4);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (int i = 0; i < 4; ++i) REQUIRE(producer.try_claim() != nullptr);
  CHECK(producer.try_claim() == nullptr);
  static_cast<void>(producer.publish());
  consumer.advance(consumer.available());
  // Read, but its bytes may still be in use.
  CHECK(producer.try_claim() == nullptr);
  static_cast<void>(consumer.confirm());
  CHECK(producer.free(4) == 4);
  CHECK_FALSE(producer.corrupted());
}

TEST_CASE("ring: indices wrap at 2^32 without a gap", "[queue]") {
  for (const uint32_t start : {UINT32_MAX - 2, UINT32_MAX, 0x7fff'fffeu}) {
    Ring ring(8, start);
    RingProducer producer = ring.producer();
    RingConsumer consumer = ring.consumer();
    uint64_t written = 0;
    uint64_t read = 0;
    for (int round = 0; round < 40; ++round) {
      while (Record* record = producer.try_claim()) *record = numbered(written++);
      REQUIRE(written - read == 8);
      static_cast<void>(producer.publish());
      const uint32_t take = 1 + static_cast<uint32_t>(round) % 8;
      REQUIRE(consumer.available() == 8);
      for (uint32_t i = 0; i < take; ++i) REQUIRE(is_numbered(consumer.peek(i), read++));
      consumer.advance(take);
      static_cast<void>(consumer.confirm());
    }
    CHECK_FALSE(producer.corrupted());
    CHECK_FALSE(consumer.corrupted());
  }
}

TEST_CASE("ring: whoever attaches later goes on where its side was", "[queue]") {
  Ring ring(4, 100);
  RingProducer first = ring.producer();
  *first.try_claim() = numbered(1);
  static_cast<void>(first.publish());
  RingProducer second = ring.producer();
  *second.try_claim() = numbered(2);
  static_cast<void>(second.publish());
  RingConsumer consumer = ring.consumer();
  REQUIRE(consumer.available() == 2);
  CHECK(is_numbered(consumer.peek(1), 2));
  // It has read both and confirmed one: its successor reads the other again.
  consumer.advance(1);
  static_cast<void>(consumer.confirm());
  consumer.advance(1);
  RingConsumer successor = ring.consumer();
  REQUIRE(successor.available() == 1);
  CHECK(is_numbered(successor.peek(0), 2));
}

TEST_CASE("ring: a tail that cannot be is noticed by the producer", "[queue]") {
  for (const uint32_t tail : {11u, 5u, 0x8000'0000u, UINT32_MAX}) {
    Ring ring(4, 10);
    RingProducer producer = ring.producer();
    for (int i = 0; i < 4; ++i) static_cast<void>(producer.try_claim());
    ring.header->tail.store(tail + (tail == 11u ? 4 : 0));
    CHECK(producer.try_claim() == nullptr);
    CHECK(producer.corrupted());
  }
}

TEST_CASE("ring: a head that cannot be is noticed by the consumer", "[queue]") {
  for (const uint32_t head : {15u, 9u, 0x8000'0000u, UINT32_MAX}) {
    Ring ring(4, 10);
    RingConsumer consumer = ring.consumer();
    ring.header->head.store(head);
    CHECK(consumer.available() == 0);
    CHECK(consumer.corrupted());
  }
}

TEST_CASE("ring: the flags of both sides are seen", "[queue]") {
  Ring ring(4);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  REQUIRE(consumer.prepare_sleep());
  static_cast<void>(producer.try_claim());
  CHECK(producer.publish());
  consumer.wake();
  CHECK_FALSE(producer.publish());
  CHECK_FALSE(consumer.prepare_sleep());
  CHECK(ring.header->consumer_sleeping.load() == 0);
  ring.header->producer_blocked.store(1);
  CHECK(consumer.confirm());
}

// A producer that never waits against a consumer that checks every record.
TEST_CASE("ring: two threads, every record once and in order", "[queue][threads]") {
  constexpr uint64_t kRecords = 300'000;
  Ring ring(64, UINT32_MAX - 100'000);
  std::thread writer([&ring] {
    RingProducer producer = ring.producer();
    for (uint64_t number = 0; number < kRecords;) {
      Record* record = producer.try_claim();
      if (record == nullptr) {
        static_cast<void>(producer.publish());
        std::this_thread::yield();
        continue;
      }
      *record = numbered(number++);
      if (number % 7 == 0) static_cast<void>(producer.publish());
    }
    static_cast<void>(producer.publish());
  });
  RingConsumer consumer = ring.consumer();
  uint64_t wrong = 0;
  for (uint64_t number = 0; number < kRecords && !consumer.corrupted();) {
    const uint32_t count = consumer.available();
    for (uint32_t i = 0; i < count; ++i) wrong += is_numbered(consumer.peek(i), number++) ? 0 : 1;
    consumer.advance(count);
    static_cast<void>(consumer.confirm());
    if (count == 0) std::this_thread::yield();
  }
  writer.join();
  CHECK(wrong == 0);
  CHECK_FALSE(consumer.corrupted());
}

// An eventfd's semantics: a ring before the wait is not lost.
class Doorbell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }
  // False when nobody rang for so long that a wake-up must have been lost.
  bool wait() {
    std::unique_lock lock(mutex_);
    const bool rung = changed_.wait_for(lock, std::chrono::seconds(20), [this] { return rung_; });
    rung_ = false;
    return rung;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

void write_with_doorbells(Ring& ring, uint64_t records, Doorbell& consumer_bell, Doorbell& producer_bell, bool& lost) {
  RingProducer producer = ring.producer();
  for (uint64_t number = 0; number < records;) {
    Record* record = producer.try_claim();
    if (record != nullptr) {
      *record = numbered(number++);
      // Often a single record before the next pause: each must wake a consumer that has just gone to sleep.
      if (number % 3 != 0 && producer.publish()) consumer_bell.ring();
      continue;
    }
    if (producer.publish()) consumer_bell.ring();
    ring.header->producer_blocked.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (producer.free(1) == 0 && !producer_bell.wait()) {
      lost = true;
      return;
    }
    ring.header->producer_blocked.store(0, std::memory_order_relaxed);
  }
  if (producer.publish()) consumer_bell.ring();
}

TEST_CASE("ring: sleeping on doorbells loses no wake-up in either direction", "[queue][threads]") {
  constexpr uint64_t kRecords = 60'000;
  Ring ring(4, UINT32_MAX - 10);
  Doorbell consumer_bell;
  Doorbell producer_bell;
  bool writer_lost = false;
  std::thread writer([&] { write_with_doorbells(ring, kRecords, consumer_bell, producer_bell, writer_lost); });
  RingConsumer consumer = ring.consumer();
  uint64_t number = 0;
  uint64_t wrong = 0;
  bool lost = false;
  while (number < kRecords && !lost) {
    const uint32_t count = consumer.available();
    if (count == 0) {
      if (!consumer.prepare_sleep()) continue;
      lost = !consumer_bell.wait();
      consumer.wake();
      continue;
    }
    for (uint32_t i = 0; i < count; ++i) wrong += is_numbered(consumer.peek(i), number++) ? 0 : 1;
    consumer.advance(count);
    if (consumer.confirm()) producer_bell.ring();
  }
  writer.join();
  CHECK(wrong == 0);
  CHECK_FALSE(lost);
  CHECK_FALSE(writer_lost);
}

}  // namespace
}  // namespace sluice::queue
