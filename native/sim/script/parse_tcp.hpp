#pragma once

#include <string>

#include "sim/script/script.hpp"
#include "sim/script/tokens.hpp"

namespace sluice::sim::script {

// "S. 0:0(0) ack 1 win 1000 <mss 1460,sackOK>", up to the first key=value. False with the reason in `why`.
bool parse_tcp(Tokens& tokens, bool expected, Tcp& out, std::string& why);
// True where the word can begin a TCP packet: letters of flags, or "-" for none.
bool is_flags(const std::string& word);

bool parse_condition(const std::string& text, Condition& out);

}  // namespace sluice::sim::script
