#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>

#include "core/attachment.hpp"

namespace sluice::addon {

// attach(name: string, how: 'first' | 'replace' | 'standby', answered: (reason: string | null, attachment: NativeAttachment | null) =>
// void): () => void. What it returns gives up waiting.
Napi::Value attach(const Napi::CallbackInfo& info);

// The JavaScript handle of an attachment (src/engine/native.ts: NativeAttachment). It keeps the region mapped until JavaScript's last
// view of it is collected.
class AttachedHost : public Napi::ObjectWrap<AttachedHost> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit AttachedHost(const Napi::CallbackInfo& info);
  ~AttachedHost() override;

 private:
  struct Running;

  Napi::Value region(const Napi::CallbackInfo& info);
  Napi::Value snapshot(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  void start(const Napi::CallbackInfo& info);
  void listen(const Napi::CallbackInfo& info);
  void ring(const Napi::CallbackInfo& info);
  void running(const Napi::CallbackInfo& info);
  void stop(const Napi::CallbackInfo& info);
  void shut_down();

  std::shared_ptr<Running> running_;
};

}  // namespace sluice::addon
