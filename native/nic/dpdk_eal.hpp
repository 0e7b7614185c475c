#pragma once

#include <string>
#include <vector>

namespace sluice::nic {

// Splits arguments as a shell would: blanks, single and double quotes, backslashes. False where a quote is left open.
bool split_arguments(const char* text, std::vector<std::string>& out);

// Initialises EAL once a process with the arguments and sensible ones where the text leaves them out. False with the reason.
bool start_eal(const char* text, std::string& error);

}  // namespace sluice::nic
