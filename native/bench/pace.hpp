#pragma once

namespace sluice::load {

// What a CPU gives at the moment. Two processors of a virtual machine are often hyperthreads of cores that others use as well: the same
// instructions then take half as long again or twice as long, for seconds, and nothing in /proc says so. Prints an event each 100 ms for
// `seconds`: how long a fixed piece of independent integer arithmetic took, in microseconds, the shortest of a few so that being
// interrupted does not count. It takes less than a thousandth of the CPU. Returns the exit status: 2 where
// `seconds` is not a number of them.
int watch_pace(const char* seconds);

}  // namespace sluice::load
