#include <algorithm>
#include <catch2/catch.hpp>

#include "nic/fault_nic.hpp"
#include "test/nic/nic_fixture.hpp"

namespace sluice::nic::test {
namespace {

using Numbers = std::vector<int>;

FaultOptions faults(const char* text) {
  FaultOptions out;
  std::string error;
  INFO(error);
  REQUIRE(parse_faults(text, out, error));
  return out;
}

// Frames 0 to count-1 sent at once through faults at the sender, received after `us`.
struct Run {
  explicit Run(const char* text) : fault(pair.a, pair.clock, faults(text)) {}

  void send_all(int count, uint64_t gap_us = 0, uint32_t bytes = 100) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(send(fault, static_cast<uint8_t>(i), bytes));
      pair.clock.advance_us(gap_us);
      collect();
    }
  }
  void pass(uint64_t us) {
    for (uint64_t i = 0; i < us; i += 100) {
      pair.clock.advance_us(100);
      receive_all(fault);
      collect();
    }
  }
  void collect() {
    for (std::string& frame : receive_all(pair.b)) got.push_back(std::move(frame));
  }

  Pair pair;
  FaultNic fault;
  std::vector<std::string> got;
};

TEST_CASE("fault: the text says it all", "[nic]") {
  const FaultOptions read = faults("loss=1%,rx.delay=50ms,tx.reorder=2.5%,stall_for=1s,corrupt=50ppm,loss_burst=3,seed=77,drop_above=1400");
  CHECK(read.rx.loss == 10'000);
  CHECK(read.tx.loss == 10'000);
  CHECK(read.rx.delay_us == 50'000);
  CHECK(read.tx.delay_us == 0);
  CHECK(read.tx.reorder == 25'000);
  CHECK(read.rx.reorder == 0);
  CHECK(read.rx.stall_for_us == 1'000'000);
  CHECK(read.tx.corrupt == 50);
  CHECK(read.tx.loss_burst == 3);
  CHECK(read.tx.drop_above == 1'400);
  CHECK(read.seed == 77);
}

TEST_CASE("fault: a text that cannot be read says what is wrong and what is right", "[nic]") {
  const auto refusal = [](const char* text) {
    FaultOptions out;
    out.seed = 5;
    std::string error;
    CHECK_FALSE(parse_faults(text, out, error));
    CHECK(out.seed == 5);
    CHECK(out.rx.loss == 0);
    return error;
  };
  CHECK(refusal("seed=6,loss") == "faults: 'loss' is not key=value, as in loss=1%");
  CHECK(refusal("seed=6,loss=1") == "faults: loss wants a share such as 1% or 50ppm, not '1'");
  CHECK(refusal("loss=101%") == "faults: loss wants a share such as 1% or 50ppm, not '101%'");
  CHECK(refusal("loss=-1%") == "faults: loss wants a share such as 1% or 50ppm, not '-1%'");
  CHECK(refusal("loss=nan%") == "faults: loss wants a share such as 1% or 50ppm, not 'nan%'");
  CHECK(refusal("delay=50") == "faults: delay wants a time such as 50ms, 200us or 1s, not '50'");
  CHECK(refusal("loss=1%,,") == "faults: '' is not key=value, as in loss=1%");
  CHECK(refusal("drop_above=1.5") == "faults: drop_above wants a whole number, not '1.5'");
  CHECK(refusal("seed=x") == "faults: seed wants a whole number, not 'x'");
  CHECK(refusal("lossy=1%").find("there is no 'lossy'; there are loss, ") != std::string::npos);
}

TEST_CASE("fault: without faults nothing is held or changed", "[nic]") {
  Run run("");
  run.send_all(50);
  CHECK(run.got.size() == 50);
  CHECK(run.fault.next_due_us() == UINT64_MAX);
  CHECK(run.pair.a.pool().outstanding() == 0);
}

TEST_CASE("fault: loses about the share that it is told, the same frames for the same seed", "[nic]") {
  Numbers before;
  for (int again = 0; again < 2; ++again) {
    Run run("loss=10%,seed=3");
    run.send_all(200);
    for (int i = 0; i < 19; ++i) run.send_all(200);
    CHECK(run.got.size() > 3'500);
    CHECK(run.got.size() < 3'700);
    CHECK(run.fault.tx_faults().lost == 4'000 - run.got.size());
    if (again == 0) before = numbers(run.got);
    CHECK(numbers(run.got) == before);
    CHECK(run.pair.a.pool().outstanding() == 0);
  }
  Run other("loss=10%,seed=4");
  for (int i = 0; i < 20; ++i) other.send_all(200);
  CHECK(numbers(other.got) != before);
}

TEST_CASE("fault: small frames are spared where asked, and change nothing for the others", "[nic]") {
  const auto survivors = [](int small_between) {
    Run run("loss=10%,reorder=5%,reorder_by=1us,seed=3,spare_below=200");
    size_t small = 0;
    for (int i = 0; i < 200; ++i) {
      run.send_all(small_between, 1, 100);
      small += static_cast<size_t>(small_between);
      REQUIRE(send(run.fault, static_cast<uint8_t>(i), 500));
      run.pass(100);
    }
    Numbers large;
    for (const std::string& frame : run.got) {
      if (frame.size() == 500) large.push_back(static_cast<uint8_t>(frame[0]));
    }
    CHECK(run.got.size() - large.size() == small);
    CHECK(large.size() == 200 - run.fault.tx_faults().lost);
    CHECK(run.fault.tx_faults().lost > 0);
    return large;
  };
  CHECK(survivors(0) == survivors(3));
}

TEST_CASE("fault: losses come in bursts where asked", "[nic]") {
  Run run("loss=1%,loss_burst=5,seed=9");
  for (int i = 0; i < 20; ++i) run.send_all(250);
  CHECK(run.fault.tx_faults().lost % 5 == 0);
  CHECK(run.fault.tx_faults().lost >= 150);
}

TEST_CASE("fault: delays without holding packets of the device, in order", "[nic]") {
  Run run("delay=50ms,jitter=10ms");
  run.send_all(100, 10);
  CHECK(run.pair.a.pool().outstanding() == 0);
  run.pass(48'900);
  CHECK(run.got.empty());
  run.pass(12'000);
  REQUIRE(run.got.size() == 100);
  CHECK(std::is_sorted(run.got.begin(), run.got.end(),
                       [](const auto& a, const auto& b) { return static_cast<uint8_t>(a[0]) < static_cast<uint8_t>(b[0]); }));
}

TEST_CASE("fault: a reordered frame comes late and whole", "[nic]") {
  Run run("reorder=5%,reorder_by=1ms,seed=2");
  run.send_all(200, 100);
  run.pass(2'000);
  REQUIRE(run.got.size() == 200);
  Numbers sorted = numbers(run.got);
  CHECK_FALSE(std::is_sorted(sorted.begin(), sorted.end()));
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < 200; ++i) CHECK(sorted[static_cast<size_t>(i)] == i);
}

TEST_CASE("fault: doubles, corrupts and truncates", "[nic]") {
  Run twice("duplicate=100%");
  twice.send_all(10);
  CHECK(numbers(twice.got) == Numbers{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9});

  Run corrupt("corrupt=100%");
  corrupt.send_all(50);
  REQUIRE(corrupt.got.size() == 50);
  for (int i = 0; i < 50; ++i) {
    int changed = 0;
    const std::string& frame = corrupt.got[static_cast<size_t>(i)];
    for (size_t at = 0; at < 100; ++at) changed += static_cast<uint8_t>(frame[at]) != static_cast<uint8_t>(i + static_cast<int>(at));
    CHECK(changed == 1);
  }

  Run cut("truncate=100%");
  cut.send_all(50, 0, 1'000);
  REQUIRE(cut.got.size() == 50);
  for (const std::string& frame : cut.got) CHECK(frame.size() < 1'000);
}

TEST_CASE("fault: a stall holds everything, then lets it go", "[nic]") {
  Run run("stall=100%,stall_for=20ms");
  run.send_all(20, 100);
  run.pass(17'900);
  CHECK(run.got.empty());
  run.pass(200);
  CHECK(run.got.size() == 20);
}

TEST_CASE("fault: a black hole by size", "[nic]") {
  Run run("drop_above=500");
  run.send_all(3, 0, 514);
  run.send_all(3, 0, 515);
  CHECK(run.got.size() == 3);
  CHECK(run.fault.tx_faults().dropped_size == 3);
}

TEST_CASE("fault: on the receiving side damaged bytes lose the device's verdict, and healing lets all pass", "[nic]") {
  SimNicOptions options;
  options.capabilities.rx_checksum = true;
  Pair pair({}, options);
  FaultNic fault(pair.b, pair.clock, faults("rx.corrupt=100%,rx.delay=1ms"));
  CHECK(fault.capabilities().rx_checksum);
  for (uint8_t i = 0; i < 10; ++i) REQUIRE(send(pair.a, i));
  CHECK(receive_all(fault).empty());
  CHECK(fault.next_due_us() == 1'000);
  CHECK(pair.b.pool().outstanding() == 0);
  fault.set({});
  pair.clock.advance_us(1'000);
  CHECK(receive_all(fault).size() == 10);
  REQUIRE(send(pair.a, 1));
  CHECK(numbers(receive_all(fault)) == Numbers{1});
}

TEST_CASE("fault: memory for held frames is bounded", "[nic]") {
  Pair pair;
  FaultOptions options = faults("delay=1s");
  options.hold_bytes = 1'000;
  FaultNic fault(pair.a, pair.clock, options);
  for (uint8_t i = 0; i < 12; ++i) REQUIRE(send(fault, i));
  CHECK(fault.tx_faults().dropped_full == 2);
}

}  // namespace
}  // namespace sluice::nic::test
