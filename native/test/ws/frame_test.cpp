#include "ws/frame.hpp"

#include "test/ws/frame_fixture.hpp"

namespace sluice::ws::test {

TEST_CASE("the masked examples of RFC 6455 5.7 are understood", "[ws][frame]") {
  check_stream(std::string("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11), {text_event("Hello")});
  check_stream(std::string("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11), {pong_event("Hello")});
}

TEST_CASE("messages of every length form arrive whole", "[ws][frame]") {
  for (const size_t length : {0u, 1u, 2u, 3u, 4u, 64u, 125u, 126u, 127u, 128u, 129u, 300u, 65535u, 65536u, 70000u}) {
    const std::string payload(length, 'x');
    check_stream(text(payload) + binary(payload), {text_event(payload), binary_event(payload)});
  }
}

TEST_CASE("a reserved bit is refused as no extension is negotiated (5.2)", "[ws][frame]") {
  for (const uint32_t bit : {0x10u, 0x20u, 0x40u}) {
    for (const uint32_t opcode : {0x81u, 0x82u, 0x88u, 0x89u, 0x8au}) check_stream(frame(opcode | bit, "a"), {error_event(1002)});
  }
}

TEST_CASE("an unknown opcode is refused (5.2)", "[ws][frame]") {
  for (const uint32_t opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
    check_stream(frame(0x80 | opcode, ""), {error_event(1002)});
    check_stream(frame(opcode, ""), {error_event(1002)});
  }
}

TEST_CASE("a client frame without a mask is refused (5.1)", "[ws][frame]") {
  check_stream(std::string("\x81\x05Hello", 7), {error_event(1002)});
  check_stream(std::string("\x89\x00", 2), {error_event(1002)});
  check_stream(std::string("\x82\x7e\x00\x80", 4), {error_event(1002)});
}

TEST_CASE("a control frame is final and at most 125 bytes long (5.5)", "[ws][frame]") {
  const std::string longest(125, 'p');
  check_stream(ping(longest), {ping_event(longest)});
  check_stream(ping(longest + "p"), {error_event(1002)});
  for (const uint32_t opcode : {8u, 9u, 10u}) {
    check_stream(frame(opcode, ""), {error_event(1002)});
    check_stream(frame(0x80 | opcode, std::string(70'000, 'x')), {error_event(1002)});
  }
}

TEST_CASE("a length must have its shortest form and a clear top bit (5.2)", "[ws][frame]") {
  const auto header = [](std::string length) { return "\x82" + length + "key!" + std::string(10, 'x'); };
  check_stream(header(std::string("\xfe\x00\x7d", 3)), {error_event(1002)});
  check_stream(header(std::string("\xfe\x00\x00", 3)), {error_event(1002)});
  check_stream(header(std::string("\xff\x00\x00\x00\x00\x00\x00\xff\xff", 9)), {error_event(1002)});
  check_stream(header(std::string("\xff\x80\x00\x00\x00\x00\x01\x00\x00", 9)), {error_event(1002)});
  check_stream(header(std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9)), {error_event(1002)});
}

TEST_CASE("fragments make one message with control frames between them (5.4)", "[ws][frame]") {
  check_stream(frame(0x01, "Hel") + ping("one") + frame(0x00, "") + frame(0x8a, "two") + frame(0x00, "lo ") + frame(0x80, "there"),
               {ping_event("one"), pong_event("two"), text_event("Hello there")});
  check_stream(frame(0x02, "") + frame(0x00, "") + frame(0x80, ""), {binary_event("")});
  check_stream(frame(0x02, "a") + frame(0x80, ""), {binary_event("a")});
  check_stream(frame(0x02, "") + frame(0x80, "a") + text("b"), {binary_event("a"), text_event("b")});
}

TEST_CASE("a continuation needs a message and a message needs the end of the last one (5.4)", "[ws][frame]") {
  check_stream(frame(0x80, "a"), {error_event(1002)});
  check_stream(frame(0x00, "a"), {error_event(1002)});
  check_stream(text("a") + frame(0x80, "b"), {text_event("a"), error_event(1002)});
  check_stream(frame(0x01, "a") + text("b"), {error_event(1002)});
  check_stream(frame(0x01, "a") + binary("b"), {error_event(1002)});
  check_stream(frame(0x02, "") + frame(0x02, "b"), {error_event(1002)});
}

TEST_CASE("text that is not UTF-8 fails at its bad byte, not at the end of the message (8.1)", "[ws][frame]") {
  check_stream(text("ok \xc3\xa9 \xf0\x9f\x98\x80"), {text_event("ok \xc3\xa9 \xf0\x9f\x98\x80")});
  check_stream(text("bad \xff"), {error_event(1007)});
  check_stream(text(std::string(200, 'a') + "\xed\xa0\x80"), {error_event(1007)});
  check_stream(binary("\xff\xfe"), {binary_event("\xff\xfe")});
  // Only the first bytes of a long frame have come (Autobahn 6.4.3 and 6.4.4).
  check_stream(text("a\xf4\x90" + std::string(500, 'a')).substr(0, 8 + 3), {error_event(1007)});
  // A character may be cut between fragments, and a control frame may stand in the cut.
  check_stream(frame(0x01, "\xe2") + ping("") + frame(0x00, "") + frame(0x00, "\x82") + frame(0x80, "\xac"),
               {ping_event(""), text_event("\xe2\x82\xac")});
  check_stream(frame(0x01, "\xe0") + frame(0x00, "\x9f"), {error_event(1007)});
}

TEST_CASE("text that ends inside a character is refused (8.1)", "[ws][frame]") {
  check_stream(text("abc\xe2\x82"), {error_event(1007)});
  check_stream(text("\xc3") + text("\xa9"), {error_event(1007)});
  check_stream(frame(0x01, "\xe2\x82") + frame(0x80, ""), {error_event(1007)});
  check_stream(text(std::string(400, 'a') + "\xf0\x9f\x98"), {error_event(1007)});
}

TEST_CASE("the reason for bad text does not depend on how the stream was cut", "[ws][frame]") {
  for (const std::string payload : {"bad \xff", "half \xe2\x82"}) {
    const std::string stream = text(payload);
    FrameReceiver whole(kTestLimit);
    FrameReceiver bytes(kTestLimit);
    whole.feed(stream);
    for (const char byte : stream) bytes.feed({&byte, 1});
    CHECK(whole.detail() == bytes.detail());
  }
}

TEST_CASE("the message limit counts all fragments and falls before the payload comes", "[ws][frame]") {
  check_stream(binary("12345678"), {binary_event("12345678")}, 8);
  check_stream(binary("123456789"), {error_event(1009)}, 8);
  check_stream(binary("123456789").substr(0, 2), {error_event(1009)}, 8);
  check_stream(frame(0x02, "12345") + frame(0x80, "678"), {binary_event("12345678")}, 8);
  check_stream((frame(0x02, "12345") + frame(0x80, "6789")).substr(0, 13), {error_event(1009)}, 8);
  check_stream(frame(0x02, "1") + frame(0x00, std::string(300, 'x')), {error_event(1009)}, 300);
  check_stream(binary("") + binary("a"), {binary_event(""), error_event(1009)}, 0);
  // The limit is a message's: control frames do not count, and the next message starts at 0.
  check_stream(frame(0x02, "1234") + ping("123456789") + frame(0x80, "5678") + binary("12345678"),
               {ping_event("123456789"), binary_event("12345678"), binary_event("12345678")}, 8);
}

TEST_CASE("no announced length overflows the message limit", "[ws][frame]") {
  const std::string huge = "\x82" + std::string("\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 9);
  check_stream(huge, {error_event(1009)});
  check_stream(huge, {error_event(1009)}, UINT32_MAX);
  const std::string rest = std::string("\x80\xff\x00\x00\x00\x00\xff\xff\xff\xff", 10);
  check_stream(frame(0x02, "a") + rest, {error_event(1009)}, UINT32_MAX);
}

TEST_CASE("an incomplete control frame leaves at most what the caller has room for", "[ws][frame]") {
  FrameReceiver receiver(kTestLimit);  // asserts the bound after each byte
  const std::string stream = ping(std::string(125, 'p'));
  for (const char byte : stream) REQUIRE(receiver.feed({&byte, 1}));
  CHECK(receiver.events() == Events{ping_event(std::string(125, 'p'))});
  CHECK(receiver.between_messages());
}

TEST_CASE("pieces of a frame are handed on as they come", "[ws][frame]") {
  FrameReceiver receiver(kTestLimit);
  const std::string stream = text("abcdefgh");
  receiver.feed(std::string_view(stream).substr(0, 6 + 3));
  CHECK(receiver.partial() == "abc");
  receiver.feed(std::string_view(stream).substr(6 + 3, 2));
  CHECK(receiver.partial() == "abcde");
  CHECK(receiver.events().empty());
}

TEST_CASE("random streams of good and damaged frames agree with the reference", "[ws][frame]") {
  std::mt19937 random(6455);
  for (int round = 0; round < 1500; ++round) {
    std::string stream;
    const auto count = static_cast<uint32_t>(1 + random() % 8);
    for (uint32_t i = 0; i < count; ++i) {
      static constexpr uint32_t kFirst[] = {0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88};
      std::string payload(random() % (random() % 4 == 0 ? 300 : 20), 'a');
      if (random() % 3 == 0) payload += "\xe4\xb8\xad";
      stream += frame(kFirst[random() % std::size(kFirst)], payload);
    }
    if (random() % 2 == 0) stream[random() % stream.size()] = static_cast<char>(random());
    const uint32_t limit = random() % 2 == 0 ? kTestLimit : 100;
    check_stream(stream, FrameReference(stream, limit).events(), limit);
  }
}

}  // namespace sluice::ws::test
