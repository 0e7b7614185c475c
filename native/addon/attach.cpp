#include "addon/attach.hpp"

#include <string>
#include <utility>

#include "core/attach_protocol.hpp"

namespace sluice::addon {

namespace {

struct Constructor {
  Napi::FunctionReference attached_host;
};

// A request that the engine has not answered yet; however long that takes, no thread waits for it.
class Request : public std::enable_shared_from_this<Request> {
 public:
  Request(const Napi::Function& answered, std::unique_ptr<core::Attachment> attachment)
      : answered_(Napi::Persistent(answered)), context_(answered.Env(), "sluice"), attachment_(std::move(attachment)) {}

  void start(Napi::Env env) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    poll_.data = this;
    self_ = shared_from_this();
    napi_add_env_cleanup_hook(env, &Request::leave, this);
    uv_poll_init(loop, &poll_, attachment_->socket());
    uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* handle, int, int) { static_cast<Request*>(handle->data)->answer(); });
  }

  // Nobody is told any more.
  void give_up() {
    if (over_) return;
    over_ = true;
    napi_remove_env_cleanup_hook(answered_.Env(), &Request::leave, this);
    answered_.Reset();
    uv_poll_stop(&poll_);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
      auto* request = static_cast<Request*>(handle->data);
      // The engine takes the socket's end for the end of the request: it is closed behind its handle, unless it was granted.
      const std::shared_ptr<Request> last = std::move(request->self_);
      request->attachment_.reset();
    });
  }

 private:
  static void leave(void* request) { static_cast<Request*>(request)->give_up(); }

  void answer() {
    const Napi::Env env = answered_.Env();
    const Napi::HandleScope scope(env);
    std::string error;
    const bool granted = attachment_->receive_grant(error);
    const Napi::Function answered = answered_.Value();
    Napi::Value reason = env.Null();
    Napi::Value host = env.Null();
    if (granted) {
      const auto given = Napi::External<core::Attachment>::New(env, attachment_.release());
      host = env.GetInstanceData<Constructor>()->attached_host.New({given});
    } else {
      reason = Napi::String::New(env, error);
    }
    give_up();
    answered.MakeCallback(env.Global(), {reason, host}, context_);
    if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }

  Napi::FunctionReference answered_;
  Napi::AsyncContext context_;
  std::unique_ptr<core::Attachment> attachment_;
  std::shared_ptr<Request> self_;
  uv_poll_t poll_{};
  bool over_ = false;
};

}  // namespace

// What outlives the JavaScript object: uv handles close asynchronously, and views of the region may be held longer than the host.
struct AttachedHost::Running {
  std::unique_ptr<core::Attachment> attachment;
  Napi::FunctionReference turn;
  Napi::FunctionReference said;
  std::unique_ptr<Napi::AsyncContext> context;
  uv_poll_t wake{};
  uv_poll_t socket{};
  int open_handles = 0;
  bool stopped = false;
  std::shared_ptr<Running> self;  // until the last uv handle is closed

