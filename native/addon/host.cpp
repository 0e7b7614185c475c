#include "addon/host.hpp"

#include "addon/options.hpp"

namespace sluice::addon {

// What outlives the JavaScript object: uv handles close asynchronously, and views of the region may be held longer than the host.
struct Host::Running {
  std::unique_ptr<core::Engine> engine;
  std::unique_ptr<InlineLoop> loop;
  Napi::FunctionReference turn;
  std::unique_ptr<Napi::AsyncContext> context;
  uv_async_t async{};
  bool async_open = false;
  bool stopped = false;
  std::shared_ptr<Running> self;  // until the last uv handle is closed

  void call_turn() {
    const Napi::Env env = turn.Env();
    const Napi::HandleScope scope(env);
    turn.MakeCallback(env.Global(), std::initializer_list<napi_value>{}, *context);
    // A handler that throws ends in uncaughtException, as one called by Node itself would.
    if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
};

Napi::Function Host::define(Napi::Env env) {
  return DefineClass(env, "Host",
                     {InstanceMethod<&Host::region>("region"), InstanceMethod<&Host::info>("info"), InstanceMethod<&Host::start>("start"),
                      InstanceMethod<&Host::start_detached>("startDetached"), InstanceMethod<&Host::close_all>("closeAll"),
                      InstanceMethod<&Host::pump>("pump"), InstanceMethod<&Host::ring>("ring"), InstanceMethod<&Host::stop>("stop")});
}

Host::Host(const Napi::CallbackInfo& info) : ObjectWrap(info), running_(std::make_shared<Running>()) {
  if (info.Length() < 1 || !info[0].IsObject()) {
    Napi::TypeError::New(info.Env(), "options are missing").ThrowAsJavaScriptException();
    return;
  }
  std::string error;
  running_->engine = core::Engine::create(read_options(info[0].As<Napi::Object>()), error);
  if (!running_->engine) Napi::Error::New(info.Env(), error).ThrowAsJavaScriptException();
}

Host::~Host() { shut_down(); }

bool Host::must_run(const Napi::CallbackInfo& info) const {
  if (running_->engine && !running_->stopped) return true;
  Napi::Error::New(info.Env(), "the engine is stopped").ThrowAsJavaScriptException();
  return false;
}

Napi::Value Host::region(const Napi::CallbackInfo& info) {
  if (!must_run(info)) return info.Env().Undefined();
  queue::Region& region = running_->engine->region();
  auto* keep = new std::shared_ptr<Running>(running_);
  return Napi::ArrayBuffer::New(
      info.Env(), region.base(), region.size(), [](Napi::Env, void*, std::shared_ptr<Running>* held) { delete held; }, keep);
}

Napi::Value Host::info(const Napi::CallbackInfo& info) {
  if (!must_run(info)) return info.Env().Undefined();
  core::Engine& engine = *running_->engine;
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("port", engine.port());
  out.Set("driver", engine.driver_name());
  out.Set("driverReason", engine.driver_reason());
  out.Set("regionName", engine.region().name());
  return out;
}

// start(turn: () => void, inline: boolean)
void Host::start(const Napi::CallbackInfo& info) {
  if (!must_run(info)) return;
  if (info.Length() < 2 || !info[0].IsFunction() || running_->loop || running_->async_open) {
    Napi::TypeError::New(info.Env(), "start takes a function and is called once").ThrowAsJavaScriptException();
    return;
  }
  const Napi::Env env = info.Env();
  running_->turn = Napi::Persistent(info[0].As<Napi::Function>());
  running_->context = std::make_unique<Napi::AsyncContext>(env, "sluice");
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  Running* running = running_.get();
  if (info[1].ToBoolean().Value() && running->engine->cores() == 1) {
    running->loop = std::make_unique<InlineLoop>(loop, running->engine->core(0), [running] { running->call_turn(); });
    return;
  }
  running->async.data = running;
  uv_async_init(loop, &running->async, [](uv_async_t* handle) {
    auto* host = static_cast<Running*>(handle->data);
    if (!host->stopped) host->call_turn();
  });
  running->async_open = true;
  running->engine->run_threads([running] { uv_async_send(&running->async); });
}

// startDetached(): the cores run on their own threads, and control planes attach from other processes.
void Host::start_detached(const Napi::CallbackInfo& info) {
  if (!must_run(info)) return;
  std::string error;
  if (!running_->engine->run_detached(error)) Napi::Error::New(info.Env(), error).ThrowAsJavaScriptException();
}

// closeAll(code: number, reason: string): for an engine that was started with startDetached().
void Host::close_all(const Napi::CallbackInfo& info) {
  if (!must_run(info) || info.Length() < 2) return;
  const auto code = static_cast<uint16_t>(info[0].ToNumber().Uint32Value());
  const std::string reason = info[1].ToString().Utf8Value();
  running_->engine->on_cores([&](core::Core& core) {
    core.driver().stop_listening();
    core.close_all(code, reason.c_str());
  });
}

// pump(core: number, whole: boolean)
void Host::pump(const Napi::CallbackInfo& info) {
  if (running_->stopped || !running_->engine) return;
  if (running_->loop) {
    running_->loop->pump(info.Length() > 1 && info[1].ToBoolean().Value());
  } else {
    ring(info);
  }
}

// ring(core: number)
void Host::ring(const Napi::CallbackInfo& info) {
  if (running_->stopped || !running_->engine || info.Length() < 1) return;
  const uint32_t core = info[0].ToNumber().Uint32Value();
  if (core < running_->engine->cores()) running_->engine->ring(core);
}

void Host::stop(const Napi::CallbackInfo&) { shut_down(); }

void Host::shut_down() {
  if (!running_ || running_->stopped) return;
  running_->stopped = true;
  if (!running_->engine) return;
  running_->engine->stop_threads();
  for (uint32_t core = 0; core < running_->engine->cores(); ++core) running_->engine->core(core).driver().stop_listening();
  // Not with the last view: a process that ends takes no time to find out that nobody has one.
  running_->engine->region().remove_name();
  running_->self = running_;
  Running* running = running_.get();
  const auto release = [running] {
    running->loop.reset();
    // Views of the region may live on: only the sockets go now. The region goes with the last view.
    running->engine->close_cores();
    running->turn.Reset();
    running->context.reset();
    running->self.reset();
  };
  if (running->loop) {
    running->loop->close(release);
  } else if (running->async_open) {
    uv_close(reinterpret_cast<uv_handle_t*>(&running->async), [](uv_handle_t* handle) {
      auto* host = static_cast<Running*>(handle->data);
      host->engine->close_cores();
      host->turn.Reset();
      host->context.reset();
      host->self.reset();
    });
  } else {
    running->engine->close_cores();
    running->self.reset();
  }
}

}  // namespace sluice::addon
