#include "ws/utf8.hpp"

#include <array>
#include <cstring>

#include "base/assert.hpp"

namespace sluice::ws {

namespace {

// RFC 3629 §4 as an automaton. A state names what the next byte may be, so that an overlong form, a surrogate or a value above
// U+10FFFF is refused at the first byte that makes it one: after E0 only A0..BF can follow, not 80..BF.
enum State : uint8_t {
  kAccept = kUtf8Accept,
  kReject = kUtf8Reject,
  kNeedOne,
  kNeedTwo,
  kNeedThree,
  kAfterE0,
  kAfterEd,
  kAfterF0,
  kAfterF4,
  kStateCount,
};

constexpr State lead(uint32_t byte) {
  if (byte < 0x80) return kAccept;
  if (byte < 0xc2) return kReject;  // a continuation byte, or the overlong leads C0 and C1
  if (byte < 0xe0) return kNeedOne;
  if (byte == 0xe0) return kAfterE0;
  if (byte == 0xed) return kAfterEd;
  if (byte < 0xf0) return kNeedTwo;
  if (byte == 0xf0) return kAfterF0;
  if (byte < 0xf4) return kNeedThree;
  return byte == 0xf4 ? kAfterF4 : kReject;
}

constexpr State within(uint32_t byte, uint32_t low, uint32_t high, State next) { return byte >= low && byte <= high ? next : kReject; }

constexpr State step(State state, uint32_t byte) {
  switch (state) {
    case kAccept: return lead(byte);
    case kNeedOne: return within(byte, 0x80, 0xbf, kAccept);
    case kNeedTwo: return within(byte, 0x80, 0xbf, kNeedOne);
    case kNeedThree: return within(byte, 0x80, 0xbf, kNeedTwo);
    case kAfterE0: return within(byte, 0xa0, 0xbf, kNeedOne);
    case kAfterEd: return within(byte, 0x80, 0x9f, kNeedOne);  // ED A0..BF are the surrogates
    case kAfterF0: return within(byte, 0x90, 0xbf, kNeedTwo);
    case kAfterF4: return within(byte, 0x80, 0x8f, kNeedTwo);  // F4 90.. is above U+10FFFF
    default: return kReject;
  }
}

// All nine transitions of a byte fit in one word, six bits each, and a state is held as the shift to its own six bits. A step
// is then one shift by a register: the load of the row does not wait for the state, which is what makes it fast.
constexpr uint32_t kBits = 6;
constexpr uint64_t kStateMask = 63;
static_assert(kStateCount * kBits <= 64);

constexpr std::array<uint64_t, 256> make_rows() {
  std::array<uint64_t, 256> rows{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (uint32_t state = 0; state < kStateCount; ++state) {
      const uint64_t next = step(static_cast<State>(state), byte) * kBits;
      rows[byte] |= next << (state * kBits);
    }
  }
  return rows;
}

constexpr std::array<uint64_t, 256> kRows = make_rows();

constexpr size_t kBlock = 16;
using Lane = uint64_t __attribute__((vector_size(kBlock)));  // SSE2 on x86-64, NEON on arm64
constexpr uint64_t kHighBits = 0x8080808080808080u;

inline Lane load(const uint8_t* p) {
  Lane lane;
  std::memcpy(&lane, p, sizeof lane);
  return lane;
}

inline bool ascii(Lane lane) { return ((lane[0] | lane[1]) & kHighBits) == 0; }

const uint8_t* skip_ascii(const uint8_t* p, const uint8_t* end) {
  while (static_cast<size_t>(end - p) >= 4 * kBlock) {
    if (!ascii(load(p) | load(p + kBlock) | load(p + 2 * kBlock) | load(p + 3 * kBlock))) break;
    p += 4 * kBlock;
  }
  while (static_cast<size_t>(end - p) >= kBlock && ascii(load(p))) p += kBlock;
  return p;
}

}  // namespace

Utf8State utf8_feed(Utf8State state, const uint8_t* data, uint32_t length) {
  SLUICE_ASSERT(state < kStateCount);
  const uint8_t* p = data;
  const uint8_t* const end = data + length;
  uint64_t shift = state * kBits;
  while (p < end) {
    if ((shift & kStateMask) == kAccept * kBits) p = skip_ascii(p, end);
    const uint8_t* const block_end = static_cast<size_t>(end - p) > kBlock ? p + kBlock : end;
    while (p < block_end) shift = kRows[*p++] >> (shift & kStateMask);
    if ((shift & kStateMask) == kReject * kBits) return kUtf8Reject;
  }
  return static_cast<Utf8State>((shift & kStateMask) / kBits);
}

}  // namespace sluice::ws
