#include "addon/region_view.hpp"

#include "core/device_counters.hpp"
#include "kernel/factory.hpp"
#include "nic/dpdk_library.hpp"
#include "queue/describe.hpp"
#include "queue/region.hpp"

namespace sluice::addon {

Napi::Value attach_region(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsString()) {
    Napi::TypeError::New(env, "attachRegion takes a name").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  std::string error;
  const bool writable = info.Length() > 1 && info[1].IsBoolean() && info[1].As<Napi::Boolean>().Value();
  auto region = queue::Region::attach(info[0].As<Napi::String>().Utf8Value(), writable, error);
  if (!region) {
    Napi::Error::New(env, error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  queue::Region* held = region.release();
  return Napi::ArrayBuffer::New(
      env, held->base(), held->size(), [](Napi::Env, void*, queue::Region* mapped) { delete mapped; }, held);
}

Napi::Value describe_layout(const Napi::CallbackInfo& info) {
  Napi::Object out = Napi::Object::New(info.Env());
  std::vector<queue::LayoutConstant> constants = queue::describe_layout();
  for (const queue::LayoutConstant& constant : core::describe_device_counters()) constants.push_back(constant);
  for (const queue::LayoutConstant& constant : constants) {
    if (!out.Has(constant.group)) out.Set(constant.group, Napi::Object::New(info.Env()));
    out.Get(constant.group).As<Napi::Object>().Set(constant.name, static_cast<double>(constant.value));
  }
  return out;
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  const UringProbe& uring = probe_uring();
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("usable", uring.usable);
  out.Set("reason", uring.reason);
  out.Set("multishotAccept", uring.multishot_accept);
  out.Set("multishotReceive", uring.multishot_recv);
  out.Set("providedBuffers", uring.provided_buffers);
  out.Set("incrementalBuffers", uring.incremental_buffers);
  out.Set("deferTaskrun", uring.defer_taskrun);
  out.Set("singleIssuer", uring.single_issuer);
  out.Set("coopTaskrun", uring.coop_taskrun);
  out.Set("silentSends", uring.silent_sends);
  Napi::Object all = Napi::Object::New(info.Env());
  all.Set("uring", out);
  std::string reason;
  const nic::DpdkApi* const dpdk = nic::load_dpdk(reason);
  Napi::Object device = Napi::Object::New(info.Env());
  device.Set("usable", dpdk != nullptr);
  device.Set("reason", reason);
  device.Set("version", dpdk == nullptr ? "" : dpdk->dpdk_version);
  all.Set("dpdk", device);
  return all;
}

}  // namespace sluice::addon
