#pragma once

#include <memory>
#include <string>

#include "nic/dpdk_api.hpp"

namespace sluice::nic {

// Loads sluice_dpdk.so, which lies beside this addon, once a process. Null with the reason and what to do about it.
const DpdkApi* load_dpdk(std::string& error);

std::unique_ptr<DpdkDevice> open_dpdk(const DpdkOptions& options, std::string& error);

}  // namespace sluice::nic
