#include "ws/sha1_block.hpp"

#include <bit>

#include "base/bytes.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::ws {

namespace {

struct Round {
  uint32_t mix;
  uint32_t constant;
};

// RFC 3174 §5: one function and constant for each twenty steps.
Round round_of(uint32_t step, uint32_t b, uint32_t c, uint32_t d) noexcept {
  if (step < 20) return {(b & c) | (~b & d), 0x5a827999};
  if (step < 40) return {b ^ c ^ d, 0x6ed9eba1};
  if (step < 60) return {(b & c) | (b & d) | (c & d), 0x8f1bbcdc};
  return {b ^ c ^ d, 0xca62c1d6};
}

}  // namespace

void sha1_block_portable(Sha1State& state, const uint8_t* block) noexcept {
  uint32_t schedule[80];
  for (uint32_t i = 0; i < 16; ++i) schedule[i] = load_be32(block + 4 * i);
  for (uint32_t i = 16; i < 80; ++i) {
    schedule[i] = std::rotl(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (uint32_t i = 0; i < 80; ++i) {
    const Round round = round_of(i, b, c, d);
    const uint32_t next = std::rotl(a, 5) + round.mix + e + schedule[i] + round.constant;
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

#if defined(__x86_64__)

// Four steps at a time, twenty times. The instructions hold a to d in one register, a in its highest lane, and take e from the a of
// four steps before (Intel SDM volume 2, SHA1RNDS4 and SHA1NEXTE).
__attribute__((target("sha,sse4.1"))) void sha1_block_native(Sha1State& state, const uint8_t* block) noexcept {
  const __m128i big_endian = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
  __m128i schedule[20];
  for (uint32_t i = 0; i < 4; ++i) {
    schedule[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i)), big_endian);
  }
  for (uint32_t i = 4; i < 20; ++i) {
    const __m128i mixed = _mm_xor_si128(_mm_sha1msg1_epu32(schedule[i - 4], schedule[i - 3]), schedule[i - 2]);
    schedule[i] = _mm_sha1msg2_epu32(mixed, schedule[i - 1]);
  }
  const __m128i first = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data())), 0x1b);
  const __m128i first_e = _mm_set_epi32(static_cast<int>(state[4]), 0, 0, 0);
  __m128i now = first;
  __m128i before = first;
  for (uint32_t i = 0; i < 20; ++i) {
    const __m128i added = i == 0 ? _mm_add_epi32(first_e, schedule[0]) : _mm_sha1nexte_epu32(before, schedule[i]);
    before = now;
    switch (i / 5) {
      case 0: now = _mm_sha1rnds4_epu32(now, added, 0); break;
      case 1: now = _mm_sha1rnds4_epu32(now, added, 1); break;
      case 2: now = _mm_sha1rnds4_epu32(now, added, 2); break;
      default: now = _mm_sha1rnds4_epu32(now, added, 3);
    }
  }
  state[4] = static_cast<uint32_t>(_mm_extract_epi32(_mm_sha1nexte_epu32(before, first_e), 3));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data()), _mm_shuffle_epi32(_mm_add_epi32(now, first), 0x1b));
}

#else

void sha1_block_native(Sha1State& state, const uint8_t* block) noexcept { sha1_block_portable(state, block); }

#endif

}  // namespace sluice::ws
