#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "sim/script/runner.hpp"

// Every file of native/test/scripts is a test case of its own, named after the rule that it states.

namespace sluice::sim::script {
namespace {

class ScriptCase final : public Catch::ITestInvoker {
 public:
  explicit ScriptCase(std::string path) : path_(std::move(path)) {}

  void invoke() const override {
    Script script;
    std::string error;
    bool good = parse_file(path_, script, error);
    if (good) {
      Runner runner(script);
      good = runner.run(error);
    }
    INFO(error);
    CHECK(good);
  }

 private:
  std::string path_;
};

struct Registration {
  Registration() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(SLUICE_SCRIPTS)) {
      if (entry.path().extension() == ".pkt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const std::string name = "script: " + file.stem().string();
      Catch::AutoReg(new ScriptCase(file.string()), CATCH_INTERNAL_LINEINFO, Catch::StringRef(), Catch::NameAndTags(name, "[script]"));
    }
  }
};

const Registration registration;

}  // namespace
}  // namespace sluice::sim::script