  void call(Napi::FunctionReference& function, std::initializer_list<napi_value> arguments) {
    const Napi::Env env = function.Env();
    const Napi::HandleScope scope(env);
    function.MakeCallback(env.Global(), arguments, *context);
    // A handler that throws ends in uncaughtException, as one called by Node itself would.
    if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
  void hear() {
    uint32_t by = 0;
    const core::Attachment::Said heard = attachment->listen(by);
    if (heard == core::Attachment::Said::kNothing) return;
    const Napi::Env env = said.Env();
    const Napi::HandleScope scope(env);
    const bool gone = heard == core::Attachment::Said::kGone;
    if (gone) uv_poll_stop(&socket);
    call(said, {Napi::String::New(env, gone ? "gone" : "stop"), Napi::Number::New(env, by)});
  }
  static void closed(uv_handle_t* handle) {
    auto* running = static_cast<Running*>(handle->data);
    if (--running->open_handles > 0) return;
    // In this order: the engine takes the socket's end for the sign that nothing is written any more.
    running->attachment->detach();
    running->turn.Reset();
    running->said.Reset();
    running->context.reset();
    running->self.reset();
  }
};

Napi::Function AttachedHost::define(Napi::Env env) {
  const Napi::Function constructor = DefineClass(
      env, "AttachedHost",
      {InstanceMethod<&AttachedHost::region>("region"), InstanceMethod<&AttachedHost::snapshot>("snapshot"),
       InstanceMethod<&AttachedHost::info>("info"), InstanceMethod<&AttachedHost::start>("start"),
       InstanceMethod<&AttachedHost::listen>("listen"), InstanceMethod<&AttachedHost::ring>("ring"),
       InstanceMethod<&AttachedHost::running>("running"), InstanceMethod<&AttachedHost::stop>("stop")});
  auto* kept = new Constructor();
  kept->attached_host = Napi::Persistent(constructor);
  env.SetInstanceData(kept);
  return constructor;
}

AttachedHost::AttachedHost(const Napi::CallbackInfo& info) : ObjectWrap(info), running_(std::make_shared<Running>()) {
  if (info.Length() < 1 || !info[0].IsExternal()) {
    Napi::TypeError::New(info.Env(), "attach() makes these").ThrowAsJavaScriptException();
    return;
  }
  running_->attachment.reset(info[0].As<Napi::External<core::Attachment>>().Data());
  running_->context = std::make_unique<Napi::AsyncContext>(info.Env(), "sluice");
}

AttachedHost::~AttachedHost() { shut_down(); }

Napi::Value AttachedHost::region(const Napi::CallbackInfo& info) {
  queue::Region& region = running_->attachment->region();
  auto* keep = new std::shared_ptr<Running>(running_);
  return Napi::ArrayBuffer::New(
      info.Env(), region.base(), region.size(), [](Napi::Env, void*, std::shared_ptr<Running>* held) { delete held; }, keep);
}

Napi::Value AttachedHost::snapshot(const Napi::CallbackInfo& info) {
  core::Attachment& attachment = *running_->attachment;
  auto* keep = new std::shared_ptr<Running>(running_);
  return Napi::ArrayBuffer::New(
      info.Env(), attachment.snapshot(), attachment.snapshot_size(),
      [](Napi::Env, void*, std::shared_ptr<Running>* held) { delete held; }, keep);
}

Napi::Value AttachedHost::info(const Napi::CallbackInfo& info) {
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("epoch", running_->attachment->epoch());
  out.Set("formerPid", running_->attachment->former_pid());
  out.Set("pauseMs", running_->attachment->pause_ms());
  return out;
}

namespace {

uv_loop_t* loop_of(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  return loop;
}

}  // namespace

// listen(said: (what: 'stop' | 'gone', pid: number) => void)
void AttachedHost::listen(const Napi::CallbackInfo& info) {
  if (running_->stopped || running_->socket.data != nullptr || info.Length() < 1 || !info[0].IsFunction()) return;
  Running* running = running_.get();
  running->said = Napi::Persistent(info[0].As<Napi::Function>());
  running->socket.data = running;
  uv_poll_init(loop_of(info.Env()), &running->socket, running->attachment->socket());
  uv_poll_start(&running->socket, UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto* host = static_cast<Running*>(handle->data);
    if (!host->stopped) host->hear();
  });
  ++running->open_handles;
}

// start(turn: () => void)
void AttachedHost::start(const Napi::CallbackInfo& info) {
  if (running_->stopped || running_->wake.data != nullptr || info.Length() < 1 || !info[0].IsFunction()) return;
  Running* running = running_.get();
  running->turn = Napi::Persistent(info[0].As<Napi::Function>());
  running->wake.data = running;
  uv_poll_init(loop_of(info.Env()), &running->wake, running->attachment->wake_fd());
  uv_poll_start(&running->wake, UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto* host = static_cast<Running*>(handle->data);
    host->attachment->reset_wake();
    if (!host->stopped) host->call(host->turn, {});
  });
  ++running->open_handles;
}

// ring(core: number)
void AttachedHost::ring(const Napi::CallbackInfo& info) {
  if (!running_->stopped && info.Length() > 0) running_->attachment->ring(info[0].ToNumber().Uint32Value());
}

void AttachedHost::running(const Napi::CallbackInfo&) {
  if (!running_->stopped) running_->attachment->running();
}

void AttachedHost::stop(const Napi::CallbackInfo&) { shut_down(); }

void AttachedHost::shut_down() {
  if (!running_ || running_->stopped || !running_->attachment) return;
  running_->stopped = true;
  Running* running = running_.get();
  if (running->open_handles == 0) {
    running->attachment->detach();
    return;
  }
  running->self = running_;
  for (uv_poll_t* poll : {&running->wake, &running->socket}) {
    if (poll->data == nullptr) continue;
    uv_poll_stop(poll);
    uv_close(reinterpret_cast<uv_handle_t*>(poll), &Running::closed);
  }
}

Napi::Value attach(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsString() || !info[1].IsString() || !info[2].IsFunction()) {
    Napi::TypeError::New(env, "attach takes a name, how, and who is told").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::string how = info[1].As<Napi::String>().Utf8Value();
  const uint32_t flags = how == "replace" ? core::kAttachReplace : how == "standby" ? core::kAttachStandby : 0;
  std::string error;
  auto attachment = core::Attachment::request(info[0].As<Napi::String>().Utf8Value(), flags, error);
  if (!attachment) {
    Napi::Error::New(env, error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto request = std::make_shared<Request>(info[2].As<Napi::Function>(), std::move(attachment));
  request->start(env);
  return Napi::Function::New(env, [request](const Napi::CallbackInfo&) { request->give_up(); });
}

}  // namespace sluice::addon
