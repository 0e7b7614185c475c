#include <napi.h>

#include "addon/attach.hpp"
#include "addon/file_writer.hpp"
#include "addon/host.hpp"
#include "addon/region_view.hpp"
#include "addon/resume_tokens.hpp"

// Everything that JavaScript can call; src/engine/native.ts declares the same.
static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("FileWriter", sluice::addon::FileWriter::define(env));
  exports.Set("Host", sluice::addon::Host::define(env));
  exports.Set("AttachedHost", sluice::addon::AttachedHost::define(env));
  exports.Set("ResumeTokens", sluice::addon::ResumeTokens::define(env));
  exports.Set("attach", Napi::Function::New(env, sluice::addon::attach));
  exports.Set("attachRegion", Napi::Function::New(env, sluice::addon::attach_region));
  exports.Set("describeLayout", Napi::Function::New(env, sluice::addon::describe_layout));
  exports.Set("probe", Napi::Function::New(env, sluice::addon::probe));
  return exports;
}

NODE_API_MODULE(sluice, init)
