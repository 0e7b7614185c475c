#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>

#include "addon/inline_loop.hpp"
#include "core/engine.hpp"

namespace sluice::addon {

// The JavaScript handle of an engine (src/engine/native.ts: NativeHost). It keeps the region mapped until JavaScript's last view of it
// is collected.
class Host : public Napi::ObjectWrap<Host> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Host(const Napi::CallbackInfo& info);
  ~Host() override;

 private:
  struct Running;

  Napi::Value region(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  void start(const Napi::CallbackInfo& info);
  void start_detached(const Napi::CallbackInfo& info);
  void close_all(const Napi::CallbackInfo& info);
  void pump(const Napi::CallbackInfo& info);
  void ring(const Napi::CallbackInfo& info);
  void stop(const Napi::CallbackInfo& info);

  bool must_run(const Napi::CallbackInfo& info) const;
  void shut_down();

  std::shared_ptr<Running> running_;
};

}  // namespace sluice::addon
