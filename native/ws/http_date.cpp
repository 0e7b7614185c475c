#include "ws/http_date.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace sluice::ws {

namespace {

constexpr char kDays[] = "SunMonTueWedThuFriSat";
constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr int64_t kLast = 253'402'300'799;  // of the year 9999

void put_two(char* at, int number) noexcept {
  at[0] = static_cast<char>('0' + number / 10);
  at[1] = static_cast<char>('0' + number % 10);
}

}  // namespace

std::array<char, 29> http_date(int64_t unix_s) noexcept {
  const auto seconds = static_cast<time_t>(std::clamp<int64_t>(unix_s, 0, kLast));
  tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 29> out;
  std::memcpy(out.data(), "Sun, 06 Nov 1994 08:49:37 GMT", out.size());
  const int year = utc.tm_year + 1900;
  std::memcpy(&out[0], kDays + 3 * utc.tm_wday, 3);
  put_two(&out[5], utc.tm_mday);
  std::memcpy(&out[8], kMonths + 3 * utc.tm_mon, 3);
  put_two(&out[12], year / 100);
  put_two(&out[14], year % 100);
  put_two(&out[17], utc.tm_hour);
  put_two(&out[20], utc.tm_min);
  put_two(&out[23], utc.tm_sec);
  return out;
}

}  // namespace sluice::ws
