#include "bench/scenario.hpp"
namespace sluice::load { std::unique_ptr<Scenario> make_publish() { return nullptr; } }
