#pragma once

namespace sluice {

// Gives all threads of this process but the calling one longer slices of the CPU: Linux (6.12 or later) then lets the calling thread have
// the CPU at once when it wakes up, where it would wait for the next tick or two while they work. How much CPU each gets stays the same,
// and so does what they are to other processes. Threads that are made later are not concerned. Needs no privilege.
void lengthen_slices_of_others() noexcept;

}  // namespace sluice
