#pragma once

#include <string>
#include <vector>

namespace sluice::nic {

// Whether some process has the TAP device of that name, in this thread's network namespace. DPDK opens a device that is there as well: as
// another queue, over which the kernel then spreads flows, so that each of two servers sees half of its connections and resets the rest.
bool tap_is_taken(const std::string& name) noexcept;

// Of the virtual devices in EAL arguments, the first TAP device that is taken; empty where there is none.
std::string taken_tap(const std::vector<std::string>& words);

// What to say and to do about it.
std::string tap_taken_error(const std::string& name);

}  // namespace sluice::nic
