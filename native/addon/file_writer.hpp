#pragma once

#include <napi.h>

#include <memory>

namespace sluice::addon {

// The JavaScript handle of a thread that writes to files (src/engine/native.ts: NativeFileWriter).
class FileWriter : public Napi::ObjectWrap<FileWriter> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit FileWriter(const Napi::CallbackInfo& info);
  ~FileWriter() override;

 private:
  struct Running;

  void write(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  void shut_down();

  std::shared_ptr<Running> running_;
};

}  // namespace sluice::addon
