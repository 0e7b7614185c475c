#include "nic/dpdk_library.hpp"

#include <dlfcn.h>
#include <unistd.h>

namespace sluice::nic {

namespace {

constexpr char kInstall[] = "Install DPDK 22.11 or later (Debian: apt-get install libdpdk-dev dpdk) and build again (npm run build:native)";

// The folder of the file that this code was loaded from.
std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&load_dpdk), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// The program itself in developers' builds, where all is in one folder; the addon otherwise.
std::string library_path() { return own_folder() + "/sluice_dpdk.so"; }

const DpdkApi* open_library(std::string& error) {
  const std::string path = library_path();
  if (access(path.c_str(), R_OK) != 0) {
    error = "the dpdk driver was not built: " + path + " is missing. " + kInstall;
    return nullptr;
  }
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    error = std::string("the dpdk driver cannot be loaded: ") + dlerror() + ". " + kInstall;
    return nullptr;
  }
  const auto entry = reinterpret_cast<DpdkEntry>(dlsym(library, kDpdkEntry));
  const DpdkApi* const api = entry == nullptr ? nullptr : entry();
  if (api == nullptr || api->version != DpdkApi::kVersion || api->packet_bytes != sizeof(Packet)) {
    error = path + " is of another release: build again (npm run build:native)";
    return nullptr;
  }
  return api;
}

}  // namespace

const DpdkApi* load_dpdk(std::string& error) {
  static std::string reason;
  static const DpdkApi* const api = open_library(reason);
  if (api == nullptr) error = reason;
  return api;
}

std::unique_ptr<DpdkDevice> open_dpdk(const DpdkOptions& options, std::string& error) {
  const DpdkApi* const api = load_dpdk(error);
  if (api == nullptr) return nullptr;
  char text[1024] = "";
  std::unique_ptr<DpdkDevice> device(api->open(options, text, sizeof text));
  if (!device) error = text;
  return device;
}

}  // namespace sluice::nic
