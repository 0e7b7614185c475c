#pragma once

namespace sluice::load {

// Memory that the machine really has. The host of a virtual machine takes back what is free (free page reporting), and who touches a
// page of it next waits until the host has found and cleared one: 5 ms for each 2 MiB instead of 0.2. Takes so many MiB and touches them,
// prints an event with how fast that went and how fast it goes with memory that was just touched, in MiB/s, and gives back as many as
// each line of its input says; who touches memory right after that gets it from there. The end of its input ends it. Returns the exit
// status: 2 where `megabytes` is not a number of them, 1 where there is not that much.
int reserve_memory(const char* megabytes);

}  // namespace sluice::load
