#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::ws {

// Does one of the patterns of UpgradePolicy::origins admit this origin (RFC 6455 §10.2)? An empty list admits any.
bool origin_allowed(std::string_view origin, const std::vector<std::string>& patterns);

}  // namespace sluice::ws
