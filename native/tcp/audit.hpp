#pragma once

#include "tcp/stack.hpp"

namespace sluice::tcp {

// Asserts what must hold of every table and list between turns.
void audit_stack(const Stack& stack);

}  // namespace sluice::tcp
