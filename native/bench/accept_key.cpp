#include "bench/accept_key.hpp"

#include <bit>
#include <cstring>
#include <vector>

#include "base/bytes.hpp"
#include "base/sha_instructions.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::load {

namespace {

void compress(uint32_t state[5], const uint8_t* block) noexcept {
  uint32_t w[80];
  for (int i = 0; i < 16; ++i) w[i] = load_be32(block + i * 4);
  for (int i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  // Twenty rounds of each kind (RFC 3174 §5), so that none of them has to ask which it is.
  const auto rounds = [&](int from, uint32_t constant, auto mix) {
    for (int i = from; i < from + 20; ++i) {
      uint32_t next = std::rotl(a, 5) + mix() + e + w[i] + constant;
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
  };
  rounds(0, 0x5a827999u, [&] { return d ^ (b & (c ^ d)); });
  rounds(20, 0x6ed9eba1u, [&] { return b ^ c ^ d; });
  rounds(40, 0x8f1bbcdcu, [&] { return (b & c) | (d & (b | c)); });
  rounds(60, 0xca62c1d6u, [&] { return b ^ c ^ d; });
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

#if defined(__x86_64__)

// The same four rounds at a time (Intel SDM volume 2, SHA1RNDS4 and those beside it), with the last sixteen words in four registers. A
// million clients that open are two million blocks, for which the generator's CPU is short.
__attribute__((target("sha,sse4.1"))) void compress_by_instructions(uint32_t state[5], const uint8_t* block) noexcept {
  const __m128i reversed = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m128i words[4];
  for (int i = 0; i < 4; ++i) {
    words[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block) + i), reversed);
  }
  // a in the highest lane, and e alone in that of another register.
  const __m128i abcd_before = _mm_set_epi32(static_cast<int>(state[0]), static_cast<int>(state[1]), static_cast<int>(state[2]),
                                            static_cast<int>(state[3]));
  const __m128i e_before = _mm_set_epi32(static_cast<int>(state[4]), 0, 0, 0);
  __m128i abcd = abcd_before;
  __m128i former = _mm_setzero_si128();
  for (int four = 0; four < 20; ++four) {
    __m128i& now = words[four & 3];
    if (four >= 4) {
      const __m128i mixed = _mm_xor_si128(_mm_sha1msg1_epu32(now, words[(four + 1) & 3]), words[(four + 2) & 3]);
      now = _mm_sha1msg2_epu32(mixed, words[(four + 3) & 3]);
    }
    const __m128i with_e = four == 0 ? _mm_add_epi32(e_before, now) : _mm_sha1nexte_epu32(former, now);
    former = abcd;
    if (four < 5) abcd = _mm_sha1rnds4_epu32(abcd, with_e, 0);
    else if (four < 10) abcd = _mm_sha1rnds4_epu32(abcd, with_e, 1);
    else if (four < 15) abcd = _mm_sha1rnds4_epu32(abcd, with_e, 2);
    else abcd = _mm_sha1rnds4_epu32(abcd, with_e, 3);
  }
  const __m128i e = _mm_sha1nexte_epu32(former, e_before);
  abcd = _mm_add_epi32(abcd, abcd_before);
  state[0] = static_cast<uint32_t>(_mm_extract_epi32(abcd, 3));
  state[1] = static_cast<uint32_t>(_mm_extract_epi32(abcd, 2));
  state[2] = static_cast<uint32_t>(_mm_extract_epi32(abcd, 1));
  state[3] = static_cast<uint32_t>(_mm_extract_epi32(abcd, 0));
  state[4] = static_cast<uint32_t>(_mm_extract_epi32(e, 3));
}

#else

void compress_by_instructions(uint32_t state[5], const uint8_t* block) noexcept { compress(state, block); }

#endif

void digest(void (*compress_block)(uint32_t*, const uint8_t*) noexcept, const uint8_t* data, size_t length, uint8_t out[20]) noexcept {
  uint32_t state[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  size_t whole = length / 64;
  for (size_t i = 0; i < whole; ++i) compress_block(state, data + i * 64);
  uint8_t tail[128] = {};
  size_t rest = length - whole * 64;
  if (rest > 0) std::memcpy(tail, data + whole * 64, rest);
  tail[rest] = 0x80;
  size_t tail_size = rest < 56 ? 64 : 128;
  store_be64(tail + tail_size - 8, static_cast<uint64_t>(length) * 8);
  for (size_t i = 0; i < tail_size; i += 64) compress_block(state, tail + i);
  for (int i = 0; i < 5; ++i) store_be32(out + i * 4, state[i]);
}

}  // namespace

void sha1(const uint8_t* data, size_t length, uint8_t out[20]) noexcept {
  digest(has_sha_instructions() ? compress_by_instructions : compress, data, length, out);
}

void sha1_portable(const uint8_t* data, size_t length, uint8_t out[20]) noexcept { digest(compress, data, length, out); }

std::string base64(const uint8_t* data, size_t length) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((length + 2) / 3 * 4);
  for (size_t i = 0; i < length; i += 3) {
    uint32_t group = static_cast<uint32_t>(data[i]) << 16;
    if (i + 1 < length) group |= static_cast<uint32_t>(data[i + 1]) << 8;
    if (i + 2 < length) group |= data[i + 2];
    out += kAlphabet[group >> 18];
    out += kAlphabet[(group >> 12) & 63];
    out += i + 1 < length ? kAlphabet[(group >> 6) & 63] : '=';
    out += i + 2 < length ? kAlphabet[group & 63] : '=';
  }
  return out;
}

std::string accept_key(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  uint8_t digest[20];
  sha1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  return base64(digest, sizeof digest);
}

}  // namespace sluice::load
