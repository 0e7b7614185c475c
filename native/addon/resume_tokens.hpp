#pragma once

#include <napi.h>

#include <memory>

#include "session/resume_token.hpp"

namespace sluice::addon {

// What src/session/resume-token.ts needs of native code: digests, and the texts of many new sessions at once.
class ResumeTokens : public Napi::ObjectWrap<ResumeTokens> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ResumeTokens(const Napi::CallbackInfo& info);

 private:
  Napi::Value sign(const Napi::CallbackInfo& info);
  Napi::Value verify(const Napi::CallbackInfo& info);
  Napi::Value write_welcomes(const Napi::CallbackInfo& info);

  std::unique_ptr<session::ResumeTokens> tokens_;
};

}  // namespace sluice::addon
