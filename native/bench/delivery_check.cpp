#include "bench/delivery_check.hpp"

#include <algorithm>

namespace sluice::load {

namespace {

constexpr uint32_t kPublisherDigits = 5;
constexpr uint32_t kNumberDigits = DeliveryCheck::kNameBytes - kPublisherDigits;

void write_digits(uint8_t* out, uint32_t digits, uint64_t value) noexcept {
  for (uint32_t i = digits; i-- > 0; value /= 10) out[i] = static_cast<uint8_t>('0' + value % 10);
}

bool read_digits(const uint8_t* in, uint32_t digits, uint64_t& out) noexcept {
  out = 0;
  for (uint32_t i = 0; i < digits; ++i) {
    if (in[i] < '0' || in[i] > '9') return false;
    out = out * 10 + static_cast<uint64_t>(in[i] - '0');
  }
  return true;
}

}  // namespace

void DeliveryCheck::write_name(uint8_t* out, uint32_t publisher, uint64_t number) noexcept {
  write_digits(out, kPublisherDigits, publisher);
  write_digits(out + kPublisherDigits, kNumberDigits, number);
}

void DeliveryCheck::may_come_late(uint32_t publisher, uint64_t number) {
  late_.try_emplace(number * publishers_ + publisher, std::vector<bool>(last_seq_.size()));
}

std::string DeliveryCheck::check(uint32_t subscriber, const HeaderLine& header) {
  std::string who = "subscriber " + std::to_string(subscriber) + ": ";
  if (last_seq_[subscriber] == kNotSubscribed) return who + "a delivery before the answer to sub";
  uint64_t seq = 0;
  if (!header.number("server_seq", seq)) return who + "a delivery without server_seq";
  if (seq != last_seq_[subscriber] + 1) {
    return who + "server_seq " + std::to_string(seq) + " came after " + std::to_string(last_seq_[subscriber]);
  }
  last_seq_[subscriber] = seq;
  uint64_t publisher = 0;
  uint64_t number = 0;
  const uint8_t* body = header.body();
  bool named = header.body_length() >= kNameBytes && read_digits(body, kPublisherDigits, publisher) &&
               read_digits(body + kPublisherDigits, kNumberDigits, number) && publisher < publishers_;
  if (!named) return who + "a body that nobody here published";
  if (!payload_.matches(body + kNameBytes, header.body_length() - kNameBytes, static_cast<uint32_t>(publisher), number)) {
    return who + "the body of server_seq " + std::to_string(seq) + " was changed";
  }
  uint64_t& last = last_number_[size_t{subscriber} * publishers_ + publisher];
  if (const auto late = late_.find(number * publishers_ + publisher); late != late_.end()) {
    if (late->second[subscriber]) return who + "publisher " + std::to_string(publisher) + "'s message that was sent again came twice";
    late->second[subscriber] = true;
    last = std::max(last, number);
    return "";
  }
  // Numbers begin at 1, so that 0 says "none yet".
  if (number <= last) return who + "publisher " + std::to_string(publisher) + "'s messages came out of order or twice";
  last = number;
  return "";
}

}  // namespace sluice::load
